//! Where spans, metrics and log records go: the lists of exporters, and how Zipkin and Jaeger are reached. How
//! an OTLP receiver is reached is in `otlp`.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exporter-selection>

use super::otlp::OtlpConfig;
use super::variables::{Repeated, Variables, timeout};
use http::Uri;
use opentelemetry_sdk::metrics::Temporality;
use std::time::Duration;

/// Which buckets histograms have.
const HISTOGRAMS: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";

/// An exporter of spans, and how it reaches its receiver.
#[derive(Clone, Debug)]
pub enum SpanExporterConfig {
    /// `console`: on stdout.
    Console(ConsoleFormat),
    /// `otlp`: the OpenTelemetry protocol.
    Otlp(OtlpConfig),
    /// `zipkin`: JSON, version 2 of the API.
    Zipkin(ZipkinConfig),
    /// `jaeger`: Jaeger's own protocol, which Jaeger servers before 1.35 need.
    Jaeger(JaegerConfig),
}

/// `OTEL_EXPORTER_CONSOLE_FORMAT`: how spans and log records look on the console. The specification
/// has no such variable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ConsoleFormat {
    /// `text`: as opentelemetry-stdout writes them.
    #[default]
    Text,
    /// `json`: an object a span or record, as OpenTelemetry's console exporters for Python write it.
    Json,
}

/// An exporter of log records, and how it reaches its receiver.
#[derive(Clone, Debug)]
pub enum LogExporterConfig {
    /// `console`: on stdout. The log lines on stderr are there with any exporter.
    Console(ConsoleFormat),
    /// `otlp`: the OpenTelemetry protocol.
    Otlp(Box<OtlpConfig>),
}

/// `GROCERY_LOG_FORMAT`: how the log lines on stderr look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LineFormat {
    /// `text`: the time, the level, the target, the message and the fields, for people.
    #[default]
    Text,
    /// `json`: an object a line, for programs that collect what containers write.
    Json,
}

/// An exporter of metrics, and how it reaches its receiver.
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
        /// `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`.
        histograms: HistogramBuckets,
    },
    /// `prometheus`: a page `/metrics` that Prometheus reads.
    Prometheus(PrometheusConfig),
}

/// Which buckets histograms have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HistogramBuckets {
    /// `explicit_bucket_histogram`: buckets of chosen bounds.
    #[default]
    Explicit,
    /// `base2_exponential_bucket_histogram`: buckets that the SDK fits to the values.
    Exponential,
}

/// Where the page for Prometheus is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrometheusConfig {
    /// `OTEL_EXPORTER_PROMETHEUS_HOST`: the name or address of an interface of this machine.
    pub host: String,
    /// `OTEL_EXPORTER_PROMETHEUS_PORT`. With 0 the system chooses a port.
    pub port: u16,
}

/// How to reach a Zipkin server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ZipkinConfig {
    /// `OTEL_EXPORTER_ZIPKIN_ENDPOINT`.
    pub endpoint: Uri,
    /// `OTEL_EXPORTER_ZIPKIN_TIMEOUT`: how long one attempt to send a batch may take. `None` means
    /// without limit.
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
        /// `OTEL_EXPORTER_JAEGER_ENDPOINT`: if it is set, spans go there and not to an agent.
        endpoint: Uri,
        /// `OTEL_EXPORTER_JAEGER_USER` and `OTEL_EXPORTER_JAEGER_PASSWORD`.
        credentials: Option<(String, String)>,
        /// `OTEL_EXPORTER_JAEGER_TIMEOUT`: how long one attempt to send a batch may take. `None`
        /// means without limit.
        timeout: Option<Duration>,
        /// The variable that names a proxy for the endpoint, if there is one.
        proxy: Option<&'static str>,
    },
}

/// How long one attempt to send a batch may take by default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads `OTEL_TRACES_EXPORTER`, and how the exporters in it reach their receivers.
pub(super) fn of_spans(vars: &Variables<'_>) -> Vec<SpanExporterConfig> {
    type ReadExporter = fn(&Variables<'_>) -> SpanExporterConfig;
    let console: ReadExporter = |vars| SpanExporterConfig::Console(console_format(vars));
    let otlp: ReadExporter = |vars| SpanExporterConfig::Otlp(OtlpConfig::traces(vars));
    let zipkin: ReadExporter = |vars| SpanExporterConfig::Zipkin(zipkin(vars));
    let jaeger: ReadExporter = |vars| SpanExporterConfig::Jaeger(jaeger(vars));
    let mut choices = vec![("console", console), ("otlp", otlp), ("zipkin", zipkin)];
    let expected = if cfg!(feature = "jaeger") {
        choices.push(("jaeger", jaeger));
        "a comma-separated list of console, otlp, zipkin, jaeger; or none"
    } else {
        "a comma-separated list of console, otlp, zipkin; or none \
         (this program was built without the feature jaeger)"
    };
    vars.list("OTEL_TRACES_EXPORTER", &choices, expected, Repeated::IsRefused)
        .unwrap_or_else(|| vec![console, otlp])
        .into_iter()
        .map(|read| read(vars))
        .collect()
}

fn console_format(vars: &Variables<'_>) -> ConsoleFormat {
    let choices = [("text", ConsoleFormat::Text), ("json", ConsoleFormat::Json)];
    vars.choice("OTEL_EXPORTER_CONSOLE_FORMAT", &choices).unwrap_or_default()
}

/// Reads `OTEL_METRICS_EXPORTER`, and how the exporters in it reach their receivers.
///
/// The default is `none` and not `otlp`, which the specification has: a backend that takes only
/// traces, such as Jaeger, would refuse the metrics.
pub(super) fn of_metrics(vars: &Variables<'_>) -> Vec<MetricExporterConfig> {
    type ReadExporter = fn(&Variables<'_>) -> MetricExporterConfig;
    let console: ReadExporter = |_| MetricExporterConfig::Console;
    let otlp: ReadExporter = |vars| MetricExporterConfig::Otlp {
        receiver: Box::new(OtlpConfig::metrics(vars)),
        temporality: temporality(vars),
        histograms: histograms(vars),
    };
    let prometheus: ReadExporter = |vars| MetricExporterConfig::Prometheus(prometheus(vars));
    let choices = [("console", console), ("otlp", otlp), ("prometheus", prometheus)];
    let expected = "a comma-separated list of console, otlp, prometheus; or none";
    let mut exporters: Vec<_> = vars
        .list("OTEL_METRICS_EXPORTER", &choices, expected, Repeated::IsRefused)
        .unwrap_or_default()
        .into_iter()
        .map(|read| read(vars))
        .collect();
    let has_page = exporters.iter().any(|one| matches!(one, MetricExporterConfig::Prometheus(_)));
    for exporter in &mut exporters {
        let MetricExporterConfig::Otlp { histograms, .. } = exporter else { continue };
        // All exporters share the histograms, and the text format of Prometheus has no exponential
        // ones: they would be missing from its page.
        if has_page && *histograms == HistogramBuckets::Exponential {
            let expected =
                "explicit_bucket_histogram, because OTEL_METRICS_EXPORTER lists prometheus";
            vars.refuse(HISTOGRAMS, expected);
            *histograms = HistogramBuckets::Explicit;
        }
    }
    exporters
}

fn histograms(vars: &Variables<'_>) -> HistogramBuckets {
    let choices = [
        ("explicit_bucket_histogram", HistogramBuckets::Explicit),
        ("base2_exponential_bucket_histogram", HistogramBuckets::Exponential),
    ];
    vars.choice(HISTOGRAMS, &choices).unwrap_or_default()
}

fn prometheus(vars: &Variables<'_>) -> PrometheusConfig {
    PrometheusConfig {
        host: vars.text("OTEL_EXPORTER_PROMETHEUS_HOST").unwrap_or_else(|| "localhost".to_owned()),
        port: vars
            .read("OTEL_EXPORTER_PROMETHEUS_PORT", "a port, 0 to 65535", |text| text.parse().ok())
            .unwrap_or(9_464),
    }
}

/// Reads `OTEL_LOGS_EXPORTER`, and how the exporters in it reach their receivers.
///
/// The default is `none` and not `otlp`, for the same reason as that of metrics.
pub(super) fn of_logs(vars: &Variables<'_>) -> Vec<LogExporterConfig> {
    type ReadExporter = fn(&Variables<'_>) -> LogExporterConfig;
    let console: ReadExporter = |vars| LogExporterConfig::Console(console_format(vars));
    let otlp: ReadExporter = |vars| LogExporterConfig::Otlp(Box::new(OtlpConfig::logs(vars)));
    let choices = [("console", console), ("otlp", otlp)];
    let expected = "a comma-separated list of console, otlp; or none";
    vars.list("OTEL_LOGS_EXPORTER", &choices, expected, Repeated::IsRefused)
        .unwrap_or_default()
        .into_iter()
        .map(|read| read(vars))
        .collect()
}

/// Reads `GROCERY_LOG_FORMAT`.
pub(super) fn line_format(vars: &Variables<'_>) -> LineFormat {
    let choices = [("text", LineFormat::Text), ("json", LineFormat::Json)];
    vars.choice("GROCERY_LOG_FORMAT", &choices).unwrap_or_default()
}

fn temporality(vars: &Variables<'_>) -> Temporality {
    let choices = [
        ("cumulative", Temporality::Cumulative),
        ("delta", Temporality::Delta),
        ("lowmemory", Temporality::LowMemory),
    ];
    vars.choice("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", &choices)
        .unwrap_or(Temporality::Cumulative)
}

fn zipkin(vars: &Variables<'_>) -> ZipkinConfig {
    let endpoint = vars
        .url("OTEL_EXPORTER_ZIPKIN_ENDPOINT", str::to_owned)
        .unwrap_or_else(|| Uri::from_static("http://localhost:9411/api/v2/spans"));
    ZipkinConfig {
        proxy: vars.proxy(&endpoint),
        endpoint,
        timeout: timeout(vars.millis("OTEL_EXPORTER_ZIPKIN_TIMEOUT"), TIMEOUT),
    }
}

fn jaeger(vars: &Variables<'_>) -> JaegerConfig {
    let user = || vars.text("OTEL_EXPORTER_JAEGER_USER");
    let password = || vars.text("OTEL_EXPORTER_JAEGER_PASSWORD");
    match vars.url("OTEL_EXPORTER_JAEGER_ENDPOINT", str::to_owned) {
        Some(endpoint) => JaegerConfig::Collector {
            proxy: vars.proxy(&endpoint),
            endpoint,
            credentials: user().zip(password()),
            timeout: timeout(vars.millis("OTEL_EXPORTER_JAEGER_TIMEOUT"), TIMEOUT),
        },
        None => jaeger_agent(vars),
    }
}

/// Reads where a Jaeger agent is.
///
/// A wrong value is refused always and not ignored: opentelemetry-jaeger reads these two variables
/// itself, even when it is given an address, and takes an empty one for a value.
fn jaeger_agent(vars: &Variables<'_>) -> JaegerConfig {
    const HOST: &str = "OTEL_EXPORTER_JAEGER_AGENT_HOST";
    const PORT: &str = "OTEL_EXPORTER_JAEGER_AGENT_PORT";
    for name in [HOST, PORT] {
        if vars.is_blank(name) {
            vars.refuse_always(name, "a value, or the variable not set at all".to_owned());
        }
    }
    let port = match vars.text(PORT).map(|text| text.parse()) {
        None => 6831,
        Some(Ok(port @ 1..)) => port,
        Some(_) => {
            vars.refuse_always(PORT, "a port, 1 to 65535".to_owned());
            6831
        }
    };
    let host = vars.text(HOST).unwrap_or_else(|| "localhost".to_owned());
    JaegerConfig::Agent { host, port }
}
