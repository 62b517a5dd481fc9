#![doc = include_str!("../README.md")]
//!
//! # Map of the crate
//!
//! This is the only crate of the workspace that names the OpenTelemetry SDK and the exporters. Its
//! files in the order to read them, which follows a span from its start to its backend:
//!
//! | file | what is in it |
//! |---|---|
//! | `lib.rs` | [`Telemetry`]: sets everything up for the process, and flushes it at the end |
//! | [`config`] | the variables, read and checked |
//! | `pipeline.rs` | [`Pipeline`]: builds the providers from a configuration, as a value without globals |
//! | `resource.rs` | [`Service`]: what every span says about the process |
//! | `sampler.rs` | counts what the sampler decides, also about spans that are not recorded; [`is_dropped`]: what is known of that beforehand |
//! | `processor.rs`, `queue.rs` | counts a span that ended, and puts it into the queue of each exporter or drops it |
//! | `batches.rs` | the spans that wait for an exporter, in the form in which it takes them, and the thread that hands them to it |
//! | `accounting.rs` | [`Accounting`]: the counters, and the totals that are read from them |
//! | `exporter.rs`, `outcome.rs` | what an exporter is here: it delivers a batch and returns the outcome |
//! | `otlp.rs`, `zipkin.rs`, `jaeger.rs`, `console.rs` | the exporters |
//! | `http.rs`, `tls.rs` | the HTTP client that they share, what an answer means, and TLS |
//! | `retry.rs` | when a request is sent again, and when it is given up |
//! | `health.rs` | logs once that a backend has gone, and once that it is back |
//! | `metrics.rs` | the meter provider, and the accounting and the process as metrics |
//! | `component.rs`, `measured.rs` | how metrics name the parts of the pipeline; why exports failed, and how long they took |
//! | `prometheus.rs` | the page that Prometheus reads |
//! | `runtimes.rs` | [`observe_runtime`]: metrics of the tokio runtimes |
//! | `meters.rs` | [`ServiceMeters`]: the meter provider as a service passes it on to its parts |
//! | `propagation.rs` | the propagators; that of W3C Trace Context is in `propagation/trace_context.rs` |
//! | `scope.rs` | [`instrumentation_scope`]: who made a span, a metric or a log record |
//! | `logs.rs` | events of `tracing` as log lines with the ids of the trace and the span, and as log records |
//! | `record_logger.rs` | the logger that makes log records, also in contexts without spans |
//! | `log_processor.rs` | limits and counts a log record, and puts it into the queue of each exporter |
//! | `panics.rs` | a panic as a log line and a log record |
//! | `spanless.rs` | [`without_spans`]: contexts in which no spans are made, but log records are |
//! | `quiet.rs` | keeps the threads that send telemetry from making telemetry |
//! | `streams.rs` | [`Streams`]: where logs and console spans are written |
//!
//! [`TelemetryError`] says why telemetry did not start. No two files import each other.

mod accounting;
mod batches;
mod chunks;
mod component;
pub mod config;
mod console;
mod error;
mod exporter;
mod health;
mod http;
#[cfg(feature = "jaeger")]
mod jaeger;
mod log_processor;
mod logs;
mod measured;
mod meters;
mod metrics;
mod otlp;
mod outcome;
mod panics;
mod pipeline;
mod processor;
mod prometheus;
mod propagation;
mod queue;
mod quiet;
mod record_logger;
mod resource;
mod retry;
mod runtimes;
mod sampler;
mod scope;
mod spanless;
mod streams;
pub mod tls;
mod zipkin;

pub use accounting::{Accounting, ExporterTotals, LogSnapshot, Snapshot};
pub use error::TelemetryError;
pub use meters::ServiceMeters;
pub use otlp::SpanEncoder;
pub use pipeline::{Pipeline, SHUTDOWN_TIMEOUT};
pub use propagation::{parse_traceparent, propagator, traceparent};
pub use resource::Service;
pub use runtimes::observe_runtime;
pub use sampler::is_dropped;
pub use scope::instrumentation_scope;
pub use spanless::without_spans;
pub use streams::Streams;

use config::Config;
use opentelemetry::global;
use std::sync::{Arc, Once};
use std::time::Duration;
use streams::PlainLines;

/// The telemetry of a process, from its start to its end.
///
/// ```no_run
/// use telemetry::{Service, Telemetry};
///
/// # fn main() -> Result<(), telemetry::TelemetryError> {
/// let telemetry = Telemetry::init(Service {
///     name: "grocery-store",
///     version: env!("CARGO_PKG_VERSION"),
///     ..Service::default()
/// })?;
/// // serve, and at the end:
/// telemetry.shutdown();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Telemetry {
    makes_spans: bool,
    pipeline: Pipeline,
    repeats: logs::Repeats,
    plain_lines: Arc<PlainLines>,
    shutdown: Once,
}

impl Telemetry {
    /// Sets up spans, metrics, propagation and logs for the whole process, as the environment says.
    /// Call it once, before an actix system is started.
    ///
    /// It replaces the panic hook, so that a panic is a log line and a log record with its trace. A
    /// program that has a hook of its own sets it afterwards.
    ///
    /// # Errors
    ///
    /// [`TelemetryError`] when a variable holds a value that is unknown or malformed, an exporter
    /// cannot be set up, or the process has a `tracing` subscriber already.
    pub fn init(service: Service) -> Result<Self, TelemetryError> {
        Self::init_with(service, Streams::default())
    }

    /// Does the same as [`init`](Self::init), but writes to `streams`.
    ///
    /// # Errors
    ///
    /// As [`Telemetry::init`].
    pub fn init_with(service: Service, streams: Streams) -> Result<Self, TelemetryError> {
        let config = Config::from_env()?;
        let console = streams.console();
        let (logs, plain_lines) = streams.into_logs();
        let plain_lines = Arc::new(plain_lines);
        let pipeline = Pipeline::with_console(&service, &config, &console)?;
        let repeats = logs::init(&service, &config, logs, pipeline.records())?;
        let (lines, format) = (Arc::clone(&plain_lines), config.line_format);
        let logger = pipeline.logger(panics::scope());
        panics::report(lines, format, repeats.clone(), logger);
        for warning in &config.warnings {
            ::tracing::warn!(name: "telemetry.variable.ignored", "{warning}");
        }
        global::set_text_map_propagator(propagation::propagator(&config.propagators));
        if !config.disabled {
            global::set_tracer_provider(pipeline.tracers().clone());
            sampler::set_of_process(&config.sampler);
        }
        if let Some(meters) = pipeline.meters() {
            global::set_meter_provider(meters.clone());
            runtimes::observe_from_now_on();
        }
        if let Some(address) = pipeline.prometheus_address() {
            ::tracing::info!(name: "telemetry.prometheus.listening", "metrics for Prometheus: http://{address}/metrics");
        }
        let makes_spans = !config.disabled;
        Ok(Telemetry { makes_spans, pipeline, repeats, plain_lines, shutdown: Once::new() })
    }

    /// A live view of where the spans and log records of this process went.
    #[must_use]
    pub fn accounting(&self) -> Accounting {
        self.pipeline.accounting()
    }

    /// Whether this process makes spans; not if `OTEL_SDK_DISABLED` is set, and then a service need not
    /// prepare anything for them.
    #[must_use]
    pub fn makes_spans(&self) -> bool {
        self.makes_spans
    }

    /// The meters of this process; `None` if metrics go nowhere, and then a service need not measure
    /// anything.
    #[must_use]
    pub fn meters(&self) -> Option<ServiceMeters> {
        self.pipeline.meters().cloned().map(ServiceMeters::new)
    }

    /// Sends the spans, log records and metrics that are waiting, within [`SHUTDOWN_TIMEOUT`], and writes the accounting
    /// line to standard error. Only the first call does anything; others wait for it to end.
    pub fn shutdown(&self) {
        self.shutdown_within(SHUTDOWN_TIMEOUT);
    }

    /// Does the same as [`shutdown`](Self::shutdown), within `timeout`.
    pub fn shutdown_within(&self, timeout: Duration) {
        self.shutdown.call_once(|| {
            self.pipeline.shutdown_within(timeout);
            self.repeats.end_after(Duration::ZERO);
            self.plain_lines.write(&format!("{}\n", self.accounting()));
        });
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.shutdown();
    }
}
