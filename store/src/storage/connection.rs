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
//!
//! When one connection to PostgreSQL is lost, or refuses to write, the others that are as old are
//! not lent any more. So after a failover the store does not fail once for each of them: the next
//! connection is made by the server's name, which may lead to another server by now.
//!
//! # Behind a pooler
//!
//! A pooler such as PgBouncer, with `pool_mode = transaction`, lends each transaction another
//! connection of the server. Settings and prepared statements of one transaction would be missing in
//! the next, or be met by somebody else's. So then every statement is in a transaction, the settings
//! are those of the transaction (`SET LOCAL`), and statements have no name. The module `pooler` finds
//! out whether there is one.

use std::{
    io,
    num::NonZeroU16,
    ops::{Deref, DerefMut},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use opentelemetry::Context;
use serde::Serialize;
use sqlx::{
    Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor, FromRow,
    any::{AnyConnectOptions, AnyPoolOptions, AnyRow},
    pool::PoolConnection,
};
use url::Url;

use super::{
    DatabaseUrl, StorageError,
    database_url::{Location, Server},
    error::{explained, is_locked, is_not_admitted},
    metrics::InUse,
    pooler,
    span::SpanFactory,
    sql::{Dialect, NO_ROWS, Protocol, Statement, query},
};

/// How long to wait for a connection. After that, a request is answered with 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait for the first connection, when no request waits for it: a busy machine may take
/// seconds to make a new file.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before trying again to open a file that another process has locked, or to connect
/// to a server that admits nobody just now.
const PAUSE: Duration = Duration::from_millis(20);

/// How long the server may take to show that an idle connection is still good. Less than
/// [`ACQUIRE_TIMEOUT`], so that there is time to make another.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to look for the reason why there was no connection.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections of one store to PostgreSQL, unless it is told otherwise. The ledger writes by one of
/// them, the others read.
pub const POSTGRES_CONNECTIONS: NonZeroU16 = NonZeroU16::new(8).expect("it is not zero");

/// Connections that read a SQLite file beside the one that writes.
const SQLITE_READERS: u32 = 4;

/// How long a statement of SQLite may take: twice as long as it waits for a lock.
const SQLITE_PATIENCE: Duration = Duration::from_secs(10);

/// With write-ahead logging, readers and the writer do not wait for each other. With FULL, every
/// commit survives a power failure. A log that one large transaction has made long is cut to 16 MiB
/// when it begins anew: <https://www.sqlite.org/pragma.html>.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000; PRAGMA journal_size_limit = 16777216";

/// Lets a file give room back. It must come before anything else is written to the file. The file is
/// not new any more if another store is making it at the same time, and then it has no effect.
const NEW_SQLITE_SETTINGS: &str = "PRAGMA auto_vacuum = INCREMENTAL";

/// How a transaction is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// To write. Takes SQLite's write lock at once. Taken at the first write instead, it could fail
    /// half way through the transaction, because another process wrote in between.
    Writing,
    /// To read everything as of one moment, while other connections go on writing.
    Snapshot,
    /// For one statement that reads, behind a pooler.
    Reading,
}

/// The statements that begin transactions on a connection whose settings are made already.
const BEGIN_WRITING: Statement = Statement::each("BEGIN", "BEGIN IMMEDIATE", "BEGIN");
const BEGIN_SNAPSHOT: Statement =
    Statement::each("BEGIN", "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
const BEGIN_READING: Statement = Statement::same("BEGIN", "BEGIN READ ONLY");

/// The limits of one store's use of PostgreSQL. They mean nothing for SQLite.
#[derive(Clone, Copy, Debug)]
pub struct PostgresLimits {
    /// Connections at most.
    pub connections: NonZeroU16,
    /// How long the server lets a statement run: whole milliseconds.
    pub statement_timeout: Duration,
}

impl Default for PostgresLimits {
    fn default() -> Self {
        Self { connections: POSTGRES_CONNECTIONS, statement_timeout: STATEMENT_TIMEOUT }
    }
}

/// How long PostgreSQL lets a statement of a store run, unless the store is told otherwise. A
/// statement of a sale takes milliseconds: one that takes so long waits for a lock, or for a server
/// that is too busy to be of use.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// The statements that set the limits of statements in PostgreSQL, and those that begin a transaction
/// with them behind a pooler.
#[derive(Debug)]
struct LimitStatements {
    session: &'static str,
    writing: Statement,
    snapshot: Statement,
    reading: Statement,
}

impl LimitStatements {
    /// The second limit frees the locks of a store that died in the middle of a transaction.
    ///
    /// The texts are made once for an open database and never freed, since sqlx keeps statements by
    /// texts that live for ever.
    fn new(statement_timeout: Duration) -> Self {
        let limit = statement_timeout.as_millis();
        let settings = |set: &str| {
            format!(
                "{set} statement_timeout = '{limit}ms'; \
                 {set} idle_in_transaction_session_timeout = '10s'"
            )
        };
        let begin = |usual: &Statement| {
            let usual = usual.text(Dialect::Postgres);
            let text: &'static str = format!("{usual}; {}", settings("SET LOCAL")).leak();
            Statement::same("BEGIN", text)
        };
        Self {
            session: settings("SET").leak(),
            writing: begin(&BEGIN_WRITING),
            snapshot: begin(&BEGIN_SNAPSHOT),
            reading: begin(&BEGIN_READING),
        }
    }
}

/// What to do if the database file does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfMissing {
    /// Create it, and its folder.
    Create,
    /// Fail.
    Fail,
}

/// Makes connections to one database.
#[derive(Debug)]
pub(super) struct Connector {
    url: DatabaseUrl,
    options: AnyConnectOptions,
    connections: NonZeroU16,
    /// How long a statement may take before its connection counts as lost.
    patience: Duration,
    limits: LimitStatements,
    is_pooled: bool,
    losses: Arc<Losses>,
    /// Held while the reason is looked for why there was no connection.
    diagnosis: tokio::sync::Mutex<()>,
}

impl Connector {
    /// Reads the address. PostgreSQL is used within these limits.
    ///
    /// # Errors
    /// [`StorageError::Open`] with the reason.
    pub(super) fn of(
        url: &DatabaseUrl,
        limits: PostgresLimits,
        if_missing: IfMissing,
    ) -> Result<Self, StorageError> {
        sqlx::any::install_default_drivers();
        let options = match url.location() {
            Location::Memory => memory_options(),
            Location::File(path) => file_options(path, if_missing),
            Location::Server(server) => server_options(server),
        };
        match options {
            Ok(options) => Ok(Self {
                url: url.clone(),
                options,
                connections: limits.connections,
                patience: match url.location() {
                    Location::Memory | Location::File(_) => SQLITE_PATIENCE,
                    // Twice as long as the server, so that the store is told the reason.
                    Location::Server(_) => limits.statement_timeout.saturating_mul(2),
                },
                limits: LimitStatements::new(limits.statement_timeout),
                is_pooled: false,
                losses: Arc::default(),
                diagnosis: tokio::sync::Mutex::default(),
            }),
            Err(reason) => Err(StorageError::open(url, reason)),
        }
    }

    pub(super) const fn dialect(&self) -> Dialect {
        match self.url.location() {
            Location::Memory | Location::File(_) => Dialect::Sqlite,
            Location::Server(_) => Dialect::Postgres,
        }
    }

    /// Finds out whether a pooler stands before the server, unless the address says it. `connection`
    /// is one that this connector has made.
    ///
    /// # Errors
    /// [`StorageError::Open`] with the reason.
    pub(super) async fn look_for_pooler(
        &mut self,
        connection: &mut AnyConnection,
    ) -> Result<(), StorageError> {
        let Location::Server(server) = self.url.location() else { return Ok(()) };
        self.is_pooled = match server.is_pooled {
            Some(is_pooled) => is_pooled,
            None => {
                let mut other = self.connect().await?;
                let found = within(OPEN_TIMEOUT, pooler::is_there(connection, &mut other)).await;
                other.close().await.ok();
                found.map_err(|error| StorageError::open(&self.url, explained(&error)))?
            }
        };
        Ok(())
    }

    /// Makes one connection, outside of any pool: a pool hides the reason of a failure behind a
    /// timeout. No settings are made on it.
    ///
    /// # Errors
    /// [`StorageError::Open`] with the reason.
    pub(super) async fn connect(&self) -> Result<AnyConnection, StorageError> {
        let mut refusal = None;
        let connect = async {
            loop {
                match self.connect_once().await {
                    // Another store is creating the file, or is writing back its log as it closes.
                    Err(error) if is_locked(&error) => {}
                    Err(error) if is_not_admitted(&error) => refusal = Some(error),
                    result => return result,
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let connected = tokio::time::timeout(OPEN_TIMEOUT, connect).await;
        let reason = match connected {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => explained(&error),
            Err(_) => match refusal {
                Some(error) => explained(&error),
                None => format!("no answer within {OPEN_TIMEOUT:?}"),
            },
        };
        Err(StorageError::open(&self.url, reason))
    }

    async fn connect_once(&self) -> sqlx::Result<AnyConnection> {
        let mut connection = self.options.connect().await?;
        if self.dialect() == Dialect::Sqlite {
            if is_new(&mut connection).await? {
                connection.execute(NEW_SQLITE_SETTINGS).await?;
            }
            set_up(&mut connection, SQLITE_SETTINGS).await?;
        }
        Ok(connection)
    }

    /// The connections that write and those that read. None of them is open yet.
    pub(super) fn pools(&self) -> (AnyPool, AnyPool) {
        match self.url.location() {
            // A database in memory has no write-ahead log, so a reader and the writer would lock
            // each other out.
            Location::Memory => {
                let only = self.sqlite_pool(1);
                (only.clone(), only)
            }
            Location::File(_) => (self.sqlite_pool(1), self.sqlite_pool(SQLITE_READERS)),
            Location::Server(_) => {
                let pool = self.postgres_pool();
                (pool.clone(), pool)
            }
        }
    }

    fn sqlite_pool(&self, connections: u32) -> AnyPool {
        AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(|connection, _| Box::pin(set_up(connection, SQLITE_SETTINGS)))
            // A connection to a file does not break while it is idle.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(self.options.clone())
    }

    fn postgres_pool(&self) -> AnyPool {
        let (is_pooled, settings) = (self.is_pooled, self.limits.session);
        let losses = Arc::clone(&self.losses);
        AnyPoolOptions::new()
            .max_connections(self.connections.get().into())
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if is_pooled { Ok(()) } else { set_up(connection, settings).await }
                })
            })
            // The same is done below, with a time limit.
            .test_before_acquire(false)
            .before_acquire(move |connection, met| {
                let losses = Arc::clone(&losses);
                Box::pin(async move { Ok(losses.is_good(connection, met.age).await) })
            })
            .connect_lazy_with(self.options.clone())
    }

    /// How long a statement may take, including the way of its answer, before its connection counts as
    /// lost.
    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// The statement that begins a transaction.
    const fn begin(&self, begin: Begin) -> &Statement {
        match (self.protocol(), begin) {
            (Protocol::Named, Begin::Writing) => &BEGIN_WRITING,
            (Protocol::Named, Begin::Snapshot) => &BEGIN_SNAPSHOT,
            (Protocol::Named, Begin::Reading) => &BEGIN_READING,
            (Protocol::Unnamed, Begin::Writing) => &self.limits.writing,
            (Protocol::Unnamed, Begin::Snapshot) => &self.limits.snapshot,
            (Protocol::Unnamed, Begin::Reading) => &self.limits.reading,
        }
    }

    /// How statements are sent over the connections of the pools.
    pub(super) const fn protocol(&self) -> Protocol {
        if self.is_pooled { Protocol::Unnamed } else { Protocol::Named }
    }

    /// The error of a pool that gave no connection. A pool tries for as long as it may and then says
    /// only that it took too long, so one more attempt is made for the reason.
    pub(super) async fn why(&self, pool: &AnyPool, error: sqlx::Error) -> sqlx::Error {
        let is_exhausted = pool.size() >= pool.options().get_max_connections();
        if !matches!(error, sqlx::Error::PoolTimedOut)
            || self.dialect() == Dialect::Sqlite
            || is_exhausted
        {
            return error;
        }
        // Of many that wait, one looks.
        let Ok(_one) = self.diagnosis.try_lock() else { return error };
        match tokio::time::timeout(DIAGNOSIS_TIMEOUT, self.connect_once()).await {
            Ok(Err(reason)) => reason,
            Ok(Ok(connection)) => {
                connection.close().await.ok();
                error
            }
            Err(_) => error,
        }
    }
}

/// When connections to the server were last lost, or refused to write.
#[derive(Debug, Default)]
struct Losses(Mutex<Option<Instant>>);

impl Losses {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a connection of this age was there at the last loss.
    fn covers(&self, age: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| age >= last.elapsed())
    }

    /// Whether an idle connection of this age can still be used.
    async fn is_good(&self, connection: &mut AnyConnection, age: Duration) -> bool {
        if self.covers(age) {
            return false;
        }
        let is_alive = within(PING_TIMEOUT, connection.ping()).await.is_ok();
        if !is_alive {
            self.note();
        }
        is_alive
    }
}

async fn set_up(connection: &mut AnyConnection, settings: &'static str) -> sqlx::Result<()> {
    connection.execute(settings).await.map(drop)
}

/// Whether nothing has been written to a SQLite file yet.
async fn is_new(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    let pages = "SELECT CAST(page_count AS BIGINT) FROM pragma_page_count";
    Ok(sqlx::query_scalar::<_, i64>(pages).fetch_one(connection).await? == 0)
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
    /// Measures how long the connection is used.
    _in_use: Option<InUse>,
    connector: &'d Connector,
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
    pub(super) fn new(
        (connection, _in_use): (PoolConnection<Any>, Option<InUse>),
        connector: &'d Connector,
        spans: &'d SpanFactory,
        cx: Context,
        statement_timeout: Duration,
    ) -> Self {
        let (is_in_transaction, is_clean) = (false, true);
        Self {
            connection,
            _in_use,
            connector,
            spans,
            cx,
            statement_timeout,
            is_in_transaction,
            is_clean,
        }
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
        let is_alone = self.begin_alone().await?;
        let query = query(statement.text(self.dialect()), rows, self.connector.protocol())?;
        let span = self.spans.statement(&self.cx, statement);
        self.is_clean = false;
        let answer = query.fetch_all(&mut self.connection);
        let answer = within(self.statement_timeout, answer).await;
        self.is_clean = answer.is_ok() && !self.is_in_transaction;
        let answer = answer.and_then(|rows| rows.iter().map(R::from_row).collect());
        let answer = self.noted(span.end(answer));
        if is_alone { self.end_alone(answer).await } else { answer }
    }

    /// Runs a statement with its input rows, and returns how many rows it changed.
    pub(super) async fn run<I: Serialize>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<u64, StorageError> {
        let is_alone = self.begin_alone().await?;
        let answer = self.run_here(statement, rows).await;
        if is_alone { self.end_alone(answer).await } else { answer }
    }

    /// Runs a statement in the transaction that is open, or alone if there is none.
    async fn run_here<I: Serialize>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<u64, StorageError> {
        let query = query(statement.text(self.dialect()), rows, self.connector.protocol())?;
        let span = self.spans.statement(&self.cx, statement);
        self.is_clean = false;
        let answer = query.execute(&mut self.connection);
        let answer = within(self.statement_timeout, answer).await;
        self.is_clean = answer.is_ok() && !self.is_in_transaction;
        Ok(self.noted(span.end(answer))?.rows_affected())
    }

    /// Begins a transaction for one statement that reads, if it needs one. Returns whether it does.
    async fn begin_alone(&mut self) -> Result<bool, StorageError> {
        if self.is_in_transaction || self.connector.protocol() == Protocol::Named {
            return Ok(false);
        }
        self.is_in_transaction = true;
        self.run_here(self.connector.begin(Begin::Reading), NO_ROWS).await?;
        Ok(true)
    }

    /// Ends the transaction of one statement.
    async fn end_alone<T>(&mut self, answer: Result<T, StorageError>) -> Result<T, StorageError> {
        self.is_in_transaction = false;
        match answer {
            Ok(answer) => self.run_here(&COMMIT, NO_ROWS).await.map(|_| answer),
            // Without its ROLLBACK the connection is closed.
            Err(error) if error.lost_connection() => Err(error),
            Err(error) => {
                self.run_here(&ROLLBACK, NO_ROWS).await.ok();
                Err(error)
            }
        }
    }

    /// Notes the loss of a connection to a server: others that are as old are not lent any more.
    fn noted<T>(&self, answer: sqlx::Result<T>) -> Result<T, StorageError> {
        let answer = answer.map_err(StorageError::from);
        if let Err(error) = &answer
            && error.lost_connection()
        {
            self.connector.losses.note();
        }
        answer
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
        begin: Begin,
    ) -> Result<Self, StorageError> {
        session.is_in_transaction = true;
        session.run_here(session.connector.begin(begin), NO_ROWS).await?;
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
                let committed = session.run_here(&COMMIT, NO_ROWS).await;
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
                session.run_here(&ROLLBACK, NO_ROWS).await.ok();
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
        let connector = Connector::of(&url, PostgresLimits::default(), IfMissing::Create).unwrap();
        let (writer, reader) = connector.pools();
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
