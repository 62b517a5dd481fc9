//! The older JSON, field by field.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use serde_json::json;

use super::{shop, sorted};
use crate::support::spans::{CLIENT, SERVER, Trace, attribute, of_service, request, text};
use crate::support::{Backend, unique};

#[test]
fn a_trace_of_two_services_is_answered_field_by_field() {
    let shop = shop();
    let (id, start) = (shop.trace.hex(), shop.trace.start_us);

    let (status, answer) = shop.backend.get(&format!("/api/traces/{id}"));

    assert_eq!(status, 200);
    let tag = |key: &str, value: &str| json!({"key": key, "type": "string", "value": value});
    let scope = [tag("otel.scope.name", "tests"), tag("otel.scope.version", "1.0")];
    let child_of = |span: &str| json!([{"refType": "CHILD_OF", "traceID": id, "spanID": span}]);
    let north = json!([tag("zone", "north")]);
    assert_eq!(
        answer,
        json!({
            "data": [{
                "traceID": id,
                "spans": [
                    {
                        "traceID": id, "spanID": "00000000000000a1", "operationName": "trip",
                        "references": [], "startTime": start, "duration": 10_000,
                        "tags": [scope[0], scope[1], tag("span.kind", "internal")],
                        "logs": [], "processID": "p1", "warnings": null,
                    },
                    {
                        "traceID": id, "spanID": "00000000000000a2", "operationName": "GET",
                        "references": child_of("00000000000000a1"),
                        "startTime": start + 1_000, "duration": 8_000,
                        "tags": [scope[0], scope[1], tag("span.kind", "client")],
                        "logs": [], "processID": "p1", "warnings": null,
                    },
                    {
                        "traceID": id, "spanID": "00000000000000b1",
                        "operationName": "GET /products",
                        "references": child_of("00000000000000a2"),
                        "startTime": start + 2_000, "duration": 6_000,
                        "tags": [
                            scope[0], scope[1], tag("aisle", "produce"),
                            tag("http.route", "/products"), tag("span.kind", "server"),
                            tag("otel.status_code", "ERROR"),
                            {"key": "error", "type": "bool", "value": true},
                            tag("otel.status_description", "no potatoes"),
                        ],
                        "logs": [], "processID": "p2", "warnings": null,
                    },
                ],
                "processes": {
                    "p1": {"serviceName": shop.shopper, "tags": north},
                    "p2": {"serviceName": shop.store, "tags": north},
                },
                "warnings": null,
            }],
            "total": 0, "limit": 0, "offset": 0, "errors": null,
        })
    );
}

#[test]
fn every_type_of_value_and_every_part_of_a_span_has_its_place() {
    let backend = Backend::jaeger_or_viewer();
    let (trace, other) = (Trace::new(), Trace::new());
    let number = |number| AnyValue { value: Some(Value::IntValue(number)) };
    let double = |number| AnyValue { value: Some(Value::DoubleValue(number)) };
    let list = ArrayValue { values: vec![number(1), double(2.0), double(0.5)] };
    let map = KeyValueList { values: vec![text("inner", "<b>")] };
    let mut span = trace.span(1, 0, "all of it", 0..5_000);
    span.kind = 0;
    span.trace_state = "vendor=1".into();
    span.status = Some(Status { code: 1, message: String::new() });
    span.attributes = vec![
        attribute("truth", Value::BoolValue(true)),
        attribute("number", Value::IntValue(-7)),
        attribute("large", Value::IntValue(i64::MAX)),
        attribute("fraction", Value::DoubleValue(0.5)),
        attribute("whole", Value::DoubleValue(5.0)),
        attribute("bytes", Value::BytesValue(vec![0, 255])),
        attribute("list", Value::ArrayValue(list)),
        attribute("map", Value::KvlistValue(map)),
    ];
    span.events = vec![Event {
        time_unix_nano: (trace.start_us + 1) * 1_000,
        name: "restocked".into(),
        attributes: vec![attribute("crates", Value::IntValue(3))],
        ..Event::default()
    }];
    span.links = vec![other.link(9)];
    backend.send(&request([of_service(&format!("parts-{}", unique()), vec![span])]));

    let answer = backend.get_when(&format!("/api/traces/{}", trace.hex()), |answer| {
        answer["data"][0]["spans"][0].is_object()
    });

    let tag = |key: &str, value: &str| json!({"key": key, "type": "string", "value": value});
    assert_eq!(
        answer["data"][0]["spans"][0],
        json!({
            "traceID": trace.hex(), "spanID": "0000000000000001", "operationName": "all of it",
            "references": [{
                "refType": "FOLLOWS_FROM", "traceID": other.hex(), "spanID": "0000000000000009",
            }],
            "startTime": trace.start_us, "duration": 5_000,
            "tags": [
                tag("otel.scope.name", "tests"), tag("otel.scope.version", "1.0"),
                {"key": "bytes", "type": "binary", "value": "AP8="},
                {"key": "fraction", "type": "float64", "value": 0.5},
                {"key": "large", "type": "int64", "value": "9223372036854775807"},
                tag("list", "[1,2,0.5]"), tag("map", "{\"inner\":\"<b>\"}"),
                {"key": "number", "type": "int64", "value": -7},
                {"key": "truth", "type": "bool", "value": true},
                {"key": "whole", "type": "float64", "value": 5},
                tag("otel.status_code", "OK"), tag("w3c.tracestate", "vendor=1"),
            ],
            "logs": [{
                "timestamp": trace.start_us + 1,
                "fields": [
                    tag("event", "restocked"),
                    {"key": "crates", "type": "int64", "value": 3},
                ],
            }],
            "processID": "p1", "warnings": null,
        })
    );
}

#[test]
fn what_does_not_add_up_is_remarked_on() {
    let backend = Backend::jaeger_or_viewer();
    let trace = Trace::new();
    let spans = vec![
        trace.span(1, 0, "root", 0..10_000),
        trace.span(2, 1, "late", 9_000..11_000),
        trace.span(3, 77, "orphan", 0..1_000),
    ];
    backend.send(&request([of_service(&format!("odd-{}", unique()), spans)]));

    let answer = backend.get_when(&format!("/api/traces/{}", trace.hex()), |answer| {
        answer["data"][0]["spans"].as_array().is_some_and(|spans| spans.len() == 3)
    });

    let spans = answer["data"][0]["spans"].as_array().cloned().unwrap_or_default();
    let remarks: Vec<_> =
        spans.iter().map(|span| json!([span["operationName"], span["warnings"]])).collect();
    assert_eq!(
        remarks,
        [
            json!(["root", null]),
            json!([
                "late",
                ["clock skew adjustment disabled; not applying calculated delta of -5ms"]
            ]),
            json!([
                "orphan",
                ["parent span ID=000000000000004d is not in the trace; \
                 skipping clock skew adjustment"]
            ]),
        ]
    );
}

#[test]
fn two_sides_of_a_call_with_one_id_become_parent_and_child() {
    let backend = Backend::jaeger_or_viewer();
    let (trace, number) = (Trace::new(), unique());
    let mut calling = trace.span(5, 0, "call", 0..9_000);
    calling.kind = CLIENT;
    let mut serving = trace.span(5, 0, "serve", 1_000..8_000);
    serving.kind = SERVER;
    let work = trace.span(6, 5, "work", 2_000..3_000);
    backend.send(&request([
        of_service(&format!("caller-{number}"), vec![calling]),
        of_service(&format!("callee-{number}"), vec![serving, work]),
    ]));

    let answer = backend.get_when(&format!("/api/traces/{}", trace.hex()), |answer| {
        answer["data"][0]["spans"].as_array().is_some_and(|spans| spans.len() == 3)
    });

    let spans = answer["data"][0]["spans"].as_array().cloned().unwrap_or_default();
    let tree: Vec<_> = spans
        .iter()
        .map(|span| json!([span["operationName"], span["spanID"], span["references"][0]["spanID"]]))
        .collect();
    assert_eq!(
        tree,
        [
            json!(["call", "0000000000000005", null]),
            json!(["serve", "0000000000000001", "0000000000000005"]),
            json!(["work", "0000000000000006", "0000000000000001"]),
        ]
    );
}

#[test]
fn services_and_operations_are_listed() {
    let shop = shop();

    let (_, services) = shop.backend.get("/api/services");
    let (_, names) = shop.backend.get(&format!("/api/services/{}/operations", shop.shopper));
    let (_, kinds) = shop.backend.get(&format!("/api/operations?service={}", shop.store));
    let servers = format!("/api/operations?service={}&spanKind=client", shop.store);
    let (_, none) = shop.backend.get(&servers);
    let (_, unknown) = shop.backend.get("/api/services/nobody/operations");

    let services = sorted(&services["data"]);
    assert!(services.contains(&shop.shopper) && services.contains(&shop.store));
    assert_eq!(sorted(&names["data"]), ["GET", "trip"]);
    assert_eq!(names["total"], 2);
    assert_eq!(
        kinds,
        json!({
            "data": [{"name": "GET /products", "spanKind": "server"}],
            "total": 1, "limit": 0, "offset": 0, "errors": null,
        })
    );
    assert_eq!(none["data"], json!([]));
    assert_eq!(unknown["data"], json!(null));
}

#[test]
fn dependencies_count_the_calls_between_services() {
    let shop = shop();
    let path = format!("/api/dependencies?service={}", shop.shopper);

    let (status, answer) = shop.backend.get(&path);

    assert_eq!(status, 200);
    let mut calls = answer["data"].as_array().cloned().unwrap_or_default();
    calls.sort_by_key(|call| call["child"].to_string());
    assert_eq!(
        calls,
        [
            json!({"parent": shop.shopper, "child": shop.shopper, "callCount": 1}),
            json!({"parent": shop.shopper, "child": shop.store, "callCount": 1}),
        ]
    );
    let long_ago = format!("{path}&endTs=1000&lookback=500");
    assert_eq!(shop.backend.get(&long_ago).1["data"], json!([]));
}
