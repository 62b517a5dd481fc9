//! Faults by request: in the actor named, seen on its span, and nobody else's outage.

use actix_opentelemetry::testing::{SpanTree, TestTrace};
use actix_web::rt;
use futures_util::future::join_all;

use crate::support::{Answer, EXPERIMENT, TestStore};

async fn experimental() -> TestStore {
    TestStore::open_with(|config| config.allow_faults = true).await
}

/// Asks for a fault and prints the trace of it.
async fn with_fault(store: &TestStore, fault: &str, spans: usize) -> (Answer, String) {
    let trace = TestTrace::start("an experiment");
    let answer = store.checkout(&[(1, 1)]).fault(fault).in_trace(&trace).send().await;
    let spans = trace.spans(spans).await;
    let attributes = ["grocery.fault", "grocery.aisle"];
    let tree = SpanTree::new(&spans).attributes(attributes).with_events().render();
    (answer, tree)
}

#[actix_web::test]
async fn a_panicking_actor_is_a_failure_that_can_be_tried_again_and_comes_back() {
    let store = experimental().await;
    let (answer, tree) = with_fault(&store, "panic=Checkout", 3).await;
    assert_eq!(answer.problem(503).kind, "/problems/actor-stopped");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(
        tree,
        "\
an experiment INTERNAL
  POST /checkout SERVER ERROR 503 \"Service Unavailable\" (actix.ask.failed)
    ask Checkout PlaceOrder INTERNAL ERROR panic \"the request asked for it: panic=Checkout\" \
         {grocery.fault=panic=Checkout}
"
    );
    let next = store.retried(|| store.checkout(&[(1, 1)]).fault(EXPERIMENT)).await;
    assert_eq!(next.status, 201);
}

#[actix_web::test]
async fn an_aisle_that_panics_comes_back_with_what_the_database_holds() {
    let store = experimental().await;
    assert_eq!(store.checkout(&[(1, 100)]).send().await.status, 201);
    let answer = store.checkout(&[(1, 1), (12, 3)]).fault("panic=Aisle").send().await;
    answer.problem(503);
    store.await_stock(Some(EXPERIMENT), 1, 400).await;
    store.await_stock(Some(EXPERIMENT), 12, 500).await;
}

#[actix_web::test]
async fn a_ledger_that_panics_records_nothing_and_its_reservations_are_released() {
    let store = experimental().await;
    store.checkout(&[(1, 5)]).fault("panic=Ledger").send().await.problem(503);
    store.await_stock(Some(EXPERIMENT), 1, 500).await;
    let next = store.retried(|| store.checkout(&[(1, 500)]).fault(EXPERIMENT)).await;
    assert_eq!(next.status, 201);
}

#[actix_web::test]
async fn an_actor_fails_when_the_request_asks_for_it() {
    let store = experimental().await;
    let (answer, tree) = with_fault(&store, "error=Ledger:100%", 6).await;
    let problem = answer.problem(500);
    assert_eq!(problem.kind, "/problems/injected-fault");
    assert!(problem.detail.contains("error=Ledger:100%"), "{problem:?}");
    assert_eq!(
        tree,
        "\
an experiment INTERNAL
  POST /checkout SERVER ERROR 500
    ask Checkout PlaceOrder INTERNAL ERROR Fault
      ask Aisle Reserve INTERNAL {grocery.aisle=produce}
      ask Ledger Record INTERNAL ERROR Fault {grocery.fault=error=Ledger:100%}
      tell Aisle Release INTERNAL {grocery.aisle=produce}
"
    );
    store.await_stock(Some(EXPERIMENT), 1, 500).await;
}

#[actix_web::test]
async fn an_error_of_no_share_never_strikes() {
    let store = experimental().await;
    let (answer, tree) = with_fault(&store, "error=Ledger:0%", 5).await;
    assert_eq!(answer.status, 201);
    assert!(!tree.contains("grocery.fault"), "{tree}");
}

#[actix_web::test]
async fn only_the_aisle_named_is_slow() {
    let store = experimental().await;
    let trace = TestTrace::start("an experiment");
    let fault = "slow-aisle=produce:50ms";
    let order = store.checkout(&[(1, 1), (12, 1)]).fault(fault).in_trace(&trace);
    assert_eq!(order.send().await.status, 201);
    let spans = trace.spans(14).await;
    let reserves: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "ask Aisle Reserve")
        .map(|span| (span.attribute("grocery.aisle"), span.attribute("grocery.fault")))
        .collect();
    assert_eq!(reserves.len(), 2);
    assert!(reserves.contains(&(Some("produce"), Some(fault))), "{reserves:?}");
    assert!(reserves.contains(&(Some("dairy"), None)), "{reserves:?}");
}

#[actix_web::test]
async fn a_fault_that_is_none_is_ignored_with_an_event_that_says_so() {
    let store = experimental().await;
    let trace = TestTrace::start("an experiment");
    for fault in ["panic", "panic=Nobody", "stall=Aisle:61s"] {
        assert_eq!(store.get("/").fault(fault).in_trace(&trace).send().await.status, 200);
    }
    let spans = trace.spans(7).await;
    let ignored = "  GET / SERVER (grocery.fault.ignored)\n    welcome message INTERNAL\n";
    let expected = format!("an experiment INTERNAL\n{}", ignored.repeat(3));
    assert_eq!(SpanTree::new(&spans).with_events().render(), expected);
}

#[actix_web::test]
async fn a_store_that_does_not_allow_faults_has_none() {
    let store = TestStore::open().await;
    let trace = TestTrace::start("a stranger");
    let ask = store.get("/whats-in-store").fault("panic=Inventory").in_trace(&trace);
    assert_eq!(ask.send().await.status, 200);
    let spans = trace.spans(10).await;
    let ignored = spans.iter().find(|span| span.name == "GET /whats-in-store").unwrap();
    assert_eq!(ignored.events, ["grocery.fault.ignored"]);
}

#[actix_web::test]
async fn one_users_experiment_is_nobody_elses_outage() {
    let store = experimental().await;
    let stuck: Vec<_> = ["Inventory", "Aisle", "Checkout", "Ledger"]
        .map(|actor| store.checkout(&[(1, 1)]).fault(&format!("stall={actor}:2s")).send())
        .into_iter()
        .map(rt::spawn)
        .collect();
    let panics = ["Inventory", "Aisle", "Checkout", "Ledger"]
        .map(|actor| store.get("/whats-in-store").fault(&format!("panic={actor}")).send());
    let others = (0..32).map(|_| store.checkout(&[(2, 1)]).send());
    let (_, others) = futures_util::join!(join_all(panics), join_all(others));
    assert!(others.iter().all(|answer| answer.status == 201), "{others:?}");
    assert!(stuck.iter().any(|order| !order.is_finished()), "the experiments were over first");
    store.await_stock(None, 2, 468).await;
}
