//! Makes the connections to the database: one that writes and some that read for SQLite, which
//! has one writer at a time anyway, and one pool for PostgreSQL.

use std::{path::Path, time::Duration};

use sqlx::{
    AnyConnection, AnyPool, ConnectOptions, Connection, Executor,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use url::Url;

use super::{DatabaseUrl, StorageError, database_url::Place, error::reason, statement::Dialect};

/// How long a connection may be waited for. A database that is away is noticed after so long, and
/// a client told so.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

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

/// The connections to one database.
pub(super) struct Pools {
    pub(super) dialect: Dialect,
    pub(super) writer: AnyPool,
    pub(super) reader: AnyPool,
}

/// What to do about a file that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Make it, and its folder.
    Make,
    /// Fail.
    Refuse,
}

/// Connects to the database.
///
/// # Errors
/// [`StorageError::Open`] with the reason.
pub(super) async fn connect(url: &DatabaseUrl, missing: Missing) -> Result<Pools, StorageError> {
    sqlx::any::install_default_drivers();
    let pools = match url.place() {
        Place::Memory => memory(),
        Place::File(path) => file(path, missing).await,
        Place::Server(url) => server(url).await,
    };
    pools.map_err(|reason| StorageError::Open { url: Box::new(url.clone()), reason })
}

fn memory() -> Result<Pools, String> {
    // Every connection to a memory would be a database of its own.
    let only = sqlite_pool(1).connect_lazy("sqlite::memory:").map_err(|error| error.to_string())?;
    Ok(Pools { dialect: Dialect::Sqlite, writer: only.clone(), reader: only })
}

async fn file(path: &Path, missing: Missing) -> Result<Pools, String> {
    let options = file_options(path, missing)?;
    try_once(&options, SQLITE_SETTINGS).await?;
    let pool = |connections| sqlite_pool(connections).connect_lazy_with(options.clone());
    Ok(Pools { dialect: Dialect::Sqlite, writer: pool(1), reader: pool(SQLITE_READERS) })
}

async fn server(url: &Url) -> Result<Pools, String> {
    let options = server_options(url)?;
    try_once(&options, POSTGRES_SETTINGS).await?;
    let pool = postgres_pool().connect_lazy_with(options);
    Ok(Pools { dialect: Dialect::Postgres, writer: pool.clone(), reader: pool })
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

fn file_options(path: &Path, missing: Missing) -> Result<AnyConnectOptions, String> {
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    if missing == Missing::Make
        && let Some(folder) = path.parent()
    {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    }
    // The path is decoded again, so a '%' in it has to be encoded first.
    let path = path.to_str().ok_or("its path is not valid UTF-8")?.replace('%', "%25");
    let mode = if missing == Missing::Make { "rwc" } else { "rw" };
    let url = Url::parse(&format!("sqlite:///?mode={mode}"));
    let mut url = url.map_err(|error| error.to_string())?;
    url.set_path(&path);
    AnyConnectOptions::from_url(&url).map_err(|error| error.to_string())
}

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
        .map_err(|error| reason(&error))
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    #[tokio::test]
    async fn every_connection_to_a_file_is_durable_and_checks_what_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/grocery.db", folder.path().display()).parse().unwrap();
        let pools = connect(&url, Missing::Make).await.unwrap();
        for pool in [pools.writer, pools.reader] {
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
