//! SQL in both dialects, rows that go into statements and come out of them, and values as the
//! databases store them.
//!
//! A statement has a text in each dialect, and a name for its span. It does the work for a whole
//! batch of input rows, and its text is the same for any number of them. Therefore it is prepared
//! once, and its spans have few different texts. How the rows reach it differs:
//!
//! - PostgreSQL is sent all of them at once, as the one parameter `$1`: a JSON array, of which the
//!   statement makes the table `input` with the one column `value`. So there is one message to the
//!   server and one answer.
//! - SQLite runs the statement once for each of them, with the fields of the row as `?1`, `?2` and so
//!   on. A call of SQLite costs less than the reading of JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use shared::money::Money;
use sqlx::{Postgres, Row as _, postgres::PgRow};

use super::{StorageError, error::DatabaseError};
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
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement {
    /// What it does to which tables, such as `INSERT orders`: the name of its span and its
    /// `db.query.summary`.
    pub(super) summary: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// How a transaction is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// To write. Takes SQLite's write lock at once. Taken at the first write instead, it could fail
    /// half way through the transaction, because another process wrote in between. In PostgreSQL
    /// each statement sees what was committed before it, whatever the server's default is: rows are
    /// locked before they are changed, and what the migration `lines_checked_together` compares has
    /// to be of the moment.
    Writing,
    /// To read everything as of one moment, while other connections go on writing.
    Snapshot,
    /// For one statement that reads, behind a pooler.
    Reading,
}

impl Begin {
    /// The statement that begins it, on a connection whose settings are made already.
    pub(super) const fn statement(self) -> Statement {
        match self {
            Self::Writing => {
                Statement::each("BEGIN", "BEGIN IMMEDIATE", "BEGIN ISOLATION LEVEL READ COMMITTED")
            }
            Self::Snapshot => Statement::each(
                "BEGIN",
                "BEGIN",
                "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            ),
            Self::Reading => Statement::each("BEGIN", "BEGIN", "BEGIN READ ONLY"),
        }
    }
}

/// A row that goes into a statement: as JSON, or as the parameters of SQLite.
pub(super) trait Parameters: Serialize {
    /// Its fields, in the order of SQLite's parameters.
    fn parameters(&self) -> impl rusqlite::Params;
}

/// In which order the fields of a row are the parameters of SQLite's statements.
macro_rules! bind_in_order {
    ($($row:ty { $($field:tt),+ $(,)? })+) => { $(
        impl $crate::storage::sql::Parameters for $row {
            fn parameters(&self) -> impl rusqlite::Params {
                ($(&self.$field,)+)
            }
        }
    )+ };
}
pub(super) use bind_in_order;

/// A row of a result.
pub(super) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r PgRow),
}

/// What is read from a row.
pub(super) trait FromRow: Sized {
    /// Reads it.
    fn from_row(row: &Row<'_>) -> Result<Self, DatabaseError>;
}

/// What is read from one column.
pub(super) trait Column:
    rusqlite::types::FromSql + sqlx::Type<Postgres> + for<'r> sqlx::Decode<'r, Postgres>
{
}

impl<T> Column for T where
    T: rusqlite::types::FromSql + sqlx::Type<Postgres> + for<'r> sqlx::Decode<'r, Postgres>
{
}

impl Row<'_> {
    /// The value of the column of this name.
    pub(super) fn get<T: Column>(&self, column: &str) -> Result<T, DatabaseError> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }
}

/// How a row is read into a struct of its own: each field from the column of its name.
macro_rules! read_by_name {
    ($($row:ident { $($column:ident),+ $(,)? })+) => { $(
        impl $crate::storage::sql::FromRow for $row {
            fn from_row(
                row: &$crate::storage::sql::Row<'_>,
            ) -> Result<Self, $crate::storage::error::DatabaseError> {
                Ok(Self { $($column: row.get(stringify!($column))?),+ })
            }
        }
    )+ };
}
pub(super) use read_by_name;

/// Of a row whose values do not matter.
impl FromRow for () {
    fn from_row(_: &Row<'_>) -> Result<Self, DatabaseError> {
        Ok(())
    }
}

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

/// The input of a statement that takes none.
pub(super) const NO_ROWS: &[()] = &[];

impl Parameters for () {
    fn parameters(&self) -> impl rusqlite::Params {}
}

impl<T: Parameters> Parameters for &T {
    fn parameters(&self) -> impl rusqlite::Params {
        T::parameters(self)
    }
}

/// An id as an input row.
#[derive(Serialize)]
pub(super) struct IdRow {
    id: String,
}

bind_in_order! { IdRow { id } }

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

/// A number as the databases have it: no sum of pieces or orders comes near the end of its range.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
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
