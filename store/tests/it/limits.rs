//! Limits and bad input: malformed requests, too many, too large and too slow ones.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use actix_web::rt;
use futures_util::{
    future::join_all,
    stream::{FuturesUnordered, StreamExt as _},
};
use serde_json::json;

use actix_opentelemetry::testing::{SpanTree, TestTrace};

use crate::process::{StoreProcess, store_program};
use crate::support::{LockedDatabase, TestStore};

#[actix_web::test]
async fn a_body_that_is_not_json_is_a_bad_request() {
    let store = TestStore::open().await;
    for body in ["", "{", "{\"items\":[}", "nonsense", "{\"items\":[]} trailing", "\u{0}"] {
        let request = store.checkout_json(&json!(null)).body(body);
        let problem = request.send().await.problem(400);
        assert_eq!(problem.kind, "/problems/malformed-body", "{body}");
    }
}

#[actix_web::test]
async fn json_that_is_no_basket_that_can_be_sold_is_refused_by_what_is_wrong_with_it() {
    let store = TestStore::open().await;
    let line = |id: &str, quantity: i64| json!({ "id": id, "quantity": quantity });
    let lines: Vec<_> = (1..=101).map(|id| line(&id.to_string(), 1)).collect();
    for (body, expected) in [
        (json!(null), "invalid type: null"),
        (json!([]), "expected struct CheckoutRequest"),
        (json!([[]]), "expected struct CheckoutRequest"),
        (json!({ "items": [["1", 1]] }), "expected struct BasketItem"),
        (json!({}), "missing field `items`"),
        (json!({ "items": 7 }), "expected a sequence"),
        (json!({ "items": [], "coupon": 1 }), "unknown field `coupon`"),
        (json!({ "items": [{ "id": "1", "quantity": 1, "price": 0 }] }), "unknown field `price`"),
        (json!({ "items": [{ "id": 1, "quantity": 1 }] }), "expected a string"),
        (json!({ "items": [{ "id": "1", "quantity": "1" }] }), "expected u32"),
        (json!({ "items": [{ "id": "1", "quantity": 1.5 }] }), "expected u32"),
        (json!({ "items": [line("1", -1)] }), "expected u32"),
        (json!({ "items": [line("1", 4_294_967_296)] }), "expected u32"),
        (json!({ "items": [] }), "the basket is empty"),
        (json!({ "items": [line("1", 0)] }), "the quantity of product 1 is 0"),
        (json!({ "items": [line("1", 1), line("1", 1)] }), "product 1 is in the basket twice"),
        (json!({ "items": [line("potato", 1)] }), "\"potato\" is not a product id"),
        (json!({ "items": [line("999", 1)] }), "the store has no product \"999\""),
        (json!({ "items": lines }), "the basket has 101 lines"),
    ] {
        let problem = store.checkout_json(&body).send().await.problem(422);
        assert_eq!(problem.kind, "/problems/impossible-basket");
        assert!(problem.detail.contains(expected), "{body}: {}", problem.detail);
    }
}

#[actix_web::test]
async fn a_body_over_256_kib_is_too_large_and_one_under_is_read() {
    let store = TestStore::open().await;
    let padded = |bytes: usize| {
        let body = r#"{"items":[{"id":"1","quantity":1}]}"#;
        store.checkout_json(&json!(null)).body(format!("{body}{}", " ".repeat(bytes - body.len())))
    };
    assert_eq!(padded(256 * 1024).send().await.status, 201);
    padded(256 * 1024 + 1).send().await.problem(413);
}

#[actix_web::test]
async fn a_body_of_another_type_is_not_supported() {
    let store = TestStore::open().await;
    let body = r#"{"items":[{"id":"1","quantity":1}]}"#;
    let post = || store.request(actix_web::http::Method::POST, "/checkout").body(body);
    post().send().await.problem(415);
    post().header("content-type", "text/plain").send().await.problem(415);
    let json = post().header("content-type", "application/json; charset=utf-8");
    assert_eq!(json.send().await.status, 201);
}

#[actix_web::test]
async fn an_idempotency_key_that_cannot_be_one_is_refused() {
    let store = TestStore::open().await;
    for key in ["", "two words", &"k".repeat(256)] {
        let problem = store.checkout(&[(1, 1)]).key(key).send().await.problem(400);
        assert_eq!(problem.kind, "/problems/idempotency-key");
    }
    store.checkout(&[(1, 1)]).key("one").key("another").send().await.problem(400);
    assert_eq!(store.in_stock(1).await, 500);
}

#[actix_web::test]
async fn trace_headers_that_break_the_rules_start_a_new_trace_and_fail_nothing() {
    let store = TestStore::open().await;
    let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let too_long = "x".repeat(20_000);
    for headers in [
        vec![("traceparent", "garbage")],
        vec![("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01")],
        vec![("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01")],
        vec![("traceparent", valid), ("traceparent", valid)],
        vec![("traceparent", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")],
        vec![("traceparent", &too_long)],
        vec![("tracestate", "a=1"), ("tracestate", "===")],
        vec![("baggage", "=,;,=;=,%ff=%ff"), ("baggage", "no value")],
        vec![("baggage", &too_long)],
    ] {
        let ask = store.get("/whats-in-store");
        let ask = headers.iter().fold(ask, |ask, (name, value)| ask.header(name, *value));
        let answer = ask.send().await;
        assert_eq!(answer.status, 200, "{headers:?}");
        assert!(!answer.header("traceresponse").contains("4bf92f3577b34da6"), "{headers:?}");
    }
    // A malformed tracestate or baggage does not make the traceparent invalid.
    let answer = store
        .get("/")
        .header("traceparent", valid)
        .header("tracestate", "in valid")
        .header("baggage", "=")
        .send()
        .await;
    assert!(answer.header("traceresponse").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
}

#[actix_web::test]
async fn an_overloaded_actor_says_when_to_try_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = TestStore::open_with(|config| {
        config.database = format!("sqlite:{}", file.display()).parse().unwrap();
        config.allow_faults = true;
        (config.actors.mailbox, config.actors.concurrency) = (1, 1);
    })
    .await;
    // The first request of an experiment, here one that changes nothing, starts actors of its own.
    let order = || store.checkout(&[(1, 1)]).fault("error=Ledger:0%").send();
    assert_eq!(order().await.status, 201);
    // One order is in the checkout while the database is locked. Of the others, only as many can wait
    // as there is room for.
    let locked = LockedDatabase::lock(&file);
    let mut answers: FuturesUnordered<_> = (0..16).map(|_| order()).collect();
    for _ in 0..12 {
        let refused = answers.next().await.unwrap();
        assert_eq!(refused.problem(503).kind, "/problems/overloaded");
        assert_eq!(refused.header("retry-after"), "1");
    }
    // Requests that are no part of it are not affected.
    assert_eq!(store.get("/products/1").send().await.status, 200);
    locked.unlock();
    let answers: Vec<_> = answers.collect().await;
    assert!(answers.iter().any(|answer| answer.status == 201), "{answers:?}");
    // Afterwards all is as before.
    assert_eq!(store.checkout(&[(1, 1)]).send().await.status, 201);
    assert_eq!(order().await.status, 201);
}

#[actix_web::test]
async fn a_ledger_with_a_full_queue_takes_no_more_orders() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = TestStore::open_with(|config| {
        config.database = format!("sqlite:{}", file.display()).parse().unwrap();
        config.actors.ledger_queue = 1;
    })
    .await;
    // The first order is being written while the database is locked. The second waits for the next
    // batch, and there is no room for further ones.
    let locked = LockedDatabase::lock(&file);
    let order = || rt::spawn(store.checkout(&[(1, 1)]).send());
    let written = order();
    store.await_stock(None, 1, 499).await;
    let waiting = order();
    store.await_stock(None, 1, 498).await;
    for refused in join_all((0..3).map(|_| order())).await {
        assert_eq!(refused.unwrap().problem(503).kind, "/problems/overloaded");
    }
    locked.unlock();
    assert_eq!(written.await.unwrap().status, 201);
    assert_eq!(waiting.await.unwrap().status, 201);
    store.await_stock(None, 1, 498).await;
}

#[actix_web::test]
async fn an_actor_at_its_limit_reads_no_further_message_until_it_has_room() {
    let store = TestStore::open_with(|config| {
        config.allow_faults = true;
        config.actors.concurrency = 1;
        config.actors.mailbox = 64;
    })
    .await;
    let slow = |_| store.checkout(&[(1, 1)]).fault("slow-aisle=produce:10ms").send();
    let answers = join_all((0..8).map(slow)).await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
}

#[actix_web::test]
async fn a_deadline_that_is_missed_is_a_gateway_timeout_and_nothing_is_sold() {
    let store = TestStore::open_with(|config| {
        config.allow_faults = true;
        config.request_timeout = Duration::from_secs(2);
    })
    .await;
    let trace = TestTrace::start("a trip");
    let late = store.checkout(&[(1, 5), (12, 1)]).fault("slow-aisle=produce:5s");
    let late = late.in_trace(&trace).send().await;
    assert_eq!(late.problem(504).kind, "/problems/deadline-missed");
    // The aisle reserves after the client has stopped waiting. A test in `actors::system` shows
    // that it puts the pieces back.
    let spans = trace.spans(6).await;
    assert_eq!(
        SpanTree::new(&spans).attributes(["grocery.aisle"]).render(),
        "\
a trip INTERNAL
  POST /checkout SERVER ERROR 504
    ask Checkout PlaceOrder INTERNAL ERROR deadline_missed
      ask Aisle Reserve INTERNAL {grocery.aisle=dairy}
      ask Aisle Reserve INTERNAL {grocery.aisle=produce}
      tell Aisle Release INTERNAL {grocery.aisle=dairy}
"
    );
    let stall = "stall=Ledger:4s";
    let stuck = store.checkout(&[(1, 5)]).fault(stall).send().await;
    assert_eq!(stuck.problem(504).kind, "/problems/deadline-missed");
    store.await_stock(Some(stall), 1, 500).await;
    // Buying all pieces works only if none was sold.
    assert_eq!(store.checkout(&[(1, 500)]).send().await.status, 201);
}

#[actix_web::test]
async fn a_client_that_goes_away_leaves_no_reservation_behind() {
    let store = TestStore::open_with(|config| config.allow_faults = true).await;
    let stall = "stall=Ledger:300ms";
    let order = rt::spawn(store.checkout(&[(1, 5)]).fault(stall).send());
    store.await_stock(Some(stall), 1, 495).await;
    order.abort();
    assert!(order.await.unwrap_err().is_cancelled());
    // The order was in the ledger already, so it is sold, once. The view and the database agree.
    assert_eq!(store.checkout(&[(1, 495)]).fault(stall).send().await.status, 201);
    store.await_stock(Some(stall), 1, 0).await;
    store.await_stock(None, 1, 0).await;
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_in_time_is_a_request_timeout() {
    let timeout = Duration::from_millis(100);
    let store = TestStore::open_with(|config| config.request_timeout = timeout).await;
    let addr = store.base().trim_start_matches("http://").to_owned();
    let answer = rt::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
        let head = "POST /checkout HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                    content-length: 100\r\n\r\n{\"items\":";
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        answer
    });
    assert_eq!(&answer.await.unwrap(), b"HTTP/1.1 408");
}

#[actix_web::test]
async fn a_flood_of_what_is_no_http_is_two_lines_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = StoreProcess::start(store_program([]), &folder.path().join("store.db"));
    let addr = store.base().trim_start_matches("http://").to_owned();
    let sent = rt::task::spawn_blocking(move || {
        for _ in 0..200 {
            let mut stream = TcpStream::connect(&addr).unwrap();
            stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
            stream.write_all(b"\x16\x03\x01 no HTTP\r\n\r\n").unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 400");
        }
    });
    sent.await.unwrap();
    let log = store.terminate();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 2, "{log}");
    assert!(errors[0].contains("actix_http::h1::dispatcher: stream error"), "{log}");
    assert!(errors[1].contains("said: stream error") && errors[1].contains("count=200"), "{log}");
}
