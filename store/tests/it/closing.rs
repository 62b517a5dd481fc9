//! A store that is told to stop: it says so first, goes on serving, and then finishes what it has begun.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use store::{
    domain::ProductId,
    storage::{DatabaseUrl, Storage},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::{
    process::{StoreProcess, store_program},
    support::{LockedDatabase, TestStore},
};

fn start(args: &[&str]) -> (StoreProcess, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store =
        StoreProcess::start(store_program(args.iter().copied()), &folder.path().join("store.db"));
    (store, folder)
}

/// A connection that stays open between requests.
struct KeepAliveConnection(BufReader<TcpStream>);

impl KeepAliveConnection {
    async fn to(store: &StoreProcess) -> Self {
        let address = store.base().trim_start_matches("http://");
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    /// Sends a request: method and path, and a body if it has one.
    async fn ask(&mut self, line: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// The lines of the answer's head. Its body is read too.
    async fn answer(&mut self) -> Vec<String> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_ascii_lowercase()),
            }
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.expect("it has a length").parse().unwrap();
        self.0.read_exact(&mut vec![0; length]).await.unwrap();
        head
    }

    /// Waits until the store has closed it.
    async fn closed(mut self) {
        assert_eq!(self.0.read(&mut [0]).await.unwrap(), 0);
    }
}

#[actix_web::test]
async fn a_store_that_is_told_to_stop_is_not_ready_and_goes_on_serving() {
    let (store, _folder) = start(&["--drain", "1h"]);
    assert_eq!(store.get("/readyz").send().await.status, 200);

    store.signal(Signal::SIGTERM);

    let answer = loop {
        let answer = store.get("/readyz").send().await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(answer.status, 503);
    let problem: shared::wire::Problem = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem.kind, "/problems/closing");
    assert_eq!(store.get("/healthz").send().await.status, 200);
    assert_eq!(store.checkout(&[(1, 1)]).send().await.status, 201);
    // A second Ctrl-C does not wait for the hour.
    store.signal(Signal::SIGINT);
    store.ended();
}

#[actix_web::test]
async fn what_is_under_way_when_the_time_is_over_is_finished_and_its_connection_closed() {
    let (store, folder) = start(&["--drain", "1s"]);
    let (mut idle, mut busy) =
        (KeepAliveConnection::to(&store).await, KeepAliveConnection::to(&store).await);
    for connection in [&mut idle, &mut busy] {
        connection.ask("GET /", "").await;
        assert_eq!(connection.answer().await[0], "http/1.1 200 ok");
    }
    // An order that waits for the database is under way when its reservation can be seen.
    let locked = LockedDatabase::lock(&folder.path().join("store.db"));
    busy.ask("POST /checkout", r#"{"items":[{"id":"1","quantity":1}]}"#).await;
    store.await_stock(None, 1, 499).await;

    store.signal(Signal::SIGTERM);

    // Then the time is over.
    idle.closed().await;
    locked.unlock();
    let head = busy.answer().await;
    assert_eq!(head[0], "http/1.1 201 created");
    assert!(head.contains(&"connection: close".to_owned()), "{head:?}");
    busy.closed().await;
    let ended = store.ended();
    assert!(ended.status.success(), "{ended:?}");
}

/// The time in which the store must have ended begins when it has served for as long as it was told.
#[actix_web::test]
async fn the_time_to_stop_begins_after_the_time_to_serve() {
    let (store, _folder) = start(&["--drain", "4s", "--stop-within", "3s"]);
    let told = Instant::now();
    store.signal(Signal::SIGTERM);
    let ended = store.ended();
    let took = told.elapsed();
    assert!(ended.status.success() && took >= Duration::from_secs(4), "{took:?}: {ended:?}");
}

/// HTTP ends before the actors do, also on a thread that serves both.
#[actix_web::test]
async fn an_order_whose_caller_has_gone_is_placed_although_http_has_ended() {
    for (http_threads, actor_threads) in [(1, 0), (2, 0), (1, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        let database: DatabaseUrl = format!("sqlite:{}", file.display()).parse().unwrap();
        let change = |config: &mut store::Config| {
            config.database = database.clone();
            (config.http_threads, config.actor_threads) = (http_threads, actor_threads);
        };
        let store = TestStore::open_with(change).await;
        let locked = LockedDatabase::lock(&file);
        let caller = store.checkout(&[(1, 5)]).send_only().await;
        store.await_stock(None, 1, 495).await;
        drop(caller);

        let address = store.base().trim_start_matches("http://").to_owned();
        let closing = actix_web::rt::spawn(store.close());
        while TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        locked.unlock();
        closing.await.unwrap();

        let storage = Storage::open(&database).await.unwrap();
        let left = storage.stock(&[ProductId::new(1).unwrap()]).await.unwrap();
        assert_eq!(left[0].on_hand, 495, "{http_threads} and {actor_threads} threads");
        storage.close().await;
    }
}
