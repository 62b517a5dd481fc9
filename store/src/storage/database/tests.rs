//! After a transaction that failed in any way, the next one gets a working connection.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::SystemTime,
};

use shared::wire::{BasketItem, CheckoutRequest};
use testing::{metric::MetricRecorder, postgres};

use super::*;
use crate::{
    domain::{Basket, CATALOGUE, Delivery, NewOrder},
    storage::{
        Storage, deliveries, orders, readiness,
        sql::{NO_ROWS, Statement},
    },
};

const ROLLBACK: Statement = Statement::same("ROLLBACK", "ROLLBACK");
const NONSENSE: Statement = Statement::same("SELECT", "SELECT nothing FROM nowhere");
const TERMINATE: Statement =
    Statement::same("SELECT", "SELECT pg_terminate_backend(pg_backend_pid())::text");
const SLEEP: Statement = Statement::same("SELECT", "SELECT pg_sleep(60)::text");

const COUNT: Statement = Statement::same("SELECT", "SELECT count FROM write_checks");

/// A new, empty database that a test is run on, with the folder of its file.
struct TestDatabase {
    database: Database,
    _folder: tempfile::TempDir,
}

impl TestDatabase {
    async fn memory() -> Self {
        Self::open("sqlite::memory:".parse().unwrap(), tempfile::tempdir().unwrap()).await
    }

    async fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/grocery.db", folder.path().display());
        Self::open(url.parse().unwrap(), folder).await
    }

    async fn postgres() -> Option<Self> {
        let url = postgres::shared()?.database();
        Some(Self::open(url, tempfile::tempdir().unwrap()).await)
    }

    async fn all() -> Vec<Self> {
        let mut all = vec![Self::memory().await, Self::file().await];
        all.extend(Self::postgres().await);
        all
    }

    /// Drops a transaction as soon as it has begun to write, which `work` counts, and checks that the next
    /// one finds nothing of it.
    async fn assert_nothing_remains_half_way(&self, work: Work<Transaction, Arc<AtomicU32>, ()>) {
        let begun = Arc::new(AtomicU32::new(0));
        let transaction = self.database.transaction(Arc::clone(&begun), work);
        let until_begun = async {
            while begun.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = transaction => panic!("{done:?}"),
            () = until_begun => {}
        }
        self.write().await;
        assert_eq!(self.database.number(&COUNT).await, 1, "only what was committed counts");
    }

    async fn open(url: DatabaseUrl, folder: tempfile::TempDir) -> Self {
        let database =
            Database::open(&url, PostgresLimits::default(), &CATALOGUE, None).await.unwrap();
        Self { database, _folder: folder }
    }

    /// Marks the connection that writes, so that a new one in its place can be recognised.
    async fn mark(&self) {
        const MARK: Statement =
            Statement::same("CREATE", "CREATE TEMPORARY TABLE mark (id BIGINT)");
        self.database.on_the_writer(&MARK).await.unwrap();
    }

    /// Whether the connection that writes is still the one that was marked.
    async fn is_marked(&self) -> bool {
        const IS_MARKED: Statement = Statement::same("SELECT", "SELECT id FROM mark");
        self.database.on_the_writer(&IS_MARKED).await.is_ok()
    }

    /// Writes. This needs a working connection, and a database that is not locked.
    async fn write(&self) {
        readiness::write(&self.database).await.unwrap();
    }
}

impl Database {
    /// Runs this alone on the connection that writes, which is closed if it fails.
    async fn on_the_writer(&self, statement: &'static Statement) -> Result<(), StorageError> {
        self.until_all_are_returned().await;
        let done = self
            .alone(statement, |writer, statement| Box::pin(writer.run(statement, NO_ROWS)))
            .await;
        self.until_all_are_returned().await;
        done
    }

    /// The number in the column `count` of the only row.
    async fn number(&self, question: &'static Statement) -> i64 {
        let rows: Vec<CountRow> = self
            .read(question, |session, question| Box::pin(session.fetch(question, NO_ROWS)))
            .await
            .unwrap();
        rows[0].count
    }

    /// Waits until all connections are back in the pool. A connection is returned, or closed, by a
    /// task of its own; until then the pool for PostgreSQL might lend another one.
    async fn until_all_are_returned(&self) {
        while !self.writer.is_idle() {
            tokio::task::yield_now().await;
        }
    }
}

struct CountRow {
    count: i64,
}

read_by_name! {
    CountRow { count }
}

fn order(quantity: u32) -> NewOrder {
    let items = vec![BasketItem { id: "1".into(), quantity }];
    let basket = Basket::try_from(&CheckoutRequest { items }).unwrap();
    NewOrder::new(basket, None, SystemTime::now())
}

/// It is moved several times for each batch, into tasks and between them.
#[tokio::test]
async fn the_future_of_a_sale_is_small() {
    let database = TestDatabase::memory().await.database;
    let recording = size_of_val(&orders::record(&database, Arc::default()));
    assert!(recording <= 2_048, "it takes {recording} bytes");
}

#[tokio::test]
async fn a_statement_that_failed_is_rolled_back_and_its_connection_kept() {
    for test in TestDatabase::all().await {
        test.mark().await;
        let failed = test
            .database
            .transaction((), |transaction, ()| Box::pin(transaction.run(&NONSENSE, NO_ROWS)))
            .await;
        assert_eq!(failed.unwrap_err().kind(), "refused");
        assert!(test.is_marked().await);
        test.write().await;
    }
}

/// SQLite rolls back by itself after an error of the disk. PostgreSQL never does.
#[tokio::test]
async fn a_database_that_rolled_back_by_itself_costs_the_connection() {
    for test in [TestDatabase::memory().await, TestDatabase::file().await] {
        for commits in [true, false] {
            test.mark().await;
            let failed = test
                .database
                .transaction(commits, |transaction, commits| {
                    Box::pin(async move {
                        transaction.run(&ROLLBACK, NO_ROWS).await?;
                        let error = || StorageError::Corrupt("an error of the disk".into());
                        commits.then_some(()).ok_or_else(error)
                    })
                })
                .await;
            let kind = failed.unwrap_err().kind();
            assert_eq!(kind, if commits { "refused" } else { "corrupt" });
            assert!(!test.is_marked().await, "its ROLLBACK failed, so it was closed");
            test.write().await;
        }
    }
}

#[tokio::test]
async fn a_transaction_that_is_dropped_half_way_is_rolled_back() {
    for test in TestDatabase::all().await {
        // If the transaction were still open, the next would wait for its row, or for its connection.
        test.assert_nothing_remains_half_way(|transaction, begun| {
            Box::pin(async move {
                readiness::write_in(transaction).await?;
                begun.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<Result<(), StorageError>>().await
            })
        })
        .await;
    }
}

/// The file may not grow: every statement that needs a new page fails with SQLITE_FULL, in the
/// middle of the batch. The limit belongs to the connection and ends with it.
#[tokio::test]
async fn a_full_disk_is_temporary_and_costs_nothing_but_the_connection() {
    for test in [TestDatabase::memory().await, TestDatabase::file().await] {
        let database = Arc::new(test.database);
        let storage = Storage { database: database.clone(), sweep: Arc::default() };
        // SQLite raises this to the number of pages that the file has.
        const FILL: Statement = Statement::same("PRAGMA", "PRAGMA max_page_count = 1");
        let fill = async || database.on_the_writer(&FILL).await.unwrap();
        storage.record(&[order(1)]).await.unwrap();

        fill().await;
        let many: Vec<_> = (0..100).map(|_| order(1)).collect();
        let error = storage.record(&many).await.unwrap_err();
        assert!(error.is_temporary(), "{error}");
        assert_eq!(error.to_string(), "the database is unavailable: database or disk is full");
        assert!(!database.has_committed_within(Duration::from_secs(60)));

        let delivery = || {
            let product = CATALOGUE[0].id;
            Delivery::new(product, NonZeroU32::new(5).unwrap(), SystemTime::now())
        };
        let many: Vec<_> = (0..200).map(|_| delivery()).collect();
        fill().await;
        let error = storage.deliver(&many).await.unwrap_err();
        assert!(error.is_temporary(), "{error}");

        // A statement that failed in a transaction leaves the connection open, and with it the limit.
        database.on_the_writer(&NONSENSE).await.unwrap_err();
        storage.deliver(&many).await.unwrap();
        storage.record(&[order(1)]).await.unwrap();
        storage.check().await.unwrap();
        let audit = storage.audit().await.unwrap();
        assert!(audit.is_clean() && audit.orders == 2, "{audit}");
        assert_eq!(audit.products[0].delivered, 1_000);
    }
}

/// Each of these writes, and the connection refuses it. The setting belongs to the connection and
/// ends with it.
#[tokio::test]
async fn orders_deliveries_sweeps_and_readiness_all_outlive_a_writer_that_cannot_write() {
    for test in [TestDatabase::memory().await, TestDatabase::file().await] {
        let database = &test.database;
        let order = || Arc::from([order(1)]);
        let delivery =
            || Arc::from([Delivery::new(CATALOGUE[0].id, NonZeroU32::MIN, SystemTime::now())]);
        let now = SystemTime::now();
        const READ_ONLY: Statement = Statement::same("PRAGMA", "PRAGMA query_only = ON");
        let read_only = async || test.database.on_the_writer(&READ_ONLY).await.unwrap();
        let expected = "the database is unavailable: attempt to write a readonly database";

        read_only().await;
        let refused = orders::record(database, order()).await.map(drop).unwrap_err();
        assert_eq!(refused.to_string(), expected);
        orders::record(database, order()).await.unwrap();

        read_only().await;
        let refused = deliveries::deliver(database, delivery()).await.map(drop).unwrap_err();
        assert_eq!(refused.to_string(), expected);
        deliveries::deliver(database, delivery()).await.unwrap();

        read_only().await;
        let refused = orders::sweep(database, now).await.unwrap_err();
        assert_eq!(refused.to_string(), expected);
        orders::sweep(database, now).await.unwrap();

        // After a commit within the last second, the check would not write.
        *database.last_commit.lock().unwrap() = None;
        read_only().await;
        let refused = readiness::check(database).await.unwrap_err();
        assert_eq!(refused.to_string(), expected);
        readiness::check(database).await.unwrap();
        assert!(database.has_committed_within(Duration::from_secs(60)));
    }
}

#[tokio::test]
async fn a_backend_that_is_killed_in_a_transaction_is_replaced_and_the_work_done_again() {
    let Some(test) = TestDatabase::postgres().await else { return };
    test.mark().await;
    let attempts = Arc::new(AtomicU32::new(0));

    test.database
        .transaction(Arc::clone(&attempts), |transaction, attempts| {
            Box::pin(async move {
                readiness::write_in(transaction).await?;
                if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
                    transaction.run(&TERMINATE, NO_ROWS).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();

    assert_eq!(attempts.load(Ordering::SeqCst), 2);
    assert!(!test.is_marked().await);
    assert!(none_is_in_a_transaction(&test).await);
}

/// As on the server that was the primary until a moment ago.
#[tokio::test]
async fn a_connection_that_refuses_to_write_is_replaced_and_the_work_done_again() {
    let Some(test) = TestDatabase::postgres().await else { return };
    test.mark().await;
    const READ_ONLY: Statement = Statement::same("SET", "SET default_transaction_read_only = on");
    test.database.on_the_writer(&READ_ONLY).await.unwrap();
    test.write().await;
    assert!(!test.is_marked().await);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_costs_the_connection() {
    let Some(test) = TestDatabase::postgres().await else { return };
    test.mark().await;
    let Acquired::Postgres(lease) = test.database.writer.acquire().await.unwrap() else { panic!() };
    let lease = Lease::Postgres(lease.patient(Duration::from_millis(50)));
    let session = Session::new(lease, Arc::clone(&test.database.spans), Context::current());
    let mut transaction = Transaction::begin(session, Begin::Writing).await.unwrap();

    let slept = transaction.run(&SLEEP, NO_ROWS).await;
    let error = transaction.finish(slept).await.unwrap_err();

    assert!(error.is_temporary() && error.lost_connection(), "{error}");
    assert!(!test.is_marked().await);
    test.write().await;
}

/// It never ends by itself.
const ENDLESS: Statement = Statement::same(
    "SELECT",
    "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers) \
     SELECT COUNT(*) FROM numbers",
);

#[tokio::test]
async fn a_transaction_of_sqlite_that_takes_too_long_is_interrupted_and_rolled_back() {
    for mut test in [TestDatabase::memory().await, TestDatabase::file().await] {
        test.mark().await;
        let patience = std::mem::replace(&mut test.database.patience, Duration::from_millis(500));
        let endless = test.database.transaction((), |transaction, ()| {
            Box::pin(async {
                readiness::write_in(transaction).await?;
                transaction.run(&ENDLESS, NO_ROWS).await
            })
        });
        let error = endless.await.unwrap_err();
        assert_eq!(error.to_string(), "the database is unavailable: no answer in time");
        assert!(!error.retry_helps());
        test.database.patience = patience;
        assert!(!test.is_marked().await, "its connection was closed");
        test.write().await;
        assert_eq!(test.database.number(&COUNT).await, 1, "only what was committed counts");
    }
}

/// If it went on, it would keep the only connection that writes.
#[tokio::test]
async fn a_transaction_of_sqlite_whose_caller_is_gone_is_interrupted_and_rolled_back() {
    for test in [TestDatabase::memory().await, TestDatabase::file().await] {
        test.assert_nothing_remains_half_way(|transaction, begun| {
            Box::pin(async {
                readiness::write_in(transaction).await?;
                begun.fetch_add(1, Ordering::SeqCst);
                transaction.run(&ENDLESS, NO_ROWS).await
            })
        })
        .await;
    }
}

#[tokio::test]
async fn a_transaction_that_the_server_ended_for_idling_is_not_mistaken_for_one_that_is_open() {
    let Some(test) = TestDatabase::postgres().await else { return };
    test.mark().await;
    const IDLE: Statement =
        Statement::same("SET", "SET idle_in_transaction_session_timeout = '1ms'");
    test.database.on_the_writer(&IDLE).await.unwrap();
    let (test, attempts) = (Arc::new(test), Arc::new(AtomicU32::new(0)));
    let input = (Arc::clone(&test), Arc::clone(&attempts));

    test.database
        .transaction(input, |transaction, (test, attempts)| {
            Box::pin(async move {
                if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
                    while !none_is_in_a_transaction(test).await {}
                }
                readiness::write_in(transaction).await
            })
        })
        .await
        .unwrap();

    assert_eq!(attempts.load(Ordering::SeqCst), 2);
    assert!(!test.is_marked().await);
}

#[tokio::test]
async fn a_wait_for_a_connection_that_is_in_vain_is_counted_and_ends() {
    let recorder = MetricRecorder::start();
    let meters = ServiceMeters::new(recorder.provider());
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/grocery.db", folder.path().display()).parse().unwrap();
    let database = Database::open(&url, PostgresLimits::default(), &CATALOGUE, Some(&meters));
    let database = database.await.unwrap();
    let of_writer = |name: &str| {
        let name = format!("db.client.connection.{name}");
        let metric = recorder.metrics().into_iter().find(|metric| metric.name == name)?;
        let mut lines = metric.lines().into_iter().filter(|line| line.contains("name=writer"));
        lines.next().map(|line| line.replace("db.client.connection.", ""))
    };

    let held = database.writer.acquire().await.unwrap();
    assert_eq!(of_writer("wait_time").as_deref(), Some("pool.name=writer = 1"));
    assert_eq!(of_writer("use_time"), None, "it is still in use");
    let error = readiness::write(&database).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error}");
    drop(held);

    assert_eq!(of_writer("timeouts").as_deref(), Some("pool.name=writer = 1"));
    assert_eq!(of_writer("pending_requests").as_deref(), Some("pool.name=writer = 0"));
    assert_eq!(of_writer("wait_time").as_deref(), Some("pool.name=writer = 1"));
    assert_eq!(of_writer("use_time").as_deref(), Some("pool.name=writer = 1"));
}

/// Whether no other connection to the database is in a transaction.
async fn none_is_in_a_transaction(test: &TestDatabase) -> bool {
    const COUNT: Statement = Statement::same(
        "SELECT",
        "SELECT COUNT(*) AS count FROM pg_stat_activity WHERE datname = current_database() \
         AND pid <> pg_backend_pid() AND xact_start IS NOT NULL \
         AND backend_type = 'client backend'",
    );
    test.database.number(&COUNT).await == 0
}
