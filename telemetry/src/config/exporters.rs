//! Where spans and metrics go: the lists of exporters, and what Zipkin and Jaeger need to know.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exporter-selection>

use super::otlp::OtlpConfig;
use super::variables::{Variables, http_url};
use crate::TelemetryError;
use http::Uri;
use opentelemetry_sdk::metrics::Temporality;
use std::time::Duration;

/// Where spans go, with what that exporter needs to know.
#[derive(Clone, Debug)]
pub enum SpanExporterConfig {
    /// `console`: text on stdout.
    Console,
    /// `otlp`: the OpenTelemetry protocol.
    Otlp(OtlpConfig),
    /// `zipkin`: JSON, version 2 of the API.
    Zipkin(ZipkinConfig),
    /// `jaeger`: Jaeger's own protocol, which Jaeger servers before 1.35 need.
    Jaeger(JaegerConfig),
}

/// Where metrics go.
#[derive(Clone, Debug)]
pub enum MetricExporterConfig {
    /// `console`: text on stdout.
    Console,
    /// `otlp`: the OpenTelemetry protocol.
    Otlp {
        /// How to reach the receiver.
        receiver: Box<OtlpConfig>,
        /// `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`.
        temporality: Temporality,
    },
}

/// How to reach a Zipkin server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ZipkinConfig {
    /// `OTEL_EXPORTER_ZIPKIN_ENDPOINT`.
    pub endpoint: Uri,
    /// `OTEL_EXPORTER_ZIPKIN_TIMEOUT`: how long sending a batch may take.
    pub timeout: Duration,
}

/// How to reach Jaeger by its own protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum JaegerConfig {
    /// An agent, which takes compact Thrift over UDP: the default.
    Agent {
        /// `OTEL_EXPORTER_JAEGER_AGENT_HOST`.
        host: String,
        /// `OTEL_EXPORTER_JAEGER_AGENT_PORT`.
        port: u16,
    },
    /// A collector, which takes binary Thrift over HTTP.
    Collector {
        /// `OTEL_EXPORTER_JAEGER_ENDPOINT`: when set, spans go there and not to an agent.
        endpoint: Uri,
        /// `OTEL_EXPORTER_JAEGER_USER` and `OTEL_EXPORTER_JAEGER_PASSWORD`.
        credentials: Option<(String, String)>,
        /// `OTEL_EXPORTER_JAEGER_TIMEOUT`: how long sending a batch may take.
        timeout: Duration,
    },
}

const URL: &str = "a URL that starts with http:// or https://";

/// Reads `OTEL_TRACES_EXPORTER` and what the exporters in it need.
pub(super) fn of_spans(vars: &Variables<'_>) -> Result<Vec<SpanExporterConfig>, TelemetryError> {
    const NAME: &str = "OTEL_TRACES_EXPORTER";
    let allowed = if cfg!(feature = "jaeger") {
        "a comma-separated list of console, otlp, zipkin, jaeger; or none"
    } else {
        "a comma-separated list of console, otlp, zipkin; or none \
         (this program was built without the feature jaeger)"
    };
    vars.list(NAME, "console,otlp", allowed)?
        .iter()
        .map(|name| match name.as_str() {
            "console" => Ok(SpanExporterConfig::Console),
            "otlp" => OtlpConfig::traces(vars).map(SpanExporterConfig::Otlp),
            "zipkin" => zipkin(vars).map(SpanExporterConfig::Zipkin),
            "jaeger" if cfg!(feature = "jaeger") => jaeger(vars).map(SpanExporterConfig::Jaeger),
            _ => Err(vars.invalid(NAME, allowed)),
        })
        .collect()
}

/// Reads `OTEL_METRICS_EXPORTER`. The default differs from the specification's: it is `none`,
/// because the programs here are about traces and a backend of traces refuses metrics.
pub(super) fn of_metrics(
    vars: &Variables<'_>,
) -> Result<Vec<MetricExporterConfig>, TelemetryError> {
    const NAME: &str = "OTEL_METRICS_EXPORTER";
    let allowed = "a comma-separated list of console, otlp; or none";
    vars.list(NAME, "none", allowed)?
        .iter()
        .map(|name| match name.as_str() {
            "console" => Ok(MetricExporterConfig::Console),
            "otlp" => Ok(MetricExporterConfig::Otlp {
                receiver: Box::new(OtlpConfig::metrics(vars)?),
                temporality: temporality(vars)?,
            }),
            _ => Err(vars.invalid(NAME, allowed)),
        })
        .collect()
}

fn temporality(vars: &Variables<'_>) -> Result<Temporality, TelemetryError> {
    const NAME: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    match vars.text(NAME).map(|text| text.to_ascii_lowercase()).as_deref() {
        None | Some("cumulative") => Ok(Temporality::Cumulative),
        Some("delta") => Ok(Temporality::Delta),
        Some("lowmemory") => Ok(Temporality::LowMemory),
        Some(_) => Err(vars.invalid(NAME, "cumulative, delta or lowmemory")),
    }
}

fn zipkin(vars: &Variables<'_>) -> Result<ZipkinConfig, TelemetryError> {
    const NAME: &str = "OTEL_EXPORTER_ZIPKIN_ENDPOINT";
    let endpoint =
        vars.text(NAME).unwrap_or_else(|| "http://localhost:9411/api/v2/spans".to_owned());
    Ok(ZipkinConfig {
        endpoint: http_url(&endpoint).ok_or_else(|| vars.invalid(NAME, URL))?,
        timeout: vars.millis("OTEL_EXPORTER_ZIPKIN_TIMEOUT", 10_000)?,
    })
}

fn jaeger(vars: &Variables<'_>) -> Result<JaegerConfig, TelemetryError> {
    const ENDPOINT: &str = "OTEL_EXPORTER_JAEGER_ENDPOINT";
    const HOST: &str = "OTEL_EXPORTER_JAEGER_AGENT_HOST";
    const PORT: &str = "OTEL_EXPORTER_JAEGER_AGENT_PORT";
    if let Some(endpoint) = vars.text(ENDPOINT) {
        let user = vars.text("OTEL_EXPORTER_JAEGER_USER");
        let password = vars.text("OTEL_EXPORTER_JAEGER_PASSWORD");
        return Ok(JaegerConfig::Collector {
            endpoint: http_url(&endpoint).ok_or_else(|| vars.invalid(ENDPOINT, URL))?,
            credentials: user.zip(password),
            timeout: vars.millis("OTEL_EXPORTER_JAEGER_TIMEOUT", 10_000)?,
        });
    }
    // opentelemetry-jaeger reads these two by itself, and takes an empty one for a value.
    for name in [HOST, PORT] {
        if vars.is_empty(name) {
            return Err(vars.invalid(name, "a value, or the variable not set at all"));
        }
    }
    Ok(JaegerConfig::Agent {
        host: vars.text(HOST).unwrap_or_else(|| "localhost".to_owned()),
        port: vars.parsed(PORT, "a port, 1 to 65535", |port| *port > 0)?.unwrap_or(6831),
    })
}
