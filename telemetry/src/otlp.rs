//! The exporter `otlp`, for spans, log records and metrics.
//!
//! | | over HTTP in protobuf, the default | over HTTP in JSON | over gRPC |
//! |---|---|---|---|
//! | spans | encoded as they end (`otlp/encode.rs`) | opentelemetry-otlp | encoded as they end |
//! | log records, metrics | opentelemetry-otlp | opentelemetry-otlp | opentelemetry-proto |
//!
//! There are many more spans than anything else, so only they have an encoder of their own.
//! opentelemetry-otlp sends through [`Post`], which reads the answer. Over gRPC it does not return the
//! answer, so requests are encoded and their answers read in `otlp/grpc.rs`, and the crate `http2` sends them.

pub(crate) mod answer;
pub(crate) mod encode;
pub(crate) mod grpc;
mod requests;
mod spans;

use encode::EncodedSpans;
pub use encode::SpanEncoder;

use crate::config::{OtlpConfig, Protocol};
use crate::error::TelemetryError;
use crate::exporter::{BatchOf, Deliver, DeliverMetrics, Logs, Posted};
use crate::http::{Post, PostClient, ReadAnswer, Target};
use crate::outcome::Outcome;
use crate::retry::Retry;
use grpc::{GrpcLogs, GrpcMetrics, GrpcSpans};
use opentelemetry_otlp::{
    Compression, ExporterBuildError, LogExporter, MetricExporter, RetryPolicy, SpanExporter,
    WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use spans::HttpSpans;
use std::sync::Arc;
use std::time::Duration;

/// An exporter of spans that are encoded as they end.
#[derive(Debug)]
pub(crate) enum OtlpSpans {
    Http(Box<HttpSpans>),
    Grpc(Box<GrpcSpans>),
}

impl OtlpSpans {
    /// Builds the exporter for a protocol that is not JSON.
    ///
    /// # Errors
    /// [`TelemetryError::Exporter`] when there is no certificate to trust where one is needed.
    pub(crate) fn new(config: &OtlpConfig, retry: Retry) -> Result<Self, TelemetryError> {
        if config.protocol == Protocol::Grpc {
            return GrpcSpans::new(config, retry).map(|grpc| OtlpSpans::Grpc(Box::new(grpc)));
        }
        let post = post(config, answer::of_traces, retry)?;
        Ok(OtlpSpans::Http(Box::new(HttpSpans::new(config, post))))
    }
}

impl Deliver<EncodedSpans> for OtlpSpans {
    async fn deliver(&self, batch: BatchOf<'_, EncodedSpans>) -> Outcome {
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

/// An exporter of spans in JSON.
///
/// # Errors
/// [`TelemetryError::Exporter`] when there is no certificate to trust where one is needed.
pub(crate) fn json_spans(
    config: &OtlpConfig,
    retry: Retry,
) -> Result<Posted<SpanExporter>, TelemetryError> {
    let post = post(config, answer::of_traces, retry)?;
    let builder = SpanExporter::builder().with_http();
    let exporter = with_http(builder, config, &post).build().map_err(refused)?;
    Ok(Posted::new(exporter, post))
}

/// An exporter of log records over one of the two transports.
#[derive(Debug)]
pub(crate) enum OtlpLogs {
    Http(Box<Posted<LogExporter>>),
    Grpc(Box<GrpcLogs>),
}

impl OtlpLogs {
    /// Builds the exporter.
    ///
    /// # Errors
    /// [`TelemetryError::Exporter`] when there is no certificate to trust where one is needed.
    pub(crate) fn new(config: &OtlpConfig, retry: Retry) -> Result<Self, TelemetryError> {
        if config.protocol == Protocol::Grpc {
            return GrpcLogs::new(config, retry).map(|grpc| OtlpLogs::Grpc(Box::new(grpc)));
        }
        let post = post(config, answer::of_logs, retry)?;
        let builder = LogExporter::builder().with_http();
        let exporter = with_http(builder, config, &post).build().map_err(refused)?;
        Ok(OtlpLogs::Http(Box::new(Posted::new(exporter, post))))
    }
}

impl Deliver<Logs> for OtlpLogs {
    async fn deliver(&self, batch: BatchOf<'_, Logs>) -> Outcome {
        match self {
            OtlpLogs::Http(http) => http.deliver(batch).await,
            OtlpLogs::Grpc(grpc) => grpc.deliver(batch).await,
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        match self {
            OtlpLogs::Http(http) => http.set_resource(resource),
            OtlpLogs::Grpc(grpc) => grpc.set_resource(resource),
        }
    }
}

/// An exporter of metrics over one of the two transports.
#[derive(Debug)]
pub(crate) enum OtlpMetrics {
    Http(Box<Posted<MetricExporter>>),
    Grpc(Box<GrpcMetrics>),
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
            return GrpcMetrics::new(config, temporality, retry)
                .map(|grpc| OtlpMetrics::Grpc(Box::new(grpc)));
        }
        let post = post(config, answer::of_metrics, retry)?;
        let builder = MetricExporter::builder().with_temporality(temporality).with_http();
        let exporter = with_http(builder, config, &post).build().map_err(refused)?;
        Ok(OtlpMetrics::Http(Box::new(Posted::new(exporter, post))))
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
