//! Limits on one request and on one span.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use prost::Message;
use serde_json::{Value as Json, json};
use viewer::Config;

use crate::support::Backend;
use crate::support::spans::{Trace, attribute, of_service, request, spans_of, text, to_json};

const PROTOBUF: &str = "application/x-protobuf";

fn small_requests() -> Backend {
    Backend::with(Config { max_request_bytes: 100_000, ..Config::on_free_ports() })
}

#[test]
fn a_request_that_is_too_large_is_refused() {
    let backend = small_requests();

    let refused = backend.post("/v1/traces", PROTOBUF, vec![0; 100_001]);

    assert_eq!(refused.status(), 413);
    let status = tonic_types::Status::decode(refused.bytes().expect("a body")).expect("a status");
    assert_eq!(
        status.message,
        "a request may have 100000 bytes at most, also when decompressed: send smaller batches \
         (OTEL_BSP_MAX_EXPORT_BATCH_SIZE of an SDK, send_batch_max_size of a Collector's batch \
         processor)"
    );
}

#[test]
fn a_request_that_unpacks_to_too_much_is_refused() {
    let backend = small_requests();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![0; 50_000_000]).expect("memory");
    let bomb = bomb.finish().expect("memory");
    assert!(bomb.len() < 100_000);

    let post = backend.otlp("/v1/traces").header("content-type", PROTOBUF);
    let refused = post.header("content-encoding", "gzip").body(bomb).send().expect("an answer");

    assert_eq!(refused.status(), 413);
}

#[test]
fn a_small_request_that_decodes_to_too_much_is_refused() {
    let backend = Backend::with(Config { max_waiting_bytes: 24 << 20, ..Config::on_free_ports() });
    let trace = Trace::new();
    let least = |id: u64| Span {
        trace_id: trace.id.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        ..Span::default()
    };
    let spans = 89_000;
    let protobuf = request([of_service("a", (1..=spans).map(least).collect())]).encode_to_vec();
    let span = |id| format!(r#"{{"traceId":"{}","spanId":"{id:016x}"}}"#, trace.hex());
    let json: Vec<_> = (1..=spans).map(span).collect();
    let json =
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, json.join(","));
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(json.as_bytes()).expect("memory");
    let packed = packed.finish().expect("memory");
    assert!(protobuf.len() < 3 << 20 && packed.len() < 1 << 20);

    let protobuf = backend.post("/v1/traces", PROTOBUF, protobuf);
    let json = backend.otlp("/v1/traces").header("content-type", "application/json");
    let json = json.header("content-encoding", "gzip").body(packed).send().expect("an answer");

    assert_eq!([protobuf.status().as_u16(), json.status().as_u16()], [413, 413]);
    assert_eq!(backend.get("/viewer/api/stats").1["bytes"], 0);
}

#[test]
fn a_request_of_many_spans_that_are_none_takes_no_memory() {
    let backend = Backend::with(Config { max_waiting_bytes: 3 << 20, ..Config::on_free_ports() });
    let empty = request([of_service("a", vec![Span::default(); 100_000])]).encode_to_vec();
    let lists = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}[]]}}]}}]}}"#,
        "[],".repeat(100_000)
    );

    let empty = backend.post("/v1/traces", PROTOBUF, empty);
    let lists = backend.post("/v1/traces", "application/json", lists);

    // Objects without ids are OTLP, but not valid spans; lists are not OTLP at all.
    assert_eq!([empty.status().as_u16(), lists.status().as_u16()], [200, 400]);
    assert_eq!(
        serde_json::from_str::<Json>(&lists.text().expect("a text")).expect("JSON")["message"],
        "cannot decode the request: resourceSpans[0].scopeSpans[0].spans[0]: \
         expected an object, found a list"
    );
    let (_, stats) = backend.get("/viewer/api/stats");
    assert_eq!(stats["signals"]["traces"]["rejected"], 100_000);
    assert_eq!(stats["bytes"], 0);
}

#[test]
fn a_value_that_nests_without_end_is_cut_and_nothing_overflows() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let mut value = AnyValue::default();
    for _ in 0..200 {
        let values = vec![value];
        value = AnyValue { value: Some(Value::ArrayValue(ArrayValue { values })) };
    }
    let mut span = trace.span(1, 0, "deep", 0..10);
    span.attributes =
        vec![attribute("deep", Value::ArrayValue(ArrayValue { values: vec![value] }))];
    let sent = request([of_service("a", vec![span])]);
    let brackets = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));

    backend.send(&sent);
    let json = backend.post("/v1/traces", "application/json", to_json(&sent));
    let brackets = backend.post("/v1/traces", "application/json", brackets);

    assert_eq!([json.status().as_u16(), brackets.status().as_u16()], [200, 400]);
    let stats = backend.stats_when_stored(2);
    // The same span twice, each time with one cut.
    assert_eq!(json!([stats["spans"], stats["cut"]]), json!([1, 2]));
}

#[test]
fn an_oversized_span_is_cut_and_the_cuts_are_counted() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let mut span = trace.span(1, 0, &"n".repeat(5_000), 0..10);
    let many = |count: usize| (0..count).map(|number| text(&format!("k{number}"), "v"));
    span.attributes = many(300).collect();
    span.attributes[0] = text("a long one", &"v".repeat(100_000));
    span.events = vec![Event { name: "e".into(), ..Event::default() }; 600];
    span.links = (1..=600).map(|id| trace.link(id)).collect();

    backend.send(&request([of_service("a", vec![span])]));

    let stats = backend.stats_when_stored(1);
    let (_, detail) = backend.get(&format!("/viewer/api/traces/{}", trace.hex()));
    let span = &spans_of(&detail)[0];
    let length = |name: &str| span[name].as_array().map_or(0, Vec::len);
    // The name, the long value, 44 attributes, 88 events, 88 links.
    assert_eq!(json!([stats["cut"], span["cut"]]), json!([222, 222]));
    assert_eq!([length("attributes"), length("events"), length("links")], [256, 512, 512]);
    assert_eq!(span["name"].as_str().map(str::len), Some(1_024));
    assert_eq!(span["attributes"][0]["value"]["stringValue"].as_str().map(str::len), Some(16_384));
    assert_eq!(detail["warnings"], json!(["1 span was cut by the viewer's limits"]));
}

#[test]
fn there_is_an_end_to_the_services_and_operations_listed() {
    let backend = Backend::viewer();
    let services = (0..1_100).map(|number| {
        let name = format!("service-{number:04}");
        of_service(&name, vec![Trace::new().span(1, 0, "once", 0..10)])
    });
    let trace = Trace::new();
    let operations =
        (1..=10_100).map(|id| trace.span(id, 0, &format!("operation {id}"), 0..10)).collect();
    backend.send(&request([of_service("aaa", operations)]));
    backend.send(&request(services));

    backend.stats_when_stored(11_200);

    let (_, listed) = backend.get("/viewer/api/services");
    let services = listed["services"].as_array().cloned().unwrap_or_default();
    assert_eq!(services.len(), 1_000);
    assert_eq!(services[0]["operations"].as_array().map(Vec::len), Some(10_000));
    // What is not listed is held all the same.
    let (_, found) = backend.get("/viewer/api/traces?service=service-1099");
    assert_eq!(found["total"], 1);
}
