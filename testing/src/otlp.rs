//! Decodes OTLP into spans.

use super::http::Received;
use super::span::{Attributes, Event, Link, Span};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message as _;

/// The spans in requests with protobuf bodies.
pub fn from_protobuf(requests: &[Received]) -> Vec<Span> {
    requests
        .iter()
        .filter(|request| request.path == "/v1/traces")
        .flat_map(|request| {
            assert_eq!(request.headers["content-type"], "application/x-protobuf");
            spans(&ExportTraceServiceRequest::decode(&request.body[..]).expect("protobuf"))
        })
        .collect()
}

/// The spans in requests with JSON bodies.
pub fn from_json(requests: &[Received]) -> Vec<Span> {
    requests
        .iter()
        .flat_map(|request| {
            assert_eq!(request.headers["content-type"], "application/json");
            spans(&serde_json::from_slice(&request.body).expect("OTLP as JSON"))
        })
        .collect()
}

/// The spans in one request.
pub fn spans(request: &ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in &request.resource_spans {
        let resource = of_resource.resource.as_ref().map(|resource| &resource.attributes[..]);
        for of_scope in &of_resource.scope_spans {
            let scope = of_scope.scope.clone().unwrap_or_default();
            let scope = format!("{} {}", scope.name, scope.version);
            for one in &of_scope.spans {
                spans.push(span(one, scope.trim(), resource.unwrap_or_default()));
            }
        }
    }
    spans
}

fn span(span: &proto::Span, scope: &str, resource: &[KeyValue]) -> Span {
    let mut attributes = self::attributes(&span.attributes);
    if !span.trace_state.is_empty() {
        attributes.insert("w3c.tracestate".to_owned(), span.trace_state.clone());
    }
    let start_us = span.start_time_unix_nano / 1_000;
    Span {
        trace_id: hex(&span.trace_id),
        start_us,
        span_id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
        name: span.name.clone(),
        kind: kind(span.kind()),
        duration_us: (span.end_time_unix_nano - span.start_time_unix_nano) / 1_000,
        status: span.status.as_ref().map_or("unset".to_owned(), status),
        scope: scope.to_owned(),
        attributes,
        events: span
            .events
            .iter()
            .map(|event| Event {
                at_us: event.time_unix_nano / 1_000,
                name: event.name.clone(),
                attributes: self::attributes(&event.attributes),
            })
            .collect(),
        links: span
            .links
            .iter()
            .map(|link| Link {
                trace_id: hex(&link.trace_id),
                span_id: hex(&link.span_id),
                attributes: self::attributes(&link.attributes),
            })
            .collect(),
        resource: self::attributes(resource),
    }
}

fn kind(kind: proto::span::SpanKind) -> &'static str {
    match kind {
        proto::span::SpanKind::Unspecified => "unspecified",
        proto::span::SpanKind::Internal => "internal",
        proto::span::SpanKind::Server => "server",
        proto::span::SpanKind::Client => "client",
        proto::span::SpanKind::Producer => "producer",
        proto::span::SpanKind::Consumer => "consumer",
    }
}

fn status(status: &proto::Status) -> String {
    match status.code() {
        proto::status::StatusCode::Unset => "unset".to_owned(),
        proto::status::StatusCode::Ok => "ok".to_owned(),
        proto::status::StatusCode::Error => format!("error: {}", status.message),
    }
}

/// Attributes with their values as text.
pub fn attributes(pairs: &[KeyValue]) -> Attributes {
    pairs.iter().map(|pair| (pair.key.clone(), text(pair.value.as_ref()))).collect()
}

/// A value as text, in the form that the SDK gives it.
pub(crate) fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::ArrayValue(array)) => {
            let items = array.values.iter().map(|item| match &item.value {
                Some(Value::StringValue(text)) => format!("{text:?}"),
                _ => text(Some(item)),
            });
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        other => format!("{other:?}"),
    }
}

/// Bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
