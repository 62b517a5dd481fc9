//! OTLP over HTTP.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value as Json, json};

use super::{counts, logs, metrics};
use crate::support::Backend;
use crate::support::spans::{Trace, of_service, request, to_json};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

fn one_span() -> (Trace, ExportTraceServiceRequest) {
    let trace = Trace::new();
    (trace, request([of_service("sender", vec![trace.span(1, 0, "sent", 0..10)])]))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory to pack in")
}

fn is_held(backend: &Backend, trace: Trace) {
    backend.stats_when_stored(1);
    let (status, _) = backend.get(&format!("/viewer/api/traces/{}", trace.hex()));
    assert_eq!(status, 200);
}

#[test]
fn protobuf_is_taken() {
    let backend = Backend::viewer();
    let (trace, request) = one_span();

    let answer = backend.post("/v1/traces", PROTOBUF, request.encode_to_vec());

    assert_eq!(answer.headers()["content-type"], PROTOBUF);
    let answer = ExportTraceServiceResponse::decode(answer.bytes().expect("a body"));
    assert_eq!(answer, Ok(ExportTraceServiceResponse::default()));
    is_held(&backend, trace);
}

#[test]
fn json_is_taken() {
    let backend = Backend::viewer();
    let (trace, request) = one_span();
    let body = serde_json::to_vec(&request).expect("JSON");

    let answer = backend.post("/v1/traces", "application/json; charset=utf-8", body);

    assert_eq!(answer.headers()["content-type"], JSON);
    assert_eq!(answer.text().expect("a text"), "{}");
    is_held(&backend, trace);
}

#[test]
fn gzip_is_taken_in_both_encodings() {
    let backend = Backend::viewer();
    let ((one, protobuf), (two, json)) = (one_span(), one_span());
    let json = serde_json::to_vec(&json).expect("JSON");

    for (content_type, body) in [(PROTOBUF, protobuf.encode_to_vec()), (JSON, json)] {
        let request = backend.otlp("/v1/traces").header("content-type", content_type);
        let answer = request.header("content-encoding", "gzip").body(gzip(&body)).send();
        assert_eq!(answer.expect("an answer").status(), 200);
    }

    backend.stats_when_stored(2);
    is_held(&backend, one);
    is_held(&backend, two);
}

#[test]
fn spans_with_bad_ids_are_rejected_and_the_others_kept() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let good = trace.span(1, 0, "good", 0..10);
    let mut no_trace = trace.span(2, 0, "bad", 0..10);
    no_trace.trace_id = vec![0; 16];
    let mut short = trace.span(3, 0, "bad", 0..10);
    short.span_id.truncate(7);
    let mut parent = trace.span(4, 0, "bad", 0..10);
    parent.parent_span_id = vec![1; 9];
    let body = request([of_service("sender", vec![no_trace, good, short, parent])]);

    let answer = backend.post("/v1/traces", PROTOBUF, body.encode_to_vec());

    assert_eq!(answer.status(), 200);
    let answer = ExportTraceServiceResponse::decode(answer.bytes().expect("a body"));
    let partial_success = Some(ExportTracePartialSuccess {
        rejected_spans: 3,
        error_message: "resourceSpans[0].scopeSpans[0].spans[0].traceId is missing or all zeroes"
            .into(),
    });
    assert_eq!(answer, Ok(ExportTraceServiceResponse { partial_success }));
    is_held(&backend, trace);
    assert_eq!(counts(&backend, "traces"), [1, 4, 1, 3, 0]);
}

#[test]
fn metrics_and_logs_are_counted() {
    let backend = Backend::viewer();

    let metrics = backend.post("/v1/metrics", PROTOBUF, metrics().encode_to_vec());
    let logs = backend.post("/v1/logs", JSON, serde_json::to_vec(&logs()).expect("JSON"));

    assert_eq!((metrics.status().as_u16(), logs.status().as_u16()), (200, 200));
    assert_eq!(counts(&backend, "metrics"), [1, 2, 2, 0, 0]);
    assert_eq!(counts(&backend, "logs"), [1, 3, 3, 0, 0]);
}

#[test]
fn what_is_not_otlp_is_refused_with_a_status_in_the_requests_encoding() {
    let backend = Backend::viewer();

    let protobuf = backend.post("/v1/traces", PROTOBUF, [0x0a, 0x7f]);
    assert_eq!(protobuf.status(), 400);
    assert_eq!(protobuf.headers()["content-type"], PROTOBUF);
    let status = tonic_types::Status::decode(protobuf.bytes().expect("a body")).expect("a status");
    assert_eq!(status.code, tonic::Code::InvalidArgument as i32);
    assert_eq!(
        status.message,
        "cannot decode the request: the request: failed to decode Protobuf message: invalid varint"
    );

    let json = backend.post("/v1/traces", JSON, "{\"resourceSpans\": 7}");
    assert_eq!(json.status(), 400);
    let status: Json = serde_json::from_str(&json.text().expect("a text")).expect("JSON");
    assert_eq!(
        status,
        json!({
            "code": 3,
            "message": "cannot decode the request: resourceSpans: expected a list, found 7",
        })
    );
}

#[test]
fn other_content_types_encodings_and_routes_are_refused() {
    let backend = Backend::viewer();
    let status = |answer: reqwest::Result<reqwest::blocking::Response>| {
        answer.expect("an answer").status().as_u16()
    };
    let post = || backend.otlp("/v1/traces").body("{}");

    let text = status(post().header("content-type", "text/plain").send());
    let none = status(post().send());
    let brotli = post().header("content-type", JSON).header("content-encoding", "br");
    let broken = post().header("content-type", JSON).header("content-encoding", "gzip");
    let unknown = backend.post("/v1/profiles", JSON, "{}").status().as_u16();

    assert_eq!(
        [text, none, status(brotli.send()), status(broken.send()), unknown],
        [415, 415, 415, 400, 404]
    );
    assert_eq!(counts(&backend, "traces"), [4, 0, 0, 0, 4]);
}

#[test]
fn a_content_type_or_encoding_that_is_not_taken_is_answered_with_those_that_are() {
    let backend = Backend::viewer();
    let message = |answer: reqwest::blocking::Response| {
        let answer: Json = serde_json::from_str(&answer.text().expect("a text")).expect("JSON");
        answer["message"].as_str().unwrap_or_default().to_owned()
    };
    let post = || backend.otlp("/v1/traces").body("{}");

    let text = post().header("content-type", "text/plain").send().expect("an answer");
    let snappy = post().header("content-type", JSON).header("content-encoding", "snappy");
    let snappy = snappy.send().expect("an answer");

    assert_eq!(snappy.headers()["accept-encoding"], "gzip, deflate, zstd");
    assert_eq!(
        message(text),
        "content type \"text/plain\" is not taken: send application/x-protobuf or application/json"
    );
    assert_eq!(
        message(snappy),
        "content encoding \"snappy\" is not taken: send gzip, deflate, zstd or none \
         (OTEL_EXPORTER_OTLP_COMPRESSION=gzip of an SDK, `compression: gzip` of a Collector's \
         exporter)"
    );
}

#[test]
fn deflate_and_zstd_are_taken() {
    let backend = Backend::viewer();
    let ((one, deflate), (two, zstd)) = (one_span(), one_span());
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&deflate.encode_to_vec()).expect("memory");
    let deflate = encoder.finish().expect("memory");
    let zstd = compress_to_vec(&*zstd.encode_to_vec(), CompressionLevel::Fastest);

    for (encoding, body) in [("deflate", deflate), ("zstd", zstd)] {
        let request = backend.otlp("/v1/traces").header("content-type", PROTOBUF);
        let answer = request.header("content-encoding", encoding).body(body).send();
        assert_eq!(answer.expect("an answer").status(), 200, "{encoding}");
    }

    backend.stats_when_stored(2);
    is_held(&backend, one);
    is_held(&backend, two);
}

#[test]
fn a_partial_success_in_json_has_its_count_as_a_string() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let mut bad = trace.span(2, 0, "bad", 0..10);
    bad.span_id.clear();
    let sent = request([of_service("sender", vec![trace.span(1, 0, "good", 0..10), bad])]);

    let answer = backend.post("/v1/traces", JSON, to_json(&sent));

    assert_eq!(
        serde_json::from_str::<Json>(&answer.text().expect("a text")).expect("JSON"),
        json!({"partialSuccess": {
            "rejectedSpans": "1",
            "errorMessage": "resourceSpans[0].scopeSpans[0].spans[1].spanId is missing or all zeroes",
        }})
    );
    is_held(&backend, trace);
}
