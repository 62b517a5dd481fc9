//! The open database: brought up to date once, then lent out one connection at a time.

use std::time::Duration;

use opentelemetry::Context;
use sqlx::{
    Any, AnyConnection, AnyPool, ConnectOptions, migrate::Migrator, pool::PoolConnection,
    postgres::PgConnectOptions,
};

use super::{
    DatabaseUrl, StorageError,
    database_url::Place,
    pool::{self, Missing, Pools},
    session::{Session, query},
    span::{Endpoint, Instrument},
    statement::{Statement, reading_rows},
};
use crate::domain::CatalogueEntry;

/// How long a statement may take, its answer's way included, before its connection counts as lost.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

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
        let pools = pool::connect(url, Missing::Make).await?;
        let mut connection = pools.writer.acquire().await?;
        MIGRATIONS.run(&mut *connection).await.map_err(|source| StorageError::Migrate {
            url: Box::new(url.clone()),
            source: Box::new(source),
        })?;
        if !catalogue.is_empty() {
            let insert = INSERT_PRODUCTS.text(pools.dialect);
            query(insert, catalogue)?.execute(&mut *connection).await?;
        }
        drop(connection);
        Self::new(url, pools).await
    }

    /// Opens a database that is there, as it is.
    pub(super) async fn open_as_it_is(url: &DatabaseUrl) -> Result<Self, StorageError> {
        Self::new(url, pool::connect(url, Missing::Refuse).await?).await
    }

    async fn new(url: &DatabaseUrl, pools: Pools) -> Result<Self, StorageError> {
        let Pools { dialect, writer, reader } = pools;
        let endpoint = endpoint(url, &mut *reader.acquire().await?).await?;
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
