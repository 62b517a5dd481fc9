//! The trace of a trip.

use actix_opentelemetry::testing::TestTrace;
use shopper::config::Config;

use crate::{
    stub::Stub,
    support::{one_trip, run, spans_of, trace_id, tree_of_only_trip_with},
};

async fn tree_of(kind: &str) -> String {
    let stub = Stub::proper();
    let mix = format!("{kind}=1").parse().unwrap();
    let result = run(&Config { mix, ..one_trip(&stub.url) }).await;
    tree_of_only_trip_with(&result, ["shopper.kind", "shopper.outcome", "url.template"]).await
}

#[actix_web::test]
async fn a_trip_is_welcomed_looks_around_and_buys() {
    assert_eq!(
        tree_of("quick-buy").await,
        "\
going to the grocery store INTERNAL {shopper.kind=quick-buy shopper.outcome=bought}
  GET / CLIENT {url.template=/}
  GET /whats-in-store CLIENT {url.template=/whats-in-store}
  POST /checkout CLIENT {url.template=/checkout}
"
    );
}

#[actix_web::test]
async fn who_only_browses_buys_nothing() {
    assert_eq!(
        tree_of("browse-only").await,
        "\
going to the grocery store INTERNAL {shopper.kind=browse-only shopper.outcome=browsed}
  GET / CLIENT {url.template=/}
  GET /whats-in-store CLIENT {url.template=/whats-in-store}
"
    );
}

#[actix_web::test]
async fn who_hesitates_looks_closely_and_leaves() {
    assert_eq!(
        tree_of("hesitant").await,
        "\
going to the grocery store INTERNAL {shopper.kind=hesitant shopper.outcome=left}
  GET / CLIENT {url.template=/}
  GET /whats-in-store CLIENT {url.template=/whats-in-store}
  GET /products/{id} CLIENT {url.template=/products/{id}}
  GET /products/{id} CLIENT {url.template=/products/{id}}
  GET /products/{id} CLIENT {url.template=/products/{id}}
"
    );
}

#[actix_web::test]
async fn a_trip_belongs_to_no_trace_but_its_own() {
    let stub = Stub::proper();
    let trace = TestTrace::start("something else that goes on");
    let result = trace.run(run(&one_trip(&stub.url))).await;
    assert_eq!(trace.tree(1).await, "something else that goes on INTERNAL\n");
    let trip = trace_id(&result.slowest[0]);
    assert_ne!(trip, trace.id());
    assert_eq!(spans_of(trip).await.iter().filter(|span| span.parent.is_none()).count(), 1);
}

#[actix_web::test]
async fn the_trace_and_what_the_shopper_is_like_travel_with_every_request() {
    let stub = Stub::proper();
    let faults = vec!["slow-aisle=produce:200ms".parse().unwrap()];
    let result = run(&Config { faults, ..one_trip(&stub.url) }).await;
    let trace_id = trace_id(&result.slowest[0]).to_string();
    let asked = stub.asked();
    let lines: Vec<_> = asked.iter().map(|asked| asked.line.as_str()).collect();
    assert_eq!(lines, ["GET /", "GET /whats-in-store", "POST /checkout"]);
    for asked in asked {
        assert!(asked.header("traceparent").contains(&trace_id));
        assert_eq!(asked.baggage("shopper.kind"), Some("quick-buy"));
        assert_eq!(asked.baggage("shopper.id"), Some("1"));
        let fault = asked.baggage("grocery.fault").unwrap();
        assert_eq!(fault.replace("%3D", "=").replace("%3A", ":"), "slow-aisle=produce:200ms");
    }
}
