//! Spans in few words.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Link;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use serde_json::Value as Json;

use super::{now_us, unique};

/// The kinds by their OTLP numbers.
pub(crate) const INTERNAL: i32 = 1;
pub(crate) const SERVER: i32 = 2;
pub(crate) const CLIENT: i32 = 3;

/// A trace to make spans of: its id, and the second in which it starts, ten seconds ago.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace {
    pub(crate) id: u128,
    pub(crate) start_us: u64,
}

impl Trace {
    pub(crate) fn new() -> Self {
        let start_us = (now_us() / 1_000_000 - 10) * 1_000_000;
        Self { id: u128::from(unique()) << 64 | u128::from(unique()), start_us }
    }

    /// The id as it is shown.
    pub(crate) fn hex(self) -> String {
        format!("{:032x}", self.id)
    }

    /// A span of this trace, `parent` 0 for a root, that lasts from one microsecond of the trace
    /// to another.
    pub(crate) fn span(self, id: u64, parent: u64, name: &str, us: std::ops::Range<u64>) -> Span {
        Span {
            trace_id: self.id.to_be_bytes().to_vec(),
            span_id: id.to_be_bytes().to_vec(),
            parent_span_id: if parent == 0 { vec![] } else { parent.to_be_bytes().to_vec() },
            name: name.into(),
            kind: INTERNAL,
            start_time_unix_nano: (self.start_us + us.start) * 1_000,
            end_time_unix_nano: (self.start_us + us.end) * 1_000,
            ..Span::default()
        }
    }

    /// A link to a span of this trace.
    pub(crate) fn link(self, span: u64) -> Link {
        Link {
            trace_id: self.id.to_be_bytes().to_vec(),
            span_id: span.to_be_bytes().to_vec(),
            ..Link::default()
        }
    }
}

/// An attribute.
pub(crate) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// An attribute that is a text.
pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

/// A status: an error with a message.
pub(crate) fn error(message: &str) -> Option<Status> {
    Some(Status { message: message.into(), code: 2 })
}

/// The spans of one service, made by the instrumentation "tests" 1.0.
pub(crate) fn of_service(service: &str, spans: Vec<Span>) -> ResourceSpans {
    let scope = InstrumentationScope {
        name: "tests".into(),
        version: "1.0".into(),
        ..InstrumentationScope::default()
    };
    let attributes = vec![text("service.name", service), text("zone", "north")];
    ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

/// A request with the spans of several services.
pub(crate) fn request(
    services: impl IntoIterator<Item = ResourceSpans>,
) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest { resource_spans: services.into_iter().collect() }
}

/// The spans in an answer of the viewer's own API or of Jaeger's stable one, by their start; each
/// with its resource, as a number in the order of the answer.
pub(crate) fn spans_of(answer: &Json) -> Vec<Json> {
    let groups = if answer["result"].is_null() { answer } else { &answer["result"] };
    let mut spans = Vec::new();
    for (place, group) in list(&groups["resourceSpans"]).enumerate() {
        for span in list(&group["scopeSpans"]).flat_map(|group| list(&group["spans"])) {
            let mut span = span.clone();
            span["resource"] = place.into();
            spans.push(span);
        }
    }
    let start = |span: &Json| span["startTimeUnixNano"].as_str().unwrap_or("0").parse::<u64>().ok();
    spans.sort_by_key(start);
    spans
}

/// The elements of a list; of what is no list, none.
pub(crate) fn list(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

/// The request as OTLP's JSON.
pub(crate) fn to_json(request: &ExportTraceServiceRequest) -> String {
    serde_json::to_string(request).expect("JSON")
}
