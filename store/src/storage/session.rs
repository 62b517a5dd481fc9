//! A connection in use: every statement that goes through it is a span.
//!
//! A connection goes back to its pool only when the database has confirmed that nothing is left
//! open on it: the last statement was answered, or the transaction's COMMIT or ROLLBACK was. In
//! every other case it is closed, which rolls back what was open, and the pool opens a new one
//! when it is needed. So it does not matter why a transaction broke off: an error of the disk after
//! which SQLite has rolled back by itself (a ROLLBACK fails then), a lost server, a statement that
//! took too long, or a future that was dropped half way.

use std::{
    io,
    ops::{Deref, DerefMut},
    time::Duration,
};

use opentelemetry::Context;
use serde::Serialize;
use sqlx::{
    Any, FromRow,
    any::{AnyArguments, AnyRow},
    pool::PoolConnection,
    query::Query,
};

use super::{
    StorageError,
    span::Instrument,
    statement::{Dialect, Statement},
};

/// The input of a statement that takes none.
pub(super) const NO_ROWS: &[()] = &[];

const COMMIT: Statement = Statement::same("COMMIT", "COMMIT");
const ROLLBACK: Statement = Statement::same("ROLLBACK", "ROLLBACK");

/// A connection in use.
pub(super) struct Session<'d> {
    connection: PoolConnection<Any>,
    instrument: &'d Instrument,
    /// Whose child every statement's span is.
    cx: Context,
    /// How long a statement may take before the connection counts as lost.
    statement_timeout: Duration,
    is_in_transaction: bool,
    /// Whether the database has confirmed that nothing is left open.
    is_clean: bool,
}

impl<'d> Session<'d> {
    pub(super) const fn new(
        connection: PoolConnection<Any>,
        instrument: &'d Instrument,
        cx: Context,
        statement_timeout: Duration,
    ) -> Self {
        let (is_in_transaction, is_clean) = (false, true);
        Self { connection, instrument, cx, statement_timeout, is_in_transaction, is_clean }
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.instrument.dialect()
    }

    /// Runs a statement with its input rows, and returns the rows that it answers.
    pub(super) async fn fetch<R, I: Serialize>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<Vec<R>, StorageError>
    where
        R: for<'r> FromRow<'r, AnyRow>,
    {
        let query = query(statement.text(self.dialect()), rows)?;
        let span = self.instrument.statement(&self.cx, statement, rows.len());
        self.is_clean = false;
        let answer = query.fetch_all(&mut *self.connection);
        let answer = within(self.statement_timeout, answer).await;
        self.is_clean = answer.is_ok() && !self.is_in_transaction;
        let answer = answer.and_then(|rows| rows.iter().map(R::from_row).collect());
        Ok(span.end(answer)?)
    }

    /// Runs a statement with its input rows, and returns how many rows it changed.
    pub(super) async fn run<I: Serialize>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<u64, StorageError> {
        let query = query(statement.text(self.dialect()), rows)?;
        let span = self.instrument.statement(&self.cx, statement, rows.len());
        self.is_clean = false;
        let answer = query.execute(&mut *self.connection);
        let answer = within(self.statement_timeout, answer).await;
        self.is_clean = answer.is_ok() && !self.is_in_transaction;
        Ok(span.end(answer)?.rows_affected())
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if !self.is_clean {
            self.connection.close_on_drop();
        }
    }
}

/// A transaction; one that is dropped is rolled back, by closing its connection.
pub(super) struct Transaction<'d>(Session<'d>);

impl<'d> Transaction<'d> {
    /// Begins a transaction with this statement.
    pub(super) async fn begin(
        mut session: Session<'d>,
        begin: &Statement,
    ) -> Result<Self, StorageError> {
        session.is_in_transaction = true;
        session.run(begin, NO_ROWS).await?;
        Ok(Self(session))
    }

    /// Ends the transaction: commits it when all went well, or else rolls it back.
    pub(super) async fn finish<T>(
        mut self,
        result: Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let session = &mut self.0;
        session.is_in_transaction = false;
        match result {
            Ok(done) => {
                let committed = session.run(&COMMIT, NO_ROWS).await;
                committed.map(|_| done).map_err(StorageError::during_commit)
            }
            // There is nobody left to send a ROLLBACK to: closing the connection has to do.
            Err(error) if error.lost_connection() => {
                session.is_clean = false;
                Err(error)
            }
            Err(error) => {
                // The first error says more than that of the ROLLBACK. Without a COMMIT nothing is
                // recorded, whatever becomes of the ROLLBACK.
                session.run(&ROLLBACK, NO_ROWS).await.ok();
                Err(error)
            }
        }
    }
}

impl<'d> Deref for Transaction<'d> {
    type Target = Session<'d>;

    fn deref(&self) -> &Session<'d> {
        &self.0
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// A statement with its input rows as JSON.
pub(super) fn query<I: Serialize>(
    text: &'static str,
    rows: &[I],
) -> Result<Query<'static, Any, AnyArguments>, StorageError> {
    let query = sqlx::query(text);
    if rows.is_empty() {
        return Ok(query);
    }
    let json = serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
    Ok(query.bind(json))
}

/// Waits so long and no longer: a server that is cut off does not even say that it is.
async fn within<T>(
    timeout: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    let timed_out = || sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| Err(timed_out()))
}
