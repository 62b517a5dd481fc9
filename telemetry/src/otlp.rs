//! The exporter `otlp`, for spans and for metrics.
//!
//! Over HTTP, opentelemetry-otlp encodes the request and sends it through [`Post`], which reads the
//! answer. Over gRPC opentelemetry-otlp does not return the answer, so the request is encoded here
//! with opentelemetry-proto and sent by that crate's generated client (`otlp/grpc.rs`).

pub(crate) mod answer;
pub(crate) mod grpc;

use crate::config::{OtlpConfig, Protocol};
use crate::error::TelemetryError;
use crate::exporter::{Deliver, DeliverMetrics, Posted};
use crate::http::{Post, PostClient, ReadAnswer, Target};
use crate::outcome::Outcome;
use crate::retry::Retry;
use grpc::{GrpcMetrics, GrpcSpans};
use opentelemetry_otlp::{
    Compression, ExporterBuildError, MetricExporter, RetryPolicy, SpanExporter, WithExportConfig,
    WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::trace::SpanData;
use std::sync::Arc;
use std::time::Duration;

/// An exporter of spans over one of the two transports.
#[derive(Debug)]
pub(crate) enum OtlpSpans {
    Http(Posted<SpanExporter>),
    Grpc(GrpcSpans),
}

impl OtlpSpans {
    /// Builds the exporter of spans.
    ///
    /// # Errors
    /// [`TelemetryError::Exporter`] when there is no certificate to trust where one is needed.
    pub(crate) fn new(config: &OtlpConfig, retry: Retry) -> Result<Self, TelemetryError> {
        if config.protocol == Protocol::Grpc {
            return GrpcSpans::new(config, retry).map(OtlpSpans::Grpc);
        }
        let post = post(config, answer::of_traces, retry)?;
        let builder = SpanExporter::builder().with_http();
        let exporter = with_http(builder, config, &post).build().map_err(refused)?;
        Ok(OtlpSpans::Http(Posted::new(exporter, post)))
    }
}

impl Deliver for OtlpSpans {
    async fn deliver(&self, batch: Vec<SpanData>) -> Outcome {
        match self {
            OtlpSpans::Http(http) => http.deliver(batch).await,
            OtlpSpans::Grpc(grpc) => grpc.deliver(batch).await,
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        match self {
            OtlpSpans::Http(http) => http.set_resource(resource),
            OtlpSpans::Grpc(grpc) => grpc.set_resource(resource),
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
