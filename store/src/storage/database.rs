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
use opentelemetry::{Context, KeyValue, trace::TraceContextExt};
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use shared::notice::{Notice, Over};
use sqlx::{
    AnyConnection, AnyPool, ConnectOptions, Connection, migrate::Migrator,
    postgres::PgConnectOptions,
};

use super::{
    DatabaseUrl, StorageError,
    connection::{Connector, IfMissing, Session, Transaction},
    database_url::Location,
    error::reason,
    span::{Endpoint, SpanFactory},
    sql::{Dialect, Statement, query, reading_rows},
};
use crate::domain::CatalogueEntry;

/// How long a statement may take, including the way of its answer, before its connection counts as
/// lost.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a statement may take that reads whole tables.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Takes SQLite's write lock at once. Taken at the first write instead, it could fail half way
/// through the transaction, because another process wrote in between.
const BEGIN: Statement = Statement::each("BEGIN", BEGIN_IMMEDIATE, "BEGIN");
const BEGIN_IMMEDIATE: &str = "BEGIN IMMEDIATE";

/// Reads everything as of one moment, while other connections go on writing.
const BEGIN_SNAPSHOT: Statement =
    Statement::each("BEGIN", "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");

/// All migrations of the schema, up to what this version of the store needs.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// The event on the span in which a transaction is tried once more, with the `error.type` of the
/// first attempt.
const TRANSACTION_RETRIED: &str = "grocery.db.transaction.retried";

/// Leaves products that are in the table already as they are.
const INSERT_PRODUCTS: Statement = reading_rows!(
    "INSERT products",
    "INSERT INTO products (id, name, price_cents, aisle, initial_stock, on_hand) \
     SELECT CAST(input.value->>'id' AS BIGINT), input.value->>'name', \
     CAST(input.value->>'price_cents' AS BIGINT), input.value->>'aisle', \
     CAST(input.value->>'initial_stock' AS BIGINT), CAST(input.value->>'initial_stock' AS BIGINT) \
     FROM ",
    input,
    " WHERE true ON CONFLICT (id) DO NOTHING",
);

/// The work of a transaction: a function of the transaction and its input.
///
/// It is written `|transaction, input| Box::pin(work(transaction, input))`. The input is an
/// argument and is not captured, because an async closure that captures references is not `Send`.
pub(super) type Work<I, T> =
    for<'t> fn(&'t mut Transaction<'_>, &'t I) -> BoxFuture<'t, Result<T, StorageError>>;

/// How a transaction is begun.
#[derive(Clone, Copy)]
struct Mode<'d> {
    pool: &'d AnyPool,
    begin: &'static Statement,
    timeout: Duration,
}

/// The open database.
#[derive(Debug)]
pub(super) struct Database {
    writer: AnyPool,
    reader: AnyPool,
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
    pub(super) async fn open(
        url: &DatabaseUrl,
        catalogue: &[CatalogueEntry],
    ) -> Result<Self, StorageError> {
        let connector = Connector::of(url, IfMissing::Create)?;
        let mut connection = connector.connect().await?;
        let failed = |error| StorageError::open(url, reason(&error));
        match connector.dialect() {
            Dialect::Sqlite => {
                // A second store that opens the same new file waits here, and then finds the schema
                // in place.
                let transaction = connection.begin_with(BEGIN_IMMEDIATE).await;
                let mut transaction = transaction.map_err(failed)?;
                prepare(url, &mut transaction, connector.dialect(), catalogue).await?;
                transaction.commit().await.map_err(failed)?;
            }
            // sqlx takes an advisory lock for the migrations, and holds it until all are done.
            Dialect::Postgres => {
                prepare(url, &mut connection, connector.dialect(), catalogue).await?;
            }
        }
        Self::new(url, connector, connection).await
    }

    /// Opens a database that exists, and changes nothing.
    pub(super) async fn open_as_it_is(url: &DatabaseUrl) -> Result<Self, StorageError> {
        let connector = Connector::of(url, IfMissing::Fail)?;
        let connection = connector.connect().await?;
        Self::new(url, connector, connection).await
    }

    async fn new(
        url: &DatabaseUrl,
        connector: Connector,
        mut connection: AnyConnection,
    ) -> Result<Self, StorageError> {
        let spans = SpanFactory::new(connector.dialect(), endpoint(url, &mut connection).await?);
        let (writer, reader) = connector.pools();
        let anchor = match url.location() {
            Location::Memory => Some(Mutex::new(connection)),
            _ => {
                connection.close().await?;
                None
            }
        };
        Ok(Self {
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
        self.session(&self.reader, STATEMENT_TIMEOUT).await
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
        let writing = Mode { pool: &self.writer, begin: &BEGIN, timeout: STATEMENT_TIMEOUT };
        let done = self.retried(writing, input, work).await;
        self.note(&done);
        done
    }

    /// Runs `work` with its input in a transaction that reads everything as of one moment. It may
    /// take up to [`SNAPSHOT_TIMEOUT`].
    pub(super) async fn snapshot<I: Sync + ?Sized, T: Send>(
        &self,
        input: &I,
        work: Work<I, T>,
    ) -> Result<T, StorageError> {
        let reading =
            Mode { pool: &self.reader, begin: &BEGIN_SNAPSHOT, timeout: SNAPSHOT_TIMEOUT };
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
                let attempt = vec![KeyValue::new(ERROR_TYPE, error.kind())];
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
        pool: &AnyPool,
        statement_timeout: Duration,
    ) -> Result<Session<'_>, StorageError> {
        let cx = Context::current();
        let span = self.spans.acquire(&cx);
        // Without a connection the database is unavailable, regardless of the reason.
        let connection = span.end(pool.acquire().await).map_err(StorageError::Unavailable)?;
        Ok(Session::new(connection, &self.spans, cx, statement_timeout))
    }
}

/// Brings the schema up to date and adds the products that it lacks.
async fn prepare(
    url: &DatabaseUrl,
    connection: &mut AnyConnection,
    dialect: Dialect,
    catalogue: &[CatalogueEntry],
) -> Result<(), StorageError> {
    MIGRATIONS.run_direct(None, connection, false).await.map_err(|source| {
        StorageError::Migrate { url: Box::new(url.clone()), source: Box::new(source) }
    })?;
    if !catalogue.is_empty() {
        let insert = INSERT_PRODUCTS.text(dialect);
        let inserted = query(insert, catalogue)?.execute(connection).await;
        inserted.map_err(|error| StorageError::open(url, reason(&error)))?;
    }
    Ok(())
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
    let namespace =
        sqlx::query_scalar("SELECT current_database()::text || '|' || current_schema()::text")
            .fetch_one(connection)
            .await?;
    let options = PgConnectOptions::from_url(url)?;
    let address = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    Ok(Endpoint { namespace, server: Some((address, options.get_port())) })
}

#[cfg(test)]
mod tests;
