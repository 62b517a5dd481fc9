//! The metrics that come by OTLP, over HTTP in both forms and over gRPC, as the page gets them.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use serde_json::{Value as Json, json};
use viewer::Config;

use crate::support::{Backend, now_us};

const SECOND: u64 = 1_000_000;

/// Sends metrics of the service `store`; the answer.
fn send(backend: &Backend, metrics: Json) -> Json {
    let service = json!([{"key": "service.name", "value": {"stringValue": "store"}}]);
    let body = json!({"resourceMetrics": [{
        "resource": { "attributes": service },
        "scopeMetrics": [{ "scope": {"name": "tests"}, "metrics": metrics }],
    }]});
    let answer = backend.post("/v1/metrics", "application/json", body.to_string());
    assert_eq!(answer.status(), 200);
    serde_json::from_str(&answer.text().expect("a text")).expect("JSON")
}

/// A point at a moment, of an actor.
fn point(us: u64, actor: &str, value: Json) -> Json {
    let mut point = json!({
        "timeUnixNano": (us * 1_000).to_string(), "startTimeUnixNano": (us * 1_000 - 1).to_string(),
        "attributes": [{"key": "actor", "value": {"stringValue": actor}}],
    });
    for (name, value) in value.as_object().expect("fields") {
        point[name] = value.clone();
    }
    point
}

fn chart(backend: &Backend, query: &str) -> Json {
    let (status, answer) = backend.get(&format!("/viewer/api/instrument?service=store&{query}"));
    assert_eq!(status, 200, "{answer}");
    answer
}

#[test]
fn each_kind_of_instrument_is_listed_and_has_its_charts() {
    let backend = Backend::viewer();
    // The beginning of ten seconds, and the next ones, all of which are over.
    let base = now_us() / (10 * SECOND) * 10 * SECOND - 60 * SECOND;
    let next = base + 10 * SECOND;
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let exemplar = json!([{
        "timeUnixNano": (base * 1_000).to_string(), "asDouble": 0.7, "traceId": trace, "spanId": span,
    }]);
    let buckets = |counts: [u64; 3]| {
        json!({"count": counts.iter().sum::<u64>(), "bucketCounts": counts,
               "explicitBounds": [1, 2], "exemplars": exemplar})
    };
    let answer = send(
        &backend,
        json!([
            {"name": "depth", "unit": "{message}", "description": "Waiting.", "gauge": {"dataPoints": [
                point(base, "Aisle", json!({"asInt": 3})),
                point(next, "Aisle", json!({"asInt": 4})),
                point(base, "Ledger", json!({"asDouble": 0.5})),
            ]}},
            {"name": "dropped", "sum": {"isMonotonic": true, "aggregationTemporality": 1, "dataPoints": [
                point(base, "Aisle", json!({"asInt": 20})),
                point(next, "Aisle", json!({"asInt": 5})),
                point(next, "Ledger", json!({"asInt": 10})),
            ]}},
            {"name": "duration", "unit": "s", "histogram": {"aggregationTemporality": 1, "dataPoints": [
                point(base, "Aisle", buckets([0, 10, 0])),
                point(base, "Ledger", buckets([10, 0, 0])),
            ]}},
            {"name": "wait", "unit": "s", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [
                point(base, "Aisle", json!({"count": 2, "scale": 0, "positive": {"offset": 1, "bucketCounts": [2]}})),
            ]}},
            {"name": "old", "summary": {"dataPoints": [
                point(base, "Aisle", json!({"count": 7, "quantileValues": [{"quantile": 0.5, "value": 2}]})),
            ]}},
        ]),
    );
    assert_eq!(answer, json!({}), "all of it was taken");

    let (_, list) = backend.get("/viewer/api/instruments");
    let listed = |name: &str, unit: &str, kind: &str, description: &str, actors: &[&str]| {
        json!({
            "service": "store", "name": name, "unit": unit, "kind": kind, "scope": "tests",
            "description": description, "series": actors.len(),
            "attributes": [{"key": "actor", "values": actors, "has_more": false}],
        })
    };
    let both = ["Aisle", "Ledger"];
    assert_eq!(
        list["instruments"],
        json!([
            listed("depth", "{message}", "gauge", "Waiting.", &both),
            listed("dropped", "", "counter", "", &both),
            listed("duration", "s", "histogram", "", &both),
            listed("old", "", "summary", "", &["Aisle"]),
            listed("wait", "s", "exponential histogram", "", &["Aisle"]),
        ])
    );
    assert_eq!(json!([list["held"]["instruments"], list["held"]["series"]]), json!([5, 8]));

    let time = format!("&range=20&end={}", next + 9 * SECOND);
    let get = |query: &str| chart(&backend, &format!("{query}&scope=tests{time}"));
    let line = |name: Json, actor: &[&str], values: Json| {
        let attributes: Vec<_> = actor.iter().map(|actor| json!(["actor", actor])).collect();
        json!({"name": name, "attributes": attributes, "values": values})
    };
    let null = Json::Null;
    assert_eq!(
        get("name=depth&unit={message}&kind=gauge"),
        json!({
            "from_us": base, "to_us": base + 20 * SECOND, "step_s": 10, "series": 2, "shown": 2,
            "charts": [{"of": "value", "lines": [
                line(null.clone(), &["Aisle"], json!([3.0, 4.0])),
                line(null.clone(), &["Ledger"], json!([0.5, null])),
            ]}],
            "exemplars": [],
        })
    );
    assert_eq!(
        get("name=dropped&kind=counter")["charts"],
        json!([{"of": "rate", "lines": [
            line(json!("all"), &[], json!([2.0, 1.5])),
            line(null.clone(), &["Aisle"], json!([2.0, 0.5])),
            line(null.clone(), &["Ledger"], json!([null, 1.0])),
        ]}])
    );
    let histogram = get("name=duration&unit=s&kind=histogram");
    let of_none = |name: &str, first: f64| line(json!(name), &[], json!([first, null]));
    assert_eq!(
        histogram["charts"],
        json!([
            {"of": "value", "lines": [of_none("p50", 1.0), of_none("p95", 1.9), of_none("p99", 1.98)]},
            {"of": "rate", "lines": [of_none("values", 2.0)]},
        ])
    );
    assert_eq!(
        histogram["exemplars"][0],
        json!({"time_us": base, "value": 0.7, "trace_id": trace, "span_id": span})
    );
    // Of one actor only.
    let ledger = get("name=duration&unit=s&kind=histogram&attribute=actor=Ledger");
    assert_eq!(
        json!([ledger["series"], ledger["charts"][0]["lines"][0]["values"][0]]),
        json!([1, 0.5])
    );
    let wait = get("name=wait&unit=s&kind=exponential%20histogram");
    assert_eq!(wait["charts"][0]["lines"][2], of_none("p99", 8f64.sqrt()));
    assert_eq!(
        get("name=old&kind=summary")["charts"],
        json!([
            {"of": "value", "lines": [line(json!("p50"), &["Aisle"], json!([2.0, null]))]},
            // How many of its values are new is not known: they may be older than this viewer.
            {"of": "rate", "lines": [of_none("values", 0.0)]},
        ])
    );
}

#[test]
fn series_past_the_bound_are_rejected_and_their_sender_is_told() {
    let backend = Backend::with(Config { max_metric_series: 2, ..Config::on_free_ports() });
    let now = now_us();
    let points: Vec<_> =
        (0..5).map(|number| point(now, &format!("{number}"), json!({"asInt": 1}))).collect();

    let answer = send(&backend, json!([{"name": "depth", "gauge": { "dataPoints": points }}]));

    let message = "no room for more series: the viewer keeps 2 of them in 67108864 bytes \
                   (--max-metric-series, --max-metric-bytes)";
    assert_eq!(
        answer,
        json!({"partialSuccess": {"rejectedDataPoints": "3", "errorMessage": message}})
    );
    let (_, stats) = backend.get("/viewer/api/stats");
    let counts = &stats["signals"]["metrics"];
    assert_eq!(
        json!([counts["received"], counts["accepted"], counts["rejected"]]),
        json!([5, 2, 3])
    );
    assert_eq!(json!([stats["metrics"]["series"], stats["metrics"]["no_room"]]), json!([2, 3]));
}

#[test]
fn an_instrument_that_is_not_held_or_not_named_is_refused() {
    let backend = Backend::viewer();
    let kinds = "gauge, counter, up-down counter, histogram, exponential histogram, summary";

    for (query, status, message) in [
        ("name=a&kind=gauge", 400, "parameter 'service' is required".to_owned()),
        ("service=a&kind=gauge", 400, "parameter 'name' is required".to_owned()),
        ("service=a&name=b", 400, "parameter 'kind' is required".to_owned()),
        (
            "service=a&name=b&kind=odd",
            400,
            format!("parameter 'kind' is \"odd\": expected one of {kinds}"),
        ),
        (
            "service=a&name=b&kind=gauge&attribute=alone",
            400,
            "parameter 'attribute' is \"alone\": expected key=value".to_owned(),
        ),
        ("service=a&name=b&kind=gauge", 404, "no gauge of that name is held".to_owned()),
    ] {
        let answer = backend.get(&format!("/viewer/api/instrument?{query}"));
        assert_eq!(answer, (status, json!({ "error": message })), "{query}");
    }
    // What is no request for metrics is refused as a whole.
    let body = ExportMetricsServiceRequest::default().encode_to_vec();
    let whole = backend.post("/v1/metrics", "application/x-protobuf", body);
    let torn = backend.post("/v1/metrics", "application/x-protobuf", vec![0x0a, 0x7f]);
    assert_eq!((whole.status().as_u16(), torn.status().as_u16()), (200, 400));
}
