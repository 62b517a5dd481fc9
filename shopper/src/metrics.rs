//! What is measured of trips, for a backend of metrics. The report has figures of its own, from
//! [`statistics`](crate::statistics), which count the same trips.
//!
//! | instrument | kind, unit | what | attributes |
//! |---|---|---|---|
//! | `grocery.trip.duration` | histogram, `s` | from the moment a trip should have started until its end | `shopper.kind`, `shopper.outcome`, `error.type` of a failure |
//! | `grocery.trip.start_delay` | histogram, `s` | how late a trip started | |
//! | `grocery.trip.active` | up-down counter, `{trip}` | trips under way | `shopper.kind` |
//! | `grocery.trip.missed` | counter, `{trip}` | trips that could not start, because as many as allowed were under way | |
//!
//! The attributes are named as on the trip's span and have the same values.

use std::sync::Arc;

use opentelemetry::{
    KeyValue, StringValue,
    metrics::{Counter, Histogram, UpDownCounter},
};
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use shared::fault::SHOPPER_KIND;
use telemetry::ServiceMeters;

use crate::{
    outcome::{OUTCOME, Outcome},
    plan::TripKind,
    statistics::TripRecord,
};

/// The bounds of the durations of trips, in seconds: from a trip to a store on the same machine to
/// one that waits for every time limit.
const DURATION_BOUNDS: [f64; 14] =
    [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// The bounds of the delays of starts, in seconds: from a start in time to a generator that cannot
/// keep up.
const DELAY_BOUNDS: [f64; 10] =
    [0.000_001, 0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.01, 0.1, 1.0, 10.0];

/// Measures the trips of a run. Without a meter it does nothing. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TripMetrics(Option<Arc<Instruments>>);

#[derive(Debug)]
struct Instruments {
    duration: Histogram<f64>,
    start_delay: Histogram<f64>,
    active: UpDownCounter<i64>,
    missed: Counter<u64>,
}

impl TripMetrics {
    /// Makes the instruments, if there are meters.
    pub(crate) fn new(meters: Option<&ServiceMeters>) -> Self {
        Self(meters.map(|meters| Arc::new(Instruments::new(meters))))
    }

    /// Counts a trip that starts.
    pub(crate) fn started(&self, kind: TripKind) {
        if let Some(instruments) = &self.0 {
            instruments.active.add(1, &[kind_attribute(kind)]);
        }
    }

    /// Counts a trip that should start now and cannot.
    pub(crate) fn missed(&self) {
        if let Some(instruments) = &self.0 {
            instruments.missed.add(1, &[]);
        }
    }

    /// Measures a trip that ended.
    pub(crate) fn finished(&self, trip: &TripRecord) {
        let Some(instruments) = &self.0 else { return };
        let kind = kind_attribute(trip.kind);
        instruments.active.add(-1, std::slice::from_ref(&kind));
        let delay = trip.started.saturating_sub(trip.intended);
        instruments.start_delay.record(delay.as_secs_f64(), &[]);
        let latency = delay + trip.ended.saturating_sub(trip.started);
        let outcome = outcome_attribute(trip.outcome);
        match trip.outcome.failure() {
            None => instruments.duration.record(latency.as_secs_f64(), &[kind, outcome]),
            Some(failure) => {
                let error = KeyValue::new(ERROR_TYPE, failure.name());
                instruments.duration.record(latency.as_secs_f64(), &[kind, outcome, error]);
            }
        }
    }
}

fn kind_attribute(kind: TripKind) -> KeyValue {
    KeyValue::new(SHOPPER_KIND, kind.name())
}

fn outcome_attribute(outcome: Outcome) -> KeyValue {
    KeyValue::new(OUTCOME, StringValue::from(outcome.name()))
}

impl Instruments {
    /// Has the counter exported before it counts, so that a backend sees its first increase.
    fn starting_at_zero(self) -> Self {
        self.missed.add(0, &[]);
        self
    }

    fn new(meters: &ServiceMeters) -> Self {
        let meter = meters.for_scope("shopper", env!("CARGO_PKG_VERSION"));
        let seconds = |name, description, bounds: &[f64]| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(description)
                .with_boundaries(bounds.to_vec())
                .build()
        };
        Self {
            duration: seconds(
                "grocery.trip.duration",
                "From the moment a trip should have started until its end.",
                &DURATION_BOUNDS,
            ),
            start_delay: seconds(
                "grocery.trip.start_delay",
                "How late a trip started.",
                &DELAY_BOUNDS,
            ),
            active: meter
                .i64_up_down_counter("grocery.trip.active")
                .with_unit("{trip}")
                .with_description("Trips under way.")
                .build(),
            missed: meter
                .u64_counter("grocery.trip.missed")
                .with_unit("{trip}")
                .with_description("Trips that could not start.")
                .build(),
        }
        .starting_at_zero()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use testing::metric::MetricRecorder;

    use super::*;

    #[test]
    fn a_trip_that_started_late_has_taken_as_long_as_its_shopper_has_waited() {
        let recorder = MetricRecorder::start();
        let metrics = TripMetrics::new(Some(&ServiceMeters::new(recorder.provider())));
        metrics.started(TripKind::QuickBuy);
        metrics.finished(&TripRecord {
            intended: Duration::from_secs(1),
            started: Duration::from_secs(3),
            ended: Duration::from_secs(6),
            kind: TripKind::QuickBuy,
            outcome: Outcome::Bought,
            reason: None,
            trace_id: None,
            faults: None,
            steps: Vec::new(),
        });
        assert_eq!(recorder.metric("grocery.trip.duration").sum(), 5.0);
        assert_eq!(recorder.metric("grocery.trip.start_delay").sum(), 2.0);
    }
}
