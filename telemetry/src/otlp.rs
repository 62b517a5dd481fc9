//! The exporter `otlp`, for spans, log records and metrics.
//!
//! Over HTTP, opentelemetry-otlp encodes the request and sends it through [`Post`], which reads the
//! answer. Over gRPC opentelemetry-otlp does not return the answer, so the request is encoded here
//! with opentelemetry-proto and sent by that crate's generated client (`otlp/grpc.rs`).

pub(crate) mod answer;
pub(crate) mod grpc;

use crate::config::{OtlpConfig, Protocol};
use crate::error::TelemetryError;
use crate::exporter::{BatchOf, Deliver, DeliverMetrics, Posted, Signal};
use crate::http::{Post, PostClient, ReadAnswer, Target};
use crate::outcome::Outcome;
use crate::retry::Retry;
use grpc::{GrpcBatches, GrpcMetrics};
use opentelemetry_otlp::{
    Compression, ExporterBuildError, LogExporter, MetricExporter, RetryPolicy, SpanExporter,
    WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// An exporter of spans or of log records over one of the two transports. `E` is
/// opentelemetry-otlp's exporter for HTTP.
#[derive(Debug)]
pub(crate) enum Otlp<E> {
    Http(Posted<E>),
    Grpc(Box<GrpcBatches>),
}

impl Otlp<SpanExporter> {
    /// Builds the exporter of spans.
    ///
    /// # Errors
    /// [`TelemetryError::Exporter`] when there is no certificate to trust where one is needed.
    pub(crate) fn spans(config: &OtlpConfig, retry: Retry) -> Result<Self, TelemetryError> {
        if config.protocol == Protocol::Grpc {
            return GrpcBatches::new(config, retry).map(|grpc| Otlp::Grpc(Box::new(grpc)));
        }
        let post = post(config, answer::of_traces, retry)?;
        let builder = SpanExporter::builder().with_http();
        let exporter = with_http(builder, config, &post).build().map_err(refused)?;
        Ok(Otlp::Http(Posted::new(exporter, post)))
    }
}

impl Otlp<LogExporter> {
    /// Builds the exporter of log records.
    ///
    /// # Errors
    /// [`TelemetryError::Exporter`] when there is no certificate to trust where one is needed.
    pub(crate) fn logs(config: &OtlpConfig, retry: Retry) -> Result<Self, TelemetryError> {
        if config.protocol == Protocol::Grpc {
            return GrpcBatches::new(config, retry).map(|grpc| Otlp::Grpc(Box::new(grpc)));
        }
        let post = post(config, answer::of_logs, retry)?;
        let builder = LogExporter::builder().with_http();
        let exporter = with_http(builder, config, &post).build().map_err(refused)?;
        Ok(Otlp::Http(Posted::new(exporter, post)))
    }
}

impl<S: Signal, E: Debug + Send + Sync + 'static> Deliver<S> for Otlp<E>
where
    Posted<E>: Deliver<S>,
    GrpcBatches: Deliver<S>,
{
    async fn deliver(&self, batch: BatchOf<'_, S>) -> Outcome {
        match self {
            Otlp::Http(http) => http.deliver(batch).await,
            Otlp::Grpc(grpc) => grpc.deliver(batch).await,
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        match self {
            Otlp::Http(http) => http.set_resource(resource),
            Otlp::Grpc(grpc) => grpc.set_resource(resource),
        }
    }
}

/// An exporter of metrics over one of the two transports.
#[derive(Debug)]
pub(crate) enum OtlpMetrics {
    Http(Posted<MetricExporter>),
    Grpc(GrpcMetrics),
}

impl OtlpMetrics {
    /// Builds the exporter of metrics.
    ///
    /// # Errors
    /// [`TelemetryError::Exporter`] when there is no certificate to trust where one is needed.
    pub(crate) fn new(
        config: &OtlpConfig,
        temporality: Temporality,
        retry: Retry,
    ) -> Result<Self, TelemetryError> {
        if config.protocol == Protocol::Grpc {
            return GrpcMetrics::new(config, temporality, retry).map(OtlpMetrics::Grpc);
        }
        let post = post(config, answer::of_metrics, retry)?;
        let builder = MetricExporter::builder().with_temporality(temporality).with_http();
        let exporter = with_http(builder, config, &post).build().map_err(refused)?;
        Ok(OtlpMetrics::Http(Posted::new(exporter, post)))
    }
}

impl DeliverMetrics for OtlpMetrics {
    async fn deliver(&self, metrics: &ResourceMetrics) -> Outcome {
        match self {
            OtlpMetrics::Http(http) => http.deliver(metrics).await,
            OtlpMetrics::Grpc(grpc) => grpc.deliver(metrics).await,
        }
    }

    fn shutdown(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            OtlpMetrics::Http(http) => http.shutdown(timeout),
            OtlpMetrics::Grpc(_) => Ok(()),
        }
    }

    fn temporality(&self) -> Temporality {
        match self {
            OtlpMetrics::Http(http) => http.temporality(),
            OtlpMetrics::Grpc(grpc) => grpc.temporality(),
        }
    }
}

fn post(
    config: &OtlpConfig,
    read_answer: ReadAnswer,
    retry: Retry,
) -> Result<Arc<Post>, TelemetryError> {
    let target = Target {
        exporter: "otlp",
        endpoint: &config.endpoint,
        timeout: config.timeout,
        proxy: config.proxy,
        credentials: config.credentials(),
    };
    Post::new(target, Some(read_answer), retry)
}

fn with_http<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    config: &OtlpConfig,
    post: &Arc<Post>,
) -> B {
    let builder = builder
        .with_http_client(PostClient(Arc::clone(post)))
        .with_retry_policy(RetryPolicy::disabled())
        .with_protocol(match config.protocol {
            Protocol::HttpJson => opentelemetry_otlp::Protocol::HttpJson,
            Protocol::HttpProtobuf | Protocol::Grpc => opentelemetry_otlp::Protocol::HttpBinary,
        })
        .with_endpoint(config.endpoint.to_string())
        .with_headers(config.headers.iter().cloned().collect());
    if config.gzip { builder.with_compression(Compression::Gzip) } else { builder }
}

fn refused(error: ExporterBuildError) -> TelemetryError {
    TelemetryError::exporter("otlp", &error)
}
