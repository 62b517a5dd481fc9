//! The three signals of OTLP, and what is done with each.

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::receiver::Receiver;
use super::shapes::{self, Shape};
use super::status::Failure;
use crate::ingest::Reservation;
use crate::stats::{SignalCounts, Stats};
use crate::store::model::{SpanId, TraceId};

/// A signal of OTLP: its names, its messages, and what becomes of a request.
pub(crate) trait Signal: Send + Sync + 'static {
    /// The path under which HTTP takes it.
    const PATH: &'static str;
    /// The gRPC service.
    const SERVICE: &'static str;
    type Request: Message + Default + DeserializeOwned;
    type Response: Message + Default + PartialEq + Serialize;

    /// What a request takes when decoded.
    fn shape() -> ShapeOf;
    fn counts(stats: &Stats) -> &SignalCounts;
    /// Takes a request; the answer says which part of it was bad.
    fn accept(
        request: Self::Request,
        receiver: &Receiver,
        reservation: Reservation,
    ) -> Result<Self::Response, Failure>;
}

/// A request's message type, opaque to whoever names a signal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShapeOf(pub(super) &'static Shape);

/// Traces: kept.
#[derive(Debug)]
pub(crate) struct Traces;

impl Signal for Traces {
    const PATH: &'static str = "/v1/traces";
    const SERVICE: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
    type Request = ExportTraceServiceRequest;
    type Response = ExportTraceServiceResponse;

    fn shape() -> ShapeOf {
        ShapeOf(&shapes::TRACES)
    }

    fn counts(stats: &Stats) -> &SignalCounts {
        &stats.traces
    }

    fn accept(
        mut request: Self::Request,
        receiver: &Receiver,
        reservation: Reservation,
    ) -> Result<Self::Response, Failure> {
        let (mut received, mut rejected) = (0, 0);
        let mut reason = None;
        for scope in request.resource_spans.iter_mut().flat_map(|group| &mut group.scope_spans) {
            let sent = scope.spans.len();
            scope.spans.retain(|span| match fault(span) {
                Some(fault) => {
                    reason.get_or_insert(fault);
                    false
                }
                None => true,
            });
            received += sent as u64;
            rejected += (sent - scope.spans.len()) as u64;
        }
        if !receiver.queue.push(request, reservation) {
            return Err(Failure::Overloaded);
        }
        receiver.stats.traces.count(received, rejected);
        Ok(ExportTraceServiceResponse {
            partial_success: reason.map(|reason| ExportTracePartialSuccess {
                rejected_spans: i64::try_from(rejected).unwrap_or(i64::MAX),
                error_message: reason,
            }),
        })
    }
}

/// What is wrong with a span's ids, if anything.
fn fault(span: &Span) -> Option<String> {
    let no_parent = span.parent_span_id.iter().all(|&byte| byte == 0);
    if TraceId::from_bytes(&span.trace_id).is_none() {
        Some(unlike("trace id", &span.trace_id, 16))
    } else if SpanId::from_bytes(&span.span_id).is_none() {
        Some(unlike("span id", &span.span_id, 8))
    } else if !no_parent && SpanId::from_bytes(&span.parent_span_id).is_none() {
        Some(unlike("parent span id", &span.parent_span_id, 8))
    } else {
        None
    }
}

fn unlike(what: &str, id: &[u8], expected: usize) -> String {
    if id.len() == expected {
        format!("a span's {what} is all zeroes")
    } else {
        format!("a span's {what} has {} bytes, expected {expected}", id.len())
    }
}

/// Metrics: counted.
#[derive(Debug)]
pub(crate) struct Metrics;

impl Signal for Metrics {
    const PATH: &'static str = "/v1/metrics";
    const SERVICE: &'static str = "opentelemetry.proto.collector.metrics.v1.MetricsService";
    type Request = ExportMetricsServiceRequest;
    type Response = ExportMetricsServiceResponse;

    fn shape() -> ShapeOf {
        ShapeOf(&shapes::METRICS)
    }

    fn counts(stats: &Stats) -> &SignalCounts {
        &stats.metrics
    }

    fn accept(
        request: Self::Request,
        receiver: &Receiver,
        _: Reservation,
    ) -> Result<Self::Response, Failure> {
        let scopes = request.resource_metrics.iter().flat_map(|group| &group.scope_metrics);
        let points: usize = scopes.flat_map(|scope| &scope.metrics).map(data_points).sum();
        receiver.stats.metrics.count(points as u64, 0);
        Ok(ExportMetricsServiceResponse::default())
    }
}

fn data_points(metric: &Metric) -> usize {
    match &metric.data {
        None => 0,
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
    }
}

/// Logs: counted.
#[derive(Debug)]
pub(crate) struct Logs;

impl Signal for Logs {
    const PATH: &'static str = "/v1/logs";
    const SERVICE: &'static str = "opentelemetry.proto.collector.logs.v1.LogsService";
    type Request = ExportLogsServiceRequest;
    type Response = ExportLogsServiceResponse;

    fn shape() -> ShapeOf {
        ShapeOf(&shapes::LOGS)
    }

    fn counts(stats: &Stats) -> &SignalCounts {
        &stats.logs
    }

    fn accept(
        request: Self::Request,
        receiver: &Receiver,
        _: Reservation,
    ) -> Result<Self::Response, Failure> {
        let scopes = request.resource_logs.iter().flat_map(|group| &group.scope_logs);
        let records: usize = scopes.map(|scope| scope.log_records.len()).sum();
        receiver.stats.logs.count(records as u64, 0);
        Ok(ExportLogsServiceResponse::default())
    }
}
