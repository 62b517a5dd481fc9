//! The slowest trips, with the traces that explain them.

use std::time::Duration;

use opentelemetry::trace::TraceId;

/// How many of the slowest trips are kept.
pub const SLOWEST_KEPT: usize = 10;

/// One of the slowest trips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowTrip {
    /// From the intended start to the end.
    pub latency: Duration,
    /// When it ended, since the start of the run.
    pub offset: Duration,
    /// Its trace, if it was sampled.
    pub trace_id: Option<TraceId>,
    /// What kind of trip it was.
    pub kind: &'static str,
    /// The kind of failure, if it failed.
    pub failure: Option<String>,
}

/// The slowest trips so far, slowest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Slowest(Vec<SlowTrip>);

impl Slowest {
    /// Whether a trip of this latency would be kept: asked first, since most are not.
    pub(super) fn would_keep(&self, latency: Duration) -> bool {
        self.0.len() < SLOWEST_KEPT || self.0.last().is_some_and(|last| last.latency < latency)
    }

    pub(super) fn offer(&mut self, trip: SlowTrip) {
        if self.would_keep(trip.latency) {
            let place = self.0.partition_point(|kept| kept.latency >= trip.latency);
            self.0.insert(place, trip);
            self.0.truncate(SLOWEST_KEPT);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for trip in &other.0 {
            self.offer(trip.clone());
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn trips(&self) -> &[SlowTrip] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trip(ms: u64) -> SlowTrip {
        SlowTrip {
            latency: Duration::from_millis(ms),
            offset: Duration::ZERO,
            trace_id: None,
            kind: "quick-buy",
            failure: None,
        }
    }

    #[test]
    fn the_slowest_stay_slowest_first() {
        let mut slowest = Slowest::default();
        for ms in (1..=50).map(|n| n * 7 % 51) {
            slowest.offer(trip(ms));
        }
        let kept: Vec<_> = slowest.trips().iter().map(|trip| trip.latency.as_millis()).collect();
        assert_eq!(kept, [50, 49, 48, 47, 46, 45, 44, 43, 42, 41]);
    }
}
