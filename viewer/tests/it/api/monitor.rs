//! The monitor: rate, errors and duration of services, operations and actors over time.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde_json::{Value as Json, json};
use viewer::Config;

use crate::support::spans::{
    CLIENT, SERVER, Trace, attribute, error, list, of_service, request, text,
};
use crate::support::{Backend, now_us};

const SECOND: u64 = 1_000_000;

/// The beginning of ten seconds, two minutes ago: in microseconds.
fn two_minutes_ago() -> u64 {
    now_us() / (10 * SECOND) * 10 * SECOND - 120 * SECOND
}

fn monitor(backend: &Backend, query: &str) -> Json {
    let (status, answer) = backend.get(&format!("/viewer/api/monitor{query}"));
    assert_eq!(status, 200, "{answer}");
    answer
}

/// A trace of a shopper and a store with an actor, a batch and a failure.
fn shop(trace: Trace) -> Vec<opentelemetry_proto::tonic::trace::v1::ResourceSpans> {
    let trip = trace.span(1, 0, "trip", 0..SECOND);
    let mut call = trace.span(2, 1, "GET", 0..100_000);
    call.kind = CLIENT;
    let mut serving = trace.span(3, 2, "GET /", 0..10_000);
    serving.kind = SERVER;
    let mut failed = trace.span(4, 2, "GET /", 10 * SECOND..11 * SECOND);
    failed.kind = SERVER;
    failed.status = error("no");
    let mut ask = trace.span(5, 3, "ask Aisle Reserve", 0..1_000);
    ask.attributes = vec![
        text("actix.actor.name", "Aisle"),
        text("actix.message.kind", "ask"),
        attribute("actix.mailbox.wait", Value::DoubleValue(0.5)),
    ];
    let mut batch = trace.span(6, 0, "process Aisle batch", 10 * SECOND..10 * SECOND + 1_000);
    batch.attributes = vec![
        text("actix.actor.name", "Aisle"),
        attribute("actix.batch.message_count", Value::IntValue(3)),
    ];
    vec![
        of_service("shopper", vec![trip, call]),
        of_service("store", vec![serving, failed, ask, batch]),
    ]
}

#[test]
fn services_operations_and_actors_have_rate_errors_duration_waits_and_batches() {
    let base = two_minutes_ago();
    let backend = Backend::viewer();
    backend.send(&request(shop(Trace { start_us: base, ..Trace::new() })));
    backend.stats_when_stored(6);

    // Up to the end of the third ten seconds.
    let end = base + 29 * SECOND;
    let mut answer = monitor(&backend, &format!("?range=30&end={end}&service=store"));

    let held = answer["held"].take();
    assert_eq!(json!([held["series"], held["max_series"]]), json!([12, 1_000]));
    assert_eq!(json!([held["other"], held["late"], held["future"]]), json!([0, 0, 0]));
    assert!(held["bytes"].as_u64().is_some_and(|bytes| (1_000..20_000).contains(&bytes)), "{held}");
    // The middle of a bin: these are 1 ms, 10 ms, 100 ms, 0.5 s and 1 s, to within 1.6 %.
    let [one, ten, hundred, half, second] =
        [1_007_616, 10_092_544, 99_614_720, 499_122_176, 998_244_352];
    let row = |name: &str, kind: &str, count: u64, total_s: f64, duration: u64| {
        let seconds = 30.0;
        json!({
            "name": name, "kind": kind, "count": count, "errors": 0,
            "rate": count as f64 / seconds, "total_s": total_s,
            "p50_ns": duration, "p95_ns": duration, "p99_ns": duration,
            "points": {
                "count": [count, 0, 0], "errors": [0, 0, 0],
                "p50_ns": [duration, null, null], "p95_ns": [duration, null, null],
                "p99_ns": [duration, null, null],
            },
        })
    };
    let get = json!({
        "name": "GET /", "kind": "server", "count": 2, "errors": 1,
        "rate": 2.0 / 30.0, "total_s": 1.01,
        "p50_ns": ten, "p95_ns": second, "p99_ns": second,
        "points": {
            "count": [1, 1, 0], "errors": [0, 1, 0],
            "p50_ns": [ten, second, null], "p95_ns": [ten, second, null],
            "p99_ns": [ten, second, null],
        },
    });
    let without_kind = |row: &Json, name: &str| {
        let mut row = row.clone();
        row["name"] = json!(name);
        row.as_object_mut().expect("a row").remove("kind");
        row
    };
    let mut batch = row("process Aisle batch", "internal", 1, 0.001, one);
    for (_, points) in batch["points"].as_object_mut().expect("points") {
        points.as_array_mut().expect("a list").rotate_right(1);
    }
    let mut aisle = without_kind(&row("", "", 1, 0.001, one), "Aisle");
    aisle["mailbox"] = json!({
        "wait_p50_ns": half, "wait_p95_ns": half, "wait_p99_ns": half, "depth": 0.5 / 30.0,
        "batch_count": 1, "batch_mean": 3.0, "batch_p50": 3, "batch_p99": 3,
        "points": {
            "wait_p50_ns": [half, null, null], "wait_p99_ns": [half, null, null],
            "depth": [0.05, 0.0, 0.0], "batch_count": [0, 1, 0],
            "batch_mean": [null, 3.0, null],
        },
    });
    let trip = row("trip", "internal", 1, 1.0, second);
    let ask = row("ask Aisle Reserve", "internal", 1, 0.001, one);
    assert_eq!(
        answer,
        json!({
            "from_us": base, "to_us": base + 30 * SECOND, "whole_from_us": base, "step_s": 10,
            "relative_error": 0.015_625, "held": null,
            // What the store has served; the shopper serves nobody, so its own trips.
            "services": [without_kind(&get, "store"), without_kind(&trip, "shopper")],
            "service": "store", "is_other": false,
            "operations": {"rows": [get, ask, batch], "total": 3},
            "actors": {"rows": [aisle], "total": 1},
        })
    );
    let shopper = monitor(&backend, &format!("?range=30&end={end}&service=shopper"));
    assert_eq!(shopper["operations"]["rows"], json!([trip, row("GET", "client", 1, 0.1, hundred)]));
}

#[test]
fn the_figures_outlive_their_spans_and_a_span_that_comes_again_counts_once() {
    let backend = Backend::with(Config { max_spans: 6, ..Config::on_free_ports() });
    let start_us = two_minutes_ago();
    let first = request(shop(Trace { start_us, ..Trace::new() }));
    backend.send(&first);
    backend.send(&first);
    backend.stats_when_stored(12);
    backend.send(&request(shop(Trace { start_us, ..Trace::new() })));
    let stats = backend.stats_when_stored(18);
    assert_eq!(json!([stats["spans"], stats["evicted"]["spans"]]), json!([6, 6]));

    let answer = monitor(&backend, "");

    let told = |row: &Json| json!([row["name"], row["count"], row["errors"]]);
    let services: Vec<Json> = list(&answer["services"]).map(told).collect();
    assert_eq!(json!(services), json!([["store", 4, 2], ["shopper", 2, 0]]));
    assert_eq!(answer["service"], "store", "the busiest");
}

#[test]
fn what_there_is_no_room_for_is_one_series_and_says_so() {
    // Room for the services `shopper`, with its two operations, and `store`, with one.
    let backend = Backend::with(Config { max_series: 9, ..Config::on_free_ports() });
    let start_us = two_minutes_ago();
    backend.send(&request(shop(Trace { start_us, ..Trace::new() })));
    let strangers = (0..100).map(|number| {
        let trace = Trace { start_us, ..Trace::new() };
        of_service(&format!("stranger {number}"), vec![trace.span(1, 0, "work", 0..1_000)])
    });
    backend.send(&request(strangers));
    backend.stats_when_stored(106);

    let answer = monitor(&backend, "?service=store");

    let told = |row: &Json| json!([row["name"], row["kind"], row["count"]]);
    let rows = |rows: &Json| list(rows).map(told).collect::<Vec<_>>();
    assert_eq!(
        json!(rows(&answer["services"])),
        json!([[null, null, 100], ["store", null, 2], ["shopper", null, 1]])
    );
    assert_eq!(
        json!(rows(&answer["operations"]["rows"])),
        json!([["GET /", "server", 2], [null, "internal", 2]])
    );
    assert_eq!(json!(rows(&answer["actors"]["rows"])), json!([[null, null, 1]]));
    assert_eq!(json!([answer["held"]["series"], answer["held"]["other"]]), json!([9, 102]));
    let others = monitor(&backend, "?other=true");
    assert_eq!(json!(rows(&others["operations"]["rows"])), json!([[null, "internal", 100]]));

    // As Jaeger has it.
    let path = "/api/metrics/calls?service=store&groupByOperation=true&spanKind=internal";
    let (_, jaeger) = backend.get(path);
    assert_eq!(jaeger["metrics"][0]["labels"][1], json!({"name": "operation", "value": "(other)"}));
}

#[test]
fn a_time_that_cannot_be_shown_is_refused() {
    let backend = Backend::viewer();

    for (query, message) in [
        ("?range=9", "parameter 'range' is \"9\": expected a number of seconds from 10 to 3600"),
        (
            "?range=3601",
            "parameter 'range' is \"3601\": expected a number of seconds from 10 to 3600",
        ),
        ("?end=noon", "parameter 'end' is \"noon\": expected a whole number"),
        ("?other=1&service=x", "'other' goes without 'service'"),
    ] {
        assert_eq!(
            backend.get(&format!("/viewer/api/monitor{query}")),
            (400, json!({ "error": message }))
        );
    }
    let before_all = monitor(&backend, "?end=0&range=3600");
    assert_eq!(json!([before_all["from_us"], before_all["services"]]), json!([0, []]));
}
