//! Faults that requests ask for: they strike the named actor, are recorded on its span, and do not
//! affect other requests.

use actix_opentelemetry::testing::{SpanTree, TestTrace};
use actix_web::rt;
use futures_util::future::join_all;

use shared::fault::{FaultOutcome, FaultSupport, Ignored};

use crate::support::{Answer, TestStore};

async fn experimental() -> TestStore {
    TestStore::open_with(|config| config.allow_faults = true).await
}

/// Asks for a fault, and returns the trace as text.
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
    // It can panic a second time only if it was started again.
    for _ in 0..2 {
        let (answer, tree) = loop {
            let (answer, tree) = with_fault(&store, "panic=Checkout", 3).await;
            // Until it was started again it takes no message.
            if !tree.contains("undelivered") {
                break (answer, tree);
            }
        };
        assert_eq!(answer.problem(503).kind, "/problems/actor-stopped");
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(
            tree,
            "\
an experiment INTERNAL
  POST /checkout SERVER ERROR 503 (actix.ask.failed)
    ask Checkout PlaceOrder INTERNAL ERROR panic \"the request asked for it: panic=Checkout\" \
             {grocery.fault=panic=Checkout}
"
        );
    }
}

#[actix_web::test]
async fn a_ledger_that_panics_records_nothing_and_its_reservations_are_released() {
    let store = experimental().await;
    store.checkout(&[(1, 5)]).fault("panic=Ledger").send().await.problem(503);
    store.await_stock(Some("panic=Ledger"), 1, 500).await;
    assert_eq!(store.checkout(&[(1, 500)]).send().await.status, 201);
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
    ask Checkout PlaceOrder INTERNAL ERROR injected_fault
      ask Aisle Reserve INTERNAL {grocery.aisle=produce}
      ask Ledger Record INTERNAL ERROR injected_fault {grocery.fault=error=Ledger:100%}
      tell Aisle Release INTERNAL {grocery.aisle=produce}
"
    );
    store.await_stock(Some("error=Ledger:100%"), 1, 500).await;
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
        .map(|actor| store.checkout(&[(1, 1)]).fault(&format!("stall={actor}:30s")).send())
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

#[actix_web::test]
async fn a_strangers_panic_does_not_end_another_experiment() {
    let store = experimental().await;
    let (slow, stranger) = (TestTrace::start("an experiment"), TestTrace::start("a stranger"));
    let checkout = || store.checkout(&[(1, 1)]);
    let slow_order = checkout().fault("slow-aisle=produce:5s").in_trace(&slow);
    let slow_order = rt::spawn(slow_order.send());
    // Both are under way at the same time. The first takes five seconds, the other much less.
    let panics = checkout().fault("panic=Aisle").in_trace(&stranger).send().await;
    assert_eq!(panics.problem(503).kind, "/problems/actor-stopped");
    assert!(!slow_order.is_finished());
    assert_eq!(slow_order.await.unwrap().status, 201);
    let tree =
        |spans: Vec<_>| SpanTree::new(&spans).attributes(["grocery.fault"]).with_events().render();
    assert_eq!(
        tree(stranger.spans(4).await),
        "\
a stranger INTERNAL
  POST /checkout SERVER ERROR 503
    ask Checkout PlaceOrder INTERNAL ERROR stopped (actix.ask.failed)
      ask Aisle Reserve INTERNAL ERROR panic \"the request asked for it: panic=Aisle\" \
         {grocery.fault=panic=Aisle}
"
    );
    assert_eq!(
        tree(slow.spans(13).await),
        "\
an experiment INTERNAL
  POST /checkout SERVER
    ask Checkout PlaceOrder INTERNAL
      ask Aisle Reserve INTERNAL {grocery.fault=slow-aisle=produce:5s}
      ask Ledger Record INTERNAL -> process Ledger batch
process Ledger batch INTERNAL -> ask Ledger Record
  BEGIN CLIENT
  COMMIT CLIENT
  INSERT order_lines CLIENT
  INSERT orders CLIENT
  SELECT products CLIENT
  UPDATE products CLIENT
  acquire connection INTERNAL
"
    );
}

#[actix_web::test]
async fn a_store_says_which_faults_it_honours() {
    for allowed in [true, false] {
        let store = TestStore::open_with(|config| config.allow_faults = allowed).await;
        let support: FaultSupport = store.get("/faults").send().await.json();
        let aisles = ["produce", "bakery", "dairy", "pantry", "frozen", "drinks", "household"];
        let mut seen = support.aisles.clone();
        seen.sort_unstable();
        let mut expected = aisles.map(str::to_owned);
        expected.sort_unstable();
        assert_eq!(seen, expected);
        assert_eq!(support, FaultSupport::new(allowed, support.aisles.clone()));
    }
}

#[actix_web::test]
async fn an_answer_says_what_became_of_each_fault() {
    let honoured = |struck| FaultOutcome::Honoured { struck };
    let ignored = FaultOutcome::Ignored;
    let store = experimental().await;
    for (faults, expected) in [
        ("slow-aisle=produce:1ms", vec![honoured(1)]),
        ("stall=Aisle:1ms", vec![honoured(2)]),
        ("error=Ledger:0%", vec![honoured(0)]),
        ("stall=Inventory:1ms", vec![honoured(0)]),
        ("slow-aisle=attic:1ms", vec![ignored(Ignored::NoSuchAisle)]),
        ("panic=Nobody", vec![ignored(Ignored::NoSuchActor)]),
        ("nonsense", vec![ignored(Ignored::Malformed)]),
        (
            "panic=Nobody;error=Ledger:100%;slow-aisle=attic:1s;stall=Ledger:1ms",
            vec![
                ignored(Ignored::NoSuchActor),
                honoured(1),
                ignored(Ignored::NoSuchAisle),
                honoured(1),
            ],
        ),
        (
            &"error=Ledger:0%;".repeat(100),
            [vec![honoured(0); 16], vec![ignored(Ignored::TooManyFaults)]].concat(),
        ),
    ] {
        let answer = store.checkout(&[(1, 1), (12, 1)]).fault(faults).send().await;
        assert_eq!(answer.fault_outcomes(), expected, "{faults}: {answer:?}");
    }
    let panics = store.checkout(&[(1, 1)]).fault("panic=Checkout").send().await;
    assert_eq!(panics.fault_outcomes(), [honoured(1)]);
    assert_eq!(store.get("/").send().await.header("grocery-faults"), "");
    assert_eq!(store.get("/").fault(" ; ").send().await.header("grocery-faults"), "");

    let strict = TestStore::open().await;
    let answer = strict.get("/").fault("panic=Checkout;nonsense").send().await;
    assert_eq!(answer.fault_outcomes(), [ignored(Ignored::NotAllowed); 2]);
}

#[actix_web::test]
async fn more_experiments_than_there_is_room_for_are_ignored_and_say_so() {
    let store = experimental().await;
    let fault = |n: usize| format!("slow-aisle=produce:{n}ms");
    let ask = |n| store.get("/").fault(&fault(n)).send();
    for n in 1..=32 {
        assert_eq!(ask(n).await.fault_outcomes(), [FaultOutcome::Honoured { struck: 0 }]);
    }
    let trace = TestTrace::start("one too many");
    let asked = format!("panic=Nobody;{}", fault(33));
    let one_too_many = store.get("/whats-in-store").fault(&asked).in_trace(&trace).send().await;
    assert_eq!(one_too_many.status, 200);
    assert_eq!(
        one_too_many.fault_outcomes(),
        [Ignored::NoSuchActor, Ignored::TooManyExperiments].map(FaultOutcome::Ignored)
    );
    let spans = trace.spans(10).await;
    let ignored = spans.iter().find(|span| span.name == "GET /whats-in-store").unwrap();
    assert_eq!(ignored.events, ["grocery.fault.ignored"; 2]);
    // The experiments that are under way go on.
    assert_eq!(ask(1).await.fault_outcomes(), [FaultOutcome::Honoured { struck: 0 }]);
}
