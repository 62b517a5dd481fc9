//! A span that has ended, as plain text. Trees are printed from these.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::trace::SpanData;

/// A span that has ended.
///
/// Its fields are plain strings, so that spans from anywhere (decoded OTLP, a query API) can be
/// compared with those of the SDK.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SpanRecord {
    /// The trace's id, in hex.
    pub trace_id: String,
    /// The span's id, in hex.
    pub span_id: String,
    /// The parent's span id, if there is a parent.
    pub parent: Option<String>,
    /// `service.name` of the resource.
    pub service: String,
    /// The span's name.
    pub name: String,
    /// The span's kind in capitals: `INTERNAL`, `SERVER`, ...
    pub kind: String,
    /// The span's status.
    pub status: SpanStatus,
    /// The spans it links to: trace id and span id, in hex.
    pub links: Vec<(String, String)>,
    /// The attributes, each value as text.
    pub attributes: BTreeMap<String, String>,
    /// The baggage of the context in which it started, each value as text.
    pub baggage: BTreeMap<String, String>,
    /// The names of the events, in order.
    pub events: Vec<String>,
    /// When it started, in nanoseconds since 1970.
    pub start_unix_nano: u64,
    /// When it ended, in nanoseconds since 1970.
    pub end_unix_nano: u64,
    /// How many spans the [`Recorder`](super::Recorder) had seen start before it. It tells spans apart
    /// that start within one tick of the clock.
    pub start_order: u64,
}

/// The status of a span.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SpanStatus {
    /// No status was set.
    #[default]
    Unset,
    /// A success.
    Ok,
    /// A failure, with its description.
    Error(String),
}

impl SpanRecord {
    /// Makes a record of a span as the SDK hands it to exporters. The service's name comes from the
    /// resource. The SDK does not hand on the baggage and the order of starts, so these are empty.
    pub fn from_sdk(span: &SpanData, service: &str) -> Self {
        let nanos = |time: std::time::SystemTime| {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        };
        Self {
            trace_id: span.span_context.trace_id().to_string(),
            span_id: span.span_context.span_id().to_string(),
            parent: (span.parent_span_id != SpanId::INVALID)
                .then(|| span.parent_span_id.to_string()),
            service: service.to_owned(),
            name: span.name.to_string(),
            kind: format!("{:?}", span.span_kind).to_uppercase(),
            status: match &span.status {
                Status::Unset => SpanStatus::Unset,
                Status::Ok => SpanStatus::Ok,
                Status::Error { description } => SpanStatus::Error(description.to_string()),
            },
            links: (span.links.iter())
                .map(|link| &link.span_context)
                .map(|target| (target.trace_id().to_string(), target.span_id().to_string()))
                .collect(),
            attributes: (span.attributes.iter())
                .map(|pair| (pair.key.to_string(), pair.value.to_string()))
                .collect(),
            baggage: BTreeMap::new(),
            events: span.events.iter().map(|event| event.name.to_string()).collect(),
            start_unix_nano: nanos(span.start_time),
            end_unix_nano: nanos(span.end_time),
            start_order: 0,
        }
    }

    /// The value of an attribute, if the span has it.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.get(key).map(String::as_str)
    }
}
