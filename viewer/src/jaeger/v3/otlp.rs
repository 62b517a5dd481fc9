//! Traces back in OTLP's JSON, through `opentelemetry-proto`'s types.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource as OtlpResource;
use opentelemetry_proto::tonic::trace::v1::span::{Event as OtlpEvent, Link as OtlpLink};
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span as OtlpSpan, Status as OtlpStatus, TracesData,
};
use serde_json::{Value as Json, json};

use crate::store::model::{Attribute, Event, Link, Resource, Scope, SpanId, TraceId, Value};
use crate::view::{Seen, View};

/// The attribute in which Jaeger hands on its remarks on a span.
const WARNINGS: &str = "@jaeger@warnings";

/// The spans of all `views`, grouped as they came.
pub(super) fn to_json(views: &[View]) -> Vec<u8> {
    let resource_spans = views.iter().flat_map(resource_spans).collect();
    let mut traces = serde_json::to_value(TracesData { resource_spans }).unwrap_or_default();
    leave_out_defaults(&mut traces);
    json!({ "result": traces }).to_string().into_bytes()
}

fn resource_spans(view: &View) -> Vec<ResourceSpans> {
    let same_resource =
        |one: &Seen, other: &Seen| Arc::ptr_eq(&one.span.resource, &other.span.resource);
    let same_scope = |one: &Seen, other: &Seen| Arc::ptr_eq(&one.span.scope, &other.span.scope);
    view.spans
        .chunk_by(same_resource)
        .map(|group| ResourceSpans {
            resource: Some(resource(&group[0].span.resource)),
            schema_url: group[0].span.resource.schema_url.to_string(),
            scope_spans: group
                .chunk_by(same_scope)
                .map(|group| ScopeSpans {
                    scope: Some(scope(&group[0].span.scope)),
                    schema_url: group[0].span.scope.schema_url.to_string(),
                    spans: group.iter().map(|seen| span(view.trace.id, seen)).collect(),
                })
                .collect(),
        })
        .collect()
}

fn resource(resource: &Resource) -> OtlpResource {
    OtlpResource {
        attributes: attributes(&resource.attributes),
        dropped_attributes_count: resource.dropped_attributes,
        entity_refs: Vec::new(),
    }
}

fn scope(scope: &Scope) -> InstrumentationScope {
    InstrumentationScope {
        name: scope.name.to_string(),
        version: scope.version.to_string(),
        attributes: attributes(&scope.attributes),
        dropped_attributes_count: scope.dropped_attributes,
    }
}

fn span(trace: TraceId, seen: &Seen) -> OtlpSpan {
    let span = &seen.span;
    let extra = span.extra.as_deref().cloned().unwrap_or_default();
    let mut attributes = attributes(&span.attributes);
    attributes.extend(warnings(&seen.warnings));
    OtlpSpan {
        trace_id: trace_bytes(trace),
        span_id: span_bytes(seen.id),
        trace_state: extra.trace_state.into(),
        parent_span_id: seen.parent.map(span_bytes).unwrap_or_default(),
        flags: span.flags,
        name: span.name.to_string(),
        kind: span.kind as i32,
        start_time_unix_nano: span.start,
        end_time_unix_nano: seen.end,
        attributes,
        dropped_attributes_count: extra.dropped_attributes,
        events: extra.events.iter().map(event).collect(),
        dropped_events_count: extra.dropped_events,
        links: extra.links.iter().map(link).collect(),
        dropped_links_count: extra.dropped_links,
        status: Some(OtlpStatus { message: extra.status_message.into(), code: span.status as i32 }),
    }
}

fn warnings(warnings: &[String]) -> Option<KeyValue> {
    let text = |text: &String| any(Any::StringValue(text.clone()));
    let values = warnings.iter().map(text).collect();
    (!warnings.is_empty()).then(|| KeyValue {
        key: WARNINGS.into(),
        value: Some(any(Any::ArrayValue(ArrayValue { values }))),
        ..KeyValue::default()
    })
}

fn event(event: &Event) -> OtlpEvent {
    OtlpEvent {
        time_unix_nano: event.time,
        name: event.name.to_string(),
        attributes: attributes(&event.attributes),
        dropped_attributes_count: event.dropped_attributes,
    }
}

fn link(link: &Link) -> OtlpLink {
    OtlpLink {
        trace_id: trace_bytes(link.trace),
        span_id: span_bytes(link.span),
        trace_state: link.trace_state.to_string(),
        attributes: attributes(&link.attributes),
        dropped_attributes_count: link.dropped_attributes,
        flags: link.flags,
    }
}

fn trace_bytes(id: TraceId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

fn span_bytes(id: SpanId) -> Vec<u8> {
    id.0.get().to_be_bytes().to_vec()
}

fn attributes(attributes: &[Attribute]) -> Vec<KeyValue> {
    attributes
        .iter()
        .map(|attribute| KeyValue {
            key: attribute.key.to_string(),
            value: Some(value(&attribute.value)),
            ..KeyValue::default()
        })
        .collect()
}

fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn value(value: &Value) -> AnyValue {
    any(match value {
        Value::Empty => return AnyValue::default(),
        Value::String(text) => Any::StringValue(text.to_string()),
        Value::Bool(truth) => Any::BoolValue(*truth),
        Value::Int(number) => Any::IntValue(*number),
        Value::Double(number) => Any::DoubleValue(number.0),
        Value::Bytes(bytes) => Any::BytesValue(bytes.to_vec()),
        Value::Array(values) => {
            Any::ArrayValue(ArrayValue { values: values.iter().map(self::value).collect() })
        }
        Value::Map(entries) => Any::KvlistValue(KeyValueList { values: attributes(entries) }),
    })
}

/// Leaves out what is its type's default, as protobuf's JSON does and serde's does not. What an
/// attribute's value is stays: there, zero is something that was said.
fn leave_out_defaults(json: &mut Json) {
    match json {
        Json::Object(fields) => {
            fields.values_mut().for_each(leave_out_defaults);
            fields.retain(|name, value| name.ends_with("Value") || !is_default(name, value));
        }
        Json::Array(elements) => elements.iter_mut().for_each(leave_out_defaults),
        _ => {}
    }
}

fn is_default(name: &str, value: &Json) -> bool {
    match value {
        Json::Null => true,
        // Times are numbers of 64 bits, which JSON has as strings.
        Json::String(text) => text.is_empty() || text == "0" && name.ends_with("UnixNano"),
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::Array(elements) => elements.is_empty(),
        Json::Bool(_) | Json::Object(_) => false,
    }
}
