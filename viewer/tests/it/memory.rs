//! The bounds of what is held: the oldest traces go first and go whole, in whatever order spans
//! come.

use serde_json::{Value as Json, json};
use viewer::Config;

use crate::support::Backend;
use crate::support::spans::{Trace, of_service, request, spans_of};

fn is_held(backend: &Backend, trace: Trace) -> bool {
    backend.get(&format!("/viewer/api/traces/{}", trace.hex())).0 == 200
}

/// Sends a trace of so many spans.
fn send(backend: &Backend, spans: u64) -> Trace {
    let trace = Trace::new();
    let spans = (1..=spans).map(|id| trace.span(id, id - 1, "step", id * 10..id * 10 + 5));
    backend.send(&request([of_service("store", spans.collect())]));
    trace
}

#[test]
fn the_oldest_traces_go_first_and_whole() {
    let backend = Backend::with(Config { max_spans: 10, ..Config::on_free_ports() });

    let traces = [4, 4, 4].map(|spans| send(&backend, spans));

    let stats = backend.stats_when_stored(12);
    assert_eq!(traces.map(|trace| is_held(&backend, trace)), [false, true, true]);
    assert_eq!(
        json!([stats["spans"], stats["traces"], stats["evicted"]]),
        json!([8, 2, {"traces": 1, "spans": 4}])
    );
}

#[test]
fn memory_is_bounded_in_bytes_as_well() {
    let max_bytes = 200_000;
    let backend = Backend::with(Config { max_bytes, ..Config::on_free_ports() });
    let mut last = None;

    for _ in 0..50 {
        let trace = Trace::new();
        let mut span = trace.span(1, 0, "large", 0..10);
        span.attributes = vec![crate::support::spans::text("note", &"x".repeat(10_000))];
        backend.send(&request([of_service("store", vec![span])]));
        last = Some(trace);
    }

    let stats = backend.stats_when_stored(50);
    let bytes = stats["bytes"].as_u64().expect("a number");
    assert!((100_000..=max_bytes as u64).contains(&bytes), "{bytes}");
    assert!(stats["spans"].as_u64().is_some_and(|spans| (10..20).contains(&spans)), "{stats}");
    assert!(last.is_some_and(|trace| is_held(&backend, trace)));
}

#[test]
fn services_and_operations_are_forgotten_with_their_last_span() {
    let backend = Backend::with(Config { max_spans: 1, ..Config::on_free_ports() });
    let (old, new) = (Trace::new(), Trace::new());
    backend.send(&request([of_service("old", vec![old.span(1, 0, "gone", 0..10)])]));
    backend.send(&request([of_service("new", vec![new.span(1, 0, "here", 0..10)])]));

    backend.stats_when_stored(2);

    assert_eq!(
        backend.get("/viewer/api/services").1,
        json!({"services": [{"name": "new", "spans": 1, "operations": ["here"]}]})
    );
}

#[test]
fn spans_of_a_trace_come_in_any_order_and_late() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let tree = |backend: &Backend| -> Vec<Json> {
        let (_, detail) = backend.get(&format!("/viewer/api/traces/{}", trace.hex()));
        let spans = spans_of(&detail);
        let start = |span: &Json| {
            let start: u64 =
                span["startTimeUnixNano"].as_str().and_then(|ns| ns.parse().ok()).expect("a time");
            start - detail["start_us"].as_u64().expect("a time") * 1_000
        };
        let is_held = |id: &Json| !id.is_null() && spans.iter().any(|span| span["spanId"] == *id);
        spans
            .iter()
            .map(|span| json!([span["name"], start(span), is_held(&span["parentSpanId"])]))
            .collect()
    };

    backend.send(&request([of_service("store", vec![trace.span(3, 2, "leaf", 20..30)])]));
    backend.stats_when_stored(1);
    assert_eq!(tree(&backend), [json!(["leaf", 0, false])]);
    backend.send(&request([of_service("shopper", vec![trace.span(1, 0, "root", 0..50)])]));
    backend.stats_when_stored(2);
    assert_eq!(tree(&backend), [json!(["root", 0, false]), json!(["leaf", 20_000, false])]);
    backend.send(&request([of_service("store", vec![trace.span(2, 1, "branch", 10..40)])]));
    backend.stats_when_stored(3);

    assert_eq!(
        tree(&backend),
        [json!(["root", 0, false]), json!(["branch", 10_000, true]), json!(["leaf", 20_000, true]),]
    );
}

#[test]
fn a_span_that_comes_twice_is_held_once_and_the_later_report_holds() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let begun = request([of_service("store", vec![trace.span(1, 0, "work", 0..10)])]);
    let ended = request([of_service("store", vec![trace.span(1, 0, "work", 0..500)])]);

    for sent in [&begun, &begun, &ended, &ended] {
        backend.send(sent);
    }

    let stats = backend.stats_when_stored(4);
    assert_eq!(json!([stats["spans"], stats["duplicates"]]), json!([1, 3]));
    let (_, detail) = backend.get(&format!("/viewer/api/traces/{}", trace.hex()));
    assert_eq!(json!([detail["duration_ns"], detail["span_count"]]), json!([500_000, 1]));
    assert_eq!(
        backend.get("/viewer/api/services").1["services"],
        json!([{"name": "store", "spans": 1, "operations": ["work"]}])
    );
}

#[test]
fn one_endless_trace_does_not_push_out_the_others() {
    let backend = Backend::with(Config { max_spans: 60_000, ..Config::on_free_ports() });
    let small = send(&backend, 1);
    let endless = Trace::new();

    for batch in 0..60_u64 {
        let ids = batch * 1_000 + 1..=batch * 1_000 + 1_000;
        let spans = ids.map(|id| endless.span(id, 0, "again", 0..10)).collect();
        backend.send(&request([of_service("loop", spans)]));
    }

    let stats = backend.stats_when_stored(60_001);
    assert_eq!(json!([stats["spans"], stats["overflow"]]), json!([50_001, 10_000]));
    assert!(is_held(&backend, small));
    let (_, detail) = backend.get(&format!("/viewer/api/traces/{}", endless.hex()));
    assert_eq!(
        detail["warnings"],
        json!(["10000 spans came when the trace was full and are not held"])
    );
}

#[test]
fn links_of_evicted_spans_are_forgotten() {
    let backend = Backend::with(Config { max_spans: 2, ..Config::on_free_ports() });
    let (order, batch) = (Trace::new(), Trace::new());
    let mut linking = batch.span(7, 0, "batch", 0..10);
    linking.links = vec![order.link(1)];
    let record = || request([of_service("store", vec![order.span(1, 0, "record", 0..10)])]);
    let backlinks = || {
        let (_, detail) = backend.get(&format!("/viewer/api/traces/{}", order.hex()));
        spans_of(&detail)[0]["linkedFromCount"].as_u64().unwrap_or(0)
    };

    backend.send(&request([of_service("store", vec![linking])]));
    backend.send(&record());
    backend.stats_when_stored(2);
    assert_eq!(backlinks(), 1);
    send(&backend, 1);
    backend.stats_when_stored(3);

    assert_eq!(backlinks(), 0);
}
