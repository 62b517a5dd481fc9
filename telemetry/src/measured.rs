//! What only the metrics say about an exporter: why exports failed, and how long they took.

use crate::component::Component;
use crate::outcome::{ErrorType, Outcome, error_type};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The causes of failures of one exporter, and the durations of its exports.
#[derive(Debug)]
pub(crate) struct Measured {
    exporter: Component,
    /// How many items were not delivered, by cause. There are few causes, see [`ErrorType`].
    failed: Mutex<BTreeMap<ErrorType, u64>>,
    /// Where durations go, unless there are no metrics.
    duration: OnceLock<Histogram<f64>>,
}

impl Measured {
    /// Nothing has been measured of `exporter` yet.
    pub(crate) fn new(exporter: Component) -> Self {
        Measured { exporter, failed: Mutex::default(), duration: OnceLock::new() }
    }

    /// The exporter, as metrics name it.
    pub(crate) fn exporter(&self) -> &Component {
        &self.exporter
    }

    /// Records durations into `histogram` from now on.
    pub(crate) fn record_durations(&self, histogram: &Histogram<f64>) {
        self.duration.set(histogram.clone()).ok();
    }

    /// Notes the outcome of one export, which took `duration` with all its attempts.
    pub(crate) fn note(&self, outcome: &Outcome, duration: Duration) {
        let other = || error_type::OTHER.into();
        let cause = (outcome.failed > 0).then(|| outcome.error_type.clone().unwrap_or_else(other));
        if let Some(cause) = &cause {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            *failed.entry(cause.clone()).or_default() += outcome.failed;
        }
        let Some(histogram) = self.duration.get() else { return };
        let rejected = (outcome.rejected > 0).then(|| error_type::REJECTED.into());
        let mut attributes = self.exporter.attributes();
        let error = cause.or(rejected).map(|cause: ErrorType| KeyValue::new(ERROR_TYPE, cause));
        attributes.extend(error);
        histogram.record(duration.as_secs_f64(), &attributes);
    }

    /// How many items were not delivered, by cause.
    pub(crate) fn failed(&self) -> BTreeMap<ErrorType, u64> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
