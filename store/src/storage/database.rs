//! The connections to the database: one that writes and some that read for SQLite, which has one
//! writer at a time anyway, and one pool for PostgreSQL.

use std::{path::Path, time::Duration};

use opentelemetry::Context;
use sqlx::{
    Any, AnyConnection, AnyPool, Connection, Executor,
    any::{AnyConnectOptions, AnyPoolOptions},
    pool::PoolConnection,
    postgres::PgConnectOptions,
};
use sqlx::{ConnectOptions, migrate::Migrator};
use url::Url;

use super::{
    DatabaseUrl, StorageError,
    database_url::Place,
    session::{Session, query},
    span::{Endpoint, Instrument},
    statement::{Dialect, Statement, reading_rows},
};
use crate::domain::CatalogueEntry;

/// How long a connection may be waited for. A database that is away is noticed after so long, and
/// a client told so.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a statement may take, its answer's way included, before its connection counts as lost.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections of one store to PostgreSQL: the ledger needs one, the rest is for reading.
const POSTGRES_CONNECTIONS: u32 = 8;

/// Connections that read a SQLite file beside the one that writes.
const SQLITE_READERS: u32 = 4;

/// With write-ahead logging readers and the writer do not wait for each other. FULL makes every
/// commit durable, also when the machine loses power: <https://www.sqlite.org/pragma.html>.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000";

/// Half the time that the store itself waits, so that the server is the one to give up. A store
/// that vanishes in the middle of a transaction must not hold its locks for long.
const POSTGRES_SETTINGS: &str =
    "SET statement_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s'";

/// The schema, from its beginning to what this version of the store needs.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// A product that is on the shelves keeps what it has.
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

/// The open database.
#[derive(Debug)]
pub(super) struct Database {
    writer: AnyPool,
    reader: AnyPool,
    instrument: Instrument,
}

impl Database {
    /// Opens the database, brings its schema up to date and puts what is new in the catalogue on
    /// the shelves.
    pub(super) async fn open(
        url: &DatabaseUrl,
        catalogue: &[CatalogueEntry],
    ) -> Result<Self, StorageError> {
        sqlx::any::install_default_drivers();
        let open_error = |reason| StorageError::Open { url: Box::new(url.clone()), reason };
        let (dialect, writer, reader) = match url.place() {
            Place::Memory => {
                // Every connection to a memory would be a database of its own.
                let only = sqlite_pool(1).connect_lazy("sqlite::memory:");
                let only = only.map_err(|error| open_error(error.to_string()))?;
                (Dialect::Sqlite, only.clone(), only)
            }
            Place::File(path) => {
                let options = file_options(path).map_err(open_error)?;
                try_once(&options, SQLITE_SETTINGS).await.map_err(open_error)?;
                let pool = |size| sqlite_pool(size).connect_lazy_with(options.clone());
                (Dialect::Sqlite, pool(1), pool(SQLITE_READERS))
            }
            Place::Server(url) => {
                let options = server_options(url).map_err(open_error)?;
                try_once(&options, POSTGRES_SETTINGS).await.map_err(open_error)?;
                let pool = postgres_pool().connect_lazy_with(options);
                (Dialect::Postgres, pool.clone(), pool)
            }
        };
        let mut connection =
            writer.acquire().await.map_err(|error| open_error(error.to_string()))?;
        MIGRATIONS.run(&mut *connection).await.map_err(|source| StorageError::Migrate {
            url: Box::new(url.clone()),
            source: Box::new(source),
        })?;
        if !catalogue.is_empty() {
            query(INSERT_PRODUCTS.text(dialect), catalogue)?.execute(&mut *connection).await?;
        }
        let endpoint = endpoint(url, &mut connection).await?;
        drop(connection);
        Ok(Self { writer, reader, instrument: Instrument::new(dialect, endpoint) })
    }

    /// A connection to read by.
    pub(super) async fn reader(&self) -> Result<Session<'_, PoolConnection<Any>>, StorageError> {
        self.session(&self.reader).await
    }

    /// A connection to write by.
    pub(super) async fn writer(&self) -> Result<Session<'_, PoolConnection<Any>>, StorageError> {
        self.session(&self.writer).await
    }

    /// Closes all connections, after what is under way on them.
    pub(super) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    async fn session(
        &self,
        pool: &AnyPool,
    ) -> Result<Session<'_, PoolConnection<Any>>, StorageError> {
        let cx = Context::current();
        let span = self.instrument.acquire(&cx);
        // Whatever keeps a connection from being made, the database cannot be used without one.
        let connection = span.end(pool.acquire().await).map_err(StorageError::Unavailable)?;
        Ok(Session::new(connection, &self.instrument, cx, STATEMENT_TIMEOUT))
    }
}

fn sqlite_pool(connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A file does not hang up, and a memory is gone with its last connection.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|connection, _| Box::pin(set_up(connection, SQLITE_SETTINGS)))
}

fn postgres_pool() -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| Box::pin(set_up(connection, POSTGRES_SETTINGS)))
}

async fn set_up(connection: &mut AnyConnection, settings: &'static str) -> sqlx::Result<()> {
    connection.execute(settings).await.map(drop)
}

/// How to connect to a file, in a folder that is made if it is not there.
fn file_options(path: &Path) -> Result<AnyConnectOptions, String> {
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    }
    // The path is decoded again, so a '%' in it has to be encoded first.
    let path = path.to_str().ok_or("its path is not valid UTF-8")?.replace('%', "%25");
    let mut url = Url::parse("sqlite:///?mode=rwc").map_err(|error| error.to_string())?;
    url.set_path(&path);
    AnyConnectOptions::from_url(&url).map_err(|error| error.to_string())
}

/// How to connect to a server.
fn server_options(url: &Url) -> Result<AnyConnectOptions, String> {
    let mut url = url.clone();
    if !url.query_pairs().any(|(key, _)| key == "application_name") {
        url.query_pairs_mut().append_pair("application_name", "grocery-store");
    }
    AnyConnectOptions::from_url(&url).map_err(|error| error.to_string())
}

/// Connects once without a pool, which would hide the reason behind a timeout.
async fn try_once(options: &AnyConnectOptions, settings: &'static str) -> Result<(), String> {
    let connect = async {
        let mut connection = options.connect().await?;
        set_up(&mut connection, settings).await?;
        connection.close().await
    };
    tokio::time::timeout(ACQUIRE_TIMEOUT, connect)
        .await
        .map_err(|_| format!("no answer within {ACQUIRE_TIMEOUT:?}"))?
        .map_err(|error| error.to_string())
}

/// What the spans of the database say of where it is.
async fn endpoint(
    url: &DatabaseUrl,
    connection: &mut AnyConnection,
) -> Result<Endpoint, StorageError> {
    let url = match url.place() {
        Place::Memory => return Ok(Endpoint { namespace: ":memory:".into(), server: None }),
        Place::File(path) => {
            return Ok(Endpoint { namespace: path.display().to_string(), server: None });
        }
        Place::Server(url) => url,
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
