//! From the trace model of OpenTelemetry to Jaeger's, as the translator that Jaeger uses does it:
//! what Jaeger has no field for becomes a tag.

use std::net::Ipv4Addr;

use serde_json::Value as Json;

use super::model::{KeyValue, Log, Process, Reference, Span, Trace};
use crate::render::{Integers, base64, double, json, text};
use crate::store::model::{Attribute, Event, Kind, Resource, Scope, Status, TraceId, Value, find};
use crate::view::{Seen, View};

/// The trace that `view` shows.
pub(super) fn trace(view: &View) -> Trace {
    let mut processes: Vec<Process> = Vec::new();
    let spans = view
        .spans
        .iter()
        .map(|seen| {
            let process = process(&seen.span.resource);
            let known = processes.iter().position(|known| *known == process);
            let place = known.unwrap_or_else(|| {
                processes.push(process);
                processes.len() - 1
            });
            span(view.trace.id, seen, process_id(place))
        })
        .collect();
    let processes = processes.into_iter().enumerate();
    Trace {
        trace_id: short(view.trace.id),
        spans,
        processes: processes.map(|(place, process)| (process_id(place), process)).collect(),
        warnings: None,
    }
}

/// A trace id as Jaeger's older JSON has it: 64 bits alone when the others are zero.
pub(super) fn short(id: TraceId) -> String {
    match u64::try_from(id.0) {
        Ok(low) => format!("{low:016x}"),
        Err(_) => id.to_string(),
    }
}

fn process_id(place: usize) -> String {
    format!("p{}", place + 1)
}

fn process(resource: &Resource) -> Process {
    let attributes = resource.attributes.iter();
    Process {
        service_name: resource.service.to_string(),
        tags: attributes.filter(|attribute| &*attribute.key != "service.name").map(tag).collect(),
    }
}

fn span(trace: TraceId, seen: &Seen, process_id: String) -> Span {
    let span = &seen.span;
    let mut events: Vec<&Event> = span.events().iter().collect();
    events.sort_by(|one, other| one.name.cmp(&other.name));
    Span {
        trace_id: short(trace),
        span_id: seen.id.to_string(),
        operation_name: span.name.to_string(),
        references: references(trace, seen),
        start_time: span.start / 1_000,
        duration: seen.duration() / 1_000,
        tags: tags(seen),
        logs: events.into_iter().map(log).collect(),
        process_id,
        warnings: (!seen.warnings.is_empty()).then(|| seen.warnings.clone()),
    }
}

fn tags(seen: &Seen) -> Vec<KeyValue> {
    let span = &seen.span;
    let mut tags = scope_tags(&span.scope);
    tags.extend(span.attributes.iter().map(tag));
    if span.kind != Kind::Unspecified {
        tags.push(string("span.kind", span.kind.name()));
    }
    match span.status {
        Status::Unset => {}
        Status::Ok => tags.push(string("otel.status_code", "OK")),
        Status::Error => {
            tags.push(string("otel.status_code", "ERROR"));
            tags.push(KeyValue {
                key: String::from("error"),
                value_type: "bool",
                value: Json::Bool(true),
            });
        }
    }
    let texts = [
        ("otel.status_description", span.status_message()),
        ("w3c.tracestate", span.trace_state()),
    ];
    tags.extend(texts.iter().filter(|(_, text)| !text.is_empty()).map(|(k, v)| string(k, v)));
    tags
}

fn scope_tags(scope: &Scope) -> Vec<KeyValue> {
    [("otel.scope.name", &scope.name), ("otel.scope.version", &scope.version)]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(key, text)| string(key, text))
        .collect()
}

/// The parent first; a link to the parent only says what kind of parent it is.
fn references(trace: TraceId, seen: &Seen) -> Vec<Reference> {
    let reference = |ref_type, trace, span: crate::store::model::SpanId| Reference {
        ref_type,
        trace_id: short(trace),
        span_id: span.to_string(),
    };
    let mut references = Vec::new();
    references.extend(seen.parent.map(|parent| reference("CHILD_OF", trace, parent)));
    for link in seen.span.links() {
        let of_child = |value: &Value| text(value) == "child_of";
        let child = find(&link.attributes, "opentracing.ref_type").is_some_and(of_child);
        let ref_type = if child { "CHILD_OF" } else { "FOLLOWS_FROM" };
        if link.trace == trace && Some(link.span) == seen.parent {
            references[0].ref_type = ref_type;
        } else {
            references.push(reference(ref_type, link.trace, link.span));
        }
    }
    references
}

fn log(event: &Event) -> Log {
    let named = event.name.is_empty() || find(&event.attributes, "event").is_some();
    let mut fields = Vec::new();
    if !named {
        fields.push(string("event", &event.name));
    }
    fields.extend(event.attributes.iter().map(tag));
    Log { timestamp: event.time / 1_000, fields }
}

fn string(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value_type: "string", value: Json::from(value) }
}

fn tag(attribute: &Attribute) -> KeyValue {
    let key = attribute.key.to_string();
    if let Some(address) = packed_address(attribute) {
        return string(&key, &address.to_string());
    }
    let (value_type, value) = match &attribute.value {
        Value::Bool(truth) => ("bool", Json::Bool(*truth)),
        integer @ Value::Int(_) => ("int64", json(integer, Integers::Safe)),
        Value::Double(number) => ("float64", double(number.0)),
        Value::Bytes(bytes) => ("binary", Json::from(base64(bytes))),
        other => ("string", Json::from(text(other))),
    };
    KeyValue { key, value_type, value }
}

/// The address in an attribute that old clients send as a number.
fn packed_address(attribute: &Attribute) -> Option<Ipv4Addr> {
    let number = match (&*attribute.key, &attribute.value) {
        ("ip" | "peer.ipv4", Value::Int(number)) => *number as u32,
        ("ip" | "peer.ipv4", Value::Double(number)) => number.0 as u32,
        _ => return None,
    };
    Some(Ipv4Addr::from(number))
}
