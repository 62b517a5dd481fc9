//! What happened in a stretch of time: the one thing that is counted, merged and reported.
//!
//! Each thread counts into an interval of its own; every second the intervals of all threads are
//! emptied into one, which becomes a bucket of the time line and part of the total.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use super::{
    latency::{Latency, clear, histogram, merge, record},
    record::{StepEnd, StepRecord, Traffic, TripRecord},
    slowest::{SlowTrip, Slowest},
};
use crate::{
    outcome::Outcome,
    plan::{Step, TripKind},
};

/// Counts and distributions of a stretch of time.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    pub(super) started: u64,
    pub(super) missed: u64,
    pub(super) outcomes: BTreeMap<Outcome, u64>,
    pub(super) latency: Latency,
    pub(super) steps: [StepCounts; Step::ALL.len()],
    pub(super) kinds: [KindCounts; TripKind::ALL.len()],
    pub(super) slowest: Slowest,
}

/// What happened in one step of the trips.
#[derive(Clone, Debug)]
pub(super) struct StepCounts {
    pub(super) failures: u64,
    pub(super) traffic: Traffic,
    pub(super) latency: Latency,
}

/// What happened to the trips of one kind.
#[derive(Clone, Debug)]
pub(super) struct KindCounts {
    pub(super) failures: u64,
    pub(super) latency: Histogram<u64>,
}

impl Interval {
    pub(super) fn new() -> Self {
        Self {
            started: 0,
            missed: 0,
            outcomes: BTreeMap::new(),
            latency: Latency::new(),
            steps: Step::ALL.map(|_| StepCounts::new()),
            kinds: TripKind::ALL.map(|_| KindCounts { failures: 0, latency: histogram() }),
            slowest: Slowest::default(),
        }
    }

    pub(super) fn finished(&self) -> u64 {
        self.outcomes.values().sum()
    }

    pub(super) fn failed(&self) -> u64 {
        let failed = self.outcomes.iter().filter(|(outcome, _)| outcome.failure().is_some());
        failed.map(|(_, count)| count).sum()
    }

    pub(super) fn record(&mut self, trip: &TripRecord) {
        let service = trip.ended.saturating_sub(trip.started);
        let delay = trip.started.saturating_sub(trip.intended);
        let latency = service + delay;
        *self.outcomes.entry(trip.outcome).or_default() += 1;
        self.latency.record(service, delay);
        for step in &trip.steps {
            self.steps[step.step as usize].record(step, delay);
        }
        let kind = &mut self.kinds[trip.kind as usize];
        kind.failures += u64::from(trip.outcome.failure().is_some());
        record(&mut kind.latency, latency);
        if self.slowest.would_keep(latency) {
            self.slowest.offer(SlowTrip {
                latency,
                offset: trip.ended,
                trace_id: trip.trace_id,
                kind: trip.kind.name(),
                failure: trip.outcome.failure().map(|failure| failure.name().into_owned()),
            });
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.started += other.started;
        self.missed += other.missed;
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
        self.latency.merge(&other.latency);
        for (step, other) in self.steps.iter_mut().zip(&other.steps) {
            step.failures += other.failures;
            step.traffic += other.traffic;
            step.latency.merge(&other.latency);
        }
        for (kind, other) in self.kinds.iter_mut().zip(&other.kinds) {
            kind.failures += other.failures;
            merge(&mut kind.latency, &other.latency);
        }
        self.slowest.merge(&other.slowest);
    }

    /// Forgets everything; keeps the memory of the histograms.
    pub(super) fn clear(&mut self) {
        (self.started, self.missed) = (0, 0);
        self.outcomes.clear();
        self.latency.clear();
        for step in &mut self.steps {
            (step.failures, step.traffic) = (0, Traffic::default());
            step.latency.clear();
        }
        for kind in &mut self.kinds {
            kind.failures = 0;
            clear(&mut kind.latency);
        }
        self.slowest.clear();
    }
}

impl StepCounts {
    fn new() -> Self {
        Self { failures: 0, traffic: Traffic::default(), latency: Latency::new() }
    }

    fn record(&mut self, step: &StepRecord, delay: Duration) {
        self.failures += u64::from(step.end == StepEnd::Failed);
        self.traffic += step.traffic;
        self.latency.record(step.service, delay);
    }
}
