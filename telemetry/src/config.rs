//! Every environment variable that telemetry obeys, read and checked in one place.
//!
//! The names and meanings are those of the OpenTelemetry specification, with one difference: a
//! value that is unknown or malformed is refused, where the specification would have it warned
//! about and ignored. An empty variable counts as unset.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

mod exporters;
mod otlp;
mod tracing;
mod variables;

pub use exporters::{JaegerConfig, MetricExporterConfig, SpanExporterConfig, ZipkinConfig};
pub use otlp::{Identity, OtlpConfig, Protocol};

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
    /// `RUST_LOG`: which logs are written; `info` by default, and warnings of the SDK.
    pub log_filter: String,
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
            exporters: exporters::of_spans(&vars)?,
            metrics: exporters::of_metrics(&vars)?,
            metric_interval: vars.millis("OTEL_METRIC_EXPORT_INTERVAL", 60_000)?,
            propagators: tracing::propagators(&vars)?,
            sampler: tracing::sampler(&vars)?,
            limits: tracing::span_limits(&vars)?,
            value_length_limit: vars
                .number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT")?
                .or(value_length),
            batch: tracing::batch_limits(&vars)?,
            log_filter: vars
                .text("RUST_LOG")
                .unwrap_or_else(|| "info,opentelemetry=warn".to_owned()),
        })
    }
}
