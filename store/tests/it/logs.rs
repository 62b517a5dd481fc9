//! Failures as log records of the requests' traces, and of no trace where the work has none.

use std::path::Path;

use testing::{
    http::HttpReceiver,
    log_record::{self, LogRecord},
};

use crate::{
    process::{StoreProcess, store_program},
    support::Ask,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Gives the request this trace, sampled.
fn in_trace(ask: Ask) -> Ask {
    ask.header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01"))
}

/// The log records of a store that honours faults and gets these requests, and what it writes to
/// standard error.
async fn logs_of(requests: impl AsyncFnOnce(&StoreProcess)) -> (Vec<LogRecord>, String) {
    logs_with(async |store, _| requests(store).await).await
}

/// The same, with the file of its database.
async fn logs_with(requests: impl AsyncFnOnce(&StoreProcess, &Path)) -> (Vec<LogRecord>, String) {
    let receiver = HttpReceiver::answering(200);
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("store.db");
    let program = store_program(["--allow-faults"]).envs([
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    let store = StoreProcess::start_with_spans(program, &database);
    requests(&store, &database).await;
    let said = store.terminate();
    (log_record::from_protobuf(&receiver.received()), said)
}

#[actix_web::test]
async fn only_what_the_store_fails_to_do_is_a_record_and_on_standard_error_it_is_counted() {
    let (records, said) = logs_of(async |store| {
        // Sold out, impossible and not found are answers, not failures.
        store.checkout(&[(1, 100_000)]).send().await.problem(409);
        store.checkout(&[]).send().await.problem(422);
        store.get("/products/9").send().await.json::<serde_json::Value>();
        store.get("/orders/0").send().await.problem(404);
        for _ in 0..3 {
            let order = in_trace(store.checkout(&[(1, 1)])).fault("error=Ledger:100%");
            order.send().await.problem(500);
        }
    })
    .await;
    let failures: Vec<_> =
        records.iter().filter(|one| one.event_name == "grocery.request.failed").collect();
    assert_eq!(failures.len(), 3, "{records:#?}");
    for failure in failures {
        assert_eq!((failure.trace_id.as_str(), failure.severity.as_str()), (TRACE, "17 ERROR"));
        assert_eq!(failure.attributes["error.type"], "injected_fault");
    }
    let lines: Vec<_> = said.lines().filter(|line| line.contains("a request failed")).collect();
    assert_eq!(lines.len(), 2, "the first, and the count: {said}");
    assert!(lines[1].contains(" count=3 "), "{said}");
}

#[actix_web::test]
async fn an_injected_panic_is_a_record_of_its_request_and_on_standard_error_it_is_counted() {
    let (records, said) = logs_of(async |store| {
        for _ in 0..2 {
            let order = in_trace(store.checkout(&[(1, 1)])).fault("panic=Checkout");
            order.send().await.problem(503);
        }
    })
    .await;
    let panics: Vec<_> = records.iter().filter(|one| one.event_name == "exception").collect();
    assert!(!panics.is_empty(), "{records:#?}");
    for panic in panics {
        assert_eq!((panic.trace_id.as_str(), panic.severity.as_str()), (TRACE, "17 ERROR"));
        let text = |name: &str| panic.attributes[name].as_str();
        assert_eq!(text("exception.type"), "panic");
        assert_eq!(text("exception.message"), "the request asked for it: panic=Checkout");
        assert!(text("exception.stacktrace").contains("faults.rs"), "{panic:?}");
    }
    let failed = |one: &&LogRecord| one.event_name == "grocery.request.failed";
    let failed: Vec<_> = records.iter().filter(failed).collect();
    assert_eq!(failed.len(), 2, "{records:#?}");
    for failure in failed {
        assert_eq!((failure.trace_id.as_str(), failure.severity.as_str()), (TRACE, "13 WARN"));
        assert_eq!(failure.attributes["http.response.status_code"], "503");
    }
    assert_eq!(
        said.matches("thread '").count(),
        1,
        "the first is written, the others are counted: {said}"
    );
}

/// A probe, a batch of orders that nobody traces, and what the aisles do by themselves have no spans. A
/// backend gets to know what goes wrong there all the same.
#[actix_web::test]
async fn what_fails_without_a_span_is_a_record_too() {
    let (records, said) = logs_with(async |store, database| {
        let other = rusqlite::Connection::open(database).unwrap();
        other.execute_batch("ALTER TABLE products RENAME TO gone").unwrap();
        drop(other);
        in_trace(store.get("/readyz")).send().await.problem(500);
        // Before the order, after which they would read it in the order's trace.
        store.await_said("the aisles cannot read their stock", 1);
        let unsampled = format!("00-{TRACE}-b7ad6b7169203331-00");
        let order = store.checkout(&[(1, 1)]).header("traceparent", unsampled);
        order.send().await.problem(500);
    })
    .await;
    let mut failures: Vec<_> = records
        .iter()
        .map(|one| {
            let route = one.attributes.get("http.route").map_or("", String::as_str);
            (&one.event_name[..], route, &one.severity[..], &one.trace_id[..], one.flags)
        })
        .filter(|(name, ..)| name.ends_with(".failed"))
        .collect();
    failures.sort_unstable();
    let expected = [
        ("grocery.db.write.failed", "", "17 ERROR", "", 0),
        ("grocery.request.failed", "/checkout", "17 ERROR", TRACE, 0),
        ("grocery.request.failed", "/readyz", "17 ERROR", "", 0),
        ("grocery.stock.read.failed", "", "13 WARN", "", 0),
    ];
    assert_eq!(failures, expected, "{said}");
}
