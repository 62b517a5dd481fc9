//! What the page's list asks: summaries that tell traces apart, in any order, of all that is held.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde_json::{Value as Json, json};
use viewer::Config;

use crate::support::Backend;
use crate::support::spans::{Trace, attribute, error, list, of_service, request, text};

fn backend_with_chips(chips: &str) -> Backend {
    Backend::with(Config { chips: chips.parse().expect("keys"), ..Config::on_free_ports() })
}

fn search(backend: &Backend, query: &str) -> Json {
    let (status, answer) = backend.get(&format!("/viewer/api/traces?{query}"));
    assert_eq!(status, 200, "{query}: {answer}");
    answer
}

/// Traces whose durations, numbers of spans and of errors are all in different orders.
fn different(backend: &Backend) -> [Trace; 4] {
    let base = Trace::new();
    let traces = [0, 1, 2, 3].map(|nth| Trace { start_us: base.start_us + nth, ..Trace::new() });
    for (trace, (us, spans, errors)) in
        traces.iter().zip([(300, 1, 1), (900, 4, 0), (100, 3, 2), (700, 2, 0)])
    {
        let spans = (1..=spans).map(|id| {
            let mut span = trace.span(id, id - 1, "work", 0..us);
            span.status = if id <= errors { error("no") } else { None };
            span
        });
        backend.send(&request([of_service("store", spans.collect())]));
    }
    backend.stats_when_stored(10);
    traces
}

#[test]
fn any_order_is_one_of_everything_held_and_not_of_what_is_listed() {
    let backend = Backend::viewer();
    let traces = different(&backend);

    for (order, expected) in [
        ("", [3, 2]),
        ("sort=start", [3, 2]),
        ("sort=start&order=asc", [0, 1]),
        ("sort=duration", [1, 3]),
        ("sort=duration&order=asc", [2, 0]),
        ("sort=spans", [1, 2]),
        ("sort=spans&order=asc", [0, 3]),
        ("sort=errors", [2, 0]),
        // Both have none: the one that started last comes first.
        ("sort=errors&order=asc", [3, 1]),
        ("sort=duration&errors=true", [0, 2]),
    ] {
        let answer = search(&backend, &format!("limit=2&{order}"));

        let found: Vec<_> = list(&answer["traces"]).map(|trace| &trace["trace_id"]).collect();
        assert_eq!(
            found,
            expected.map(|nth| traces[nth].hex()).iter().collect::<Vec<_>>(),
            "{order}"
        );
        let total = if order.contains("errors=true") { 2 } else { 4 };
        assert_eq!(answer["total"], total, "{order}");
    }
}

#[test]
fn an_order_that_is_none_is_said() {
    let backend = Backend::viewer();

    for (query, said) in [
        ("sort=size", "parameter 'sort' is \"size\": expected start, duration, spans or errors"),
        ("order=up", "parameter 'order' is \"up\": expected asc or desc"),
    ] {
        let (status, answer) = backend.get(&format!("/viewer/api/traces?{query}"));

        assert_eq!((status, answer), (400, json!({"error": said})));
    }
}

#[test]
fn traces_that_are_named_are_listed_and_no_others() {
    let backend = Backend::viewer();
    let traces = different(&backend);

    let query = format!("traceID={}&traceID={}&traceID=1", traces[0].hex(), traces[2].hex());
    let answer = search(&backend, &query);

    let found: Vec<_> = list(&answer["traces"]).map(|trace| &trace["trace_id"]).collect();
    assert_eq!(found, [&json!(traces[2].hex()), &json!(traces[0].hex())]);
    assert_eq!(answer["total"], 2);
}

#[test]
fn a_chip_is_the_roots_value_or_else_that_of_the_first_span_with_one() {
    let backend = backend_with_chips("kind,size,zone,absent,words");
    let trace = Trace::new();
    let mut root = trace.span(1, 0, "trip", 0..1_000);
    root.attributes = vec![text("kind", "of the root"), text("words", &"ä".repeat(100))];
    let mut late = trace.span(2, 1, "late", 500..600);
    late.attributes = vec![text("kind", "late"), attribute("size", Value::IntValue(7))];
    let mut early = trace.span(3, 1, "early", 100..200);
    early.attributes = vec![attribute("size", Value::IntValue(3))];
    backend.send(&request([of_service("store", vec![late, early, root])]));
    backend.stats_when_stored(3);

    let answer = search(&backend, "");

    assert_eq!(
        answer["traces"][0]["chips"],
        json!([
            {"key": "kind", "value": "of the root"},
            {"key": "size", "value": "3"},
            // Of the resource, which all spans of the service have.
            {"key": "zone", "value": "north"},
            {"key": "words", "value": "ä".repeat(64), "cut": true},
        ])
    );
}

#[test]
fn a_trace_tells_its_actors_and_the_size_of_its_batch() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let asks = (2..=14).map(|id| {
        let mut span = trace.span(id, 1, "ask", 0..10);
        let actor = if id < 5 { "Aisle".into() } else { format!("Actor{id:02}") };
        span.attributes = vec![text("actix.actor.name", &actor)];
        span
    });
    let mut root = trace.span(1, 0, "process Ledger batch", 0..100);
    root.attributes = vec![attribute("actix.batch.message_count", Value::IntValue(12))];
    backend.send(&request([of_service("store", std::iter::once(root).chain(asks).collect())]));
    backend.stats_when_stored(14);

    let trace = search(&backend, "")["traces"][0].take();

    let actors: Vec<_> = list(&trace["actors"])
        .map(|actor| format!("{} {}", actor["name"].as_str().unwrap_or_default(), actor["spans"]))
        .collect();
    assert_eq!(
        actors.join(", "),
        "Aisle 3, Actor05 1, Actor06 1, Actor07 1, Actor08 1, Actor09 1, Actor10 1, Actor11 1"
    );
    assert_eq!((&trace["more_actors"], &trace["batch_size"]), (&json!(3), &json!(12)));
}

#[test]
fn the_statistics_say_where_spans_go() {
    let backend = Backend::viewer();
    let handle = backend.handle();

    let (_, stats) = backend.get("/viewer/api/stats");

    let receives = json!({"otlp": handle.otlp(), "otlp_grpc": handle.otlp_grpc()});
    assert_eq!(stats["receives"], receives);
}
