//! A database of each test's own, and short ways to fill baskets.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use shared::wire::{BasketItem, CheckoutRequest, Receipt};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, raw_sql};
use store::{
    domain::{Basket, CATALOGUE, CatalogueEntry, NewOrder, ProductId},
    storage::{self, DatabaseError, DatabaseUrl, RecordOutcome, Storage, StorageError},
};
use tempfile::TempDir;
use testing::{
    pgbouncer::{self, PgBouncer},
    postgres::{self, Postgres},
};

use crate::support::change;

/// Runs each of these tests on SQLite, on PostgreSQL, and on PostgreSQL behind a PgBouncer that lends
/// each transaction another connection.
macro_rules! on_each {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::storage::fixture::TestDatabase::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(database) = $crate::storage::fixture::TestDatabase::postgres() {
                    super::$test(database).await;
                }
            })+
        }
        mod pgbouncer {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(database) = $crate::storage::fixture::TestDatabase::pgbouncer() {
                    super::$test(database).await;
                }
            })+
        }
    };
}

pub(super) use on_each;

/// A database that only this test uses. It is empty until it is opened.
pub(super) struct TestDatabase {
    pub(super) url: DatabaseUrl,
    /// The address without what stands before the server.
    direct: DatabaseUrl,
    folder: Option<TempDir>,
}

impl TestDatabase {
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url: DatabaseUrl =
            format!("sqlite:{}/grocery.db", folder.path().display()).parse().unwrap();
        Self { direct: url.clone(), url, folder: Some(folder) }
    }

    pub(super) fn postgres() -> Option<Self> {
        postgres::shared().map(Self::on)
    }

    pub(super) fn on(server: &Postgres) -> Self {
        let url: DatabaseUrl = server.database();
        Self { direct: url.clone(), url, folder: None }
    }

    pub(super) fn pgbouncer() -> Option<Self> {
        let bouncer = pgbouncer::shared()?;
        Some(Self::behind(bouncer, postgres::shared()?))
    }

    pub(super) fn behind(bouncer: &PgBouncer, server: &Postgres) -> Self {
        let direct: DatabaseUrl = server.database();
        Self { url: bouncer.url(&direct.to_string()), direct, folder: None }
    }

    /// Another empty database of the same kind.
    pub(super) fn another(&self) -> Self {
        match self.url.to_string() {
            url if url.starts_with("sqlite:") => Self::sqlite(),
            url if url == self.direct.to_string() => Self::postgres().unwrap(),
            _ => Self::pgbouncer().unwrap(),
        }
    }

    /// Its file, if it is one.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join("grocery.db"))
    }

    /// The address for sqlx itself: these tests' addresses have no password to leave out.
    pub(super) fn connect_string(&self) -> String {
        self.direct.to_string()
    }

    /// The name of a database of a server.
    pub(super) fn name(&self) -> String {
        self.connect_string().rsplit_once('/').unwrap().1.to_owned()
    }

    /// The address of a database of a server, for another role.
    pub(super) fn url_as(&self, role: &str) -> DatabaseUrl {
        let url = self.url.to_string();
        url.replace("//postgres@", &format!("//{role}@")).parse().unwrap()
    }

    /// Brings the schema up to date, and returns what that has applied.
    pub(super) async fn migrate_all(&self) -> Vec<i64> {
        storage::migrate(&self.url).await.unwrap()
    }

    /// The answer to a question that is asked as the storage's are, by a statement without a name.
    pub(super) async fn through_the_pooler(&self, question: &'static str) -> String {
        let mut connection = PgConnection::connect(&self.url.to_string()).await.unwrap();
        let row = sqlx::raw_sql(question).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        row.get(0)
    }

    /// The number in the first column of the only row, without the storage.
    pub(super) async fn number(&self, question: &'static str) -> i64 {
        if let Some(file) = self.file() {
            let connection = rusqlite::Connection::open(file).unwrap();
            return connection.query_row(question, [], |row| row.get(0)).unwrap();
        }
        let mut connection = PgConnection::connect(&self.connect_string()).await.unwrap();
        let row = sqlx::query(question).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        row.get(0)
    }

    /// Changes the database without the storage.
    pub(super) async fn tamper(&self, statements: &[&str]) {
        change(&self.direct, statements).await;
    }

    /// Does this without the storage, and returns why the database refuses it: SQLite's message, or
    /// PostgreSQL's code and the name of the constraint.
    pub(super) async fn refusal(&self, statement: &str) -> Option<String> {
        if let Some(file) = self.file() {
            let connection = rusqlite::Connection::open(file).unwrap();
            connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
            return connection.execute_batch(statement).err().map(|error| error.to_string());
        }
        let mut connection = PgConnection::connect(&self.connect_string()).await.unwrap();
        let done = raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
        let refusal = done.err().map(|error| refusal(&error));
        connection.close().await.unwrap();
        refusal
    }

    /// Opens it, the first time with so many pieces of the products with these ids.
    pub(super) async fn open<const N: usize>(&self, stock: [(u32, u32); N]) -> Storage {
        // This must come before the storage takes its tracer.
        actix_opentelemetry::testing::recorder();
        Storage::open_with(&self.url, &stock.map(entry)).await.unwrap()
    }
}

/// The code of an error of PostgreSQL, and the name of the constraint if it is about one.
pub(super) fn refusal(error: &sqlx::Error) -> String {
    let error = error.as_database_error().unwrap();
    let (code, constraint) = (error.code().unwrap_or_default(), error.constraint());
    [&*code, constraint.unwrap_or_default()].join(" ").trim_end().to_owned()
}

fn entry((id, initial_stock): (u32, u32)) -> CatalogueEntry {
    let entry = CATALOGUE.iter().find(|entry| entry.id.get() == id).unwrap();
    CatalogueEntry { initial_stock, ..*entry }
}

pub(super) fn product(id: u32) -> ProductId {
    ProductId::new(id).unwrap()
}

/// The time at which these tests place their orders.
pub(super) fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_769_860_800_250)
}

/// An order for so many pieces of each product.
pub(super) fn order<const N: usize>(lines: [(u32, u32); N]) -> NewOrder {
    let items = lines.map(|(id, quantity)| BasketItem { id: id.to_string(), quantity });
    let basket = Basket::try_from(&CheckoutRequest { items: items.into() }).unwrap();
    NewOrder::new(basket, None, noon())
}

/// The same with an idempotency key.
pub(super) fn keyed<const N: usize>(key: &str, lines: [(u32, u32); N]) -> NewOrder {
    NewOrder { key: Some(key.parse().unwrap()), ..order(lines) }
}

/// The receipt of an order that is expected to be recorded just now.
pub(super) fn recorded(outcome: &RecordOutcome) -> &Receipt {
    match outcome {
        RecordOutcome::Recorded(receipt) => receipt,
        other => panic!("expected a recorded order, but got {other:?}"),
    }
}

/// Pieces on hand of all products, in the order of ids.
pub(super) async fn on_hand(storage: &Storage) -> Vec<u64> {
    when_free(|| storage.catalogue()).await.iter().map(|(_, on_hand)| *on_hand).collect()
}

/// The audit's report, which is expected to find nothing wrong.
pub(super) async fn clean_audit(storage: &Storage) -> store::storage::Audit {
    let audit = when_free(|| storage.audit()).await;
    assert!(audit.is_clean(), "{audit}");
    audit
}

/// Records as [`when_free`] does it.
pub(super) async fn record_when_free(storage: &Storage, orders: &[NewOrder]) -> Vec<RecordOutcome> {
    when_free(|| storage.record(orders)).await
}

/// Does this as a caller does who comes again while there is no connection to spare, or the database
/// takes too long: on a busy machine many writers wait longer for a connection or for each other's rows
/// than the store lets them.
pub(super) async fn when_free<T, F>(work: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, StorageError>>,
{
    loop {
        match work().await {
            Err(StorageError::Unavailable(DatabaseError::PoolTimedOut)) => {}
            Err(error) if error.is_timeout() => {}
            done => return done.unwrap(),
        }
    }
}
