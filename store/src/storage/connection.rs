//! Connections to the database, and how they are used.
//!
//! SQLite has one writer at a time, so one connection writes and some others read. PostgreSQL has
//! one pool for both.
//!
//! Every statement goes through a [`Session`], which makes its span. A connection goes back to its
//! pool only when the database has confirmed that nothing is left open on it: it has answered the
//! last statement, or the COMMIT or ROLLBACK of the transaction. In every other case the connection
//! is closed, which rolls back what was open, and the pool opens a new one when it needs it. So it
//! does not matter why a transaction was broken off: an error of the disk after which SQLite has
//! rolled back by itself (a ROLLBACK fails then), a lost server, a statement that took too long, or
//! a future that was dropped half way.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use opentelemetry::Context;

use super::{
    StorageError,
    error::DatabaseError,
    postgres::{self, Protocol},
    span::SpanFactory,
    sql::{Begin, Dialect, FromRow, NO_ROWS, Parameters, Statement},
    sqlite,
};

const COMMIT: Statement = Statement::same("COMMIT", "COMMIT");
const ROLLBACK: Statement = Statement::same("ROLLBACK", "ROLLBACK");

/// A connection outside of any pool.
pub(super) enum Connection<'c> {
    Sqlite(&'c mut rusqlite::Connection),
    Postgres(&'c mut sqlx::PgConnection),
}

impl Connection<'_> {
    pub(super) const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs a statement with its input rows, and returns the rows of its result. The statement has no
    /// name, since a pooler may lend the connection on which it has one to others.
    pub(super) async fn fetch<R: FromRow, I: Parameters>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<Vec<R>, DatabaseError> {
        let text = statement.text(self.dialect());
        match self {
            Self::Sqlite(connection) => sqlite::fetch(connection, text, rows),
            Self::Postgres(connection) => {
                postgres::fetch(connection, text, rows, Protocol::Unnamed).await
            }
        }
    }

    /// Runs several statements without input.
    pub(super) async fn run_script(&mut self, text: &'static str) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch(text)?),
            Self::Postgres(connection) => {
                sqlx::raw_sql(text).execute(&mut **connection).await?;
                Ok(())
            }
        }
    }
}

/// A connection of a pool, in use.
pub(super) enum Lease {
    Sqlite(sqlite::Lease),
    Postgres(postgres::Lease),
}

impl Lease {
    async fn fetch<R: FromRow, I: Parameters>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<Vec<R>, DatabaseError> {
        match self {
            Self::Sqlite(lease) => {
                sqlite::fetch(lease.connection()?, statement.text(Dialect::Sqlite), rows)
            }
            Self::Postgres(lease) => lease.fetch(statement, rows).await,
        }
    }

    /// The statement that begins a transaction.
    fn begin(&self, begin: Begin) -> Statement {
        match self {
            Self::Sqlite(_) => begin.statement(),
            Self::Postgres(lease) => lease.begin(begin),
        }
    }

    /// Whether a statement that reads needs a transaction.
    fn is_behind_pooler(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(lease) => lease.protocol() == Protocol::Unnamed,
        }
    }

    fn close(&mut self) {
        match self {
            Self::Sqlite(lease) => lease.close(),
            Self::Postgres(lease) => lease.close(),
        }
    }
}

/// The use of a connection.
pub(super) struct Session {
    lease: Lease,
    spans: Arc<SpanFactory>,
    /// The parent of every statement's span.
    cx: Context,
    is_in_transaction: bool,
    /// Whether the database has confirmed that nothing is left open on the connection.
    is_clean: bool,
}

impl Session {
    pub(super) fn new(lease: Lease, spans: Arc<SpanFactory>, cx: Context) -> Self {
        Self { lease, spans, cx, is_in_transaction: false, is_clean: true }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.spans.dialect()
    }

    /// Runs a statement with its input rows, and returns the rows of its result.
    pub(super) async fn fetch<R: FromRow, I: Parameters>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<Vec<R>, StorageError> {
        if self.is_in_transaction || !self.lease.is_behind_pooler() {
            return self.fetch_here(statement, rows).await;
        }
        self.is_in_transaction = true;
        self.run_here(&self.lease.begin(Begin::Reading)).await?;
        let answer = self.fetch_here(statement, rows).await;
        self.is_in_transaction = false;
        match answer {
            Ok(answer) => self.run_here(&COMMIT).await.map(|()| answer),
            // Without its ROLLBACK the connection is closed.
            Err(error) if error.lost_connection() => Err(error),
            Err(error) => {
                self.run_here(&ROLLBACK).await.ok();
                Err(error)
            }
        }
    }

    /// Runs a statement with its input rows.
    pub(super) async fn run<I: Parameters>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<(), StorageError> {
        self.fetch::<(), I>(statement, rows).await.map(drop)
    }

    /// Runs a statement in the transaction that is open, or alone if there is none.
    async fn fetch_here<R: FromRow, I: Parameters>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<Vec<R>, StorageError> {
        let span = self.spans.statement(&self.cx, statement);
        self.is_clean = false;
        let answer = self.lease.fetch(statement, rows).await;
        self.is_clean = answer.is_ok() && !self.is_in_transaction;
        let answer = span.end(answer).map_err(StorageError::from);
        if let (Lease::Postgres(lease), Err(error)) = (&self.lease, &answer)
            && error.lost_connection()
        {
            lease.lost();
        }
        answer
    }

    async fn run_here(&mut self, statement: &Statement) -> Result<(), StorageError> {
        self.fetch_here::<(), ()>(statement, NO_ROWS).await.map(drop)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_clean {
            self.lease.close();
        }
    }
}

/// A transaction. Dropping it rolls it back, by closing its connection.
pub(super) struct Transaction(Session);

impl Transaction {
    /// Begins a transaction with this statement.
    pub(super) async fn begin(mut session: Session, begin: Begin) -> Result<Self, StorageError> {
        session.is_in_transaction = true;
        session.run_here(&session.lease.begin(begin)).await?;
        Ok(Self(session))
    }

    /// Ends the transaction: commits it if `result` is `Ok`, and rolls it back otherwise.
    pub(super) async fn finish<T>(
        mut self,
        result: Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let session = &mut self.0;
        session.is_in_transaction = false;
        match result {
            Ok(done) => {
                let committed = session.run_here(&COMMIT).await;
                committed.map(|()| done).map_err(StorageError::during_commit)
            }
            // The connection is lost, so a ROLLBACK cannot be sent. Closing it rolls back too.
            Err(error) if error.lost_connection() => {
                session.is_clean = false;
                Err(error)
            }
            Err(error) => {
                // The first error says more than one of the ROLLBACK would. Without a COMMIT
                // nothing is recorded, even if the ROLLBACK fails.
                session.run_here(&ROLLBACK).await.ok();
                Err(error)
            }
        }
    }
}

impl Deref for Transaction {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}
