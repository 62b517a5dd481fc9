//! The counts of an interval of time.
//!
//! Each thread counts into an interval of its own. Every second the intervals of all threads are
//! emptied into one, which becomes a point of the time line and is added to the total.

use std::{collections::BTreeMap, time::Duration};

use opentelemetry::trace::TraceId;
use shared::fault::FaultOutcome;

use super::histogram::{Durations, micros};
use crate::{
    outcome::{Failure, Outcome},
    plan::{Step, TripKind},
    result::{FaultCounts, SlowTrip, Trace, Traffic},
};

/// How many of the slowest trips are kept.
pub const SLOWEST_KEPT: usize = 10;

/// The longest reason of a failure that is kept, in characters. A reason may come from the store,
/// and so may be of any length.
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
    /// The reason of its failure, if it is known.
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
    /// How long it took, including retries and the pauses before them.
    pub service: Duration,
    /// How it ended, after its retries.
    pub end: StepEnd,
    /// The requests and bytes that were sent and received for it.
    pub traffic: Traffic,
    /// What the store said about the trip's faults, for each request that was sent.
    pub fault_answers: Vec<FaultAnswer>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// It got an answer that the contract allows.
    Answered,
    /// It got none, and so the trip failed.
    Failed,
    /// The shopper gave up, as planned.
    BrokenOff,
}

/// What the store said about the faults that one request asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultAnswer {
    /// There was no answer.
    NoAnswer,
    /// There was an answer, but it did not mention faults.
    Silent,
    /// The outcome of each fault, in the order in which they were asked for.
    Outcomes(Vec<FaultOutcome>),
}

/// Counts and distributions of an interval of time.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    pub(crate) started: u64,
    pub(crate) missed: u64,
    pub(crate) outcomes: BTreeMap<Outcome, u64>,
    /// The reason of the first failure of each kind.
    pub(crate) reasons: BTreeMap<Failure, String>,
    pub(crate) latency: Latency,
    pub(crate) steps: [StepCounts; Step::ALL.len()],
    pub(crate) kinds: [KindCounts; TripKind::ALL.len()],
    pub(crate) faults: BTreeMap<String, FaultCounts>,
    /// Slowest first.
    pub(crate) slowest: Vec<SlowTrip>,
}

/// How long trips or steps took, measured in two ways.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    /// From the moment they should have started, so that every delay counts.
    pub(crate) corrected: Durations,
    /// From the moment they did start.
    pub(crate) service: Durations,
}

/// The counts of one step.
#[derive(Clone, Debug)]
pub(crate) struct StepCounts {
    pub(crate) failures: u64,
    pub(crate) gave_up: u64,
    pub(crate) traffic: Traffic,
    pub(crate) latency: Latency,
}

/// The counts of one kind of trip.
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
            self.keep_reason(failure, reason);
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

    /// Keeps the reason of the first failure of each kind.
    pub(super) fn keep_reason(&mut self, failure: Failure, reason: &str) {
        let reason = || reason.chars().take(LONGEST_REASON).collect();
        self.reasons.entry(failure).or_insert_with(reason);
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
        self.started = self.started.saturating_add(other.started);
        self.missed = self.missed.saturating_add(other.missed);
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

    /// Sets all counts to zero, and keeps the memory of the histograms.
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

    /// Whether a trip of this latency is one of the slowest. Most are not, so this is checked
    /// before a [`SlowTrip`] is made.
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
    /// Counts what the store said about a request's fault number `index`.
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
