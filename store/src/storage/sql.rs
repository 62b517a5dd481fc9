//! SQL in both dialects, and values as the databases store them.
//!
//! A statement has a text in each dialect, and a name for its span. Every statement takes at most
//! one parameter: its input rows, as a JSON array. So one statement does the work for a whole
//! batch, and its text is the same for any number of rows. Therefore it is prepared once, and its
//! spans have few different texts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use shared::money::Money;
use sqlx::{
    Any, AnyConnection,
    any::{AnyArguments, AnyQueryResult, AnyRow},
    query::Query,
    raw_sql,
};

use super::StorageError;
use crate::domain::{OrderId, ProductId, SpanReference};

/// The databases that the store can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// SQLite, in a file or in memory.
    Sqlite,
    /// PostgreSQL, over TCP or a Unix socket.
    Postgres,
}

/// A statement in each dialect.
#[derive(Debug)]
pub(super) struct Statement {
    /// What it does to which tables, such as `INSERT orders`: the name of its span and its
    /// `db.query.summary`.
    pub(super) summary: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// How a row is read into a struct of its own: each field from the column of its name.
///
/// sqlx's `#[derive(FromRow)]` writes the same, but has Cargo build both drivers twice: once more for
/// the compiler.
macro_rules! read_by_name {
    ($($row:ident { $($column:ident),+ $(,)? })+) => { $(
        impl sqlx::FromRow<'_, sqlx::any::AnyRow> for $row {
            fn from_row(row: &sqlx::any::AnyRow) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                Ok(Self { $($column: row.try_get(stringify!($column))?),+ })
            }
        }
    )+ };
}
pub(super) use read_by_name;

impl Dialect {
    /// `db.system.name`, by the list of well-known systems in
    /// <https://opentelemetry.io/docs/specs/semconv/registry/attributes/db/>.
    pub(super) const fn system_name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }
}

impl Statement {
    /// A statement that is written differently in each dialect.
    pub(super) const fn each(
        summary: &'static str,
        sqlite: &'static str,
        postgres: &'static str,
    ) -> Self {
        Self { summary, sqlite, postgres }
    }

    /// A statement that is written alike in all dialects.
    pub(super) const fn same(summary: &'static str, text: &'static str) -> Self {
        Self::each(summary, text, text)
    }

    /// The text in one dialect.
    pub(super) const fn text(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
        }
    }
}

/// A statement that reads its input rows as the table `input` with the one column `value`:
///
/// ```ignore
/// reading_rows!("DELETE orders", "DELETE FROM orders WHERE id IN (SELECT input.value->>'id' FROM ", input, ")")
/// ```
///
/// The dialects differ only in the function that turns JSON into rows.
macro_rules! reading_rows {
    ($summary:literal, $before:literal, input, $after:literal $(,)?) => {
        reading_rows!($summary, $before, input, $after, locking: "")
    };
    // With a clause by which PostgreSQL locks rows. SQLite has one writer at a time and needs none.
    ($summary:literal, $before:literal, input, $after:literal, locking: $locking:literal $(,)?) => {
        $crate::storage::sql::Statement::each(
            $summary,
            concat!($before, "json_each($1) AS input", $after),
            concat!($before, "json_array_elements($1::json) AS input", $after, $locking),
        )
    };
}

pub(super) use reading_rows;

/// The input of a statement that takes none.
pub(super) const NO_ROWS: &[()] = &[];

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Each is prepared once on each connection, and has a name there.
    Named,
    /// None has a name. Such a statement works wherever each transaction may get another connection
    /// of the server, but it has to be in a transaction if it has input rows: it is sent in two
    /// parts.
    Unnamed,
}

/// A statement with its input rows as JSON.
pub(super) enum Ready {
    Prepared(Query<'static, Any, AnyArguments>),
    Plain(&'static str),
}

/// Makes a statement ready to be sent, with its input rows as JSON.
pub(super) fn query<I: Serialize>(
    text: &'static str,
    rows: &[I],
    protocol: Protocol,
) -> sqlx::Result<Ready> {
    let is_named = protocol == Protocol::Named;
    if rows.is_empty() {
        return Ok(if is_named { Ready::Prepared(sqlx::query(text)) } else { Ready::Plain(text) });
    }
    let json = serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
    Ok(Ready::Prepared(sqlx::query(text).bind(json).persistent(is_named)))
}

impl Ready {
    /// Runs it, and returns the rows of its result.
    pub(super) async fn fetch_all(
        self,
        connection: &mut AnyConnection,
    ) -> sqlx::Result<Vec<AnyRow>> {
        match self {
            Self::Prepared(query) => query.fetch_all(connection).await,
            Self::Plain(text) => raw_sql(text).fetch_all(connection).await,
        }
    }

    /// Runs it, and returns how many rows it changed.
    pub(super) async fn execute(
        self,
        connection: &mut AnyConnection,
    ) -> sqlx::Result<AnyQueryResult> {
        match self {
            Self::Prepared(query) => query.execute(connection).await,
            Self::Plain(text) => raw_sql(text).execute(connection).await,
        }
    }
}

/// An id as an input row.
#[derive(Serialize)]
pub(super) struct IdRow {
    id: String,
}

impl From<ProductId> for IdRow {
    fn from(id: ProductId) -> Self {
        Self { id: id.to_string() }
    }
}

impl From<OrderId> for IdRow {
    fn from(id: OrderId) -> Self {
        Self { id: id.to_string() }
    }
}

pub(super) fn order_id(text: &str) -> Result<OrderId, StorageError> {
    text.parse().map_err(|_| corrupt("the order id", text))
}

pub(super) fn product_id(number: i64) -> Result<ProductId, StorageError> {
    let id = u32::try_from(number).ok().and_then(ProductId::new);
    id.ok_or_else(|| corrupt("the product id", number))
}

pub(super) fn money(cents: i64) -> Result<Money, StorageError> {
    let money = u64::try_from(cents).ok().and_then(Money::from_cents);
    money.ok_or_else(|| corrupt("the price in cents", cents))
}

pub(super) fn count(pieces: i64) -> Result<u64, StorageError> {
    u64::try_from(pieces).map_err(|_| corrupt("the number of pieces", pieces))
}

/// A span, if both its ids are known.
pub(super) fn span_reference(
    trace_id: Option<&str>,
    span_id: Option<&str>,
) -> Result<Option<SpanReference>, StorageError> {
    let (Some(trace), Some(span)) = (trace_id, span_id) else { return Ok(None) };
    let trace_id = u128::from_str_radix(trace, 16).map_err(|_| corrupt("the trace id", trace))?;
    let span_id = u64::from_str_radix(span, 16).map_err(|_| corrupt("the span id", span))?;
    Ok(Some(SpanReference { trace_id, span_id }))
}

pub(super) fn corrupt(what: &str, value: impl std::fmt::Display) -> StorageError {
    StorageError::Corrupt(format!("{what} {value}"))
}

/// A time in milliseconds; one before 1970 counts as 1970.
pub(super) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time as it goes over the wire: RFC 3339, UTC, with milliseconds.
pub(super) fn rfc3339(milliseconds: i64) -> String {
    // The format cannot write later times. The store never writes them to the database either.
    let year_9999 = 253_402_300_799_999;
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0).min(year_9999));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_goes_over_the_wire_in_utc_with_milliseconds() {
        let time = UNIX_EPOCH + Duration::from_micros(1_769_851_800_123_999);
        assert_eq!(rfc3339(milliseconds(time)), "2026-01-31T09:30:00.123Z");
        assert_eq!(rfc3339(-1), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(i64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
