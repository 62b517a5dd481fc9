//! A statement as it is written in each dialect, and what its span is called.
//!
//! Every statement takes at most one parameter: its input rows, as a JSON array. So one statement
//! does the work for a whole batch, and its text is the same however many rows there are, which
//! keeps it prepared and its span's attributes few.

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
    /// What it does to which tables: its span's name and `db.query.summary`.
    pub(super) summary: &'static str,
    /// The same for two or more rows at once, where every row is an operation of its own.
    pub(super) batch_summary: Option<&'static str>,
    sqlite: &'static str,
    postgres: &'static str,
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
        Self { summary, batch_summary: None, sqlite, postgres }
    }

    /// A statement that is written alike in all dialects.
    pub(super) const fn same(summary: &'static str, text: &'static str) -> Self {
        Self::each(summary, text, text)
    }

    /// The statement, with every input row counted as an operation of a batch.
    pub(super) const fn batched(self, batch_summary: &'static str) -> Self {
        Self { batch_summary: Some(batch_summary), ..self }
    }

    /// The text in one dialect.
    pub(super) const fn text(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
        }
    }
}

/// A statement that reads its input rows between two pieces of text, as the table `input` with the
/// one column `value`.
///
/// The function that turns JSON into rows is the one thing that the dialects call differently.
macro_rules! reading_rows {
    ($summary:literal, $before:literal, input, $after:literal $(,)?) => {
        reading_rows!($summary, $before, input, $after, locking: "")
    };
    // With a clause that PostgreSQL needs to lock rows; SQLite has one writer at a time anyway.
    ($summary:literal, $before:literal, input, $after:literal, locking: $locking:literal $(,)?) => {
        $crate::storage::statement::Statement::each(
            $summary,
            concat!($before, "json_each($1) AS input", $after),
            concat!($before, "json_array_elements($1::json) AS input", $after, $locking),
        )
    };
}

pub(super) use reading_rows;
