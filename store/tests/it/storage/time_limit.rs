//! A statement that takes PostgreSQL too long is ended by it, after the time that the store was given.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _, PgConnection};
use store::storage::{PostgresLimits, Storage, StorageError};
use testing::{pgbouncer::PgBouncer, postgres};

use super::fixture::{TestDatabase, clean_audit, order, recorded};
use crate::support::TestStore;

const LIMITS: PostgresLimits = PostgresLimits {
    connections: store::storage::POSTGRES_CONNECTIONS,
    statement_timeout: Duration::from_secs(1),
};

/// Less than two statements take with the limit that a store has unless it is told otherwise.
const FAR_SOONER: Duration = Duration::from_secs(8);

const INTERRUPTED: &str = "the database is unavailable: canceling statement due to statement timeout \
     (--statement-timeout: the server is too busy, or the statement waited for a lock)";

/// Somebody who has locked all products.
async fn lock(database: &TestDatabase) -> PgConnection {
    let mut stranger = PgConnection::connect(&database.connect_string()).await.unwrap();
    stranger.execute("BEGIN").await.unwrap();
    stranger.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE").await.unwrap();
    stranger
}

/// Both a sale and a question end in time, change nothing, and leave a connection that works.
async fn ends_in_time(database: &TestDatabase) {
    let storage = Storage::open_within(&database.url, LIMITS, None).await.unwrap();
    let stranger = lock(database).await;
    let began = Instant::now();
    for error in [
        storage.record(&[order([(1, 1)])]).await.unwrap_err(),
        storage.catalogue().await.unwrap_err(),
    ] {
        assert!(matches!(error, StorageError::Unavailable(_)) && error.is_timeout(), "{error:?}");
        assert_eq!(error.to_string(), INTERRUPTED);
    }
    let took = began.elapsed();
    assert!(took >= 2 * LIMITS.statement_timeout && took < FAR_SOONER, "{took:?}");
    stranger.close().await.unwrap();

    recorded(&storage.record(&[order([(1, 1)])]).await.unwrap()[0]);
    assert_eq!(clean_audit(&storage).await.orders, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_of_a_session_ends_in_time() {
    let Some(database) = TestDatabase::postgres() else { return };
    ends_in_time(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_behind_pgbouncer_ends_in_time_and_the_limit_is_nobody_elses() {
    let Some(server) = postgres::shared() else { return };
    let Some(bouncer) = PgBouncer::before(server, 1, &[]) else { return };
    let database = TestDatabase::behind(&bouncer, server);
    ends_in_time(&database).await;
    // PgBouncer has one connection to the database, so this is the one that the storage has used.
    assert_eq!(database.through_the_pooler("SHOW statement_timeout").await, "0");
}

#[actix_web::test]
async fn a_client_is_told_to_come_again() {
    let Some(database) = TestDatabase::postgres() else { return };
    let store = TestStore::open_with(|config| {
        config.database = database.url.clone();
        config.postgres = LIMITS;
    })
    .await;
    let stranger = lock(&database).await;
    let answer = store.checkout(&[(1, 1)]).send().await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    let problem = answer.problem(503);
    assert_eq!(problem.kind, "/problems/database-unavailable");
    assert_eq!(problem.detail, "the database took too long and was interrupted: try again later");
    stranger.close().await.unwrap();
    assert_eq!(store.retried(|| store.checkout(&[(1, 1)])).await.status, 201);
    store.close().await;
}
