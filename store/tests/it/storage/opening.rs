//! Opening: what is created, what is kept, and the errors when there is no database.

use rusqlite::Connection;
use store::storage::{DatabaseUrl, RecordOutcome, Storage, StorageError};
use tokio::task::JoinSet;

use super::fixture::{TestDatabase, clean_audit, keyed, on_each, on_hand, order, recorded};

on_each!(
    stores_that_open_one_new_database_together_all_open_it,
    a_database_that_lacks_a_table_is_not_ready,
    opening_again_keeps_what_is_on_the_shelves,
    the_whole_catalogue_is_there_the_first_time,
    a_schema_from_the_future_is_refused,
    a_migration_that_was_changed_since_is_refused,
    a_migration_alone_prepares_all_that_a_store_needs,
    keys_of_before_their_sale_was_kept_are_still_good,
);

/// Each has connections of its own, as stores in different processes have. Which of them is first, and
/// how far it is when the others come, is left to chance, so it is done many times.
async fn stores_that_open_one_new_database_together_all_open_it(database: TestDatabase) {
    for _ in 0..12 {
        let database = database.another();
        let mut stores = JoinSet::new();
        for _ in 0..4 {
            let url = database.url.clone();
            stores.spawn(async move { Storage::open(&url).await });
        }
        for opened in stores.join_all().await {
            let storage = opened.unwrap();
            storage.check().await.unwrap();
            storage.close().await;
        }
    }
}

async fn a_database_that_lacks_a_table_is_not_ready(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    storage.check().await.unwrap();
    for table in [
        "write_checks",
        "idempotency_keys",
        "deliveries",
        "order_lines",
        "folded_products",
        "folded_orders",
    ] {
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
    let known: i64 = database.migrate_all().await.into_iter().max().unwrap();
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
            "cannot migrate the database {}: it is newer than this program: it has the migration \
             9999 (from the future), and this program knows those up to {known}; start a newer one",
            database.url
        )
    );
}

async fn a_migration_that_was_changed_since_is_refused(database: TestDatabase) {
    database.migrate_all().await;
    let other = "UPDATE _sqlx_migrations SET checksum = \
                 (SELECT checksum FROM _sqlx_migrations WHERE version = 1) WHERE version = 2";
    database.tamper(&[other]).await;
    let error = Storage::open(&database.url).await.unwrap_err().to_string();
    let expected = "its migration 2 (write checks) is not the one of this program";
    assert!(error.ends_with(expected), "{error}");
}

/// The first time all migrations are applied; then there is nothing to do.
async fn a_migration_alone_prepares_all_that_a_store_needs(database: TestDatabase) {
    let applied = database.migrate_all().await;
    assert_eq!(applied, Vec::from_iter(1..=applied.len() as i64));
    assert!(database.migrate_all().await.is_empty());
    let storage = Storage::open_with(&database.url, &[]).await.unwrap();
    storage.check().await.unwrap();
    assert!(on_hand(&storage).await.len() >= 30);
}

/// A role as applications usually have: it reads and writes rows, and may not make tables.
#[tokio::test]
async fn a_role_that_may_not_create_opens_a_store_whose_schema_is_up_to_date() {
    let Some(database) = TestDatabase::postgres() else { return };
    let role = format!("app_{}", database.name());
    database
        .tamper(&[
            &format!("CREATE ROLE {role} LOGIN"),
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            &format!("GRANT USAGE ON SCHEMA public TO {role}"),
        ])
        .await;
    let url = database.url_as(&role);

    let error = Storage::open(&url).await.unwrap_err().to_string();
    let expected = format!(
        "cannot migrate the database {url}: permission denied for schema public; it lacks the \
         migrations 1, "
    );
    assert!(error.starts_with(&expected), "{error}");
    assert!(error.contains("apply them once with `grocery store --migrate`"), "{error}");

    database.migrate_all().await;
    let error = Storage::open(&url).await.unwrap_err().to_string();
    assert!(error.ends_with("permission denied for table _sqlx_migrations"), "{error}");

    let rights =
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}");
    database.tamper(&[&rights]).await;
    let storage = Storage::open(&url).await.unwrap();
    storage.check().await.unwrap();
    recorded(&storage.record(&[order([(1, 1)])]).await.unwrap()[0]);
    clean_audit(&storage).await;
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
    let connection = Connection::open(database.file().unwrap()).unwrap();
    let mode = connection.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0));
    assert_eq!(mode.unwrap(), "wal");
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
    let stranger = Connection::open(database.file().unwrap()).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = Storage::open(&database.url).await.unwrap_err();
    let expected = format!("cannot open the database {}: database is locked", database.url);
    assert_eq!(error.to_string(), expected);
    stranger.execute_batch("COMMIT").unwrap();
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
