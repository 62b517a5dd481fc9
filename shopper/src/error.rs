//! Why a run could not be made.

use std::io;

use telemetry::TelemetryError;

use crate::{report::ReportError, trip::StoreUrlError};

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ShopperError {
    /// The store's address cannot be used.
    #[error(transparent)]
    StoreUrl(#[from] StoreUrlError),
    /// Telemetry cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The signals that end a run cannot be received.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// The report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}
