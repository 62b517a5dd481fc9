//! The open database: migrates the schema, lends connections and runs transactions.
//!
//! A transaction is a function of its input:
//!
//! ```text
//! async fn rename(transaction: &mut Transaction, name: &Name) -> Result<(), StorageError> {
//!     transaction.run(&UPDATE_NAME, &[NameRow { name }]).await
//! }
//!
//! database.transaction(name, |transaction, name| Box::pin(rename(transaction, name))).await
//! ```
//!
//! [`Database::transaction`] begins it, commits it or rolls it back, and tries again if that may
//! help. No other code of the store does this.
//!
//! With PostgreSQL the function runs in the task that asks for it. With SQLite all of it runs on
//! another thread, which may wait for the disk, so it owns its input.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_executor::block_on;
use futures_util::future::BoxFuture;
use opentelemetry::{Context, KeyValue, trace::TraceContextExt};
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use shared::notice::{Notice, Over};
use sqlx::{Connection as _, PgConnection};
use telemetry::ServiceMeters;

use super::{
    DatabaseUrl, StorageError,
    connection::{Connection, Lease, Session, Transaction},
    database_url::Location,
    error::{DatabaseError, explained},
    migration::prepare,
    pool::{Acquired, ConnectionPool, Connections},
    postgres::{self, PostgresLimits},
    span::{Endpoint, SCOPE, SpanFactory},
    sql::{Begin, Dialect, NO_ROWS, Statement, read_by_name},
    sqlite::{self, IfMissing},
};
use crate::{ACTIVITY, domain::CatalogueEntry};

/// Connections that read a SQLite file beside the one that writes.
const SQLITE_READERS: u16 = 4;

/// How long a statement may take that reads whole tables.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Whether PostgreSQL would refuse to write: as a word to be shown, or nothing.
const READ_ONLY: Statement = Statement::same(
    "SELECT",
    "SELECT CASE WHEN pg_is_in_recovery() THEN 'a standby' \
     WHEN current_setting('transaction_read_only') = 'on' THEN 'read-only' ELSE '' END AS answer",
);

/// Where PostgreSQL's statements go: the database and its first schema, which may be missing.
const NAMESPACE: Statement = Statement::same(
    "SELECT",
    "SELECT current_database()::text || '|' || COALESCE(current_schema()::text, '') AS answer",
);

struct AnswerRow {
    answer: String,
}

read_by_name! {
    AnswerRow { answer }
}

/// The event and the log record of a transaction that is tried once more, with the `error.type` of
/// the first attempt.
const TRANSACTION_RETRIED: &str = "grocery.db.transaction.retried";

/// Work with a session or in a transaction: a function of that and its input.
///
/// It is written `|transaction, input| Box::pin(work(transaction, input))`. The input is an
/// argument and is not captured, because an async closure that captures references is not `Send`.
pub(super) type Work<S, I, T> =
    for<'w> fn(&'w mut S, &'w I) -> BoxFuture<'w, Result<T, StorageError>>;

/// What is done with a connection.
enum Task<I, T> {
    /// Statements, each alone.
    Alone(Work<Session, I, T>),
    /// A transaction.
    Transaction(Begin, Work<Transaction, I, T>),
}

impl<I, T> Clone for Task<I, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I, T> Copy for Task<I, T> {}

impl<I, T> Task<I, T> {
    async fn perform(self, mut session: Session, input: &I) -> Result<T, StorageError> {
        match self {
            Self::Alone(work) => work(&mut session, input).await,
            Self::Transaction(begin, work) => {
                let mut transaction = Transaction::begin(session, begin).await?;
                let result = work(&mut transaction, input).await;
                transaction.finish(result).await
            }
        }
    }

    /// The error of a task that was given up without a word of what became of it.
    fn given_up(self, error: DatabaseError) -> StorageError {
        match self {
            Self::Transaction(Begin::Writing, _) => StorageError::CommitUnknown(error),
            _ => StorageError::Unavailable(error),
        }
    }
}

/// The open database.
#[derive(Debug)]
pub(super) struct Database {
    writer: ConnectionPool,
    reader: ConnectionPool,
    /// How long a statement may take with PostgreSQL, and a transaction with SQLite.
    patience: Duration,
    spans: Arc<SpanFactory>,
    /// When a transaction was last committed, if none has failed since.
    last_commit: Mutex<Option<Instant>>,
    /// Said once when transactions begin to fail, and once when they succeed again.
    failing: Notice,
    /// Keeps a database in memory alive while no other connection to it is open.
    _anchor: Option<Mutex<rusqlite::Connection>>,
}

impl Database {
    /// Opens the database, brings its schema up to date and adds the products that it lacks.
    /// PostgreSQL is used within these limits.
    pub(super) async fn open(
        url: &DatabaseUrl,
        limits: PostgresLimits,
        catalogue: &[CatalogueEntry],
        meters: Option<&ServiceMeters>,
    ) -> Result<Self, StorageError> {
        let first = First::open(url, limits, IfMissing::Create).await?;
        let (first, _) = first.prepare(url, catalogue).await?;
        Self::new(url, first, meters).await
    }

    /// Opens a database that exists, and changes nothing.
    pub(super) async fn open_as_it_is(url: &DatabaseUrl) -> Result<Self, StorageError> {
        let first = First::open(url, PostgresLimits::default(), IfMissing::Fail).await?;
        Self::new(url, first, None).await
    }

    async fn new(
        url: &DatabaseUrl,
        mut first: First,
        meters: Option<&ServiceMeters>,
    ) -> Result<Self, StorageError> {
        let meter = meters.map(|meters| meters.for_scope(SCOPE, env!("CARGO_PKG_VERSION")));
        let meter = meter.as_ref();
        let endpoint = first.endpoint(url).await?;
        let spans = Arc::new(SpanFactory::new(first.dialect(), endpoint, meter));
        let (mut patience, mut anchor) = (sqlite::PATIENCE, None);
        let shared = |connections| {
            let pool = ConnectionPool::new("shared", connections, meter);
            ConnectionPool::observe(&[&pool], meter);
            (pool.clone(), pool)
        };
        let (writer, reader) = match (first, url.location()) {
            // A database in memory has no write-ahead log, so a reader and the writer would lock
            // each other out.
            (First::Sqlite(source, connection), Location::Memory) => {
                anchor = Some(Mutex::new(connection));
                shared(Connections::Sqlite(sqlite::Pool::new(source, 1)))
            }
            (First::Sqlite(source, connection), _) => {
                sqlite::blocking(move || drop(connection)).await?;
                let pool = |name, most| {
                    let connections = sqlite::Pool::new(source.clone(), most);
                    ConnectionPool::new(name, Connections::Sqlite(connections), meter)
                };
                let (writer, reader) = (pool("writer", 1), pool("reader", SQLITE_READERS));
                ConnectionPool::observe(&[&writer, &reader], meter);
                (writer, reader)
            }
            (First::Postgres(mut connector, mut connection), location) => {
                if let Location::Server(server) = location {
                    connector.look_for_pooler(server, &mut connection).await?;
                }
                connection.close().await.map_err(DatabaseError::from)?;
                patience = connector.patience();
                shared(Connections::Postgres(postgres::Pool::new(*connector)))
            }
        };
        Ok(Self {
            writer,
            reader,
            patience,
            spans,
            last_commit: Mutex::default(),
            failing: Notice::default(),
            _anchor: anchor,
        })
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.spans.dialect()
    }

    /// Does this work with a connection for reading.
    pub(super) async fn read<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        input: I,
        work: Work<Session, I, T>,
    ) -> Result<T, StorageError> {
        self.once(&self.reader, self.patience, Task::Alone(work), input).await
    }

    /// Does this work with a connection that writes, for statements that SQLite does not take in a
    /// transaction.
    pub(super) async fn alone<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        input: I,
        work: Work<Session, I, T>,
    ) -> Result<T, StorageError> {
        self.once(&self.writer, self.patience, Task::Alone(work), input).await
    }

    /// Runs `work` with its input in a transaction that may write: commits it if `work` succeeds,
    /// and otherwise rolls it back.
    ///
    /// If the database aborted the transaction because of a conflict with another one, or its
    /// connection was lost before the COMMIT, `work` is run once more in a new transaction, and an
    /// event on the current span says so.
    pub(super) async fn transaction<I: Clone + Send + Sync + 'static, T: Send + 'static>(
        &self,
        input: I,
        work: Work<Transaction, I, T>,
    ) -> Result<T, StorageError> {
        let done = self.maintain(input, work).await;
        self.note(&done);
        done
    }

    /// The same for housekeeping. If it fails, that says nothing about sales.
    pub(super) async fn maintain<I: Clone + Send + Sync + 'static, T: Send + 'static>(
        &self,
        input: I,
        work: Work<Transaction, I, T>,
    ) -> Result<T, StorageError> {
        let task = Task::Transaction(Begin::Writing, work);
        self.retried(&self.writer, self.patience, task, input).await
    }

    /// Runs `work` with its input in a transaction that reads everything as of one moment. It may
    /// take up to [`SNAPSHOT_TIMEOUT`].
    pub(super) async fn snapshot<I: Clone + Send + Sync + 'static, T: Send + 'static>(
        &self,
        input: I,
        work: Work<Transaction, I, T>,
    ) -> Result<T, StorageError> {
        let task = Task::Transaction(Begin::Snapshot, work);
        self.retried(&self.reader, SNAPSHOT_TIMEOUT, task, input).await
    }

    async fn retried<I: Clone + Send + Sync + 'static, T: Send + 'static>(
        &self,
        pool: &ConnectionPool,
        limit: Duration,
        task: Task<I, T>,
        input: I,
    ) -> Result<T, StorageError> {
        match self.once(pool, limit, task, input.clone()).await {
            Err(error) if error.retry_helps() => {
                let kind = error.kind();
                tracing::warn!(name: TRANSACTION_RETRIED, target: ACTIVITY, { "error.type" = %kind }, "a transaction is retried: {error}");
                let attempt = vec![KeyValue::new(ERROR_TYPE, kind)];
                Context::map_current(|cx| cx.span().add_event(TRANSACTION_RETRIED, attempt));
                self.once(pool, limit, task, input).await
            }
            result => result,
        }
    }

    async fn once<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        pool: &ConnectionPool,
        limit: Duration,
        task: Task<I, T>,
        input: I,
    ) -> Result<T, StorageError> {
        let cx = Context::current();
        let (waiting, spans) = (self.spans.acquire(&cx), Arc::clone(&self.spans));
        // Without a connection the database is unavailable, regardless of the reason.
        match pool.acquire().await {
            Err(error) => waiting.end(Err(error)).map_err(StorageError::Unavailable),
            Ok(Acquired::Postgres(lease)) => {
                let lease = waiting.end(Ok(lease)).map_err(StorageError::Unavailable)?;
                let session = Session::new(Lease::Postgres(lease.patient(limit)), spans, cx);
                // In a box it does not make the future of a sale large, which is moved several times.
                Box::pin(task.perform(session, &input)).await
            }
            Ok(Acquired::Sqlite(place)) => {
                let work = async move |lease| {
                    let lease = waiting.end(lease).map_err(StorageError::Unavailable)?;
                    task.perform(Session::new(Lease::Sqlite(lease), spans, cx), &input).await
                };
                place.run(limit, work).await.unwrap_or_else(|error| Err(task.given_up(error)))
            }
        }
    }

    /// Remembers whether the last transaction succeeded, and logs it when that changes.
    fn note<T>(&self, done: &Result<T, StorageError>) {
        let mut last_commit = self.last_commit.lock().unwrap_or_else(PoisonError::into_inner);
        *last_commit = done.is_ok().then(Instant::now);
        drop(last_commit);
        match done {
            Ok(_) => {
                if let Some(Over { count, lasted }) = self.failing.over() {
                    tracing::warn!(name: "grocery.db.write.recovered", failed = count, ?lasted, "the database can be written to again");
                }
            }
            Err(error) => {
                if self.failing.occurred() {
                    tracing::error!(name: "grocery.db.write.failed", %error, "orders and deliveries cannot be recorded");
                }
            }
        }
    }

    /// Whether a transaction was committed within this time, and none has failed since.
    pub(super) fn has_committed_within(&self, time: Duration) -> bool {
        let last_commit = self.last_commit.lock().unwrap_or_else(PoisonError::into_inner);
        last_commit.is_some_and(|committed| committed.elapsed() < time)
    }

    /// Closes each connection as soon as the statement under way on it is done.
    pub(super) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// The first connection to a database, outside of any pool, and how more are made.
enum First {
    Sqlite(sqlite::Source, rusqlite::Connection),
    Postgres(Box<postgres::Connector>, PgConnection),
}

impl First {
    async fn open(
        url: &DatabaseUrl,
        limits: PostgresLimits,
        if_missing: IfMissing,
    ) -> Result<Self, StorageError> {
        let source = match url.location() {
            Location::Memory => Ok(sqlite::Source::memory()),
            Location::File(path) => sqlite::Source::file(path, if_missing),
            Location::Server(server) => {
                let connector = Box::new(postgres::Connector::of(url, server, limits)?);
                let connection = connector.connect().await?;
                return Ok(Self::Postgres(connector, connection));
            }
        };
        let source = source.map_err(|reason| StorageError::open(url, reason))?;
        let opening = move || source.open_first().map(|first| Self::Sqlite(source, first));
        let opened = sqlite::blocking(opening).await?;
        opened.map_err(|reason| StorageError::open(url, reason))
    }

    const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(..) => Dialect::Sqlite,
            Self::Postgres(..) => Dialect::Postgres,
        }
    }

    /// Brings the schema up to date, and adds the products that the database lacks. Returns the
    /// versions of the migrations that it has applied, too.
    async fn prepare(
        self,
        url: &DatabaseUrl,
        catalogue: &[CatalogueEntry],
    ) -> Result<(Self, Vec<i64>), StorageError> {
        match self {
            Self::Sqlite(source, mut connection) => {
                let (url, catalogue) = (url.clone(), catalogue.to_vec());
                let preparing = move || {
                    let first = Connection::Sqlite(&mut connection);
                    let applied = block_on(prepare(&url, first, &catalogue))?;
                    Ok((Self::Sqlite(source, connection), applied))
                };
                sqlite::blocking(preparing).await?
            }
            Self::Postgres(connector, mut connection) => {
                refuse_read_only(url, &mut connection).await?;
                let applied =
                    prepare(url, Connection::Postgres(&mut connection), catalogue).await?;
                Ok((Self::Postgres(connector, connection), applied))
            }
        }
    }

    /// Where the database is, for its spans.
    async fn endpoint(&mut self, url: &DatabaseUrl) -> Result<Endpoint, StorageError> {
        match self {
            Self::Sqlite(..) => {
                let namespace = match url.location() {
                    Location::File(path) => path.display().to_string(),
                    _ => ":memory:".into(),
                };
                Ok(Endpoint { namespace, server: None })
            }
            Self::Postgres(connector, connection) => Ok(Endpoint {
                namespace: answer(connection, &NAMESPACE).await?,
                server: Some(connector.address()),
            }),
        }
    }

    async fn close(self) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(_, connection) => sqlite::blocking(move || drop(connection)).await,
            Self::Postgres(_, connection) => Ok(connection.close().await?),
        }
    }
}

/// Brings the schema of a database up to date, and adds the products that it lacks. Returns the
/// versions of the migrations that it has applied.
pub(super) async fn migrate(
    url: &DatabaseUrl,
    catalogue: &[CatalogueEntry],
) -> Result<Vec<i64>, StorageError> {
    let first = First::open(url, PostgresLimits::default(), IfMissing::Create).await?;
    let (first, applied) = first.prepare(url, catalogue).await?;
    first.close().await?;
    Ok(applied)
}

/// Refuses a server to which nothing can be written. It would be noticed at the first sale, but a
/// store that never could sell had better not open.
async fn refuse_read_only(
    url: &DatabaseUrl,
    connection: &mut PgConnection,
) -> Result<(), StorageError> {
    let what = answer(connection, &READ_ONLY).await;
    let what = what.map_err(|error| StorageError::open(url, explained(&error)))?;
    if what.is_empty() {
        return Ok(());
    }
    let reason = format!("the server is {what}: the store needs the primary server, to write to");
    Err(StorageError::open(url, reason))
}

/// The server's answer of one word.
async fn answer(
    connection: &mut PgConnection,
    question: &Statement,
) -> Result<String, DatabaseError> {
    let rows: Vec<AnswerRow> = Connection::Postgres(connection).fetch(question, NO_ROWS).await?;
    Ok(rows.into_iter().next().map(|row| row.answer).unwrap_or_default())
}

#[cfg(test)]
mod tests;
