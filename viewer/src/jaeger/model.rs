//! The JSON that Jaeger's older pages read; the names are Jaeger's.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

/// A trace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trace {
    #[serde(rename = "traceID")]
    pub(super) trace_id: String,
    pub(super) spans: Vec<Span>,
    pub(super) processes: BTreeMap<String, Process>,
    /// Never anything: Jaeger keeps the field.
    pub(super) warnings: Option<Vec<String>>,
}

/// A span.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    #[serde(rename = "traceID")]
    pub(super) trace_id: String,
    #[serde(rename = "spanID")]
    pub(super) span_id: String,
    pub(super) operation_name: String,
    pub(super) references: Vec<Reference>,
    /// Microseconds since the epoch.
    pub(super) start_time: u64,
    /// Microseconds.
    pub(super) duration: u64,
    pub(super) tags: Vec<KeyValue>,
    pub(super) logs: Vec<Log>,
    #[serde(rename = "processID")]
    pub(super) process_id: String,
    pub(super) warnings: Option<Vec<String>>,
}

/// A pointer to a parent (`CHILD_OF`) or a linked span (`FOLLOWS_FROM`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference {
    pub(super) ref_type: &'static str,
    #[serde(rename = "traceID")]
    pub(super) trace_id: String,
    #[serde(rename = "spanID")]
    pub(super) span_id: String,
}

/// A service instance.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process {
    pub(super) service_name: String,
    pub(super) tags: Vec<KeyValue>,
}

/// An event.
#[derive(Debug, Serialize)]
pub(super) struct Log {
    /// Microseconds since the epoch.
    pub(super) timestamp: u64,
    pub(super) fields: Vec<KeyValue>,
}

/// A tag.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct KeyValue {
    pub(super) key: String,
    #[serde(rename = "type")]
    pub(super) value_type: &'static str,
    pub(super) value: Json,
}

/// An operation of a service.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) span_kind: &'static str,
}

/// Calls from one service to another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dependency {
    pub(super) parent: String,
    pub(super) child: String,
    pub(super) call_count: u64,
}
