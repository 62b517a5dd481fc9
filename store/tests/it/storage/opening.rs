//! Opening: what is created, what is kept, and the errors when there is no database.

use sqlx::{AnyConnection, Connection, Executor, Row};
use store::storage::{DatabaseUrl, RecordOutcome, Storage, StorageError};
use tokio::task::JoinSet;

use super::fixture::{TestDatabase, keyed, on_both, on_hand, order, recorded};

on_both!(
    stores_that_open_one_new_database_together_all_open_it,
    a_database_that_lacks_a_table_is_not_ready,
    opening_again_keeps_what_is_on_the_shelves,
    the_whole_catalogue_is_there_the_first_time,
    a_schema_from_the_future_is_refused,
    keys_of_before_their_sale_was_kept_are_still_good,
);

/// Each has connections of its own, as stores in different processes have.
async fn stores_that_open_one_new_database_together_all_open_it(database: TestDatabase) {
    let mut stores = JoinSet::new();
    for _ in 0..8 {
        let url = database.url.clone();
        stores.spawn(async move { Storage::open(&url).await });
    }
    for opened in stores.join_all().await {
        opened.unwrap().check().await.unwrap();
    }
}

async fn a_database_that_lacks_a_table_is_not_ready(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    storage.check().await.unwrap();
    for table in ["write_checks", "idempotency_keys", "deliveries", "order_lines"] {
        database.tamper(&[&format!("ALTER TABLE {table} RENAME TO elsewhere")]).await;
        // A recent commit does not hide it.
        let error = storage.check().await.unwrap_err();
        assert_eq!(error.kind(), "refused", "{table}: {error}");
        assert!(error.to_string().contains(table), "{error}");
        database.tamper(&[&format!("ALTER TABLE elsewhere RENAME TO {table}")]).await;
        storage.check().await.unwrap();
    }
    database.tamper(&["ALTER TABLE orders RENAME COLUMN total_cents TO total"]).await;
    assert!(storage.check().await.unwrap_err().to_string().contains("total_cents"));
}

async fn opening_again_keeps_what_is_on_the_shelves(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    storage.record(&[order([(1, 4)])]).await.unwrap();
    storage.close().await;
    let reopened = database.open([(1, 10), (2, 5)]).await;
    assert_eq!(on_hand(&reopened).await, [6, 5]);
}

async fn the_whole_catalogue_is_there_the_first_time(database: TestDatabase) {
    let storage = Storage::open(&database.url).await.unwrap();
    let catalogue = storage.catalogue().await.unwrap();
    let aisles: std::collections::BTreeSet<_> =
        catalogue.iter().map(|(product, _)| product.aisle.clone()).collect();
    assert!(catalogue.len() >= 30 && aisles.len() >= 6);
}

async fn a_schema_from_the_future_is_refused(database: TestDatabase) {
    database.open([]).await.close().await;
    database
        .tamper(&["INSERT INTO _sqlx_migrations \
            (version, description, success, checksum, execution_time) \
            SELECT 9999, 'from the future', success, checksum, 0 FROM _sqlx_migrations \
            WHERE version = 1"])
        .await;
    let error = Storage::open(&database.url).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot migrate the database {}: migration 9999 was previously applied but is \
             missing in the resolved migrations",
            database.url
        )
    );
}

/// As a store of before migration 3 left it.
async fn keys_of_before_their_sale_was_kept_are_still_good(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    let first = storage.record(&[keyed("k", [(1, 4)])]).await.unwrap();
    storage.close().await;
    database
        .tamper(&[
            "ALTER TABLE idempotency_keys DROP COLUMN trace_id",
            "ALTER TABLE idempotency_keys DROP COLUMN span_id",
            "DELETE FROM _sqlx_migrations WHERE version = 3",
        ])
        .await;
    let reopened = database.open([]).await;
    reopened.check().await.unwrap();
    let receipt = recorded(&first[0]).clone();
    let again = reopened.record(&[keyed("k", [(1, 4)])]).await.unwrap();
    assert_eq!(again, [RecordOutcome::Replayed { receipt, placed_in: None }]);
    assert_eq!(on_hand(&reopened).await, [6]);
}

#[tokio::test]
async fn the_folder_of_a_sqlite_file_is_made_whatever_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new folder/100% Ä/grocery.db");
    let url: DatabaseUrl = format!("sqlite:{}", path.display()).parse().unwrap();
    Storage::open(&url).await.unwrap().close().await;
    assert!(path.is_file());
}

#[tokio::test]
async fn a_sqlite_file_is_written_ahead() {
    let database = TestDatabase::sqlite();
    let storage = database.open([(1, 1)]).await;
    let mut connection = AnyConnection::connect(&database.connect_string()).await.unwrap();
    let row = sqlx::query("PRAGMA journal_mode").fetch_one(&mut connection).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "wal");
    storage.close().await;
}

#[tokio::test]
async fn a_memory_is_a_database_of_its_own_that_lasts() {
    let url: DatabaseUrl = "sqlite::memory:".parse().unwrap();
    let (one, other) = (Storage::open(&url).await.unwrap(), Storage::open(&url).await.unwrap());
    one.record(&[order([(1, 4)])]).await.unwrap();
    assert_eq!(on_hand(&one).await[0] + 4, on_hand(&other).await[0]);
}

/// SQLite itself waits for five seconds.
#[tokio::test]
async fn a_file_that_somebody_else_keeps_locked_is_said_to_be_locked() {
    let database = TestDatabase::sqlite();
    database.open([]).await.close().await;
    let mut stranger = AnyConnection::connect(&database.connect_string()).await.unwrap();
    stranger.execute("BEGIN IMMEDIATE").await.unwrap();
    let error = Storage::open(&database.url).await.unwrap_err();
    let expected = format!("cannot open the database {}: database is locked", database.url);
    assert_eq!(error.to_string(), expected);
    stranger.execute("COMMIT").await.unwrap();
    Storage::open(&database.url).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_is_said_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().display();
    std::fs::write(format!("{folder}/file"), "no database, only text").unwrap();
    for (url, reason) in [
        (format!("sqlite:{folder}"), "unable to open database file"),
        (format!("sqlite:{folder}/file/grocery.db"), "cannot make the folder"),
        (format!("sqlite:{folder}/file"), "file is not a database"),
        (format!("postgres://ann:secret@%2F{folder}/x"), "No such file or directory"),
    ] {
        let url: DatabaseUrl = url.parse().unwrap();
        let error = Storage::open(&url).await.unwrap_err();
        assert!(matches!(error, StorageError::Open { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("cannot open the database {url}: ")), "{text}");
        assert!(text.contains(reason) && !text.contains("secret"), "{text}");
    }
}
