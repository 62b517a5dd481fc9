//! A transaction that is aborted in favour of another is tried again.

use actix_opentelemetry::testing::{SpanTree, TestTrace};
use sqlx::{Connection, Executor, PgConnection, Row};
use store::storage::{PostgresLimits, Storage};
use testing::PATIENCE;

use super::fixture::{TestDatabase, clean_audit, order, recorded};

#[tokio::test]
async fn an_order_outlives_a_deadlock_with_a_stranger() {
    let Some(database) = TestDatabase::postgres() else { return };
    let url = database.connect_string();
    let name = database.name();
    // Each connection looks for a deadlock once, after it has waited for its `deadlock_timeout`: four
    // seconds for the storage, in which the other one has to come to wait for it. The other one never
    // looks, so it is the storage whose transaction is aborted.
    database.tamper(&[&format!("ALTER DATABASE {name} SET deadlock_timeout = '4s'")]).await;
    database.open([(1, 10), (2, 10)]).await.close().await;
    let limits = PostgresLimits { statement_timeout: PATIENCE, ..PostgresLimits::default() };
    let storage = Storage::open_within(&database.url, limits, None).await.unwrap();
    let mut stranger = PgConnection::connect(&url).await.unwrap();
    stranger.execute("SET deadlock_timeout = '1h'").await.unwrap();
    stranger.execute("BEGIN").await.unwrap();
    stranger.execute("UPDATE products SET name = name WHERE id = 2").await.unwrap();
    let trace = TestTrace::start("an order");
    let orders = [order([(1, 1), (2, 1)])];

    let (outcomes, ()) = tokio::join!(trace.run(storage.record(&orders)), async {
        until_someone_waits(&url).await;
        stranger.execute("UPDATE products SET name = name WHERE id = 1").await.unwrap();
        stranger.execute("COMMIT").await.unwrap();
    });

    recorded(&outcomes.unwrap()[0]);
    assert_eq!(
        SpanTree::new(&trace.spans(12).await).in_start_order().with_events().render(),
        "an order INTERNAL (grocery.db.transaction.retried)
  acquire connection INTERNAL
  BEGIN CLIENT
  SELECT products CLIENT ERROR 40P01 \"deadlock detected\"
  ROLLBACK CLIENT
  acquire connection INTERNAL
  BEGIN CLIENT
  SELECT products CLIENT
  INSERT orders CLIENT
  INSERT order_lines CLIENT
  UPDATE products CLIENT
  COMMIT CLIENT
"
    );
    assert_eq!(clean_audit(&storage).await.orders, 1);
}

/// Waits until a connection to this database waits for a lock of another.
async fn until_someone_waits(url: &str) {
    let mut observer = PgConnection::connect(url).await.unwrap();
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let someone_waits = async {
        while observer.fetch_one(waiting).await.unwrap().get::<i64, _>(0) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, someone_waits).await.unwrap();
}
