//! A store that folds old orders: what clients see of it, what it does to sales, and its trace.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use actix_opentelemetry::testing::{SpanTree, recorder};
use actix_web::rt;
use nix::sys::signal::Signal;
use rusqlite::Connection;
use shared::wire::{BasketItem, CheckoutRequest, Receipt};
use store::{
    Clock,
    domain::{Basket, KeepOrders, NewOrder},
    storage::{self, Audit, DatabaseUrl, Storage},
};
use testing::postgres;

use crate::{
    process::{StoreProcess, store_program},
    support::{LockedDatabase, PATIENCE, TestStore, change},
};

/// Between two looks at the recorder, which all tests share: who looks all the time holds them up.
const PAUSE: Duration = Duration::from_millis(5);

const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// A clock that runs ahead of the system's, as far as the test says.
#[derive(Clone, Default)]
struct TestClock(Arc<AtomicU64>);

impl TestClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let ahead = Arc::clone(&self.0);
        let now = move || SystemTime::now() + Duration::from_millis(ahead.load(Ordering::SeqCst));
        Clock::new(now)
    }
}

/// A store that keeps orders for a day.
async fn open(url: &DatabaseUrl, clock: &TestClock) -> TestStore {
    TestStore::open_with(|config| {
        config.database = url.clone();
        config.keep_orders = KeepOrders::For(KEEP);
        config.clock = clock.clock();
    })
    .await
}

fn file_url(file: &Path) -> DatabaseUrl {
    format!("sqlite:{}", file.display()).parse().unwrap()
}

async fn clean_audit(url: &DatabaseUrl) -> Audit {
    let audit = storage::audit(url).await.unwrap();
    assert!(audit.is_clean(), "{audit}");
    audit
}

/// Waits until this many orders have been folded.
async fn until_folded(url: &DatabaseUrl, orders: u64) -> Audit {
    let folded = async {
        loop {
            let audit = clean_audit(url).await;
            if audit.folded >= orders {
                return audit;
            }
        }
    };
    rt::time::timeout(PATIENCE, folded).await.expect("old orders are folded")
}

async fn a_folded_order_is_gone_for_clients(url: &DatabaseUrl) {
    let clock = TestClock::default();
    let store = open(url, &clock).await;
    let sold = store.checkout(&[(1, 2)]).key("once").send().await;
    let receipt: Receipt = sold.json();
    let path = sold.header("location").to_owned();
    assert_eq!(store.get(&path).send().await.json::<Receipt>(), receipt);

    clock.advance(KEEP + Duration::from_secs(60));
    until_folded(url, 1).await;

    let problem = store.get(&path).send().await.problem(410);
    assert_eq!(problem.kind, "/problems/order-folded");
    let order = receipt.order_id;
    assert_eq!(
        problem.detail,
        format!(
            "there is no receipt for order {order} any more: orders of its time are known in sum only"
        )
    );
    // Nobody ever had a receipt of this one: its id says nothing about a time.
    let unknown = "/orders/936da01f-9abd-4d9d-80c7-02af85c822a8";
    let problem = store.get(unknown).send().await.problem(404);
    assert_eq!(problem.kind, "about:blank");
    let again: Receipt = store.checkout(&[(1, 2)]).key("once").send().await.json();
    assert_ne!(again.order_id, order, "its key is forgotten");
    assert_eq!(store.in_stock(1).await, 496);
    store.close().await;
    let audit = clean_audit(url).await;
    assert_eq!((audit.orders, audit.folded, audit.keys), (2, 1, 1));
}

#[actix_web::test]
async fn a_folded_order_is_gone_for_clients_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    a_folded_order_is_gone_for_clients(&file_url(&folder.path().join("store.db"))).await;
}

#[actix_web::test]
async fn a_folded_order_is_gone_for_clients_on_postgres() {
    let Some(server) = rt::task::spawn_blocking(postgres::shared).await.unwrap() else { return };
    a_folded_order_is_gone_for_clients(&server.database()).await;
}

/// The tree of the only run on this database, by the spans of its statements.
async fn tree_of_the_run(namespace: &str) -> String {
    let key = "db.namespace";
    let is_run = |name: &str| name == "notify Retention FoldOld";
    let ended = async {
        loop {
            let (spans, _) = recorder().traces_with(key, namespace);
            if let Some(root) = spans.iter().find(|span| is_run(&span.name)) {
                let run: Vec<_> =
                    spans.iter().filter(|s| s.trace_id == root.trace_id).cloned().collect();
                let attributes = ["grocery.orders.folded", "grocery.deliveries.folded"];
                return SpanTree::new(&run).in_start_order().attributes(attributes).render();
            }
            rt::time::sleep(PAUSE).await;
        }
    };
    rt::time::timeout(PATIENCE, ended).await.expect("a run ends")
}

#[actix_web::test]
async fn a_run_is_a_trace_of_its_own_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let clock = TestClock::default();
    let store = open(&file_url(&file), &clock).await;
    for items in [&[(1, 1), (2, 1)][..], &[(1, 1)]] {
        assert_eq!(store.checkout(items).send().await.status, 201);
    }
    clock.advance(KEEP + Duration::from_secs(60));
    assert_eq!(
        tree_of_the_run(&file.display().to_string()).await,
        "\
notify Retention FoldOld INTERNAL {grocery.orders.folded=2 grocery.deliveries.folded=0}
  ask Ledger Fold INTERNAL
    acquire connection INTERNAL
    BEGIN CLIENT
    SELECT orders CLIENT
    DELETE idempotency_keys CLIENT
    DELETE order_lines CLIENT
    DELETE orders CLIENT
    DELETE deliveries CLIENT
    INSERT folded_products CLIENT
    INSERT folded_orders CLIENT
    COMMIT CLIENT
  ask Ledger GiveBackSpace INTERNAL
    acquire connection INTERNAL
    SELECT pragma_page_count CLIENT
"
    );
    store.close().await;
    // The runs before and after it had nothing to do, and left no trace.
    let (spans, open) = recorder().traces_with("db.namespace", &file.display().to_string());
    let questions = spans.iter().filter(|span| span.name == "SELECT orders deliveries").count();
    assert_eq!((questions, open), (0, 0));
}

#[actix_web::test]
async fn a_run_is_a_trace_of_its_own_on_postgres() {
    let Some(server) = rt::task::spawn_blocking(postgres::shared).await.unwrap() else { return };
    let url: DatabaseUrl = server.database();
    let clock = TestClock::default();
    let store = open(&url, &clock).await;
    assert_eq!(store.checkout(&[(1, 1), (2, 1)]).key("k").send().await.status, 201);
    clock.advance(KEEP + Duration::from_secs(60));
    let name = url.to_string();
    let (_, name) = name.rsplit_once('/').unwrap();
    assert_eq!(
        tree_of_the_run(&format!("{name}|public")).await,
        "\
notify Retention FoldOld INTERNAL {grocery.orders.folded=1 grocery.deliveries.folded=0}
  ask Ledger Fold INTERNAL
    acquire connection INTERNAL
    BEGIN CLIENT
    SELECT orders CLIENT
    SELECT pg_advisory_xact_lock CLIENT
    DELETE idempotency_keys CLIENT
    DELETE order_lines CLIENT
    DELETE orders CLIENT
    DELETE deliveries CLIENT
    INSERT folded_products CLIENT
    INSERT folded_orders CLIENT
    COMMIT CLIENT
  ask Ledger GiveBackSpace INTERNAL
"
    );
    store.close().await;
}

/// Makes a file with so many orders of this time.
async fn file_with_orders(file: &Path, orders: usize, placed_at: SystemTime) {
    let storage = Storage::open(&file_url(file)).await.unwrap();
    let order = |number: usize| {
        let items = vec![BasketItem { id: (1 + number % 30).to_string(), quantity: 1 }];
        let basket = Basket::try_from(&CheckoutRequest { items }).unwrap();
        NewOrder::new(basket, None, placed_at)
    };
    let orders: Vec<_> = (0..orders).map(order).collect();
    for batch in orders.chunks(250) {
        storage.record(batch).await.unwrap();
    }
    storage.close().await;
}

/// In which order the statements of this name were begun on this file, among all spans.
fn begun(file: &Path, name: &str) -> Vec<u64> {
    let (spans, _) = recorder().traces_with("db.namespace", &file.display().to_string());
    let mut begun: Vec<_> =
        spans.iter().filter(|span| span.name == name).map(|span| span.start_order).collect();
    begun.sort_unstable();
    begun
}

#[actix_web::test]
async fn a_store_that_is_far_behind_sells_between_two_batches() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    file_with_orders(&file, 500, SystemTime::now()).await;
    let clock = TestClock::default();
    let store = open(&file_url(&file), &clock).await;
    // While the file is locked, the first batch waits for it, and the sale for that batch.
    let locked = LockedDatabase::lock(&file);
    let connections = begun(&file, "acquire connection").len();
    clock.advance(KEEP + Duration::from_secs(60));
    let waits = async {
        while begun(&file, "acquire connection").len() == connections {
            rt::time::sleep(PAUSE).await;
        }
    };
    rt::time::timeout(PATIENCE, waits).await.expect("a run begins");
    let in_stock = store.in_stock(12).await;
    let sale = rt::spawn(store.checkout(&[(12, 1)]).send());
    store.await_stock(None, 12, in_stock - 1).await;
    locked.unlock();
    assert_eq!(sale.await.unwrap().status, 201);

    until_folded(&file_url(&file), 500).await;

    store.close().await;
    // Those before it made the file.
    let sold = *begun(&file, "INSERT orders").last().unwrap();
    let folded = begun(&file, "INSERT folded_orders");
    let before = folded.iter().filter(|begun| **begun < sold).count();
    assert_eq!((before, folded.len()), (1, 4));
}

#[actix_web::test]
async fn a_store_that_closes_finishes_the_batch_that_is_being_folded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    file_with_orders(&file, 3_000, SystemTime::now() - 2 * KEEP).await;
    let store = open(&file_url(&file), &TestClock::default()).await;
    let begins = async {
        while begun(&file, "SELECT orders").is_empty() {
            rt::time::sleep(PAUSE).await;
        }
    };
    rt::time::timeout(PATIENCE, begins).await.expect("a run begins");

    store.close().await;

    let audit = clean_audit(&file_url(&file)).await;
    assert!(audit.folded >= 128 && audit.folded.is_multiple_of(128), "{audit}");
    let commits = begun(&file, "COMMIT").len();
    assert_eq!(begun(&file, "BEGIN").len(), commits, "none is broken off");
    let (_, open) = recorder().traces_with("db.namespace", &file.display().to_string());
    assert_eq!(open, 0);
}

#[actix_web::test]
async fn a_small_file_of_an_older_version_gives_room_back_from_now_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = TestStore::open_with(|config| config.database = file_url(&file)).await;
    store.close().await;
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch("PRAGMA auto_vacuum = NONE; VACUUM").unwrap();
    drop(connection);
    assert_eq!(auto_vacuum(&file), 0);

    let store = open(&file_url(&file), &TestClock::default()).await;

    assert_eq!(auto_vacuum(&file), 2);
    assert_eq!(store.checkout(&[(1, 1)]).send().await.status, 201);
    store.close().await;
}

fn auto_vacuum(file: &Path) -> i64 {
    let connection = Connection::open(file).unwrap();
    connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap()
}

#[actix_web::test]
async fn a_large_file_of_an_older_version_keeps_its_size_and_that_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let connection = Connection::open(&file).unwrap();
    for statement in [
        "PRAGMA auto_vacuum = NONE",
        "CREATE TABLE large (content BLOB)",
        // More than 64 MiB.
        "INSERT INTO large VALUES (zeroblob(65 * 1024 * 1024))",
    ] {
        connection.execute_batch(statement).unwrap();
    }
    drop(connection);
    let bytes = || std::fs::metadata(&file).unwrap().len();
    let before = bytes();

    let store = StoreProcess::start(store_program(["--keep-orders", "24h"]), &file);

    store.await_said("the database file is of an older version", 1);
    let said = "to change that, stop the store and run sqlite3 on the file with 'PRAGMA auto_vacuum = \
                INCREMENTAL; VACUUM;'";
    store.await_said(said, 1);
    assert_eq!(store.checkout(&[(1, 1)]).send().await.status, 201);
    store.signal(Signal::SIGTERM);
    let ended = store.ended();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.errors().matches("of an older version").count(), 1, "{}", ended.errors());
    assert_eq!(auto_vacuum(&file), 0);
    assert!(bytes() >= before);
    clean_audit(&file_url(&file)).await;
}

/// What migration 4 has added, taken away again: as a store left it that knew of no folding.
const AS_BEFORE_FOLDING: [&str; 6] = [
    "DROP TABLE folded_products",
    "DROP TABLE folded_orders",
    "DROP INDEX orders_by_age",
    "DROP INDEX deliveries_by_age",
    "DROP INDEX idempotency_keys_by_order",
    "DELETE FROM _sqlx_migrations WHERE version = 4",
];

async fn a_database_of_before_folding_is_migrated_served_and_folded(url: &DatabaseUrl) {
    let clock = TestClock::default();
    let store = open(url, &clock).await;
    let sold = store.checkout(&[(1, 2), (7, 1)]).key("before").send().await;
    let (receipt, path) = (sold.json::<Receipt>(), sold.header("location").to_owned());
    store.close().await;
    change(url, &AS_BEFORE_FOLDING).await;
    assert!(storage::audit(url).await.is_err(), "the audit needs what is gone");

    let store = open(url, &clock).await;

    assert_eq!(store.get(&path).send().await.json::<Receipt>(), receipt);
    let again = store.checkout(&[(1, 2), (7, 1)]).key("before").send().await;
    assert_eq!(again.json::<Receipt>(), receipt);
    assert_eq!(store.in_stock(1).await, 498);
    let audit = clean_audit(url).await;
    assert_eq!((audit.orders, audit.folded, audit.keys), (1, 0, 1));
    clock.advance(KEEP + Duration::from_secs(60));
    until_folded(url, 1).await;
    assert_eq!(store.get(&path).send().await.status, 410);
    store.close().await;
    let audit = clean_audit(url).await;
    assert_eq!((audit.orders, audit.folded, audit.keys), (1, 1, 0));
    assert!(storage::migrate(url).await.unwrap().is_empty());
}

#[actix_web::test]
async fn a_database_of_before_folding_is_migrated_served_and_folded_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = file_url(&folder.path().join("store.db"));
    a_database_of_before_folding_is_migrated_served_and_folded(&url).await;
}

#[actix_web::test]
async fn a_database_of_before_folding_is_migrated_served_and_folded_on_postgres() {
    let Some(server) = rt::task::spawn_blocking(postgres::shared).await.unwrap() else { return };
    a_database_of_before_folding_is_migrated_served_and_folded(&server.database()).await;
}
