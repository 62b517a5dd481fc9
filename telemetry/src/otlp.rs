//! The OTLP exporters: HTTP through a blocking client, gRPC on a runtime of its own.
//!
//! Nothing here needs or touches the runtimes that the service runs on: tonic is known to hang on
//! a current-thread runtime, which is what actix uses.

mod runtime;
mod tls;

use super::TelemetryError;
use super::config::{OtlpConfig, Protocol};
use super::http_client;
use opentelemetry_otlp::{
    Compression, ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig,
    WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::metrics::Temporality;
use runtime::OnRuntime;
use tonic::metadata::MetadataMap;

/// Builds the exporter of spans.
pub(super) fn spans(config: &OtlpConfig) -> Result<OnRuntime<SpanExporter>, TelemetryError> {
    let builder = SpanExporter::builder();
    if config.protocol == Protocol::Grpc {
        return OnRuntime::new(|| {
            with_tonic(builder.with_tonic(), config)?.build().map_err(refused)
        });
    }
    let exporter = with_http(builder.with_http(), config)?.build().map_err(refused)?;
    Ok(OnRuntime::none(exporter))
}

/// Builds the exporter of metrics.
pub(super) fn metrics(
    config: &OtlpConfig,
    temporality: Temporality,
) -> Result<OnRuntime<MetricExporter>, TelemetryError> {
    let builder = MetricExporter::builder().with_temporality(temporality);
    if config.protocol == Protocol::Grpc {
        return OnRuntime::new(|| {
            with_tonic(builder.with_tonic(), config)?.build().map_err(refused)
        });
    }
    let exporter = with_http(builder.with_http(), config)?.build().map_err(refused)?;
    Ok(OnRuntime::none(exporter))
}

fn with_http<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    config: &OtlpConfig,
) -> Result<B, TelemetryError> {
    let client = http_client::build("otlp", &config.endpoint, config.timeout, |client| {
        tls::http(client, config)
    })?;
    let builder = builder
        .with_http_client(client)
        .with_protocol(match config.protocol {
            Protocol::HttpJson => opentelemetry_otlp::Protocol::HttpJson,
            Protocol::HttpProtobuf | Protocol::Grpc => opentelemetry_otlp::Protocol::HttpBinary,
        })
        .with_endpoint(config.endpoint.to_string())
        .with_timeout(config.timeout)
        .with_headers(config.headers.iter().cloned().collect());
    Ok(if config.gzip { builder.with_compression(Compression::Gzip) } else { builder })
}

fn with_tonic<B: WithExportConfig + WithTonicConfig>(
    builder: B,
    config: &OtlpConfig,
) -> Result<B, TelemetryError> {
    // The names and values were checked when the configuration was read.
    let headers: http::HeaderMap = config
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
        .collect::<Vec<(http::HeaderName, http::HeaderValue)>>()
        .into_iter()
        .collect();
    let mut builder = builder
        .with_endpoint(config.endpoint.to_string())
        .with_timeout(config.timeout)
        .with_metadata(MetadataMap::from_headers(headers));
    if config.endpoint.scheme_str() == Some("https") {
        builder = builder.with_tls_config(tls::grpc(config));
    }
    Ok(if config.gzip { builder.with_compression(Compression::Gzip) } else { builder })
}

fn refused(error: ExporterBuildError) -> TelemetryError {
    TelemetryError::exporter("otlp", &error)
}
