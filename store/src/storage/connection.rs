//! Connections to the database: how they are made, and how they are used.
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
    io,
    ops::{Deref, DerefMut},
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use opentelemetry::Context;
use serde::Serialize;
use sqlx::{
    Any, AnyConnection, AnyPool, ConnectOptions, Executor, FromRow,
    any::{AnyConnectOptions, AnyPoolOptions, AnyRow},
    pool::PoolConnection,
};
use url::Url;

use super::{
    DatabaseUrl, StorageError,
    database_url::{Location, Server},
    error::{is_locked, reason},
    span::SpanFactory,
    sql::{Dialect, NO_ROWS, Statement, query},
};

/// How long to wait for a connection. After that, a request is answered with 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait before trying again to open a file that another process has locked.
const LOCKED_PAUSE: Duration = Duration::from_millis(20);

/// Connections of one store to PostgreSQL. The ledger writes by one of them, the others read.
const POSTGRES_CONNECTIONS: u32 = 8;

/// Connections that read a SQLite file beside the one that writes.
const SQLITE_READERS: u32 = 4;

/// With write-ahead logging, readers and the writer do not wait for each other. With FULL, every
/// commit survives a power failure: <https://www.sqlite.org/pragma.html>.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000";

/// The server ends a statement after half the time that the store waits for it, so that the store
/// is told the reason. The other limit frees the locks of a store that died in the middle of a
/// transaction.
const POSTGRES_SETTINGS: &str =
    "SET statement_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s'";

/// What to do if the database file does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfMissing {
    /// Create it, and its folder.
    Create,
    /// Fail.
    Fail,
}

/// Makes connections to one database.
pub(super) struct Connector {
    url: DatabaseUrl,
    options: AnyConnectOptions,
}

impl Connector {
    /// Reads the address.
    ///
    /// # Errors
    /// [`StorageError::Open`] with the reason.
    pub(super) fn of(url: &DatabaseUrl, if_missing: IfMissing) -> Result<Self, StorageError> {
        sqlx::any::install_default_drivers();
        let options = match url.location() {
            Location::Memory => memory_options(),
            Location::File(path) => file_options(path, if_missing),
            Location::Server(server) => server_options(server),
        };
        match options {
            Ok(options) => Ok(Self { url: url.clone(), options }),
            Err(reason) => Err(StorageError::open(url, reason)),
        }
    }

    pub(super) const fn dialect(&self) -> Dialect {
        match self.url.location() {
            Location::Memory | Location::File(_) => Dialect::Sqlite,
            Location::Server(_) => Dialect::Postgres,
        }
    }

    /// Makes one connection, outside of any pool: a pool hides the reason of a failure behind a
    /// timeout.
    ///
    /// # Errors
    /// [`StorageError::Open`] with the reason.
    pub(super) async fn connect(&self) -> Result<AnyConnection, StorageError> {
        let connect = async {
            loop {
                match self.connect_once().await {
                    // Another store is creating the file, or is writing back its log as it closes.
                    Err(error) if is_locked(&error) => tokio::time::sleep(LOCKED_PAUSE).await,
                    result => return result,
                }
            }
        };
        tokio::time::timeout(ACQUIRE_TIMEOUT, connect)
            .await
            .map_err(|_| format!("no answer within {ACQUIRE_TIMEOUT:?}"))
            .and_then(|connected| connected.map_err(|error| reason(&error)))
            .map_err(|reason| StorageError::open(&self.url, reason))
    }

    async fn connect_once(&self) -> sqlx::Result<AnyConnection> {
        let mut connection = self.options.connect().await?;
        set_up(&mut connection, self.settings()).await?;
        Ok(connection)
    }

    /// The connections that write and those that read. None of them is open yet.
    pub(super) fn pools(self) -> (AnyPool, AnyPool) {
        match self.url.location() {
            // A database in memory has no write-ahead log, so a reader and the writer would lock
            // each other out.
            Location::Memory => {
                let only = self.sqlite_pool(1);
                (only.clone(), only)
            }
            Location::File(_) => (self.sqlite_pool(1), self.sqlite_pool(SQLITE_READERS)),
            Location::Server(_) => {
                let pool = self.pool(POSTGRES_CONNECTIONS).connect_lazy_with(self.options);
                (pool.clone(), pool)
            }
        }
    }

    fn sqlite_pool(&self, connections: u32) -> AnyPool {
        self.pool(connections)
            // A connection to a file does not break while it is idle.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(self.options.clone())
    }

    fn pool(&self, connections: u32) -> AnyPoolOptions {
        let settings = self.settings();
        AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(move |connection, _| Box::pin(set_up(connection, settings)))
    }

    const fn settings(&self) -> &'static str {
        match self.dialect() {
            Dialect::Sqlite => SQLITE_SETTINGS,
            Dialect::Postgres => POSTGRES_SETTINGS,
        }
    }
}

async fn set_up(connection: &mut AnyConnection, settings: &'static str) -> sqlx::Result<()> {
    connection.execute(settings).await.map(drop)
}

/// A database in memory, shared by all connections with the same options. SQLite frees it when the
/// last of them closes: <https://www.sqlite.org/inmemorydb.html>.
fn memory_options() -> Result<AnyConnectOptions, String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let url = Url::parse(&format!("sqlite:///grocery-{number}?mode=rwc&vfs=memdb"));
    AnyConnectOptions::from_url(&url.map_err(|error| error.to_string())?)
        .map_err(|error| error.to_string())
}

fn file_options(path: &Path, if_missing: IfMissing) -> Result<AnyConnectOptions, String> {
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    if if_missing == IfMissing::Create
        && let Some(folder) = path.parent()
    {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    }
    // sqlx decodes the path, so a '%' in it has to be encoded first.
    let path = path.to_str().ok_or("its path is not valid UTF-8")?.replace('%', "%25");
    let mode = if if_missing == IfMissing::Create { "rwc" } else { "rw" };
    let url = Url::parse(&format!("sqlite:///?mode={mode}"));
    let mut url = url.map_err(|error| error.to_string())?;
    url.set_path(&path);
    AnyConnectOptions::from_url(&url).map_err(|error| error.to_string())
}

fn server_options(server: &Server) -> Result<AnyConnectOptions, String> {
    if !server.ignored.is_empty() {
        let names = server.ignored.join(", ");
        tracing::warn!(names, "the database's address has parameters that mean nothing here");
    }
    let mut url = server.url.clone();
    if !url.query_pairs().any(|(key, _)| key == "application_name") {
        url.query_pairs_mut().append_pair("application_name", "grocery-store");
    }
    AnyConnectOptions::from_url(&url).map_err(|error| error.to_string())
}

const COMMIT: Statement = Statement::same("COMMIT", "COMMIT");
const ROLLBACK: Statement = Statement::same("ROLLBACK", "ROLLBACK");

/// A connection in use.
pub(super) struct Session<'d> {
    connection: PoolConnection<Any>,
    spans: &'d SpanFactory,
    /// The parent of every statement's span.
    cx: Context,
    /// How long a statement may take before the connection counts as lost.
    statement_timeout: Duration,
    is_in_transaction: bool,
    /// Whether the database has confirmed that nothing is left open on the connection.
    is_clean: bool,
}

impl<'d> Session<'d> {
    pub(super) const fn new(
        connection: PoolConnection<Any>,
        spans: &'d SpanFactory,
        cx: Context,
        statement_timeout: Duration,
    ) -> Self {
        let (is_in_transaction, is_clean) = (false, true);
        Self { connection, spans, cx, statement_timeout, is_in_transaction, is_clean }
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.spans.dialect()
    }

    /// Runs a statement with its input rows, and returns the rows of its result.
    pub(super) async fn fetch<R, I: Serialize>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<Vec<R>, StorageError>
    where
        R: for<'r> FromRow<'r, AnyRow>,
    {
        let query = query(statement.text(self.dialect()), rows)?;
        let span = self.spans.statement(&self.cx, statement);
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
        let span = self.spans.statement(&self.cx, statement);
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

/// A transaction. Dropping it rolls it back, by closing its connection.
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

    /// Ends the transaction: commits it if `result` is `Ok`, and rolls it back otherwise.
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
            // The connection is lost, so a ROLLBACK cannot be sent. Closing it rolls back too.
            Err(error) if error.lost_connection() => {
                session.is_clean = false;
                Err(error)
            }
            Err(error) => {
                // The first error says more than one of the ROLLBACK would. Without a COMMIT
                // nothing is recorded, even if the ROLLBACK fails.
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

/// Waits no longer than `timeout`, since a server whose network is cut off never answers.
async fn within<T>(
    timeout: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    let timed_out = || sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| Err(timed_out()))
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    #[tokio::test]
    async fn every_connection_to_a_file_is_durable_and_checks_what_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/grocery.db", folder.path().display()).parse().unwrap();
        let (writer, reader) = Connector::of(&url, IfMissing::Create).unwrap().pools();
        for pool in [writer, reader] {
            let mut found = Vec::new();
            for question in [
                "SELECT journal_mode FROM pragma_journal_mode",
                "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous",
                "SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys",
                "SELECT CAST(timeout AS TEXT) FROM pragma_busy_timeout",
            ] {
                let row = sqlx::query(question).fetch_one(&pool).await.unwrap();
                found.push(row.get::<String, _>(0));
            }
            // 2 is FULL.
            assert_eq!(found, ["wal", "2", "1", "5000"]);
            pool.close().await;
        }
    }
}
