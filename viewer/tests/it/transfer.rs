//! Traces as files: down in OTLP's JSON and Jaeger's, up in either, and Jaeger's own way to turn
//! one into the other.

mod refused;
mod transform;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use serde_json::{Value as Json, json};

use crate::support::Backend;
use crate::support::spans::{
    CLIENT, SERVER, Trace, attribute, error, of_service, request, spans_of, text, to_json,
};

/// Uploads a file; the status and what is said of it.
fn upload(backend: &Backend, file: impl Into<Vec<u8>>) -> (u16, Json) {
    let answer = backend.query_post("/viewer/api/upload").body(file.into()).send();
    let answer = answer.expect("an answer");
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().expect("a text")).expect("JSON"))
}

/// The text at a path of the query port.
fn text_of(backend: &Backend, path: &str) -> String {
    backend.query(path).send().expect("an answer").text().expect("a text")
}

/// A trace whose spans have everything that a span can have.
fn rich(trace: Trace) -> ExportTraceServiceRequest {
    let string = |text: &str| AnyValue { value: Some(Value::StringValue(text.into())) };
    let map = KeyValueList { values: vec![text("inner", "<b>")] };
    let list = ArrayValue {
        values: vec![
            string("a"),
            AnyValue { value: Some(Value::IntValue(2)) },
            AnyValue::default(),
        ],
    };
    let mut root = trace.span(1, 0, "trip", 0..10_000);
    root.kind = CLIENT;
    root.flags = 0x101;
    root.trace_state = "vendor=1".into();
    root.start_time_unix_nano += 1;
    root.dropped_attributes_count = 3;
    root.dropped_events_count = 4;
    root.dropped_links_count = 5;
    root.attributes = vec![
        attribute("bytes", Value::BytesValue(vec![0, 255, 7])),
        attribute("fraction", Value::DoubleValue(0.1)),
        attribute("large", Value::IntValue(i64::MAX)),
        attribute("list", Value::ArrayValue(list)),
        attribute("map", Value::KvlistValue(map)),
        attribute("nan", Value::DoubleValue(f64::NAN)),
        attribute("number", Value::IntValue(-7)),
        attribute("truth", Value::BoolValue(false)),
        attribute("whole", Value::DoubleValue(5.0)),
        text("empty", ""),
    ];
    let event = |name: &str, us: u64| Event {
        name: name.into(),
        time_unix_nano: (trace.start_us + us) * 1_000,
        attributes: vec![attribute("crates", Value::IntValue(3))],
        ..Event::default()
    };
    root.events = vec![event("a", 5), event("b", 4)];
    let other = Trace::new();
    let mut serving = trace.span(2, 1, "GET /", 2_000..8_000);
    serving.kind = SERVER;
    serving.status = error("no potatoes");
    serving.links = vec![other.link(9), trace.link(1), trace.link(3)];
    serving.links[0].attributes = vec![text("why", "retry")];
    serving.links[0].trace_state = "vendor=2".into();
    serving.links[0].flags = 1;
    let mut fine = trace.span(3, 2, "fine", 3_000..3_000);
    fine.status = Some(Default::default());
    fine.status.iter_mut().for_each(|status| status.code = 1);
    let mut store = of_service("store", vec![serving, fine]);
    store.schema_url = "https://opentelemetry.io/schemas/1.40.0".into();
    store.resource.iter_mut().for_each(|resource| resource.dropped_attributes_count = 2);
    let scope = &mut store.scope_spans[0];
    scope.schema_url = "https://opentelemetry.io/schemas/1.26.0".into();
    scope.scope.iter_mut().for_each(|scope| scope.attributes = vec![text("of", "scope")]);
    request([of_service("shopper", vec![root]), store])
}

/// A viewer that holds the rich trace, and the trace.
fn viewer_with_rich_trace() -> (Backend, Trace) {
    let (backend, trace) = (Backend::viewer(), Trace::new());
    backend.send(&rich(trace));
    backend.stats_when_stored(3);
    (backend, trace)
}

#[test]
fn a_trace_goes_down_and_up_again_in_otlp_without_loss() {
    let (from, trace) = viewer_with_rich_trace();
    let path = format!("/viewer/api/traces/{}/otlp", trace.hex());

    let answer = from.query(&path).send().expect("an answer");
    let name = answer.headers()["content-disposition"].to_str().expect("ASCII").to_owned();
    let file = answer.text().expect("a text");
    let to = Backend::viewer();
    let uploaded = upload(&to, file.clone());

    assert_eq!(name, format!("attachment; filename=\"trace-{}.otlp.json\"", trace.hex()));
    let expected = json!({
        "trace_count": 1, "span_count": 3, "trace_ids": [trace.hex()], "rejected": 0,
    });
    assert_eq!(uploaded, (200, expected));
    let page = format!("/viewer/api/traces/{}", trace.hex());
    assert_eq!(from.get(&page), to.get(&page));
    assert_eq!(text_of(&to, &path), file);
    // It is what a receiver of OTLP takes, too.
    let receiver = Backend::viewer();
    assert_eq!(receiver.post("/v1/traces", "application/json", file.clone()).status(), 200);
    receiver.stats_when_stored(3);
    assert_eq!(text_of(&receiver, &path), file);
}

#[test]
fn a_downloaded_trace_has_only_what_otlp_has() {
    let (backend, trace) = viewer_with_rich_trace();

    let (_, document) = backend.get(&format!("/viewer/api/traces/{}/otlp", trace.hex()));

    let fields = |json: &Json| {
        let object = json.as_object().expect("an object");
        object.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    let group = &document["resourceSpans"][1];
    assert_eq!(fields(&document), "resourceSpans");
    assert_eq!(fields(group), "resource schemaUrl scopeSpans");
    let span = &group["scopeSpans"][0]["spans"][0];
    assert_eq!(
        fields(span),
        "endTimeUnixNano kind links name parentSpanId spanId startTimeUnixNano status traceId"
    );
    assert_eq!(fields(&span["links"][0]), "attributes flags spanId traceId traceState");
}

#[test]
fn a_trace_goes_down_and_up_again_in_jaegers_json_as_far_as_that_can_hold_it() {
    let (from, trace) = viewer_with_rich_trace();
    let path = format!("/api/traces/{}?raw=true", trace.hex());

    let file = text_of(&from, &path);
    let to = Backend::viewer();
    let (status, _) = upload(&to, file.clone());

    assert_eq!(status, 200);
    assert_eq!(from.get(&path), to.get(&path));
    let page = format!("/viewer/api/traces/{}/otlp", trace.hex());
    let mut lost = Vec::new();
    differences("", &from.get(&page).1, &to.get(&page).1, &mut lost);
    assert_eq!(
        lost,
        [
            // Lists and maps are texts.
            "resourceSpans[0].scopeSpans[0].spans[0].attributes[4].value.arrayValue",
            "resourceSpans[0].scopeSpans[0].spans[0].attributes[4].value.stringValue",
            "resourceSpans[0].scopeSpans[0].spans[0].attributes[5].value.kvlistValue",
            "resourceSpans[0].scopeSpans[0].spans[0].attributes[5].value.stringValue",
            // What the sender dropped is not counted.
            "resourceSpans[0].scopeSpans[0].spans[0].droppedAttributesCount",
            "resourceSpans[0].scopeSpans[0].spans[0].droppedEventsCount",
            "resourceSpans[0].scopeSpans[0].spans[0].droppedLinksCount",
            // Times are microseconds: the start is cut, and the duration.
            "resourceSpans[0].scopeSpans[0].spans[0].endTimeUnixNano",
            "resourceSpans[0].scopeSpans[0].spans[0].flags",
            "resourceSpans[0].scopeSpans[0].spans[0].startTimeUnixNano",
            "resourceSpans[1].resource.droppedAttributesCount",
            "resourceSpans[1].schemaUrl",
            "resourceSpans[1].scopeSpans[0].schemaUrl",
            "resourceSpans[1].scopeSpans[0].scope.attributes",
            // Links have their ids only, and one to the parent comes first.
            "resourceSpans[1].scopeSpans[0].spans[0].links[0].attributes",
            "resourceSpans[1].scopeSpans[0].spans[0].links[0].flags",
            "resourceSpans[1].scopeSpans[0].spans[0].links[0].spanId",
            "resourceSpans[1].scopeSpans[0].spans[0].links[0].traceId",
            "resourceSpans[1].scopeSpans[0].spans[0].links[0].traceState",
            "resourceSpans[1].scopeSpans[0].spans[0].links[1].spanId",
            "resourceSpans[1].scopeSpans[0].spans[0].links[1].traceId",
        ]
    );
}

/// The paths at which two JSON values differ.
fn differences(path: &str, one: &Json, other: &Json, found: &mut Vec<String>) {
    match (one, other) {
        (Json::Object(fields), Json::Object(others)) => {
            let mut names: Vec<_> = fields.keys().chain(others.keys()).collect();
            names.sort();
            names.dedup();
            let dot = if path.is_empty() { "" } else { "." };
            for name in names {
                differences(&format!("{path}{dot}{name}"), &one[name], &other[name], found);
            }
        }
        (Json::Array(elements), Json::Array(others)) => {
            for at in 0..elements.len().max(others.len()) {
                differences(&format!("{path}[{at}]"), &one[at], &other[at], found);
            }
        }
        _ if one == other => {}
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn what_jaegers_own_traces_say_in_tags_becomes_fields() {
    let backend = Backend::viewer();
    let tag = |key: &str, value_type: &str, value: Json| json!({"key": key, "type": value_type, "value": value});
    let reference = |ref_type: &str, trace: &str, span: &str| json!({"refType": ref_type, "traceID": trace, "spanID": span});
    // As a client of OpenTracing sent it: an id of 64 bits, no status, a parent that it follows
    // from, and keys that OTLP has fields for among the attributes.
    let file = json!({"data": [{
        "traceID": "abc",
        "spans": [{
            "traceID": "abc", "spanID": "1", "operationName": "work",
            "references": [
                reference("FOLLOWS_FROM", "0abc", "2"), reference("CHILD_OF", "def", "3"),
            ],
            "startTime": 1_700_000_000_000_000_u64, "duration": 5,
            "tags": [
                tag("error", "string", json!("true")), tag("error", "bool", json!(true)),
                tag("span.kind", "string", json!("consumer")),
                tag("port", "int64", json!("8080")), tag("share", "float64", json!(1)),
                tag("raw", "binary", json!("AP8=")), tag("untyped", "", json!(2.5)),
            ],
            "logs": [{"timestamp": 1_700_000_000_000_001_u64, "fields": [
                tag("level", "string", json!("info")), tag("event", "string", json!("begun")),
            ]}],
            "processID": "p7", "warnings": null, "flags": 1,
        }],
        "processes": {"p7": {"serviceName": "old", "tags": [tag("host", "string", json!("h"))]}},
        "warnings": null,
    }], "total": 0, "limit": 0, "offset": 0, "errors": null});

    let (status, _) = upload(&backend, file.to_string());

    assert_eq!(status, 200);
    let id = "00000000000000000000000000000abc";
    let (_, document) = backend.get(&format!("/viewer/api/traces/{id}/otlp"));
    let string = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    assert_eq!(
        document,
        json!({"resourceSpans": [{
            "resource": {"attributes": [string("host", "h"), string("service.name", "old")]},
            "scopeSpans": [{"scope": {}, "spans": [{
                "traceId": id, "spanId": "0000000000000001", "parentSpanId": "0000000000000002",
                "name": "work", "kind": 5, "flags": 1, "status": {"code": 2},
                "startTimeUnixNano": "1700000000000000000",
                "endTimeUnixNano": "1700000000000005000",
                "attributes": [
                    string("error", "true"),
                    {"key": "port", "value": {"intValue": "8080"}},
                    {"key": "raw", "value": {"bytesValue": "AP8="}},
                    {"key": "share", "value": {"doubleValue": 1.0}},
                    {"key": "untyped", "value": {"doubleValue": 2.5}},
                ],
                "events": [{
                    "timeUnixNano": "1700000000000001000", "name": "begun",
                    "attributes": [string("level", "info")],
                }],
                "links": [
                    {"traceId": id, "spanId": "0000000000000002"},
                    {
                        "traceId": "00000000000000000000000000000def", "spanId": "0000000000000003",
                        "attributes": [string("opentracing.ref_type", "child_of")],
                    },
                ],
            }]}],
        }]})
    );
}

/// A request with one span of a trace of its own, and its trace.
fn one_span(name: &str) -> (ExportTraceServiceRequest, Trace) {
    let trace = Trace::new();
    (request([of_service("store", vec![trace.span(1, 0, name, 0..10)])]), trace)
}

#[test]
fn files_come_in_several_shapes() {
    let jaeger = |backend: &Backend, trace: Trace| {
        backend.get(&format!("/api/traces/{}", trace.hex())).1["data"][0].clone()
    };
    let (from, (first, one), (second, two)) = (Backend::viewer(), one_span("a"), one_span("b"));
    from.send(&first);
    from.send(&second);
    from.stats_when_stored(2);
    let (first, second) = (to_json(&first), to_json(&second));
    let (old_first, old_second) = (jaeger(&from, one), jaeger(&from, two));
    for (what, file) in [
        ("lines of OTLP", format!("{first}\n{second}\n")),
        ("lines of OTLP from Windows", format!("\u{feff}{first}\r\n{second}\r\n\r\n")),
        ("a list of OTLP documents", format!("[{first},{second}]")),
        ("both forms", format!("{first} {old_second}")),
        ("Jaeger's answer", json!({"data": [old_first, old_second]}).to_string()),
        ("what Jaeger's page saves", json!([{"data": [old_first, old_second]}]).to_string()),
        ("bare traces", json!([old_first, old_second]).to_string()),
        ("Jaeger's stable answer", format!("{{\"result\":{first}}}{{\"result\":{second}}}")),
    ] {
        let to = Backend::viewer();

        let (status, answer) = upload(&to, file);

        assert_eq!((status, &answer["trace_count"]), (200, &json!(2)), "{what}: {answer}");
        assert_eq!(answer["trace_ids"], json!([one.hex(), two.hex()]), "{what}");
        // They are there with the answer.
        for (trace, name) in [(one, "a"), (two, "b")] {
            let (_, page) = to.get(&format!("/viewer/api/traces/{}", trace.hex()));
            assert_eq!(spans_of(&page)[0]["name"], name, "{what}");
        }
    }
}

#[test]
fn several_traces_are_one_file() {
    let (from, (first, one), (second, two)) = (Backend::viewer(), one_span("a"), one_span("b"));
    from.send(&first);
    from.send(&second);
    from.stats_when_stored(2);
    let path = format!("/viewer/api/otlp?traceID={}&traceID={}", two.hex(), one.hex());

    let answer = from.query(&format!("{path}&traceID=1")).send().expect("an answer");
    let name = answer.headers()["content-disposition"].to_str().expect("ASCII").to_owned();
    let file = answer.text().expect("a text");
    let to = Backend::viewer();

    assert_eq!(name, "attachment; filename=\"traces.otlp.json\"");
    let (_, answer) = upload(&to, file.clone());
    assert_eq!(answer["trace_ids"], json!([two.hex(), one.hex()]));
    assert_eq!(text_of(&to, &path), file);
    let status = |path: &str| from.get(path).0;
    assert_eq!(status("/viewer/api/otlp"), 404);
    assert_eq!(status("/viewer/api/otlp?traceID=1"), 404);
    assert_eq!(status("/viewer/api/otlp?traceID=xyz"), 400);
}

#[test]
fn a_large_file_comes_compressed() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let filler = "x".repeat(10_000);
    let with_filler = |id: u64| Span {
        attributes: vec![text("filler", &filler)],
        ..trace.span(id, 0, "large", 0..10)
    };
    // More than a request over OTLP may have, also unpacked.
    let file = to_json(&request([of_service("store", (1..=2_000).map(with_filler).collect())]));
    assert!(file.len() > 18 << 20);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(file.as_bytes()).expect("memory");
    let gzip = gzip.finish().expect("memory");

    let post = backend.query_post("/viewer/api/upload").header("content-encoding", "gzip");
    let status = post.body(gzip).send().expect("an answer").status();

    assert_eq!(status, 200);
    let (_, page) = backend.get(&format!("/viewer/api/traces/{}", trace.hex()));
    assert_eq!(page["span_count"], 2_000);
}
