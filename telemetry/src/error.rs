//! The errors that keep telemetry from starting.

use std::borrow::Cow;

/// Why [`Telemetry::init`](crate::Telemetry::init) refused to start.
///
/// A process whose telemetry is set up wrongly stops at once and says what to change. A variable
/// that is silently ignored would be noticed only when the traces are needed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// A variable holds a value that is unknown or malformed.
    #[error("{variable}={value:?} is not valid: expected {expected}")]
    Invalid {
        /// The environment variable.
        variable: Cow<'static, str>,
        /// What it holds.
        value: String,
        /// What it may hold.
        expected: Cow<'static, str>,
    },
    /// A variable names a certificate, a key or a Jaeger agent that cannot be used. This is an
    /// error even with [`LENIENT`](crate::config::LENIENT) set: without the certificate the
    /// connection would be less secure than asked for, and opentelemetry-jaeger reads the agent's
    /// variables itself.
    #[error("{variable}={value:?} is not valid: expected {expected}")]
    Unusable {
        /// The environment variable.
        variable: String,
        /// What it holds.
        value: String,
        /// What it may hold, or what is wrong with the file that it names.
        expected: String,
    },
    /// A variable holds bytes that are not UTF-8.
    #[error("{variable} is not valid: expected UTF-8 text")]
    NotUnicode {
        /// The environment variable.
        variable: String,
    },
    /// An exporter could not be built from a configuration that is valid by itself.
    #[error("cannot set up the {exporter} exporter: {reason}")]
    Exporter {
        /// The exporter's name, as `OTEL_TRACES_EXPORTER` spells it.
        exporter: &'static str,
        /// What the exporter said.
        reason: String,
    },
    /// Logs cannot be set up because the process already has a `tracing` subscriber.
    #[error("telemetry is set up already: {0}")]
    AlreadyInitialised(#[from] tracing_subscriber::util::TryInitError),
}

impl TelemetryError {
    /// An exporter could not be built because of `error`. The reason names all its causes.
    pub(super) fn exporter(exporter: &'static str, error: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let reason = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        TelemetryError::Exporter { exporter, reason }
    }
}
