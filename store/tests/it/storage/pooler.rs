//! Behind PgBouncer: what is found out, what is said, and what outlives a PgBouncer that is killed.

use actix_opentelemetry::testing::{SpanTree, TestTrace};
use store::storage::{DatabaseUrl, RecordOutcome, Storage, StorageError};
use testing::{pgbouncer::PgBouncer, postgres};
use tokio::task::{JoinSet, block_in_place};

use super::fixture::{TestDatabase, clean_audit, keyed, on_hand, order, product, recorded};

/// What a question looks like in a trace, which tells how the storage sends it.
async fn question(storage: &Storage, spans: usize) -> String {
    let trace = TestTrace::start("a question");
    trace.run(storage.stock(&[product(1)])).await.unwrap();
    SpanTree::new(&trace.spans(spans).await).in_start_order().render()
}

const ALONE: &str = "a question INTERNAL
  acquire connection INTERNAL
  SELECT products CLIENT
";

const IN_A_TRANSACTION: &str = "a question INTERNAL
  acquire connection INTERNAL
  BEGIN CLIENT
  SELECT products CLIENT
  COMMIT CLIENT
";

#[tokio::test]
async fn a_store_finds_out_whether_transactions_share_connections() {
    let Some(server) = postgres::shared() else { return };
    for (settings, spans, expected) in [
        (&[][..], 5, IN_A_TRANSACTION),
        (&["default_pool_size = 1"], 5, IN_A_TRANSACTION),
        (&["server_round_robin = 1", "min_pool_size = 3"], 5, IN_A_TRANSACTION),
        (&["pool_mode = session"], 3, ALONE),
    ] {
        let Some(bouncer) = PgBouncer::before(server, 20, settings) else { return };
        let database = TestDatabase::behind(&bouncer, server);
        let storage = database.open([(1, 10)]).await;
        assert_eq!(question(&storage, spans).await, expected, "{settings:?}");
        storage.close().await;
    }
    let database = TestDatabase::on(server);
    assert_eq!(question(&database.open([(1, 10)]).await, 3).await, ALONE);
}

#[tokio::test]
async fn the_address_decides_if_it_says_whether_there_is_a_pooler() {
    let Some(database) = TestDatabase::pgbouncer() else { return };
    database.open([(1, 10)]).await.close().await;
    for (value, spans, expected) in [("true", 5, IN_A_TRANSACTION), ("false", 3, ALONE)] {
        let url: DatabaseUrl = format!("{}?pgbouncer={value}", database.url).parse().unwrap();
        let storage = Storage::open_with(&url, &[]).await.unwrap();
        assert_eq!(question(&storage, spans).await, expected);
    }
}

#[tokio::test]
async fn a_pgbouncer_that_refuses_a_parameter_of_the_connection_is_told_apart() {
    let Some(server) = postgres::shared() else { return };
    let strict = ["ignore_startup_parameters = "];
    let Some(bouncer) = PgBouncer::before(server, 5, &strict) else { return };
    let database = TestDatabase::behind(&bouncer, server);
    let error = Storage::open(&database.url).await.unwrap_err().to_string();
    let expected = "unsupported startup parameter: extra_float_digits (PgBouncer needs the setting \
                    ignore_startup_parameters = extra_float_digits, and no parameter `options` in \
                    the address)";
    assert!(error.ends_with(expected), "{error}");
}

/// A limit of the session would stay on a connection that others get.
#[tokio::test]
async fn no_setting_is_left_on_a_connection_that_others_get() {
    let Some(server) = postgres::shared() else { return };
    let Some(bouncer) = PgBouncer::before(server, 1, &[]) else { return };
    let database = TestDatabase::behind(&bouncer, server);
    let storage = database.open([(1, 10)]).await;
    recorded(&storage.record(&[order([(1, 1)])]).await.unwrap()[0]);
    clean_audit(&storage).await;
    // There is one connection, so this is the one that the storage has used.
    let settings = database.through_the_pooler("SHOW statement_timeout").await;
    assert_eq!(settings, "0");
    let prepared = "SELECT COUNT(*)::text FROM pg_prepared_statements";
    assert_eq!(database.through_the_pooler(prepared).await, "0");
}

/// As in the middle of a day, PgBouncer is killed again and again while orders come. Each order has a
/// key and is repeated until it has an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_is_placed_once_although_pgbouncer_is_killed() {
    let Some(server) = postgres::shared() else { return };
    let Some(mut bouncer) = PgBouncer::before(server, 2, &[]) else { return };
    let database = TestDatabase::behind(&bouncer, server);
    let storage = database.open([(1, 1_000)]).await;
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let storage = storage.clone();
        writers.spawn(async move {
            for number in 0..25 {
                let order = keyed(&format!("{writer}-{number}"), [(1, 1)]);
                loop {
                    match storage.record(std::slice::from_ref(&order)).await {
                        Ok(outcomes) => {
                            assert!(matches!(
                                outcomes[..],
                                [RecordOutcome::Recorded(_) | RecordOutcome::Replayed { .. }]
                            ));
                            break;
                        }
                        Err(StorageError::Unavailable(_) | StorageError::CommitUnknown(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
    }
    while !writers.is_empty() {
        block_in_place(|| bouncer.restart());
        // Some orders get through before it is killed again.
        for _ in 0..10 {
            storage.check().await.ok();
        }
        while let Some(done) = writers.try_join_next() {
            done.unwrap();
        }
    }
    assert_eq!(on_hand(&storage).await, [900]);
    assert_eq!(clean_audit(&storage).await.orders, 100);
}
