//! A log record with all that OTLP has of it, values as text.

use super::http::Received;
use super::otlp::{attributes, hex, text};
use super::span::Attributes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1 as proto;
use prost::Message as _;

/// A log record.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LogRecord {
    /// When it happened, in nanoseconds since 1970; 0 if it does not say.
    pub time_ns: u64,
    /// When telemetry got it, in nanoseconds since 1970.
    pub observed_ns: u64,
    /// Severity as a number, from 1 to 24, and as text, such as `17 ERROR`.
    pub severity: String,
    /// The body, as text.
    pub body: String,
    /// Empty if it is no event.
    pub event_name: String,
    /// Name and version of the instrumentation scope.
    pub scope: String,
    /// The trace, in hex; empty outside any trace.
    pub trace_id: String,
    /// The span, in hex; empty outside any span.
    pub span_id: String,
    /// The trace flags: 1 if it is sampled.
    pub flags: u32,
    /// Its attributes.
    pub attributes: Attributes,
    /// Attributes of the resource.
    pub resource: Attributes,
}

/// The log records in requests to `/v1/logs` with protobuf bodies.
///
/// # Panics
/// When a body is something else.
pub fn from_protobuf(requests: &[Received]) -> Vec<LogRecord> {
    let decode = |request: &Received| {
        assert_eq!(request.headers["content-type"], "application/x-protobuf");
        records(&ExportLogsServiceRequest::decode(&request.body[..]).expect("protobuf"))
    };
    requests.iter().filter(|request| request.path == "/v1/logs").flat_map(decode).collect()
}

/// The log records in requests to `/v1/logs` with JSON bodies.
///
/// # Panics
/// When a body is something else.
pub fn from_json(requests: &[Received]) -> Vec<LogRecord> {
    let decode = |request: &Received| {
        assert_eq!(request.headers["content-type"], "application/json");
        records(&serde_json::from_slice(&request.body).expect("OTLP as JSON"))
    };
    requests.iter().filter(|request| request.path == "/v1/logs").flat_map(decode).collect()
}

/// The log records in one request.
pub fn records(request: &ExportLogsServiceRequest) -> Vec<LogRecord> {
    let mut records = Vec::new();
    for of_resource in &request.resource_logs {
        let resource = of_resource.resource.as_ref().map(|resource| &resource.attributes[..]);
        let resource = attributes(resource.unwrap_or_default());
        for of_scope in &of_resource.scope_logs {
            let scope = of_scope.scope.clone().unwrap_or_default();
            let scope = format!("{} {}", scope.name, scope.version);
            let of = |one| record(one, scope.trim(), &resource);
            records.extend(of_scope.log_records.iter().map(of));
        }
    }
    records
}

fn record(record: &proto::LogRecord, scope: &str, resource: &Attributes) -> LogRecord {
    LogRecord {
        time_ns: record.time_unix_nano,
        observed_ns: record.observed_time_unix_nano,
        severity: format!("{} {}", record.severity_number, record.severity_text),
        body: text(record.body.as_ref()),
        event_name: record.event_name.clone(),
        scope: scope.to_owned(),
        trace_id: hex(&record.trace_id),
        span_id: hex(&record.span_id),
        flags: record.flags,
        attributes: attributes(&record.attributes),
        resource: resource.clone(),
    }
}
