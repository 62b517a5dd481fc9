//! Requests that a browser sends for a page of another site are refused.

use actix_web::http::Method;
use shared::wire::Problem;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Answer, TestStore};

const NOBODY: &[(&str, &str)] = &[];

async fn get_as(store: &TestStore, host: &str) -> Answer {
    store.get("/").header("host", host).send().await
}

/// Buys one piece by a request with these headers.
async fn buy_with(store: &TestStore, headers: &[(&'static str, &str)]) -> Answer {
    let ask = store.checkout(&[(1, 1)]);
    headers.iter().fold(ask, |ask, (name, value)| ask.header(name, *value)).send().await
}

#[actix_web::test]
async fn a_store_on_loopback_answers_to_this_machine_and_to_those_that_it_was_told() {
    let store = TestStore::open_with(|config| {
        config.allowed_hosts = vec!["store.example".parse().unwrap()];
    })
    .await;
    for host in ["localhost", "localhost:5000", "127.0.0.1", "[::1]:80", "Store.Example:8080"] {
        assert_eq!(get_as(&store, host).await.status, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "host.docker.internal:5000"] {
        let refused = get_as(&store, host).await;
        let Problem { kind, detail, .. } = refused.problem(403);
        assert_eq!(kind, "/problems/host-not-allowed");
        assert!(detail.contains(host) && detail.contains("--allowed-hosts"), "{detail}");
    }
    // Under such a name every route is refused, checkouts too.
    let rebound = store.checkout(&[(1, 1)]).header("host", "evil.example").send().await;
    rebound.problem(403);
    store
        .request(Method::DELETE, "/nothing")
        .header("host", "evil.example")
        .send()
        .await
        .problem(403);
    assert_eq!(store.in_stock(1).await, 500);
}

#[actix_web::test]
async fn a_request_without_a_host_is_for_nobody() {
    let store = TestStore::open().await;
    for (version, status) in [("1.0", 403), ("1.1", 400)] {
        let address = store.base().trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).await.unwrap();
        let request = format!("GET / HTTP/{version}\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/{version} {status} ")), "{answer}");
    }
}

#[actix_web::test]
async fn a_store_that_others_can_reach_answers_to_every_name_unless_some_are_listed() {
    let open = |hosts: &'static [&str]| {
        TestStore::open_with(move |config| {
            config.listen = "0.0.0.0:0".parse().unwrap();
            config.allowed_hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        })
    };
    let store = open(&[]).await;
    for host in ["store:5000", "evil.example", "10.1.2.3:5000"] {
        assert_eq!(get_as(&store, host).await.status, 200, "{host}");
    }
    let closed = open(&["store"]).await;
    assert_eq!(get_as(&closed, "store:5000").await.status, 200);
    assert_eq!(get_as(&closed, "127.0.0.1:5000").await.status, 200);
    get_as(&closed, "evil.example").await.problem(403);
}

#[actix_web::test]
async fn a_page_of_another_site_cannot_buy() {
    let store = TestStore::open().await;
    let own = store.base().to_owned();
    for headers in [
        NOBODY,
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none"), ("origin", "http://evil.example")],
        &[("origin", &own)],
    ] {
        assert_eq!(buy_with(&store, headers).await.status, 201, "{headers:?}");
    }
    let sold = 500 - store.in_stock(1).await;
    assert_eq!(sold, 4);
    for headers in [
        &[("sec-fetch-site", "cross-site")] as &[_],
        &[("sec-fetch-site", "same-site"), ("origin", &own)],
        &[("sec-fetch-site", "")],
        &[("origin", "http://evil.example")],
        &[("origin", "http://127.0.0.1:1")],
        &[("origin", "null")],
        &[("origin", "")],
    ] {
        let refused = buy_with(&store, headers).await;
        assert_eq!(refused.problem(403).kind, "/problems/cross-site", "{headers:?}");
    }
    // A `GET` changes nothing, so it is answered. The browser does not show the answer to the page.
    let read = store.get("/whats-in-store").header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(read.status, 200);
    assert_eq!(store.in_stock(1).await, 496);
}
