//! What happened in a stretch of time: the one thing that is counted, merged and reported.
//!
//! Each thread counts into an interval of its own; every second the intervals of all threads are
//! emptied into one, which becomes a point of the time line and part of the total.

use std::{collections::BTreeMap, ops::AddAssign, time::Duration};

use opentelemetry::trace::TraceId;
use serde::{Deserialize, Serialize};
use shared::fault::FaultOutcome;

use super::histogram::{Durations, micros};
use crate::{
    outcome::{Failure, Outcome},
    plan::{Step, TripKind},
    result::{FaultCounts, SlowTrip, Trace},
};

/// How many of the slowest trips are kept.
pub const SLOWEST_KEPT: usize = 10;

/// The longest reason that is kept of a failure, in characters: it may come from the store.
const LONGEST_REASON: usize = 300;

/// A trip that ended. Its times are since the start of the run.
#[derive(Clone, Debug)]
pub struct TripRecord {
    /// When it should have started.
    pub intended: Duration,
    /// When it did start.
    pub started: Duration,
    /// When it ended.
    pub ended: Duration,
    /// What kind of trip it was.
    pub kind: TripKind,
    /// How it ended.
    pub outcome: Outcome,
    /// What is known of its failure.
    pub reason: Option<String>,
    /// Its trace, if it was sampled.
    pub trace_id: Option<TraceId>,
    /// The faults that it asked for, separated by `;`.
    pub faults: Option<String>,
    /// Its steps, in order.
    pub steps: Vec<StepRecord>,
}

/// A step of a trip that ended.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// Which step.
    pub step: Step,
    /// From its start to its end, retries and the pauses before them included.
    pub service: Duration,
    /// How it ended, after its retries.
    pub end: StepEnd,
    /// What went over the wire for it.
    pub traffic: Traffic,
    /// What the store said of the trip's faults, for each request that was sent.
    pub fault_answers: Vec<FaultAnswer>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// With an answer that the contract allows.
    Answered,
    /// Without one: the trip failed in this step.
    Failed,
    /// Its shopper's patience ended first.
    BrokenOff,
}

/// What the store said of the faults that one request asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultAnswer {
    /// There was no answer.
    NoAnswer,
    /// There was one, without a word about faults.
    Silent,
    /// What became of each, in the order in which they were asked for.
    Outcomes(Vec<FaultOutcome>),
}

/// What went over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests sent, retries included. One that found no connection was not sent.
    #[serde(rename = "total")]
    pub requests: u64,
    /// Those of them that repeated another.
    pub retries: u64,
    /// Bytes of request bodies.
    pub sent_bytes: u64,
    /// Bytes of response bodies.
    pub received_bytes: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.retries += other.retries;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
    }
}

/// Counts and distributions of a stretch of time.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    pub(crate) started: u64,
    pub(crate) missed: u64,
    pub(crate) outcomes: BTreeMap<Outcome, u64>,
    /// What is known of the first failure of each kind.
    pub(crate) reasons: BTreeMap<Failure, String>,
    pub(crate) latency: Latency,
    pub(crate) steps: [StepCounts; Step::ALL.len()],
    pub(crate) kinds: [KindCounts; TripKind::ALL.len()],
    pub(crate) faults: BTreeMap<String, FaultCounts>,
    /// Slowest first.
    pub(crate) slowest: Vec<SlowTrip>,
}

/// How long something took: as its users felt it, and as the store served it.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    /// From the moment it should have started: whatever held it up counts.
    pub(crate) corrected: Durations,
    /// From the moment it did start.
    pub(crate) service: Durations,
}

/// What happened in one step of the trips.
#[derive(Clone, Debug)]
pub(crate) struct StepCounts {
    pub(crate) failures: u64,
    pub(crate) gave_up: u64,
    pub(crate) traffic: Traffic,
    pub(crate) latency: Latency,
}

/// What happened to the trips of one kind.
#[derive(Clone, Debug)]
pub(crate) struct KindCounts {
    pub(crate) failures: u64,
    pub(crate) latency: Durations,
}

impl Interval {
    pub(crate) fn new() -> Self {
        Self {
            started: 0,
            missed: 0,
            outcomes: BTreeMap::new(),
            reasons: BTreeMap::new(),
            latency: Latency::new(),
            steps: Step::ALL.map(|_| StepCounts::new()),
            kinds: TripKind::ALL.map(|_| KindCounts { failures: 0, latency: Durations::new() }),
            faults: BTreeMap::new(),
            slowest: Vec::new(),
        }
    }

    pub(crate) fn finished(&self) -> u64 {
        self.outcomes.values().sum()
    }

    pub(crate) fn failed(&self) -> u64 {
        let failed = self.outcomes.iter().filter(|(outcome, _)| outcome.failure().is_some());
        failed.map(|(_, count)| count).sum()
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let mut traffic = Traffic::default();
        self.steps.iter().for_each(|step| traffic += step.traffic);
        traffic
    }

    pub(super) fn record(&mut self, trip: &TripRecord) {
        let service = trip.ended.saturating_sub(trip.started);
        let delay = trip.started.saturating_sub(trip.intended);
        let latency = service + delay;
        *self.outcomes.entry(trip.outcome).or_default() += 1;
        if let (Some(failure), Some(reason)) = (trip.outcome.failure(), &trip.reason) {
            let reason = || reason.chars().take(LONGEST_REASON).collect();
            self.reasons.entry(failure).or_insert_with(reason);
        }
        self.latency.record(service, delay);
        for step in &trip.steps {
            self.steps[step.step as usize].record(step, delay);
        }
        let kind = &mut self.kinds[trip.kind as usize];
        kind.failures += u64::from(trip.outcome.failure().is_some());
        kind.latency.record(latency);
        if let Some(faults) = &trip.faults {
            self.record_faults(faults, &trip.steps);
        }
        if self.is_slow(micros(latency)) {
            self.keep_if_slow(SlowTrip {
                latency_us: micros(latency),
                offset: Duration::from_micros(micros(trip.ended)),
                kind: trip.kind.name().to_owned(),
                failure: trip.outcome.failure().map(|failure| failure.name().into_owned()),
                trace: trip.trace_id.map(|id| Trace { id: id.to_string(), url: None }),
            });
        }
    }

    fn record_faults(&mut self, faults: &str, steps: &[StepRecord]) {
        let answers = || steps.iter().flat_map(|step| &step.fault_answers);
        for (index, fault) in faults.split(';').enumerate() {
            if !self.faults.contains_key(fault) {
                self.faults.insert(fault.to_owned(), FaultCounts::default());
            }
            if let Some(counts) = self.faults.get_mut(fault) {
                answers().for_each(|answer| counts.record(answer, index));
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.started += other.started;
        self.missed += other.missed;
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
        for (failure, reason) in &other.reasons {
            self.reasons.entry(*failure).or_insert_with(|| reason.clone());
        }
        self.latency.merge(&other.latency);
        for (step, other) in self.steps.iter_mut().zip(&other.steps) {
            step.failures += other.failures;
            step.gave_up += other.gave_up;
            step.traffic += other.traffic;
            step.latency.merge(&other.latency);
        }
        for (kind, other) in self.kinds.iter_mut().zip(&other.kinds) {
            kind.failures += other.failures;
            kind.latency.merge(&other.latency);
        }
        for (fault, counts) in &other.faults {
            self.faults.entry(fault.clone()).or_default().add(counts);
        }
        for trip in &other.slowest {
            self.keep_if_slow(trip.clone());
        }
    }

    /// Forgets everything; keeps the memory of the histograms.
    pub(super) fn clear(&mut self) {
        (self.started, self.missed) = (0, 0);
        self.outcomes.clear();
        self.reasons.clear();
        self.latency.clear();
        for step in &mut self.steps {
            (step.failures, step.gave_up, step.traffic) = (0, 0, Traffic::default());
            step.latency.clear();
        }
        for kind in &mut self.kinds {
            kind.failures = 0;
            kind.latency.clear();
        }
        self.faults.clear();
        self.slowest.clear();
    }

    /// Whether a trip of this latency is one of the slowest: asked first, since most are not.
    fn is_slow(&self, latency_us: u64) -> bool {
        let last = self.slowest.last();
        self.slowest.len() < SLOWEST_KEPT || last.is_some_and(|last| last.latency_us < latency_us)
    }

    fn keep_if_slow(&mut self, trip: SlowTrip) {
        if self.is_slow(trip.latency_us) {
            let place = self.slowest.partition_point(|kept| kept.latency_us >= trip.latency_us);
            self.slowest.insert(place, trip);
            self.slowest.truncate(SLOWEST_KEPT);
        }
    }
}

impl Latency {
    fn new() -> Self {
        Self { corrected: Durations::new(), service: Durations::new() }
    }

    /// Adds something that took `service` and started `delay` late.
    fn record(&mut self, service: Duration, delay: Duration) {
        self.corrected.record(service + delay);
        self.service.record(service);
    }

    fn merge(&mut self, other: &Self) {
        self.corrected.merge(&other.corrected);
        self.service.merge(&other.service);
    }

    fn clear(&mut self) {
        self.corrected.clear();
        self.service.clear();
    }
}

impl StepCounts {
    fn new() -> Self {
        Self { failures: 0, gave_up: 0, traffic: Traffic::default(), latency: Latency::new() }
    }

    fn record(&mut self, step: &StepRecord, delay: Duration) {
        self.failures += u64::from(step.end == StepEnd::Failed);
        self.gave_up += u64::from(step.end == StepEnd::BrokenOff);
        self.traffic += step.traffic;
        self.latency.record(step.service, delay);
    }
}

impl FaultCounts {
    /// Counts what the store said of the fault that a request asked for as its `index`th.
    fn record(&mut self, answer: &FaultAnswer, index: usize) {
        self.asked += 1;
        let outcome = match answer {
            FaultAnswer::NoAnswer => None,
            FaultAnswer::Silent => return self.ignore(FaultCounts::SILENT),
            FaultAnswer::Outcomes(outcomes) => outcomes.get(index),
        };
        match outcome {
            None => self.unanswered += 1,
            Some(FaultOutcome::Honoured { struck }) => {
                self.honoured += 1;
                self.struck += u64::from(*struck);
            }
            Some(FaultOutcome::Ignored(reason)) => self.ignore(reason.name()),
        }
    }

    fn ignore(&mut self, reason: &str) {
        self.ignored += 1;
        *self.reasons.entry(reason.to_owned()).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.honoured += other.honoured;
        self.struck += other.struck;
        self.ignored += other.ignored;
        self.unanswered += other.unanswered;
        for (reason, count) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::fault::Ignored;

    use super::*;

    fn trip(ms: u64) -> TripRecord {
        TripRecord {
            intended: Duration::ZERO,
            started: Duration::ZERO,
            ended: Duration::from_millis(ms),
            kind: TripKind::QuickBuy,
            outcome: Outcome::Bought,
            reason: None,
            trace_id: None,
            faults: None,
            steps: Vec::new(),
        }
    }

    #[test]
    fn the_slowest_stay_slowest_first() {
        let mut interval = Interval::new();
        for ms in (1..=50).map(|n| n * 7 % 51) {
            interval.record(&trip(ms));
        }
        let kept: Vec<_> = interval.slowest.iter().map(|trip| trip.latency_us / 1000).collect();
        assert_eq!(kept, [50, 49, 48, 47, 46, 45, 44, 43, 42, 41]);
    }

    #[test]
    fn every_request_that_asked_for_a_fault_is_accounted_for() {
        let honoured = |struck| FaultOutcome::Honoured { struck };
        let answers = vec![
            FaultAnswer::Outcomes(vec![honoured(2), FaultOutcome::Ignored(Ignored::NoSuchAisle)]),
            FaultAnswer::Outcomes(vec![honoured(0)]),
            FaultAnswer::Silent,
            FaultAnswer::NoAnswer,
        ];
        let step = StepRecord {
            step: Step::Welcome,
            service: Duration::ZERO,
            end: StepEnd::Answered,
            traffic: Traffic::default(),
            fault_answers: answers,
        };
        let faults = Some("panic=Aisle;slow-aisle=moon:1s".to_owned());
        let mut interval = Interval::new();
        interval.record(&TripRecord { faults, steps: vec![step], ..trip(1) });
        let (mut total, empty) = (Interval::new(), Interval::new());
        total.merge(&interval);
        total.merge(&empty);
        let counts = |fault: &str| {
            let counts = &total.faults[fault];
            assert_eq!(counts.asked, counts.honoured + counts.ignored + counts.unanswered);
            let reasons: Vec<_> = counts.reasons.iter().map(|(r, n)| format!("{r} {n}")).collect();
            ([counts.honoured, counts.struck, counts.ignored, counts.unanswered], reasons)
        };
        assert_eq!(counts("panic=Aisle"), ([2, 2, 1, 1], vec!["not-answered-for 1".to_owned()]));
        let reasons = ["no-such-aisle 1", "not-answered-for 1"].map(str::to_owned);
        assert_eq!(counts("slow-aisle=moon:1s"), ([0, 0, 2, 2], reasons.into()));
    }
}
