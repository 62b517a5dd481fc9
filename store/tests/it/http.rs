//! The HTTP contract: what each route answers, and that every error is a problem document.

use actix_opentelemetry::testing::TestTrace;
use actix_web::http::Method;
use serde_json::Value;
use shared::wire::{Product, Receipt, WELCOME};

use crate::{
    process::{StoreProcess, store_program},
    support::TestStore,
};

#[actix_web::test]
async fn the_store_welcomes() {
    let store = TestStore::open().await;
    let answer = store.get("/").send().await;
    assert_eq!((answer.status, &*answer.body), (200, WELCOME.as_bytes()));
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
}

#[actix_web::test]
async fn what_is_in_store_is_listed_by_aisle_with_prices_as_decimal_numbers() {
    let store = TestStore::open().await;
    let answer = store.get("/whats-in-store").send().await;
    let potato = r#"{"inventory":{"products":[{"id":"1","name":"potato","price":0.99,"aisle":"produce","in_stock":500},"#;
    assert!(answer.body.starts_with(potato.as_bytes()), "{answer:?}");
    let products = store.products(None).await;
    let aisles: std::collections::HashSet<_> = products.iter().map(|p| &p.aisle).collect();
    assert!(aisles.len() >= 6 && products.len() >= 30);
    let first: Vec<_> = products[..3].iter().map(|p| (p.name.as_str(), p.price.cents())).collect();
    assert_eq!(first, [("potato", 99), ("apple", 50), ("mango", 150)]);
}

#[actix_web::test]
async fn a_product_can_be_looked_at_alone() {
    let store = TestStore::open().await;
    let mango = store.get("/products/3").send().await.json::<Product>();
    assert_eq!((mango.name.as_str(), mango.in_stock), ("mango", 300));
    for id in ["999", "0", "mango", "-1", "%ff"] {
        store.get(&format!("/products/{id}")).send().await.problem(404);
    }
}

#[actix_web::test]
async fn a_checkout_sells_and_its_receipt_can_be_had_again() {
    let store = TestStore::open().await;
    let answer = store.checkout(&[(1, 10), (12, 1)]).send().await;
    assert_eq!(answer.status, 201);
    let receipt: Receipt = answer.json();
    let lines: Vec<_> =
        receipt.lines.iter().map(|l| (l.name.as_str(), l.quantity, l.price.cents())).collect();
    assert_eq!(lines, [("potato", 10, 990), ("milk", 1, 119)]);
    assert_eq!(receipt.total.cents(), 1109);
    assert_eq!(store.get(answer.header("location")).send().await.json::<Receipt>(), receipt);
    store.await_stock(None, 1, 490).await;
    store.await_stock(None, 12, 499).await;
}

#[actix_web::test]
async fn an_order_that_is_none_is_not_found() {
    let store = TestStore::open().await;
    for id in ["01a20776-1e0d-70ec-a9eb-b78eb7f81ba3", "soon"] {
        store.get(&format!("/orders/{id}")).send().await.problem(404);
    }
}

#[actix_web::test]
async fn a_shortage_is_a_conflict_that_names_the_products_and_sells_nothing() {
    let store = TestStore::open().await;
    let answer = store.checkout(&[(1, 501), (7, 1), (36, 1000)]).send().await;
    let problem = answer.problem(409);
    assert_eq!(problem.kind, "/problems/out-of-stock");
    let short: Vec<_> = problem.short.iter().map(|s| (&*s.id, s.requested, s.available)).collect();
    assert_eq!(short, [("1", 501, 500), ("36", 1000, 200)]);
    store.await_stock(None, 7, 200).await;
}

#[actix_web::test]
async fn the_same_key_gets_the_same_receipt_and_sells_once() {
    let store = TestStore::open().await;
    let first = store.checkout(&[(2, 500)]).key("again").send().await;
    assert_eq!(first.status, 201);
    // Nothing is left in stock, and the answer is still the first receipt.
    let second = store.checkout(&[(2, 500)]).key("again").send().await;
    assert_eq!(second.json::<Receipt>(), first.json::<Receipt>());
    assert_eq!(store.in_stock(2).await, 0);
    let other = store.checkout(&[(2, 499)]).key("again").send().await.problem(422);
    assert_eq!(other.kind, "/problems/idempotency-key-reused");
}

#[actix_web::test]
async fn concurrent_uses_of_one_key_sell_once() {
    let store = TestStore::open().await;
    let uses = (0..32).map(|_| store.checkout(&[(3, 7)]).key("all at once").send());
    let keyed = (0..32).map(|_| store.checkout(&[(3, 7)]).key("all-at-once").send());
    for refused in futures_util::future::join_all(uses).await {
        assert_eq!(refused.problem(400).kind, "/problems/idempotency-key");
    }
    let receipts: std::collections::HashSet<_> = futures_util::future::join_all(keyed)
        .await
        .iter()
        .map(|answer| answer.json::<Receipt>().order_id)
        .collect();
    assert_eq!(receipts.len(), 1);
    store.await_stock(None, 3, 293).await;
}

#[actix_web::test]
async fn an_unknown_route_or_method_is_a_problem_document() {
    let store = TestStore::open().await;
    store.get("/nothing").send().await.problem(404);
    store.get("/products/").send().await.problem(404);
    for (method, path, allowed) in [
        (Method::PUT, "/", "GET, HEAD"),
        (Method::POST, "/whats-in-store", "GET, HEAD"),
        (Method::DELETE, "/products/1", "GET, HEAD"),
        (Method::GET, "/checkout", "POST"),
    ] {
        let answer = store.request(method, path).send().await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), allowed);
    }
}

#[actix_web::test]
async fn every_answer_says_which_span_it_comes_from_in_both_headers() {
    let store = TestStore::open().await;
    let trace = TestTrace::start("a client");
    let requests =
        [("GET", "/"), ("GET", "/nothing"), ("GET", "/products/0"), ("PUT", "/checkout")];
    let mut told = Vec::new();
    for (method, path) in requests {
        let request = store.request(method.parse().unwrap(), path).in_trace(&trace);
        let answer = request.send().await;
        let names = answer.headers.keys().map(|name| name.as_str());
        let names: Vec<_> =
            names.filter(|name| name.contains("trac") || name.contains("tim")).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        let span = answer.header("traceresponse");
        let timing = format!("traceparent;desc=\"{span}\", trace;desc={span}");
        assert_eq!(answer.header("server-timing"), timing);
        told.push(span.to_owned());
    }
    let spans = trace.spans(6).await;
    let mut servers: Vec<_> = spans.iter().filter(|span| span.kind == "SERVER").collect();
    servers.sort_by_key(|span| span.start_order);
    let expected = servers.iter().map(|span| format!("00-{}-{}-01", span.trace_id, span.span_id));
    assert_eq!(told, expected.collect::<Vec<_>>());
}

#[actix_web::test]
async fn the_random_flag_of_the_caller_is_repeated_and_no_other() {
    let store = TestStore::open().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (flags, answered) in [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03")]
    {
        let parent = format!("00-{trace}-00f067aa0ba902b7-{flags}");
        let answer = store.get("/").header("traceparent", parent).send().await;
        let span = answer.header("traceresponse");
        assert_eq!((&span[..36], &span[53..]), (&*format!("00-{trace}-"), answered), "{flags}");
    }
    assert!(store.get("/").send().await.header("traceresponse").ends_with("-01"));
}

/// A propagator reads more headers than it writes, and requests without any of them are not shown to it.
#[actix_web::test]
async fn both_forms_of_b3_are_read_where_one_is_chosen() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";
    let folder = tempfile::tempdir().unwrap();
    let single = format!("{TRACE}-{SPAN}-1");
    for chosen in ["b3", "b3multi"] {
        let program = store_program([]).envs([("OTEL_PROPAGATORS", chosen)]);
        let store = StoreProcess::start(program, &folder.path().join(chosen));
        for headers in [
            &[("b3", &*single)][..],
            &[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")],
        ] {
            let request =
                headers.iter().fold(store.get("/"), |ask, (name, value)| ask.header(name, *value));
            let answer = request.send().await;
            let told = answer.header("traceresponse");
            assert!(told.starts_with(&format!("00-{TRACE}-")), "{chosen} {headers:?}: {told:?}");
        }
    }
}

#[actix_web::test]
async fn the_store_is_alive_and_ready_and_describes_itself() {
    let store = TestStore::open().await;
    assert_eq!(store.get("/healthz").send().await.status, 200);
    assert_eq!(store.get("/readyz").send().await.status, 200);
    assert_eq!(store.request(Method::HEAD, "/readyz").send().await.status, 200);
    let description: Value = store.get("/openapi.json").send().await.json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"), "{description}");
    let paths: Vec<_> = description["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/",
            "/checkout",
            "/faults",
            "/healthz",
            "/lessons",
            "/openapi.json",
            "/orders/{id}",
            "/products/{id}",
            "/readyz",
            "/whats-in-store"
        ]
    );
    let answers = &description["paths"]["/checkout"]["post"]["responses"];
    for status in ["201", "400", "403", "409", "413", "415", "422", "500", "503", "504"] {
        assert!(answers[status]["content"].is_object(), "{status}: {answers}");
    }
}

#[actix_web::test]
async fn a_store_that_is_told_to_close_finishes_what_it_has_begun() {
    let store = TestStore::open_with(|config| config.allow_faults = true).await;
    let stall = "stall=Ledger:300ms";
    let order = actix_web::rt::spawn(store.checkout(&[(1, 1)]).fault(stall).send());
    // The order has begun when its reservation can be seen.
    store.await_stock(Some(stall), 1, 499).await;
    store.close().await;
    assert_eq!(order.await.unwrap().status, 201);
}
