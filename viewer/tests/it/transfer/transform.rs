//! What Jaeger's page asks for besides queries: OTLP turned into Jaeger's JSON, metrics, an
//! archive.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};

use super::{one_span, viewer_with_rich_trace};
use crate::support::Backend;
use crate::support::spans::{Trace, of_service, request, to_json};

fn post(backend: &Backend, path: &str, body: impl Into<Vec<u8>>) -> (u16, Json) {
    // As Jaeger's page sends it, which names no content type of its own.
    let post = backend.query_post(path).header("content-type", "text/plain;charset=UTF-8");
    let answer = post.body(body.into()).send().expect("an answer");
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().expect("a text")).expect("JSON"))
}

fn refused(status: u16, message: &str) -> (u16, Json) {
    let errors = json!([{"code": status, "msg": message}]);
    let envelope = json!({"data": null, "total": 0, "limit": 0, "offset": 0, "errors": errors});
    (status, envelope)
}

#[test]
fn otlp_is_answered_in_jaegers_json_and_not_kept() {
    let (holding, trace) = viewer_with_rich_trace();
    let (alone, other) = one_span("alone");
    holding.send(&alone);
    holding.stats_when_stored(4);
    let otlp = |trace: Trace| {
        let (_, file) = holding.get(&format!("/viewer/api/traces/{}/otlp", trace.hex()));
        file["resourceSpans"].as_array().cloned().unwrap_or_default()
    };
    let both = [otlp(trace), otlp(other)].concat();
    let both = json!({"resourceSpans": both});
    let backend = Backend::viewer();

    let (status, transformed) = post(&backend, "/api/transform", both.to_string());

    assert_eq!(status, 200);
    assert_eq!(backend.get("/viewer/api/stats").1["spans"], 0);
    let held = |trace: Trace| holding.get(&format!("/api/traces/{}", trace.hex())).1;
    let (mut one, two) = (held(trace), held(other));
    // Jaeger makes its remarks on traces that it keeps, and on no others.
    for span in one["data"][0]["spans"].as_array_mut().into_iter().flatten() {
        span["warnings"] = Json::Null;
    }
    let expected = json!({
        "data": [one["data"][0], two["data"][0]],
        "total": 0, "limit": 0, "offset": 0, "errors": null,
    });
    assert_eq!(transformed, expected);
}

#[test]
fn a_span_that_is_left_out_is_told_beside_the_others() {
    let backend = Backend::viewer();
    let otlp = to_json(&one_span("fine").0);
    let both = otlp.replacen("\"spans\":[", "\"spans\":[{\"traceId\":\"abc\"},", 1);

    let (status, answer) = post(&backend, "/api/transform", both);

    assert_eq!(status, 200);
    assert_eq!(answer["data"][0]["spans"][0]["operationName"], "fine");
    assert_eq!(
        answer["errors"],
        json!([{
            "msg": "spans left out: 1, the first because resourceSpans[0].scopeSpans[0].spans[0].traceId \"abc\" \
                    is not 32 hex digits",
        }])
    );
}

#[test]
fn a_compressed_file_is_transformed_as_well() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let long = "x".repeat(10_000);
    let spans = (1..=200).map(|id| trace.span(id, 0, &long, 0..10)).collect();
    let otlp = to_json(&request([of_service("store", spans)]));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(otlp.as_bytes()).expect("memory");

    let post = backend.query_post("/api/transform").header("content-encoding", "gzip");
    let answer = post.body(gzip.finish().expect("memory")).send().expect("an answer");

    assert_eq!(answer.status(), 200);
    let answer: Json = serde_json::from_str(&answer.text().expect("a text")).expect("JSON");
    assert_eq!(answer["data"][0]["spans"].as_array().map(Vec::len), Some(200));
}

#[test]
fn a_span_that_is_twice_in_the_file_is_twice_in_the_answer() {
    let backend = Backend::viewer();
    let (mut otlp, _) = one_span("again");
    otlp.resource_spans.extend(otlp.resource_spans.clone());

    let (status, answer) = post(&backend, "/api/transform", to_json(&otlp));

    assert_eq!(status, 200);
    let spans = answer["data"][0]["spans"].as_array().cloned().unwrap_or_default();
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[0], spans[1]);
}

#[test]
fn what_is_no_otlp_is_refused_as_jaeger_does_it() {
    let backend = Backend::with(viewer::Config {
        max_request_bytes: 1 << 20,
        ..viewer::Config::on_free_ports()
    });
    let transform = |body: &[u8]| post(&backend, "/api/transform", body);

    assert_eq!(
        transform(b""),
        refused(400, "cannot decode the request: EOF while parsing a value at line 1 column 0")
    );
    assert_eq!(
        transform(b"\"Bad Payload\""),
        refused(
            400,
            "cannot decode the request: the request: expected an object, found \"Bad Payload\""
        )
    );
    let (status, answer) = transform(&vec![b' '; (1 << 20) + 1]);
    assert_eq!((status, &answer["data"]), (413, &Json::Null));
    let nothing = json!({"data": [], "total": 0, "limit": 0, "offset": 0, "errors": null});
    assert_eq!(transform(b"{}"), (200, nothing));
}

#[test]
fn a_body_of_empty_values_cannot_take_more_memory_than_readers_have() {
    let backend = Backend::viewer();
    let values = format!("[{}{{}}]", "{},".repeat(1_000_000));
    let span =
        format!("{{\"traceId\":\"{:032x}\",\"spanId\":\"{:016x}\",\"events\":{values}}}", 1, 1);
    // Each span has as many empty events as are kept.
    let events = format!("[{}{{}}]", "{},".repeat(511));
    let spans =
        format!("{{\"traceId\":\"{:032x}\",\"spanId\":\"{:016x}\",\"events\":{events}}},", 1, 1)
            .repeat(4_000);
    let body =
        format!("{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{spans}{span}]}}]}}]}}");

    let (status, answer) = post(&backend, "/api/transform", body);

    assert_eq!(status, 413, "{answer}");
}

#[test]
fn there_is_no_archive() {
    let backend = Backend::viewer();

    assert_eq!(
        post(&backend, "/api/archive/abc", ""),
        refused(500, "archive span storage was not configured")
    );
    let wrong = "\"xyz\" is no trace id: expected 32 hexadecimal digits";
    assert_eq!(post(&backend, "/api/archive/xyz", ""), refused(400, wrong));
}
