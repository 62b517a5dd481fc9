//! OpenTelemetry for a process by the standard variables, with every span accounted for.
//!
//! This is the only place that names the OpenTelemetry SDK and the exporters. A service uses the
//! OpenTelemetry API, calls [`Telemetry::init`] at its start and [`Telemetry::shutdown`] at its end,
//! and can ask at any time [where each span went](Telemetry::accounting). The crate's README lists
//! the variables and what a backend may answer.
//!
//! A span's way through the crate, and the files in the order to read them:
//!
//! - [`config`]: the variables, read and checked;
//! - [`Pipeline`] (`pipeline`): the parts below, put together as a value, without globals;
//! - [`Service`] (`resource`): what every span says about the process;
//! - `processor`: counts a span that ended, and hands it to each exporter's queue, or drops it;
//! - [`Accounting`] (`accounting`): the counters, and what others read of them;
//! - `exporter`: what an exporter is here: it delivers a batch, and tells what became of it;
//! - `outcome`: what may become of it;
//! - `otlp`, `zipkin`, `jaeger`, `console`: the exporters;
//! - `http`: the client that those over HTTP share, and what an answer means;
//! - `tls`: whom it trusts, and who it says it is;
//! - `retry`: sending again, and when to give up;
//! - `health`: what is said when a backend goes, and when it is back;
//! - `metrics`: the accounting as metrics, and the way out for those of others;
//! - `propagation`, `logs`, [`Streams`] (`streams`): context between services, log lines with ids,
//!   and where people read.

mod accounting;
pub mod config;
mod console;
mod error;
mod exporter;
mod health;
mod http;
#[cfg(feature = "jaeger")]
mod jaeger;
mod logs;
mod metrics;
mod otlp;
mod outcome;
mod pipeline;
mod processor;
mod propagation;
mod resource;
mod retry;
mod streams;
mod tls;
mod zipkin;

pub use accounting::{Accounting, ExporterTotals, Snapshot};
pub use error::TelemetryError;
pub use pipeline::{Pipeline, SHUTDOWN_TIMEOUT};
pub use resource::Service;
pub use streams::Streams;

use config::Config;
use opentelemetry::global;
use std::sync::Once;
use std::time::Duration;
use streams::LastLine;

/// The telemetry of this process, from its start to its end.
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
    pipeline: Pipeline,
    repeats: logs::Repeats,
    last_line: LastLine,
    shutdown: Once,
}

impl Telemetry {
    /// Sets up spans, metrics, propagation and logs for the whole process, as the environment
    /// says. Call it once, before any actix system is started.
    ///
    /// # Errors
    ///
    /// [`TelemetryError`] when a variable holds a value that is unknown or malformed, an exporter
    /// cannot be set up, or the process has a `tracing` subscriber already.
    pub fn init(service: Service) -> Result<Self, TelemetryError> {
        Self::init_with(service, Streams::default())
    }

    /// Does the same, but writes to `streams`.
    ///
    /// # Errors
    ///
    /// As [`Telemetry::init`].
    pub fn init_with(service: Service, streams: Streams) -> Result<Self, TelemetryError> {
        let config = Config::from_env()?;
        let console = streams.console();
        let (logs, last_line) = streams.into_logs();
        let repeats = logs::init(&config.log_filter, logs)?;
        for warning in &config.warnings {
            ::tracing::warn!("{warning}");
        }
        let pipeline = Pipeline::with_console(&service, &config, &console)?;
        global::set_text_map_propagator(propagation::composite(&config.propagators));
        if !config.disabled {
            global::set_tracer_provider(pipeline.tracers().clone());
        }
        if let Some(meters) = pipeline.meters() {
            global::set_meter_provider(meters.clone());
        }
        Ok(Telemetry { pipeline, repeats, last_line, shutdown: Once::new() })
    }

    /// A live view of where the spans of this process went.
    #[must_use]
    pub fn accounting(&self) -> Accounting {
        self.pipeline.accounting()
    }

    /// Whether metrics are exported, so that it pays to measure.
    #[must_use]
    pub fn exports_metrics(&self) -> bool {
        self.pipeline.meters().is_some()
    }

    /// Sends what is waiting, within [`SHUTDOWN_TIMEOUT`], and writes the accounting line to
    /// stderr. Only the first call does anything; the others wait for it.
    pub fn shutdown(&self) {
        self.shutdown_within(SHUTDOWN_TIMEOUT);
    }

    /// Does the same within `timeout`.
    pub fn shutdown_within(&self, timeout: Duration) {
        self.shutdown.call_once(|| {
            self.pipeline.shutdown_within(timeout);
            self.repeats.end_after(Duration::ZERO);
            self.last_line.write(&self.accounting().to_string());
        });
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
