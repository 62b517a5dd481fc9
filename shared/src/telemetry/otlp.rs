//! The OTLP exporters: HTTP through a blocking client, gRPC on a runtime of its own.
//!
//! Nothing here needs or touches the runtimes that the service runs on: tonic is known to hang on
//! a current-thread runtime, which is what actix uses.

use super::TelemetryError;
use super::config::{OtlpConfig, Protocol};
use super::http_client;
use opentelemetry_otlp::{Compression, SpanExporter, WithExportConfig as _, WithHttpConfig as _};

/// Builds the exporter for spans.
pub(super) fn span_exporter(config: &OtlpConfig) -> Result<SpanExporter, TelemetryError> {
    let mut builder = SpanExporter::builder()
        .with_http()
        .with_http_client(http_client::build("otlp", config.timeout)?)
        .with_protocol(match config.protocol {
            Protocol::HttpJson => opentelemetry_otlp::Protocol::HttpJson,
            Protocol::HttpProtobuf | Protocol::Grpc => opentelemetry_otlp::Protocol::HttpBinary,
        })
        .with_endpoint(config.endpoint.to_string())
        .with_timeout(config.timeout)
        .with_headers(config.headers.iter().cloned().collect());
    if config.gzip {
        builder = builder.with_compression(Compression::Gzip);
    }
    builder.build().map_err(refused)
}

fn refused(error: opentelemetry_otlp::ExporterBuildError) -> TelemetryError {
    TelemetryError::Exporter { exporter: "otlp", reason: error.to_string() }
}
