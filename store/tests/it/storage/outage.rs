//! A database that is gone for a while: the error comes quickly, and ends as soon as it is back.

use store::storage::{RecordOutcome, StorageError};
use testing::postgres::Postgres;

use super::fixture::{TestDatabase, clean_audit, keyed, on_hand, order, recorded, when_free};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_outlives_its_postgres() {
    let Some(mut server) = Postgres::start(&[]) else { return };
    let database = TestDatabase::on(&server);
    let storage = database.open([(1, 10)]).await;
    let first = storage.record(&[keyed("k", [(1, 1)])]).await.unwrap();

    tokio::task::block_in_place(|| server.stop());

    for error in [
        storage.record(&[order([(1, 1)])]).await.unwrap_err(),
        storage.stock(&[]).await.and(storage.check().await).unwrap_err(),
        storage.catalogue().await.unwrap_err(),
    ] {
        assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    }

    tokio::task::block_in_place(|| server.start_again());

    when_free(|| storage.check()).await;
    let again = storage.record(&[keyed("k", [(1, 1)]), order([(1, 2)])]).await.unwrap();
    let receipt = recorded(&first[0]).clone();
    assert_eq!(again[0], RecordOutcome::Replayed { receipt, placed_in: None });
    recorded(&again[1]);
    assert_eq!(on_hand(&storage).await, [7]);
    clean_audit(&storage).await;
}
