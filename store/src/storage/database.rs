//! The open database: migrates the schema, lends connections and runs transactions.
//!
//! A transaction is a function of its input:
//!
//! ```text
//! async fn rename(transaction: &mut Transaction<'_>, name: &str) -> Result<(), StorageError> {
//!     transaction.run(&UPDATE_NAME, &[NameRow { name }]).await.map(drop)
//! }
//!
//! database.transaction("potato", |transaction, name| Box::pin(rename(transaction, name))).await
//! ```
//!
//! [`Database::transaction`] begins it, commits it or rolls it back, and tries again if that may
//! help. No other code of the store does this.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use opentelemetry::{Context, KeyValue, metrics::Meter, trace::TraceContextExt};
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use shared::notice::{Notice, Over};
use sqlx::{
    AnyConnection, ConnectOptions, Connection, Executor as _, Row as _, postgres::PgConnectOptions,
};
use telemetry::ServiceMeters;

use super::{
    DatabaseUrl, StorageError,
    connection::{Begin, Connector, IfMissing, PostgresLimits, Session, Transaction},
    database_url::Location,
    error::explained,
    migration::prepare,
    pool::ConnectionPool,
    span::{Endpoint, SCOPE, SpanFactory},
    sql::Dialect,
};
use crate::{ACTIVITY, domain::CatalogueEntry};

/// How long a statement may take that reads whole tables.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Whether PostgreSQL would refuse to write: as a word to be shown, or nothing.
const READ_ONLY: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN 'a standby' \
     WHEN current_setting('transaction_read_only') = 'on' THEN 'read-only' ELSE '' END";

/// Where statements go: the database and its first schema, which may be missing.
const NAMESPACE: &str =
    "SELECT current_database()::text || '|' || COALESCE(current_schema()::text, '')";

/// The event on the span in which a transaction is tried once more, with the `error.type` of the
/// first attempt.
const TRANSACTION_RETRIED: &str = "grocery.db.transaction.retried";

/// The work of a transaction: a function of the transaction and its input.
///
/// It is written `|transaction, input| Box::pin(work(transaction, input))`. The input is an
/// argument and is not captured, because an async closure that captures references is not `Send`.
pub(super) type Work<I, T> =
    for<'t> fn(&'t mut Transaction<'_>, &'t I) -> BoxFuture<'t, Result<T, StorageError>>;

/// How a transaction is begun.
#[derive(Clone, Copy)]
struct Mode<'d> {
    pool: &'d ConnectionPool,
    begin: Begin,
    timeout: Duration,
}

/// The open database.
#[derive(Debug)]
pub(super) struct Database {
    connector: Connector,
    writer: ConnectionPool,
    reader: ConnectionPool,
    spans: SpanFactory,
    /// When a transaction was last committed, if none has failed since.
    last_commit: Mutex<Option<Instant>>,
    /// Said once when transactions begin to fail, and once when they succeed again.
    failing: Notice,
    /// Keeps a database in memory alive while no other connection to it is open.
    _anchor: Option<Mutex<AnyConnection>>,
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
        let connector = Connector::of(url, limits, IfMissing::Create)?;
        let mut connection = connector.connect().await?;
        if connector.dialect() == Dialect::Postgres {
            refuse_read_only(url, &mut connection).await?;
        }
        prepare(url, &mut connection, connector.dialect(), catalogue).await?;
        Self::new(url, connector, connection, meters).await
    }

    /// Opens a database that exists, and changes nothing.
    pub(super) async fn open_as_it_is(url: &DatabaseUrl) -> Result<Self, StorageError> {
        let connector = Connector::of(url, PostgresLimits::default(), IfMissing::Fail)?;
        let connection = connector.connect().await?;
        Self::new(url, connector, connection, None).await
    }

    async fn new(
        url: &DatabaseUrl,
        mut connector: Connector,
        mut connection: AnyConnection,
        meters: Option<&ServiceMeters>,
    ) -> Result<Self, StorageError> {
        let meter = meters.map(|meters| meters.for_scope(SCOPE, env!("CARGO_PKG_VERSION")));
        let meter = meter.as_ref();
        let endpoint = endpoint(url, &mut connection).await?;
        let spans = SpanFactory::new(connector.dialect(), endpoint, meter);
        connector.look_for_pooler(&mut connection).await?;
        let (writer, reader) = pools(url, &connector, meter);
        let anchor = match url.location() {
            Location::Memory => Some(Mutex::new(connection)),
            _ => {
                connection.close().await?;
                None
            }
        };
        Ok(Self {
            connector,
            writer,
            reader,
            spans,
            last_commit: Mutex::default(),
            failing: Notice::default(),
            _anchor: anchor,
        })
    }

    /// A connection for reading.
    pub(super) async fn reader(&self) -> Result<Session<'_>, StorageError> {
        self.session(&self.reader, self.connector.patience()).await
    }

    /// A connection that writes, for statements that SQLite does not take in a transaction.
    pub(super) async fn writer(&self) -> Result<Session<'_>, StorageError> {
        self.session(&self.writer, self.connector.patience()).await
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.spans.dialect()
    }

    /// Runs `work` with its input in a transaction that may write: commits it if `work` succeeds,
    /// and otherwise rolls it back.
    ///
    /// If the database aborted the transaction because of a conflict with another one, or its
    /// connection was lost before the COMMIT, `work` is run once more in a new transaction, and an
    /// event on the current span says so.
    pub(super) async fn transaction<I: Sync + ?Sized, T: Send>(
        &self,
        input: &I,
        work: Work<I, T>,
    ) -> Result<T, StorageError> {
        let writing =
            Mode { pool: &self.writer, begin: Begin::Writing, timeout: self.connector.patience() };
        let done = self.retried(writing, input, work).await;
        self.note(&done);
        done
    }

    /// The same for housekeeping. If it fails, that says nothing about sales.
    pub(super) async fn maintain<I: Sync + ?Sized, T: Send>(
        &self,
        input: &I,
        work: Work<I, T>,
    ) -> Result<T, StorageError> {
        let writing =
            Mode { pool: &self.writer, begin: Begin::Writing, timeout: self.connector.patience() };
        self.retried(writing, input, work).await
    }

    /// Runs `work` with its input in a transaction that reads everything as of one moment. It may
    /// take up to [`SNAPSHOT_TIMEOUT`].
    pub(super) async fn snapshot<I: Sync + ?Sized, T: Send>(
        &self,
        input: &I,
        work: Work<I, T>,
    ) -> Result<T, StorageError> {
        let reading =
            Mode { pool: &self.reader, begin: Begin::Snapshot, timeout: SNAPSHOT_TIMEOUT };
        self.retried(reading, input, work).await
    }

    async fn retried<I: Sync + ?Sized, T: Send>(
        &self,
        mode: Mode<'_>,
        input: &I,
        work: Work<I, T>,
    ) -> Result<T, StorageError> {
        match self.once(mode, input, work).await {
            Err(error) if error.retry_helps() => {
                let kind = error.kind();
                tracing::warn!(target: ACTIVITY, { "error.type" = %kind }, "a transaction is retried: {error}");
                let attempt = vec![KeyValue::new(ERROR_TYPE, kind)];
                Context::map_current(|cx| cx.span().add_event(TRANSACTION_RETRIED, attempt));
                self.once(mode, input, work).await
            }
            result => result,
        }
    }

    async fn once<I: Sync + ?Sized, T: Send>(
        &self,
        mode: Mode<'_>,
        input: &I,
        work: Work<I, T>,
    ) -> Result<T, StorageError> {
        let session = self.session(mode.pool, mode.timeout).await?;
        let mut transaction = Transaction::begin(session, mode.begin).await?;
        let result = work(&mut transaction, input).await;
        transaction.finish(result).await
    }

    /// Remembers whether the last transaction succeeded, and logs it when that changes.
    fn note<T>(&self, done: &Result<T, StorageError>) {
        let mut last_commit = self.last_commit.lock().unwrap_or_else(PoisonError::into_inner);
        *last_commit = done.is_ok().then(Instant::now);
        drop(last_commit);
        match done {
            Ok(_) => {
                if let Some(Over { count, lasted }) = self.failing.over() {
                    tracing::warn!(failed = count, ?lasted, "the database can be written to again");
                }
            }
            Err(error) => {
                if self.failing.occurred() {
                    tracing::error!(%error, "orders and deliveries cannot be recorded");
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

    async fn session(
        &self,
        pool: &ConnectionPool,
        statement_timeout: Duration,
    ) -> Result<Session<'_>, StorageError> {
        let cx = Context::current();
        let span = self.spans.acquire(&cx);
        let connection = match pool.acquire().await {
            Err(error) => Err(self.connector.why(pool.connections(), error).await),
            connection => connection,
        };
        // Without a connection the database is unavailable, regardless of the reason.
        let connection = span.end(connection).map_err(StorageError::Unavailable)?;
        Ok(Session::new(connection, &self.connector, &self.spans, cx, statement_timeout))
    }
}

/// The connections that write and those that read, measured as one pool where they are one.
fn pools(
    url: &DatabaseUrl,
    connector: &Connector,
    meter: Option<&Meter>,
) -> (ConnectionPool, ConnectionPool) {
    let (writer, reader) = connector.pools();
    match url.location() {
        Location::File(_) => {
            let writer = ConnectionPool::new("writer", writer, meter);
            let reader = ConnectionPool::new("reader", reader, meter);
            ConnectionPool::observe(&[&writer, &reader], meter);
            (writer, reader)
        }
        Location::Memory | Location::Server(_) => {
            let both = ConnectionPool::new("shared", writer, meter);
            ConnectionPool::observe(&[&both], meter);
            (both.clone(), both)
        }
    }
}

/// Brings the schema of a database up to date, and adds the products that it lacks. Returns the
/// versions of the migrations that it has applied.
pub(super) async fn migrate(
    url: &DatabaseUrl,
    catalogue: &[CatalogueEntry],
) -> Result<Vec<i64>, StorageError> {
    let connector = Connector::of(url, PostgresLimits::default(), IfMissing::Create)?;
    let mut connection = connector.connect().await?;
    if connector.dialect() == Dialect::Postgres {
        refuse_read_only(url, &mut connection).await?;
    }
    let applied = prepare(url, &mut connection, connector.dialect(), catalogue).await?;
    connection.close().await?;
    Ok(applied)
}

/// Refuses a server to which nothing can be written. It would be noticed at the first sale, but a
/// store that never could sell had better not open.
async fn refuse_read_only(
    url: &DatabaseUrl,
    connection: &mut AnyConnection,
) -> Result<(), StorageError> {
    let row = connection.fetch_one(READ_ONLY).await;
    let what: String = row
        .and_then(|row| row.try_get(0))
        .map_err(|error| StorageError::open(url, explained(&error)))?;
    if what.is_empty() {
        return Ok(());
    }
    let reason = format!("the server is {what}: the store needs the primary server, to write to");
    Err(StorageError::open(url, reason))
}

/// Where the database is, for its spans.
async fn endpoint(
    url: &DatabaseUrl,
    connection: &mut AnyConnection,
) -> Result<Endpoint, StorageError> {
    let url = match url.location() {
        Location::Memory => return Ok(Endpoint { namespace: ":memory:".into(), server: None }),
        Location::File(path) => {
            return Ok(Endpoint { namespace: path.display().to_string(), server: None });
        }
        Location::Server(server) => &server.url,
    };
    let namespace = connection.fetch_one(NAMESPACE).await?.try_get(0)?;
    let options = PgConnectOptions::from_url(url)?;
    let address = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    Ok(Endpoint { namespace, server: Some((address, options.get_port())) })
}

#[cfg(test)]
mod tests;
