//! Every environment variable that telemetry obeys, read and checked in one place.
//!
//! The names and meanings are those of the OpenTelemetry specification, with one difference: a
//! value that is unknown or malformed is refused by name, where the specification would have it
//! warned about and ignored. With [`LENIENT`] set, it is. An empty variable counts as unset.
//!
//! A variable of the specification that does nothing here is named in a
//! [warning](Config::warnings), and never ignored in silence. The crate's README lists them all.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

mod exporters;
mod otlp;
mod recording;
mod unsupported;
mod variables;

pub use exporters::{JaegerConfig, MetricExporterConfig, SpanExporterConfig, ZipkinConfig};
pub use otlp::{Identity, OtlpConfig, Protocol};
pub use recording::{BatchLimits, Propagator};
pub use variables::LENIENT;

use crate::TelemetryError;
use opentelemetry_sdk::trace::{Sampler, SpanLimits};
use shared::backoff::Backoff;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;
use variables::Variables;

/// How long to wait before a batch is sent again: so that a backend that is away for some seconds
/// is asked soon, and one that is away for longer is not asked often.
const BACK_OFF: Backoff =
    Backoff { first: Duration::from_millis(250), longest: Duration::from_secs(5) };

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
    /// `OTEL_METRIC_EXPORT_INTERVAL`.
    pub metric_interval: Duration,
    /// `OTEL_METRIC_EXPORT_TIMEOUT`: how long one export may be tried; for ever when `None`.
    pub metric_timeout: Option<Duration>,
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
    /// How long to wait before a batch is sent again; no variable sets it.
    pub back_off: Backoff,
    /// `RUST_LOG`: which logs are written; by default `info`, of actix-server and the SDK `warn`.
    pub log_filter: String,
    /// What is to be said at the start: variables that are not supported, and with [`LENIENT`] also
    /// values that were ignored.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the configuration from the environment of this process.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::Invalid`] for the first unknown or malformed value,
    /// [`TelemetryError::NotUnicode`] for one that is not text, and
    /// [`TelemetryError::Unusable`] for a value that cannot be gone on without.
    pub fn from_env() -> Result<Self, TelemetryError> {
        let not_unicode = RefCell::new(BTreeSet::new());
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let lookup = |name: &str| match std::env::var_os(name)?.into_string() {
            Ok(value) => Some(value),
            Err(_) => {
                not_unicode.borrow_mut().insert(name.to_owned());
                None
            }
        };
        let is_lenient = Variables::new(&lookup)?.is_lenient();
        let config = Self::from_lookup(&lookup);
        let errors: Vec<_> = not_unicode
            .into_inner()
            .into_iter()
            .map(|variable| TelemetryError::NotUnicode { variable })
            .collect();
        if is_lenient {
            let mut config = config?;
            config.warnings.extend(errors.iter().map(|error| format!("{error}; it is ignored")));
            return Ok(config);
        }
        // What is no text was read as if it were not set, so this error says more.
        errors.into_iter().next().map_or(config, Err)
    }

    /// Reads the configuration from any source of variables.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::Invalid`] for the first unknown or malformed value, and
    /// [`TelemetryError::Unusable`] for a value that cannot be gone on without.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, TelemetryError> {
        let mut vars = Variables::new(lookup)?;
        loop {
            match Self::read(&vars) {
                // What is ignored is read again as if it were not set.
                Err(TelemetryError::Invalid { variable, value, expected }) if vars.is_lenient() => {
                    let error =
                        TelemetryError::Invalid { variable: variable.clone(), value, expected };
                    vars.ignore(variable.into_owned(), &error);
                }
                Err(error) => return Err(error),
                Ok(config) => {
                    let warnings = vars.into_warnings();
                    return Ok(Config { warnings, ..config });
                }
            }
        }
    }

    fn read(vars: &Variables<'_>) -> Result<Self, TelemetryError> {
        unsupported::refuse(vars)?;
        let value_length = vars.number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")?;
        let config = Config {
            disabled: vars.boolean("OTEL_SDK_DISABLED")?,
            service_name: vars.text("OTEL_SERVICE_NAME"),
            resource_attributes: vars.decoded_pairs("OTEL_RESOURCE_ATTRIBUTES")?,
            exporters: exporters::of_spans(vars)?,
            metrics: exporters::of_metrics(vars)?,
            metric_interval: vars.interval("OTEL_METRIC_EXPORT_INTERVAL", 60_000)?,
            metric_timeout: vars.timeout("OTEL_METRIC_EXPORT_TIMEOUT", 30_000)?,
            propagators: recording::propagators(vars)?,
            sampler: recording::sampler(vars)?,
            limits: recording::span_limits(vars)?,
            value_length_limit: vars
                .number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT")?
                .or(value_length),
            batch: recording::batch_limits(vars)?,
            back_off: BACK_OFF,
            log_filter: vars
                .text("RUST_LOG")
                .unwrap_or_else(|| "info,actix_server=warn,opentelemetry=warn".to_owned()),
            warnings: Vec::new(),
        };
        unsupported::warn(vars);
        Ok(config)
    }
}
