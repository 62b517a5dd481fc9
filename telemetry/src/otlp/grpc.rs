//! OTLP over gRPC: messages are encoded here, and go by a connection of the crate `http2`. Spans are the
//! bytes that were made when they ended.

use super::encode::{EncodedSpans, SpanEncoder};
use super::requests::Requests;
use crate::config::OtlpConfig;
use crate::error::TelemetryError;
use crate::exporter::{BatchOf, Deliver, DeliverMetrics, Logs, Signal as _};
use crate::http::Destination;
use crate::outcome::Outcome;
use crate::outcome::{Accepted, Failure, Retryable, quoted};
use crate::quiet;
use crate::retry::Retry;
use crate::tls;
use http2::{Client, Settings};
use opentelemetry_http::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use prost::Message;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The methods that take spans, log records and metrics:
/// <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>
const EXPORT_TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const EXPORT_LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const EXPORT_METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// The most bytes of an answer that are read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// A connection to a receiver, and how long a call may take.
#[derive(Debug)]
struct Connection {
    client: Client,
    destination: Destination,
    timeout: Option<Duration>,
    retry: Retry,
}

impl Connection {
    /// Prepares a connection; nothing is sent or looked up yet.
    fn new(config: &OtlpConfig, retry: Retry) -> Result<Self, TelemetryError> {
        let destination = Destination::new(&config.endpoint, None);
        let refused = |reason: String| TelemetryError::Exporter {
            exporter: "otlp",
            reason: format!("{reason} (for {})", destination.shown),
        };
        let is_secure = config.endpoint.scheme_str() == Some("https");
        let tls = tls::client(is_secure, config.credentials()).map_err(refused)?;
        let client = Client::new(Settings {
            endpoint: &config.endpoint,
            tls: is_secure.then_some(tls),
            user_agent: concat!("telemetry/", env!("CARGO_PKG_VERSION")),
            metadata: config.header_map(),
            gzip: config.gzip,
            longest_answer: LONGEST_ANSWER,
            thread_name: "telemetry-grpc",
            on_thread_start: quiet::this_thread,
        })
        .map_err(refused)?;
        Ok(Connection { client, destination, timeout: config.timeout, retry })
    }

    /// Sends `message`, which may be in several pieces, to `method` until it is taken or given up. `A` is
    /// the type of the answer.
    fn send<A: Message + Default + Into<Accepted>>(
        &self,
        method: &'static str,
        message: &[Bytes],
    ) -> Result<Accepted, Failure> {
        self.retry.run(|| match self.client.call(method, message, self.timeout) {
            Some(Ok(answer)) => match A::decode(answer) {
                Ok(answer) => Ok(answer.into().by(&self.destination.shown)),
                Err(error) => Err(self.refused(&Status::internal(error.to_string()))),
            },
            Some(Err(status)) => Err(self.refused(&status)),
            None => Err(self.destination.unreached(&TimedOut, self.timeout)),
        })
    }

    fn refused(&self, status: &Status) -> Failure {
        // A status with a source was made by the client, because the connection failed.
        if std::error::Error::source(status).is_some() {
            return self.destination.unreached(status, None);
        }
        let Destination { shown, .. } = &self.destination;
        let message = match status.message() {
            "" => String::new(),
            message => format!(": {}", quoted(message)),
        };
        let reason = format!("{shown} answers {:?}{message}", status.code());
        Failure { reason, retryable: retryable(status), error_type: name(status.code()).into() }
    }
}

/// Whether the protocol lets a client try again after `status`:
/// <https://opentelemetry.io/docs/specs/otlp/#failures>
fn retryable(status: &Status) -> Retryable {
    let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Retryable::Busy(delay),
        // By the specification it may be sent again only if the server names a delay.
        Code::ResourceExhausted if delay.is_some() => Retryable::Busy(delay),
        _ => Retryable::Never,
    }
}

/// The name of a status: <https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no answer in time")]
struct TimedOut;

/// Exports spans, which are encoded before they are sent.
#[derive(Debug)]
pub(crate) struct GrpcSpans {
    connection: Connection,
    requests: Requests,
}

impl GrpcSpans {
    pub(super) fn new(config: &OtlpConfig, retry: Retry) -> Result<Self, TelemetryError> {
        let connection = Connection::new(config, retry)?;
        Ok(GrpcSpans { connection, requests: Requests::default() })
    }
}

impl Deliver<EncodedSpans> for GrpcSpans {
    async fn deliver(&self, batch: BatchOf<'_, EncodedSpans>) -> Outcome {
        self.requests.send(batch, |body| {
            self.connection.send::<ExportTraceServiceResponse>(EXPORT_TRACES, body.pieces())
        })
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.requests.encoder = SpanEncoder::new(resource);
    }
}

/// Exports log records.
#[derive(Debug)]
pub(crate) struct GrpcLogs {
    connection: Connection,
    resource: ResourceAttributesWithSchema,
}

impl GrpcLogs {
    pub(super) fn new(config: &OtlpConfig, retry: Retry) -> Result<Self, TelemetryError> {
        let connection = Connection::new(config, retry)?;
        Ok(GrpcLogs { connection, resource: ResourceAttributesWithSchema::default() })
    }
}

impl Deliver<Logs> for GrpcLogs {
    async fn deliver(&self, batch: BatchOf<'_, Logs>) -> Outcome {
        let records = Logs::count(&batch);
        let resource_logs = group_logs_by_resource_and_scope(&batch, &self.resource);
        let request = ExportLogsServiceRequest { resource_logs }.encode_to_vec().into();
        let sent = self.connection.send::<ExportLogsServiceResponse>(EXPORT_LOGS, &[request]);
        Outcome::of(sent, records)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

/// Exports metrics.
#[derive(Debug)]
pub(crate) struct GrpcMetrics {
    connection: Connection,
    temporality: Temporality,
}

impl GrpcMetrics {
    pub(super) fn new(
        config: &OtlpConfig,
        temporality: Temporality,
        retry: Retry,
    ) -> Result<Self, TelemetryError> {
        Ok(GrpcMetrics { connection: Connection::new(config, retry)?, temporality })
    }
}

impl DeliverMetrics for GrpcMetrics {
    async fn deliver(&self, metrics: &ResourceMetrics) -> Outcome {
        let request = ExportMetricsServiceRequest::from(metrics).encode_to_vec().into();
        let sent = self.connection.send::<ExportMetricsServiceResponse>(EXPORT_METRICS, &[request]);
        Outcome::of_export(sent)
    }

    fn shutdown(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}
