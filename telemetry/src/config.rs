//! The configuration: every environment variable that telemetry obeys, read and checked.
//!
//! The names and meanings are those of the OpenTelemetry specification, with one difference: a
//! value that is unknown or malformed stops the start, with an error that names the variable. The
//! specification would have it warned about and ignored, and with [`LENIENT`] set that is what
//! happens. An empty variable counts as unset.
//!
//! A variable of the specification that does nothing here is named in a
//! [warning](Config::warnings), and so is one whose name is unknown. `docs/telemetry/environment.md`
//! lists all variables.
//!
//! [`Config::from_env`] is the way in. The files, in the order to read them:
//!
//! - this one: the whole configuration, with the variable and the default of each part;
//! - `exporters`, `otlp`: where spans, metrics and log records go, and how their receivers are
//!   reached;
//! - `recording`: the sampler, the limits, the queues and the propagators;
//! - `unsupported`: the variables that are refused, or that do nothing here;
//! - `known`: the names of all variables, and a warning about others;
//! - `variables`: how one variable is read, and what becomes of a value that is wrong.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

mod exporters;
mod known;
mod otlp;
mod recording;
mod unsupported;
mod variables;

pub use exporters::{
    ConsoleFormat, HistogramBuckets, JaegerConfig, LineFormat, LogExporterConfig,
    MetricExporterConfig, PrometheusConfig, SpanExporterConfig, ZipkinConfig,
};
pub use otlp::{Identity, OtlpConfig, Protocol};
pub use recording::{BatchLimits, LogLimits, Propagator};
pub use variables::LENIENT;

use crate::error::TelemetryError;
use opentelemetry_sdk::trace::{Sampler, SpanLimits};
use shared::backoff::Backoff;
use std::ffi::OsString;
use std::time::Duration;
use variables::{Variables, timeout};

/// How long to wait before a batch is sent again. A backend that is away for some seconds is asked
/// soon, and one that is away for longer is not asked often.
const BACK_OFF: Backoff =
    Backoff { first: Duration::from_millis(250), longest: Duration::from_secs(5) };

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// `OTEL_SDK_DISABLED`: no spans, no metrics and no exported logs. Context is still propagated.
    pub disabled: bool,
    /// `OTEL_SERVICE_NAME`, which goes before the name that the program gives itself.
    pub service_name: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES`.
    pub resource_attributes: Vec<(String, String)>,
    /// `OTEL_TRACES_EXPORTER`: where spans go. Empty means nowhere.
    pub exporters: Vec<SpanExporterConfig>,
    /// `OTEL_METRICS_EXPORTER`: where metrics go. Empty, the default, means nowhere.
    pub metrics: Vec<MetricExporterConfig>,
    /// `OTEL_METRIC_EXPORT_INTERVAL`.
    pub metric_interval: Duration,
    /// `OTEL_METRIC_EXPORT_TIMEOUT`: how long one export may be tried. `None` means without limit.
    pub metric_timeout: Option<Duration>,
    /// `OTEL_LOGS_EXPORTER`: where log records go, beside the lines on stderr. Empty, the default,
    /// means nowhere.
    pub logs: Vec<LogExporterConfig>,
    /// `OTEL_BLRP_*`.
    pub log_batch: BatchLimits,
    /// `OTEL_LOGRECORD_*`.
    pub log_limits: LogLimits,
    /// `OTEL_PROPAGATORS`.
    pub propagators: Vec<Propagator>,
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    pub sampler: Sampler,
    /// `OTEL_SPAN_*_COUNT_LIMIT`, `OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT` and
    /// `OTEL_LINK_ATTRIBUTE_COUNT_LIMIT`.
    pub limits: SpanLimits,
    /// `OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT`, in characters.
    pub value_length_limit: Option<usize>,
    /// `OTEL_BSP_*`.
    pub batch: BatchLimits,
    /// How long to wait before a batch is sent again. No variable sets it.
    pub back_off: Backoff,
    /// `RUST_LOG`: which logs are written and exported. Without it the logs of what is grave enough,
    /// and of them the [quiet ones](crate::Service::quiet_targets) are exported only.
    pub log_filter: Option<String>,
    /// `GROCERY_LOG_FORMAT`.
    pub line_format: LineFormat,
    /// What is logged as a warning at the start: variables that do nothing here, and with
    /// [`LENIENT`] values that were ignored.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the configuration from the environment of this process.
    ///
    /// # Errors
    ///
    /// For the first value that is wrong: [`TelemetryError::Invalid`] if it is unknown or
    /// malformed, [`TelemetryError::NotUnicode`] if it is not text, and
    /// [`TelemetryError::Unusable`] if it names a certificate or an agent that cannot be used. With
    /// [`LENIENT`] set, only the last.
    pub fn from_env() -> Result<Self, TelemetryError> {
        let names = std::env::vars_os().map(|(name, _)| name);
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        Self::read(&|name| std::env::var_os(name), names)
    }

    /// Reads the configuration from a list of names and values, for example in a test. Of two
    /// variables with the same name the first counts.
    ///
    /// # Errors
    ///
    /// As [`Config::from_env`].
    pub fn from_variables(variables: &[(&str, &str)]) -> Result<Self, TelemetryError> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Self::read(&lookup, variables.iter().map(|(name, _)| OsString::from(name)))
    }

    fn read(
        lookup: &dyn Fn(&str) -> Option<OsString>,
        names: impl Iterator<Item = OsString>,
    ) -> Result<Self, TelemetryError> {
        let vars = Variables::new(lookup);
        unsupported::refuse(&vars);
        let config = Config {
            disabled: vars.boolean("OTEL_SDK_DISABLED").unwrap_or(false),
            service_name: vars.text("OTEL_SERVICE_NAME"),
            resource_attributes: vars.decoded_pairs("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default(),
            exporters: exporters::of_spans(&vars),
            metrics: exporters::of_metrics(&vars),
            metric_interval: vars
                .interval("OTEL_METRIC_EXPORT_INTERVAL")
                .unwrap_or(Duration::from_secs(60)),
            metric_timeout: timeout(
                vars.millis("OTEL_METRIC_EXPORT_TIMEOUT"),
                Duration::from_secs(30),
            ),
            propagators: recording::propagators(&vars),
            sampler: recording::sampler(&vars),
            limits: recording::span_limits(&vars),
            value_length_limit: recording::value_length_limit(&vars),
            batch: recording::span_batches(&vars),
            logs: exporters::of_logs(&vars),
            log_batch: recording::log_batches(&vars),
            log_limits: recording::log_limits(&vars),
            back_off: BACK_OFF,
            log_filter: vars.text("RUST_LOG"),
            line_format: exporters::line_format(&vars),
            warnings: Vec::new(),
        };
        unsupported::warn(&vars);
        known::warn(&vars, names);
        Ok(Config { warnings: vars.finish()?, ..config })
    }
}
