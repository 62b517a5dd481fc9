//! Every environment variable that telemetry obeys, read and checked in one place.
//!
//! The names and meanings are those of the OpenTelemetry specification, with one difference: a
//! value that is unknown or malformed is refused, where the specification would have it warned
//! about and ignored. An empty variable counts as unset.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

mod otlp;
mod variables;

pub use otlp::{OtlpConfig, Protocol};

use super::TelemetryError;
use opentelemetry_sdk::trace::{Sampler, SpanLimits};
use std::cell::RefCell;
use std::time::Duration;
use variables::Variables;

/// All that telemetry can be told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// `OTEL_SDK_DISABLED`: no spans, no metrics; context still travels.
    pub disabled: bool,
    /// `OTEL_SERVICE_NAME`, which goes before the name that the program gives itself.
    pub service_name: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES`.
    pub resource_attributes: Vec<(String, String)>,
    /// `OTEL_TRACES_EXPORTER`: where spans go; nowhere when empty.
    pub exporters: Vec<SpanExporterConfig>,
    /// `OTEL_METRICS_EXPORTER`: where metrics go; nowhere by default.
    pub metrics: Vec<MetricExporterConfig>,
    /// `OTEL_METRIC_EXPORT_INTERVAL`, in milliseconds.
    pub metric_interval: Duration,
    /// `OTEL_PROPAGATORS`.
    pub propagators: Vec<Propagator>,
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    pub sampler: Sampler,
    /// `OTEL_SPAN_*_COUNT_LIMIT`, `OTEL_EVENT_*` and `OTEL_LINK_ATTRIBUTE_COUNT_LIMIT`.
    pub limits: SpanLimits,
    /// `OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT`, in characters.
    pub value_length_limit: Option<usize>,
    /// `OTEL_BSP_*`.
    pub batch: BatchLimits,
    /// `RUST_LOG`: which logs are written; `info` by default.
    pub log_filter: String,
}

/// Where spans go, with what that exporter needs to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SpanExporterConfig {
    /// `console`: text on stdout.
    Console,
    /// `otlp`: the OpenTelemetry protocol.
    Otlp(OtlpConfig),
}

/// Where metrics go.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum MetricExporterConfig {
    /// `console`: text on stdout.
    Console,
    /// `otlp`: the OpenTelemetry protocol.
    Otlp(OtlpConfig),
}

/// How context travels between services.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Propagator {
    /// `tracecontext`: the W3C headers `traceparent` and `tracestate`.
    TraceContext,
    /// `baggage`: the W3C header `baggage`.
    Baggage,
    /// `b3`: Zipkin's single header.
    B3,
    /// `b3multi`: Zipkin's headers `X-B3-*`.
    B3Multi,
}

/// The limits of each exporter's queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BatchLimits {
    /// `OTEL_BSP_MAX_QUEUE_SIZE`: spans that may wait; one more is dropped.
    pub queue_size: usize,
    /// `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`: spans sent at once.
    pub batch_size: usize,
    /// `OTEL_BSP_SCHEDULE_DELAY`: how long a span waits at most before it is sent.
    pub schedule_delay: Duration,
    /// `OTEL_BSP_EXPORT_TIMEOUT`: how long sending a batch may take.
    pub export_timeout: Duration,
}

impl Config {
    /// Reads the configuration from the environment of this process.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::Invalid`] for the first unknown or malformed value,
    /// [`TelemetryError::NotUnicode`] for one that is not text.
    pub fn from_env() -> Result<Self, TelemetryError> {
        let not_unicode = RefCell::new(None);
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let lookup = |name: &str| match std::env::var_os(name)?.into_string() {
            Ok(value) => Some(value),
            Err(_) => {
                not_unicode.borrow_mut().get_or_insert(name.to_owned());
                None
            }
        };
        let config = Self::from_lookup(&lookup);
        match not_unicode.take() {
            Some(variable) => Err(TelemetryError::NotUnicode { variable }),
            None => config,
        }
    }

    /// Reads the configuration from any source of variables.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::Invalid`] for the first unknown or malformed value.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, TelemetryError> {
        let vars = Variables::new(lookup);
        let value_length = vars.number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")?;
        Ok(Config {
            disabled: vars.boolean("OTEL_SDK_DISABLED")?,
            service_name: vars.text("OTEL_SERVICE_NAME"),
            resource_attributes: vars.pairs("OTEL_RESOURCE_ATTRIBUTES")?,
            exporters: span_exporters(&vars)?,
            metrics: metric_exporters(&vars)?,
            metric_interval: vars.millis("OTEL_METRIC_EXPORT_INTERVAL", 60_000)?,
            propagators: propagators(&vars)?,
            sampler: sampler(&vars)?,
            limits: span_limits(&vars)?,
            value_length_limit: vars
                .number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT")?
                .or(value_length),
            batch: batch_limits(&vars)?,
            log_filter: vars.text("RUST_LOG").unwrap_or_else(|| "info".to_owned()),
        })
    }
}

fn span_exporters(vars: &Variables<'_>) -> Result<Vec<SpanExporterConfig>, TelemetryError> {
    const NAME: &str = "OTEL_TRACES_EXPORTER";
    let allowed = "a comma-separated list of console, otlp; or none";
    vars.list(NAME, "console,otlp", allowed)?
        .iter()
        .map(|name| match name.as_str() {
            "console" => Ok(SpanExporterConfig::Console),
            "otlp" => OtlpConfig::traces(vars).map(SpanExporterConfig::Otlp),
            _ => Err(vars.invalid(NAME, allowed)),
        })
        .collect()
}

fn metric_exporters(vars: &Variables<'_>) -> Result<Vec<MetricExporterConfig>, TelemetryError> {
    const NAME: &str = "OTEL_METRICS_EXPORTER";
    let allowed = "a comma-separated list of console, otlp; or none";
    vars.list(NAME, "none", allowed)?
        .iter()
        .map(|name| match name.as_str() {
            "console" => Ok(MetricExporterConfig::Console),
            "otlp" => OtlpConfig::metrics(vars).map(MetricExporterConfig::Otlp),
            _ => Err(vars.invalid(NAME, allowed)),
        })
        .collect()
}

fn propagators(vars: &Variables<'_>) -> Result<Vec<Propagator>, TelemetryError> {
    const NAME: &str = "OTEL_PROPAGATORS";
    let allowed = "a comma-separated list of tracecontext, baggage, b3, b3multi; or none";
    vars.list(NAME, "tracecontext,baggage", allowed)?
        .iter()
        .map(|name| match name.as_str() {
            "tracecontext" => Ok(Propagator::TraceContext),
            "baggage" => Ok(Propagator::Baggage),
            "b3" => Ok(Propagator::B3),
            "b3multi" => Ok(Propagator::B3Multi),
            _ => Err(vars.invalid(NAME, allowed)),
        })
        .collect()
}

fn sampler(vars: &Variables<'_>) -> Result<Sampler, TelemetryError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    let parent_based = |root| Sampler::ParentBased(Box::new(root));
    // Without the argument the ratio is 1, says the specification.
    let ratio = || Ok(vars.ratio("OTEL_TRACES_SAMPLER_ARG")?.unwrap_or(1.0));
    match vars.text(NAME).as_deref() {
        None | Some("parentbased_always_on") => Ok(parent_based(Sampler::AlwaysOn)),
        Some("parentbased_always_off") => Ok(parent_based(Sampler::AlwaysOff)),
        Some("parentbased_traceidratio") => {
            ratio().map(Sampler::TraceIdRatioBased).map(parent_based)
        }
        Some("always_on") => Ok(Sampler::AlwaysOn),
        Some("always_off") => Ok(Sampler::AlwaysOff),
        Some("traceidratio") => ratio().map(Sampler::TraceIdRatioBased),
        Some(_) => Err(vars.invalid(
            NAME,
            "always_on, always_off, traceidratio, parentbased_always_on, \
             parentbased_always_off or parentbased_traceidratio",
        )),
    }
}

fn span_limits(vars: &Variables<'_>) -> Result<SpanLimits, TelemetryError> {
    let default = SpanLimits::default();
    let attributes: Option<u32> = vars.number("OTEL_ATTRIBUTE_COUNT_LIMIT")?;
    let limit = |name, general: Option<u32>, default| {
        vars.number(name).map(|own| own.or(general).unwrap_or(default))
    };
    Ok(SpanLimits {
        max_attributes_per_span: limit(
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
            attributes,
            default.max_attributes_per_span,
        )?,
        max_events_per_span: limit(
            "OTEL_SPAN_EVENT_COUNT_LIMIT",
            None,
            default.max_events_per_span,
        )?,
        max_links_per_span: limit("OTEL_SPAN_LINK_COUNT_LIMIT", None, default.max_links_per_span)?,
        max_attributes_per_event: limit(
            "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
            attributes,
            default.max_attributes_per_event,
        )?,
        max_attributes_per_link: limit(
            "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
            attributes,
            default.max_attributes_per_link,
        )?,
    })
}

fn batch_limits(vars: &Variables<'_>) -> Result<BatchLimits, TelemetryError> {
    const BATCH_SIZE: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
    let queue_size = vars.positive("OTEL_BSP_MAX_QUEUE_SIZE")?.unwrap_or(2048);
    let batch_size = vars.positive(BATCH_SIZE)?;
    if batch_size.is_some_and(|size| size > queue_size) {
        return Err(vars.invalid(
            BATCH_SIZE,
            format!("at most OTEL_BSP_MAX_QUEUE_SIZE, which is {queue_size}"),
        ));
    }
    Ok(BatchLimits {
        queue_size,
        batch_size: batch_size.unwrap_or(512.min(queue_size)),
        schedule_delay: vars.millis("OTEL_BSP_SCHEDULE_DELAY", 5_000)?,
        export_timeout: vars.millis("OTEL_BSP_EXPORT_TIMEOUT", 30_000)?,
    })
}
