//! What is taken over OTLP, in every encoding, and how refused requests are answered.

mod grpc;
mod http;
mod pressure;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use serde_json::Value as Json;

use crate::support::Backend;

/// Two data points of a gauge.
fn metrics() -> ExportMetricsServiceRequest {
    let data = Data::Gauge(Gauge { data_points: vec![NumberDataPoint::default(); 2] });
    let metrics = vec![Metric { data: Some(data), ..Metric::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }],
    }
}

/// Three log records.
fn logs() -> ExportLogsServiceRequest {
    let log_records = vec![LogRecord::default(); 3];
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }],
    }
}

/// The counts of one signal: requests, received, accepted, rejected, refused.
fn counts(backend: &Backend, signal: &str) -> [u64; 5] {
    let (_, stats) = backend.get("/viewer/api/stats");
    let counts: &Json = &stats["signals"][signal];
    ["requests", "received", "accepted", "rejected", "refused"]
        .map(|name| counts[name].as_u64().expect("a count"))
}
