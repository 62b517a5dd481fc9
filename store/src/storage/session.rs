//! A connection in use: every statement that goes through it is a span.

use std::{io, ops::DerefMut, time::Duration};

use opentelemetry::Context;
use serde::Serialize;
use sqlx::{
    Any, AnyConnection, Connection, FromRow, Transaction,
    any::{AnyArguments, AnyRow},
    pool::PoolConnection,
    query::Query,
};

use super::{
    StorageError,
    span::{Instrument, OpenSpan},
    statement::{Dialect, Statement},
};

/// The input of a statement that takes none.
pub(super) const NO_ROWS: &[()] = &[];

const COMMIT: Statement = Statement::same("COMMIT", "COMMIT");
const ROLLBACK: Statement = Statement::same("ROLLBACK", "ROLLBACK");

/// A connection in use, or a transaction on one.
pub(super) struct Session<'d, C> {
    connection: C,
    instrument: &'d Instrument,
    /// Whose child every statement's span is.
    cx: Context,
    /// How long a statement may take before the connection counts as lost.
    patience: Duration,
}

impl<'d, C> Session<'d, C> {
    pub(super) const fn new(
        connection: C,
        instrument: &'d Instrument,
        cx: Context,
        patience: Duration,
    ) -> Self {
        Self { connection, instrument, cx, patience }
    }

    /// The same with another bound on the time that a statement may take.
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.instrument.dialect()
    }

    fn span(&self, statement: &Statement, rows: usize) -> OpenSpan {
        self.instrument.statement(&self.cx, statement, rows)
    }

    const fn text(&self, statement: &Statement) -> &'static str {
        statement.text(self.dialect())
    }
}

impl<C: DerefMut<Target = AnyConnection>> Session<'_, C> {
    /// Runs a statement with its input rows, and returns the rows that it answers.
    pub(super) async fn fetch<R, I: Serialize>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<Vec<R>, StorageError>
    where
        R: for<'r> FromRow<'r, AnyRow>,
    {
        let query = query(self.text(statement), rows)?;
        let span = self.span(statement, rows.len());
        let answer = within(self.patience, query.fetch_all(&mut *self.connection)).await;
        let answer = answer.and_then(|rows| rows.iter().map(R::from_row).collect());
        Ok(span.end(answer)?)
    }

    /// Runs a statement with its input rows, and returns how many rows it changed.
    pub(super) async fn run<I: Serialize>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<u64, StorageError> {
        let query = query(self.text(statement), rows)?;
        let span = self.span(statement, rows.len());
        let answer = within(self.patience, query.execute(&mut *self.connection)).await;
        Ok(span.end(answer)?.rows_affected())
    }
}

impl Session<'_, PoolConnection<Any>> {
    /// Begins a transaction; one that is dropped is rolled back.
    pub(super) async fn begin(
        &mut self,
        begin: &Statement,
    ) -> Result<Session<'_, Transaction<'_, Any>>, StorageError> {
        let span = self.span(begin, 0);
        let text = self.text(begin);
        let begun = within(self.patience, self.connection.begin_with(text)).await;
        let transaction = span.end(begun)?;
        Ok(Session::new(transaction, self.instrument, self.cx.clone(), self.patience))
    }

    /// Gives the connection back, unless it is lost.
    pub(super) fn release<T>(mut self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        // SQLite has no connection to lose, and one in memory is the database itself.
        let is_lost = self.dialect() == Dialect::Postgres
            && result.as_ref().is_err_and(StorageError::lost_connection);
        if is_lost {
            self.connection.close_on_drop();
        }
        result
    }
}

impl Session<'_, Transaction<'_, Any>> {
    /// Ends the transaction: commits it when all went well, or else rolls it back.
    pub(super) async fn finish<T>(
        self,
        result: Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match result {
            Ok(done) => {
                let span = self.span(&COMMIT, 0);
                let committed = within(self.patience, self.connection.commit()).await;
                span.end(committed).map(|()| done).map_err(StorageError::from_commit)
            }
            Err(error) => {
                let span = self.span(&ROLLBACK, 0);
                let rolled_back = within(self.patience, self.connection.rollback()).await;
                // The error that led here says more, and without a commit nothing is recorded.
                span.end(rolled_back).ok();
                Err(error)
            }
        }
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
    patience: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    let timed_out = || sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    tokio::time::timeout(patience, work).await.unwrap_or_else(|_| Err(timed_out()))
}
