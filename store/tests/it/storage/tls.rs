//! A PostgreSQL server with TLS and passwords: what is checked, and what is said when it fails.

use std::sync::OnceLock;

use sqlx::{Connection as _, Executor as _, PgConnection};
use store::storage::{DatabaseUrl, Storage};
use testing::{postgres::Postgres, tls::certificate};

use super::fixture::clean_audit;

/// Every visible ASCII character, and some beyond.
const PASSWORD: &str = " !\"#$%&'()*+,-./0aA:;<=>?@[\\]^_`{|}~äß€";

/// A server with a role that has this password and its own database.
fn server() -> Option<&'static Postgres> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    SERVER.get_or_init(|| Postgres::start_with_tls("server")).as_ref()
}

/// Makes a role with this password that owns an empty database, and returns the name of both.
async fn owner(server: &Postgres, password: &str) -> String {
    let url: String = server.database();
    let name = url.rsplit_once('/').unwrap().1.to_owned();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    for statement in [
        format!("CREATE ROLE {name} LOGIN PASSWORD '{}'", password.replace('\'', "''")),
        format!("ALTER DATABASE {name} OWNER TO {name}"),
    ] {
        connection.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    }
    connection.close().await.unwrap();
    name
}

/// Every byte percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn url(server: &Postgres, host: &str, name: &str, password: &str, parameters: &str) -> DatabaseUrl {
    let (port, password) = (server.port(), encoded(password));
    format!("postgres://{name}:{password}@{host}:{port}/{name}?{parameters}").parse().unwrap()
}

fn authority(file: &str) -> String {
    format!("sslrootcert={}", certificate(file))
}

#[tokio::test]
async fn a_store_trusts_the_server_that_the_named_authority_vouches_for() {
    let Some(server) = server() else { return };
    let name = owner(server, PASSWORD).await;
    let checked = format!("sslmode=verify-full&{}", authority("ca.pem"));
    let storage =
        Storage::open(&url(server, "localhost", &name, PASSWORD, &checked)).await.unwrap();
    storage.check().await.unwrap();
    clean_audit(&storage).await;
    storage.close().await;
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_refused_with_the_reason() {
    let Some(server) = server() else { return };
    let name = owner(server, "secret").await;
    for (host, parameters, reason) in [
        (
            "localhost",
            "sslmode=verify-full".to_owned(),
            "the server's certificate is not trusted: its authority is not one of those trusted \
             (the parameter sslrootcert names its authority)",
        ),
        (
            "localhost",
            format!("sslmode=verify-ca&{}", authority("self-signed.pem")),
            "the server's certificate is not trusted: its authority is not one of those trusted \
             (the parameter sslrootcert names its authority)",
        ),
        (
            "127.0.0.2",
            format!("sslmode=verify-full&{}", authority("ca.pem")),
            "the server's certificate is not trusted: certificate not valid for name \"127.0.0.2\"",
        ),
        (
            "localhost",
            format!("sslmode=verify-full&{}", authority("missing.pem")),
            "No such file or directory",
        ),
        ("localhost", "sslmode=disable".to_owned(), "no pg_hba.conf entry for host"),
    ] {
        let url = url(server, host, &name, "secret", &parameters);
        let error = Storage::open(&url).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        assert!(error.starts_with(&format!("cannot open the database {url}: ")), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    // The name does not count with `verify-ca`.
    let by_authority = format!("sslmode=verify-ca&{}", authority("ca.pem"));
    Storage::open(&url(server, "127.0.0.2", &name, "secret", &by_authority)).await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_wanted() {
    let Some(server) = testing::postgres::shared() else { return };
    let url: String = server.database();
    let url: DatabaseUrl = format!("{url}?sslmode=require").parse().unwrap();
    let error = Storage::open(&url).await.unwrap_err().to_string();
    // Nobody else can read what goes over a Unix socket, but the address asks for TLS.
    assert!(error.contains("server does not support TLS"), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_not_said() {
    let Some(server) = server() else { return };
    let name = owner(server, "secret").await;
    let error = Storage::open(&url(server, "localhost", &name, "hunter2", "sslmode=require")).await;
    let error = format!("{:?}", error.unwrap_err());
    assert!(error.contains("password authentication failed"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}
