//! Converts span data of the current SDK to span data of the SDK 0.23, which opentelemetry-jaeger
//! uses.

use opentelemetry::trace::{Event, Link, SpanContext, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_0_23 as old;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk_0_23 as old_sdk;
use std::borrow::Cow;
use std::str::FromStr as _;
use std::time::Duration;

/// Converts one span. Jaeger has no place for the trace state, so it becomes the attribute that
/// the OpenTelemetry collector uses for it.
pub(super) fn span(
    span: SpanData,
    resource: &old_sdk::Resource,
) -> old_sdk::export::trace::SpanData {
    let trace_state = span.span_context.trace_state().header();
    let mut attributes = key_values(span.attributes);
    if !trace_state.is_empty() {
        attributes.push(old::KeyValue::new("w3c.tracestate", trace_state));
    }
    let mut events = old_sdk::trace::SpanEvents::default();
    events.events = span.events.events.into_iter().map(event).collect();
    events.dropped_count = span.events.dropped_count;
    let mut links = old_sdk::trace::SpanLinks::default();
    links.links = span.links.links.into_iter().map(link).collect();
    links.dropped_count = span.links.dropped_count;
    old_sdk::export::trace::SpanData {
        span_context: context(&span.span_context),
        parent_span_id: old::trace::SpanId::from_bytes(span.parent_span_id.to_bytes()),
        span_kind: kind(span.span_kind),
        name: span.name,
        start_time: span.start_time,
        // Thrift counts whole microseconds, and Jaeger takes a duration of 0 for a negative one.
        end_time: span.end_time.max(span.start_time + Duration::from_micros(1)),
        attributes,
        dropped_attributes_count: span.dropped_attributes_count,
        events,
        links,
        status: status(span.status),
        resource: Cow::Owned(resource.clone()),
        instrumentation_lib: scope(&span.instrumentation_scope),
    }
}

/// Converts the resource.
pub(super) fn resource(resource: &Resource) -> old_sdk::Resource {
    let attributes = resource.iter().map(|(k, v)| KeyValue::new(k.clone(), v.clone()));
    old_sdk::Resource::new(key_values(attributes))
}

fn context(context: &SpanContext) -> old::trace::SpanContext {
    let trace_state = context.trace_state().header();
    old::trace::SpanContext::new(
        old::trace::TraceId::from_bytes(context.trace_id().to_bytes()),
        old::trace::SpanId::from_bytes(context.span_id().to_bytes()),
        old::trace::TraceFlags::new(context.trace_flags().to_u8()),
        context.is_remote(),
        old::trace::TraceState::from_str(&trace_state).unwrap_or_default(),
    )
}

fn kind(kind: SpanKind) -> old::trace::SpanKind {
    match kind {
        SpanKind::Client => old::trace::SpanKind::Client,
        SpanKind::Server => old::trace::SpanKind::Server,
        SpanKind::Producer => old::trace::SpanKind::Producer,
        SpanKind::Consumer => old::trace::SpanKind::Consumer,
        SpanKind::Internal => old::trace::SpanKind::Internal,
    }
}

fn status(status: Status) -> old::trace::Status {
    match status {
        Status::Unset => old::trace::Status::Unset,
        Status::Ok => old::trace::Status::Ok,
        Status::Error { description } => old::trace::Status::Error { description },
    }
}

fn event(event: Event) -> old::trace::Event {
    old::trace::Event::new(
        event.name,
        event.timestamp,
        key_values(event.attributes),
        event.dropped_attributes_count,
    )
}

fn link(link: Link) -> old::trace::Link {
    let attributes = key_values(link.attributes);
    old::trace::Link::new(context(&link.span_context), attributes, link.dropped_attributes_count)
}

fn scope(scope: &InstrumentationScope) -> old::InstrumentationLibrary {
    let mut builder = old::InstrumentationLibrary::builder(scope.name().to_owned())
        .with_attributes(key_values(scope.attributes().cloned()));
    if let Some(version) = scope.version() {
        builder = builder.with_version(version.to_owned());
    }
    if let Some(url) = scope.schema_url() {
        builder = builder.with_schema_url(url.to_owned());
    }
    builder.build()
}

fn key_values(pairs: impl IntoIterator<Item = KeyValue>) -> Vec<old::KeyValue> {
    pairs
        .into_iter()
        .map(|pair| old::KeyValue::new(String::from(pair.key), value(pair.value)))
        .collect()
}

fn value(value: Value) -> old::Value {
    match value {
        Value::Bool(value) => value.into(),
        Value::I64(value) => value.into(),
        Value::F64(value) => value.into(),
        Value::String(value) => String::from(value).into(),
        Value::Array(Array::Bool(values)) => old::Value::Array(values.into()),
        Value::Array(Array::I64(values)) => old::Value::Array(values.into()),
        Value::Array(Array::F64(values)) => old::Value::Array(values.into()),
        Value::Array(Array::String(values)) => {
            let values = values.into_iter().map(|value| String::from(value).into());
            old::Value::Array(old::Array::String(values.collect()))
        }
        // Both enums are non-exhaustive. A kind of value that is not known here is kept as text.
        other => other.to_string().into(),
    }
}
