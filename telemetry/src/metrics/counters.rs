//! Counts where the data points of metrics went, as the accounting does for spans.

use crate::accounting::Counter;
use crate::component::Component;
use crate::measured::Measured;

/// The counters of one exporter of metrics.
#[derive(Debug)]
pub(super) struct MetricExporterCounters {
    /// The causes of failures and the durations.
    pub(super) measured: Measured,
    /// Data points that the backend has taken.
    pub(super) exported: Counter,
    /// Data points that the backend received and rejected.
    pub(super) rejected: Counter,
    /// Data points that are being sent.
    pub(super) in_flight: Counter,
}

impl MetricExporterCounters {
    /// Nothing has been sent by `exporter` yet.
    pub(super) fn new(exporter: Component) -> Self {
        MetricExporterCounters {
            measured: Measured::new(exporter),
            exported: Counter::default(),
            rejected: Counter::default(),
            in_flight: Counter::default(),
        }
    }
}
