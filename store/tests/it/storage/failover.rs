//! Another server takes the place of the first, by the same name: a storage that is open goes on with
//! it, as soon as it takes writes.

use std::{fs, os::unix::fs::symlink, path::Path};

use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use store::storage::{DatabaseUrl, RecordOutcome, Storage, StorageError};
use testing::{PATIENCE, postgres::Postgres};
use tokio::task::block_in_place;

use super::fixture::{TestDatabase, clean_audit, keyed, on_hand, order, recorded};

/// The address of a database by a name that leads to one server or to another: a folder with a link
/// to the server's socket.
struct Name(tempfile::TempDir);

impl Name {
    fn of(server: &Postgres) -> Self {
        let name = Self(tempfile::tempdir().unwrap());
        name.lead_to(server);
        name
    }

    fn lead_to(&self, server: &Postgres) {
        let (link, new) = (self.0.path().join(".s.PGSQL.5432"), self.0.path().join("new"));
        symlink(server.socket(), &new).unwrap();
        fs::rename(new, link).unwrap();
    }

    fn url(&self, database: &str) -> DatabaseUrl {
        let folder = Path::display(self.0.path()).to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}/{database}").parse().unwrap()
    }
}

/// Waits until the standby has all that the server has committed.
async fn caught_up(server: &Postgres, standby: &Postgres) {
    let connect = async |server: &Postgres| {
        let folder = server.socket().parent().unwrap().display().to_string().replace('/', "%2F");
        PgConnection::connect(&format!("postgres://postgres@{folder}/postgres")).await.unwrap()
    };
    let mut one = connect(server).await;
    let now: String = one.fetch_one("SELECT pg_current_wal_lsn()::text").await.unwrap().get(0);
    let mut other = connect(standby).await;
    let has = format!("SELECT COUNT(*) WHERE pg_last_wal_replay_lsn() >= '{now}'::pg_lsn");
    let replayed = async {
        while other.fetch_one(sqlx::AssertSqlSafe(has.clone())).await.unwrap().get::<i64, _>(0) == 0
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, replayed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_goes_on_with_the_standby_that_took_the_place_of_its_server() {
    let Some(mut first) = Postgres::start(&["fsync=off"]) else { return };
    let database = TestDatabase::on(&first);
    database.open([(1, 10)]).await.close().await;
    let second = block_in_place(|| first.standby());
    let name = Name::of(&first);
    let url = name.url(&database.name());
    let storage = Storage::open_with(&url, &[]).await.unwrap();
    let sold = storage.record(&[keyed("k", [(1, 3)])]).await.unwrap();
    caught_up(&first, &second).await;

    block_in_place(|| first.stop());
    name.lead_to(&second);

    let error = storage.record(&[order([(1, 1)])]).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    assert_eq!(
        error.to_string(),
        "the database is unavailable: cannot execute SELECT FOR UPDATE in a read-only transaction \
         (it is a standby or read-only: the store needs the primary server)"
    );
    assert!(matches!(storage.check().await, Err(StorageError::Unavailable(_))));
    // It can be read, as it was.
    assert_eq!(on_hand(&storage).await, [7]);
    let refused = Storage::open(&url).await.unwrap_err().to_string();
    let expected = format!(
        "cannot open the database {url}: the server is a standby: the store needs the primary \
         server, to write to"
    );
    assert_eq!(refused, expected);

    block_in_place(|| second.promote());

    storage.check().await.unwrap();
    let again = storage.record(&[keyed("k", [(1, 3)]), order([(1, 2)])]).await.unwrap();
    let receipt = recorded(&sold[0]).clone();
    assert_eq!(again[0], RecordOutcome::Replayed { receipt, placed_in: None });
    recorded(&again[1]);
    assert_eq!(on_hand(&storage).await, [5]);
    clean_audit(&storage).await;
}

/// More connections than one have been idle when the server goes. None of them may cost a sale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_sale_after_a_failover_succeeds() {
    let Some(mut first) = Postgres::start(&["fsync=off"]) else { return };
    let database = TestDatabase::on(&first);
    database.open([(1, 100)]).await.close().await;
    let second = block_in_place(|| first.standby());
    let name = Name::of(&first);
    let storage = Storage::open_with(&name.url(&database.name()), &[]).await.unwrap();
    let reads: Vec<_> = (0..8).map(|_| storage.catalogue()).collect();
    for read in futures_util::future::join_all(reads).await {
        read.unwrap();
    }
    caught_up(&first, &second).await;
    block_in_place(|| {
        first.stop();
        second.promote();
    });
    name.lead_to(&second);

    for _ in 0..8 {
        recorded(&storage.record(&[order([(1, 1)])]).await.unwrap()[0]);
    }
    assert_eq!(on_hand(&storage).await, [92]);
}

#[tokio::test]
async fn a_server_that_admits_no_more_connections_is_said_to_be_full() {
    let Some(database) = TestDatabase::postgres() else { return };
    let role = format!("few_{}", database.name());
    database.migrate_all().await;
    database
        .tamper(&[
            &format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 2"),
            &format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"),
        ])
        .await;
    let url = database.url_as(&role);
    let storage = Storage::open(&url).await.unwrap();
    let url_of_others = url.to_string();
    let mut others = Vec::new();
    // Those of the storage are closed a moment after it was opened.
    while others.len() < 2 {
        others.extend(PgConnection::connect(&url_of_others).await);
    }
    let advice = "(its max_connections, or the role's limit, has to be at least the number of \
                  stores times --database-connections)";
    let full = format!("too many connections for role \"{role}\" {advice}");

    let error = Storage::open(&url).await.unwrap_err().to_string();
    assert_eq!(error, format!("cannot open the database {url}: {full}"));
    let error = storage.check().await.unwrap_err();
    assert!(error.is_temporary());
    assert_eq!(error.to_string(), format!("the database is unavailable: {full}"));

    for other in others {
        other.close().await.unwrap();
    }
    let freed = async { while storage.check().await.is_err() {} };
    tokio::time::timeout(PATIENCE, freed).await.unwrap();
}
