//! Where spans and metrics go: the lists of exporters, and what Zipkin and Jaeger need to know.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exporter-selection>

use super::otlp::OtlpConfig;
use super::variables::{Repeated, Variables, http_url, proxy};
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
    /// `OTEL_EXPORTER_ZIPKIN_TIMEOUT`: how long one attempt to send a batch may take; for ever when
    /// `None`.
    pub timeout: Option<Duration>,
    /// The variable that names a proxy for the endpoint, if there is one.
    pub proxy: Option<&'static str>,
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
        /// `OTEL_EXPORTER_JAEGER_TIMEOUT`: how long one attempt to send a batch may take; for ever
        /// when `None`.
        timeout: Option<Duration>,
        /// The variable that names a proxy for the endpoint, if there is one.
        proxy: Option<&'static str>,
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
    let mut choices = vec![
        ("console", Exporter::Console),
        ("otlp", Exporter::Otlp),
        ("zipkin", Exporter::Zipkin),
    ];
    if cfg!(feature = "jaeger") {
        choices.push(("jaeger", Exporter::Jaeger));
    }
    vars.list(NAME, &choices, allowed, Repeated::IsRefused)?
        .unwrap_or_else(|| vec![Exporter::Console, Exporter::Otlp])
        .into_iter()
        .map(|exporter| match exporter {
            Exporter::Console => Ok(SpanExporterConfig::Console),
            Exporter::Otlp => OtlpConfig::traces(vars).map(SpanExporterConfig::Otlp),
            Exporter::Zipkin => zipkin(vars).map(SpanExporterConfig::Zipkin),
            Exporter::Jaeger => jaeger(vars).map(SpanExporterConfig::Jaeger),
        })
        .collect()
}

/// The exporters that a list may name.
#[derive(Clone, Copy)]
enum Exporter {
    Console,
    Otlp,
    Zipkin,
    Jaeger,
}

/// Reads `OTEL_METRICS_EXPORTER`. The default differs from the specification's: it is `none`,
/// because the programs here are about traces and a backend of traces refuses metrics.
pub(super) fn of_metrics(
    vars: &Variables<'_>,
) -> Result<Vec<MetricExporterConfig>, TelemetryError> {
    const NAME: &str = "OTEL_METRICS_EXPORTER";
    let allowed = "a comma-separated list of console, otlp; or none";
    let choices = [("console", false), ("otlp", true)];
    vars.list(NAME, &choices, allowed, Repeated::IsRefused)?
        .unwrap_or_default()
        .into_iter()
        .map(|is_otlp| {
            if !is_otlp {
                return Ok(MetricExporterConfig::Console);
            }
            Ok(MetricExporterConfig::Otlp {
                receiver: Box::new(OtlpConfig::metrics(vars)?),
                temporality: temporality(vars)?,
            })
        })
        .collect()
}

fn temporality(vars: &Variables<'_>) -> Result<Temporality, TelemetryError> {
    let choices = [
        ("cumulative", Temporality::Cumulative),
        ("delta", Temporality::Delta),
        ("lowmemory", Temporality::LowMemory),
    ];
    let chosen = vars.choice("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", &choices)?;
    Ok(chosen.unwrap_or(Temporality::Cumulative))
}

fn zipkin(vars: &Variables<'_>) -> Result<ZipkinConfig, TelemetryError> {
    const NAME: &str = "OTEL_EXPORTER_ZIPKIN_ENDPOINT";
    let endpoint =
        vars.text(NAME).unwrap_or_else(|| "http://localhost:9411/api/v2/spans".to_owned());
    let endpoint = http_url(&endpoint).ok_or_else(|| vars.invalid(NAME, URL))?;
    Ok(ZipkinConfig {
        proxy: proxy(vars, &endpoint),
        endpoint,
        timeout: vars.timeout("OTEL_EXPORTER_ZIPKIN_TIMEOUT", 10_000)?,
    })
}

fn jaeger(vars: &Variables<'_>) -> Result<JaegerConfig, TelemetryError> {
    const ENDPOINT: &str = "OTEL_EXPORTER_JAEGER_ENDPOINT";
    const HOST: &str = "OTEL_EXPORTER_JAEGER_AGENT_HOST";
    const PORT: &str = "OTEL_EXPORTER_JAEGER_AGENT_PORT";
    if let Some(endpoint) = vars.text(ENDPOINT) {
        let user = vars.text("OTEL_EXPORTER_JAEGER_USER");
        let password = vars.text("OTEL_EXPORTER_JAEGER_PASSWORD");
        let endpoint = http_url(&endpoint).ok_or_else(|| vars.invalid(ENDPOINT, URL))?;
        return Ok(JaegerConfig::Collector {
            proxy: proxy(vars, &endpoint),
            endpoint,
            credentials: user.zip(password),
            timeout: vars.timeout("OTEL_EXPORTER_JAEGER_TIMEOUT", 10_000)?,
        });
    }
    // opentelemetry-jaeger reads these two by itself, whatever it is told, and takes an empty one for
    // a value. So they cannot be passed over.
    for name in [HOST, PORT] {
        if vars.is_empty(name) {
            let expected = "a value, or the variable not set at all".to_owned();
            return Err(vars.unusable(name, expected));
        }
    }
    let port = match vars.text(PORT).map(|text| text.parse()) {
        None => 6831,
        Some(Ok(port @ 1..)) => port,
        Some(_) => return Err(vars.unusable(PORT, "a port, 1 to 65535".to_owned())),
    };
    Ok(JaegerConfig::Agent {
        host: vars.text(HOST).unwrap_or_else(|| "localhost".to_owned()),
        port,
    })
}
