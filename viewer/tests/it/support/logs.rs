//! Log records in few words.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use reqwest::StatusCode;
use serde_json::Value as Json;

use super::Backend;
use super::spans::{Trace, text};

/// Severities by their OTLP numbers.
pub(crate) const DEBUG: i32 = 5;
pub(crate) const INFO: i32 = 9;
pub(crate) const WARN: i32 = 13;
pub(crate) const ERROR: i32 = 17;

/// A record of no trace, at that microsecond since the epoch.
pub(crate) fn record(us: u64, severity: i32, body: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: us * 1_000,
        observed_time_unix_nano: us * 1_000 + 1,
        severity_number: severity,
        body: Some(AnyValue { value: Some(Value::StringValue(body.into())) }),
        ..LogRecord::default()
    }
}

/// A record of a span, at that microsecond of its trace.
pub(crate) fn of_span(trace: Trace, span: u64, us: u64, severity: i32, body: &str) -> LogRecord {
    LogRecord {
        trace_id: trace.id.to_be_bytes().to_vec(),
        span_id: span.to_be_bytes().to_vec(),
        flags: 1,
        ..record(trace.start_us + us, severity, body)
    }
}

/// A request with the records of one service, made by the scope `tests::logs`.
pub(crate) fn of_service(service: &str, log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope =
        InstrumentationScope { name: "tests::logs".into(), ..InstrumentationScope::default() };
    let attributes = vec![text("service.name", service), text("zone", "north")];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_logs: vec![ScopeLogs { scope: Some(scope), log_records, ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }],
    }
}

impl Backend {
    /// Sends log records as protobuf; they must be taken.
    pub(crate) fn send_logs(&self, request: &ExportLogsServiceRequest) {
        let sent = self.post("/v1/logs", "application/x-protobuf", request.encode_to_vec());
        assert_eq!(sent.status(), StatusCode::OK);
    }

    /// The viewer's statistics, once it holds or has evicted so many log records in all.
    pub(crate) fn stats_when_logged(&self, records: u64) -> Json {
        self.get_when("/viewer/api/stats", |stats| {
            let stored = ["/logs/records", "/logs/evicted"];
            stored.iter().filter_map(|path| stats.pointer(path)?.as_u64()).sum::<u64>() >= records
        })
    }
}
