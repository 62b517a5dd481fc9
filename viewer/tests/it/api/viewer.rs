//! What the page asks: summaries, traces in full, the actor graph.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde_json::{Value as Json, json};

use crate::support::Backend;
use crate::support::spans::{Trace, attribute, error, list, of_service, request, spans_of, text};

/// A batch that links to two orders of other traces, none of them with anything else.
struct Batch {
    backend: Backend,
    orders: [Trace; 2],
    batch: Trace,
}

fn batch() -> Batch {
    let backend = Backend::viewer();
    let (orders, batch) = ([Trace::new(), Trace::new()], Trace::new());
    let mut written = batch.span(7, 0, "process Ledger batch", 0..900);
    written.links = vec![orders[0].link(1), orders[1].link(1), Trace::new().link(1)];
    // The batch first: a link often comes before what it points to.
    backend.send(&request([of_service("store", vec![written])]));
    for order in orders {
        let mut span = order.span(1, 0, "ask Ledger Record", 0..1_000);
        span.attributes = vec![
            text("actix.actor.name", "Ledger"),
            text("actix.message.kind", "ask"),
            attribute("actix.mailbox.wait", Value::DoubleValue(0.000_25)),
        ];
        backend.send(&request([of_service("store", vec![span])]));
    }
    backend.stats_when_stored(3);
    Batch { backend, orders, batch }
}

fn detail(backend: &Backend, trace: Trace) -> Json {
    backend.get(&format!("/viewer/api/traces/{}", trace.hex())).1
}

#[test]
fn a_batch_shows_its_orders() {
    let Batch { backend, orders, batch } = batch();

    let detail = detail(&backend, batch);

    let span = spans_of(&detail).remove(0);
    let links: Vec<Json> = list(&span["links"])
        .map(|link| json!([link["traceId"], link["target"]["name"], link["traceHeld"]]))
        .collect();
    assert_eq!(
        links[..2],
        [
            json!([orders[0].hex(), "ask Ledger Record", true]),
            json!([orders[1].hex(), "ask Ledger Record", true]),
        ]
    );
    // Of the third neither the trace nor the span is held.
    assert_eq!(json!([links[2][1], links[2][2]]), json!([null, null]));
}

#[test]
fn an_order_shows_its_batch() {
    let Batch { backend, orders, batch } = batch();

    let detail = detail(&backend, orders[1]);

    let span = spans_of(&detail).remove(0);
    let ns = |us: u64| format!("{us}000");
    assert_eq!(
        json!([span["linkedFromCount"], span["linkedFrom"]]),
        json!([1, [{
            "traceId": batch.hex(), "spanId": "0000000000000007",
            "target": {
                "name": "process Ledger batch", "serviceName": "store",
                "startTimeUnixNano": ns(batch.start_us),
                "endTimeUnixNano": ns(batch.start_us + 900),
            },
        }]])
    );
}

#[test]
fn a_link_tells_how_its_message_came_and_how_many_it_serves() {
    let backend = Backend::viewer();
    let (order, batch) = (Trace::new(), Trace::new());
    let mut record = order.span(1, 0, "ask Ledger Record", 0..900);
    record.attributes = vec![text("actix.message.kind", "ask"), text("secret", "of its own")];
    let mut process = batch.span(7, 0, "process Ledger batch", 100..800);
    process.attributes = vec![attribute("actix.batch.message_count", Value::IntValue(3))];
    process.links = vec![order.link(1)];
    backend.send(&request([of_service("store", vec![record, process])]));
    backend.stats_when_stored(2);

    let (order, batch) = (detail(&backend, order), detail(&backend, batch));

    assert_eq!(
        [
            &spans_of(&batch)[0]["links"][0]["target"]["attributes"],
            &spans_of(&order)[0]["linkedFrom"][0]["target"]["attributes"],
        ],
        [
            &json!([{"key": "actix.message.kind", "value": {"stringValue": "ask"}}]),
            &json!([{"key": "actix.batch.message_count", "value": {"intValue": "3"}}]),
        ]
    );
}

#[test]
fn what_does_not_add_up_is_remarked() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let client = trace.span(1, 0, "GET", 1_000..3_000);
    let told = trace.span(5, 1, "tell Clerk Note", 2_500..9_000);
    // On another host, whose clock is 1.5 ms behind; what it does itself has the same clock.
    let served = trace.span(2, 1, "GET /", 0..1_000);
    let within = trace.span(3, 2, "welcome", 200..300);
    let mut backwards = trace.span(4, 1, "backwards", 1_500..1_500);
    backwards.end_time_unix_nano -= 100_000;
    let shoppers = of_service("shopper", vec![client, told]);
    let stores = of_service("store", vec![served, within]);
    backend.send(&request([shoppers, stores, of_service("clerk", vec![backwards])]));
    backend.stats_when_stored(5);

    let detail = detail(&backend, trace);

    let spans =
        spans_of(&detail).into_iter().map(|span| json!([span["name"], span["clockDeltaNano"]]));
    assert_eq!(
        spans.collect::<Vec<_>>(),
        [
            json!(["GET /", "1500000"]),
            json!(["welcome", null]),
            json!(["GET", null]),
            json!(["backwards", null]),
            json!(["tell Clerk Note", null]),
        ]
    );
    assert_eq!(
        detail["warnings"],
        json!([
            "1 span ends before it starts",
            "1 span does not lie within its parent on another host: a clock that differs, or nobody waited",
        ])
    );
}

#[test]
fn a_trace_is_told_in_full() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let mut child = trace.span(2, 1, "child", 2_000..3_000);
    child.status = error("no");
    child.attributes = vec![text("error.type", "out_of_stock")];
    let orphan = trace.span(3, 99, "orphan", 1_000..4_000);
    let root = trace.span(1, 0, "root", 0..5_000);
    backend.send(&request([of_service("a", vec![child]), of_service("b", vec![orphan, root])]));
    backend.stats_when_stored(3);

    let mut detail = detail(&backend, trace);

    let spans = spans_of(&detail);
    let groups = detail["resourceSpans"].take();
    assert_eq!(
        detail,
        json!({
            "trace_id": trace.hex(), "start_unix_ns": format!("{}000", trace.start_us),
            "start_us": trace.start_us, "duration_ns": 5_000_000,
            "span_count": 3, "error_count": 1, "root_name": "root", "root_service": "b",
            "resourceSpans": null,
            "warnings": ["1 span has a parent that is not held"],
        })
    );
    let resources: Vec<_> = list(&groups).map(|group| group["resource"].clone()).collect();
    assert_eq!(resources, [resource("a"), resource("b")]);
    let scopes: Vec<_> = list(&groups)
        .flat_map(|group| list(&group["scopeSpans"]))
        .map(|group| &group["scope"])
        .collect();
    assert_eq!(scopes, [&json!({"name": "tests", "version": "1.0"}); 2]);
    let told: Vec<Json> = spans
        .iter()
        .map(|span| {
            json!([
                span["name"],
                span["parentSpanId"],
                span["startTimeUnixNano"],
                span["endTimeUnixNano"],
                span["status"],
                span["attributes"],
                span["resource"],
            ])
        })
        .collect();
    let ns = |us: u64| format!("{}000", trace.start_us + us);
    let error_type = json!([{"key": "error.type", "value": {"stringValue": "out_of_stock"}}]);
    let failed = json!({"message": "no", "code": 2});
    assert_eq!(
        told,
        [
            json!(["root", null, ns(0), ns(5_000), {}, null, 1]),
            json!(["orphan", "0000000000000063", ns(1_000), ns(4_000), {}, null, 1]),
            json!(["child", "0000000000000001", ns(2_000), ns(3_000), failed, error_type, 0]),
        ]
    );
}

fn resource(service: &str) -> Json {
    json!({"attributes": [
        {"key": "service.name", "value": {"stringValue": service}},
        {"key": "zone", "value": {"stringValue": "north"}},
    ]})
}

#[test]
fn the_search_sums_traces_up_and_understands_logfmt() {
    let Batch { backend, orders, .. } = batch();

    let tags = "tags=actix.message.kind%3Dask%20zone%3D%22north%22&limit=1";
    let (_, answer) = backend.get(&format!("/viewer/api/traces?service=store&{tags}"));

    assert_eq!((&answer["total"], &answer["limit"]), (&json!(2), &json!(1)));
    let first = &answer["traces"][0];
    let order = orders.iter().find(|order| order.hex() == first["trace_id"]);
    assert_eq!(
        *first,
        json!({
            "trace_id": order.map(|order| order.hex()), "root_name": "ask Ledger Record",
            "root_service": "store", "root_held": true,
            "start_us": order.map(|order| order.start_us), "duration_ns": 1_000_000,
            "span_count": 1, "error_count": 0, "link_count": 0,
            "services": [{"name": "store", "spans": 1, "errors": 0}],
            "actors": [{"name": "Ledger", "spans": 1}], "chips": [],
        })
    );
}

#[test]
fn what_is_no_trace_and_what_is_not_held_are_told_apart() {
    let backend = Backend::viewer();

    assert_eq!(
        backend.get("/viewer/api/traces/xyz"),
        (400, json!({"error": "\"xyz\" is no trace id: expected 32 hexadecimal digits"}))
    );
    let id = "f".repeat(32);
    assert_eq!(
        backend.get(&format!("/viewer/api/traces/{id}")),
        (404, json!({"error": format!("trace {id} is not held")}))
    );
}
