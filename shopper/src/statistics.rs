//! Counts trips: how long they took and how they ended.
//!
//! Every thread counts into a [`Recorder`] of its own. Each second [`Statistics`] empties them into
//! the total and the time line. The live view and the report show a [`RunResult`] that it makes of
//! both at any time.
//!
//! Latency counts from the moment a trip should have started, so that a store (or a generator) that
//! is late cannot hide it. Counting from the real start instead is known as coordinated omission:
//! <https://www.youtube.com/watch?v=lJ8ydIuPFeU>.

mod build;
mod histogram;
mod interval;
mod merge;
mod timeline;

pub use histogram::LONGEST;
pub(crate) use histogram::{Durations, micros};
pub use interval::{FaultAnswer, SLOWEST_KEPT, StepEnd, StepRecord, TripRecord};
pub(crate) use interval::{Interval, Latency};
pub use merge::MOST_MERGED;
pub(crate) use merge::Merge;
pub use timeline::MAX_POINTS;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::result::{Point, RunResult, Settings, per_second};
use timeline::Timeline;

/// The statistics of a run: a handle that is cheap to clone and can be used on any thread.
#[derive(Clone, Debug)]
pub struct Statistics(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    recorders: Vec<Recorder>,
    total: Interval,
    /// What was recorded since the last tick. It is a field so that its memory is used again.
    fresh: Interval,
    timeline: Timeline,
    last: Point,
    schedule: Schedule,
}

/// How many trips the schedule of a run has asked for, up to some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Schedule {
    /// How long it has gone on: until that moment, or until its end if that was earlier. The time
    /// after its end, in which the last answers are awaited, is not part of any rate.
    pub time: Duration,
    /// How many trips it has asked for in that time; `None` in the closed model, where the store's
    /// answers decide that.
    pub trips: Option<f64>,
}

impl Statistics {
    /// The statistics of a run with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            settings,
            recorders: Vec::new(),
            total: Interval::new(),
            fresh: Interval::new(),
            timeline: Timeline::new(),
            last: Point::default(),
            schedule: Schedule::default(),
        })))
    }

    /// Makes a recorder, for one more thread.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        let recorder = Recorder(Arc::new(Mutex::new(Interval::new())));
        self.lock().recorders.push(recorder.clone());
        recorder
    }

    /// Collects what was recorded since the last call. Call it each second, and at the end, with
    /// the time since the start of the run and what its schedule has asked for in that time.
    pub fn tick(&self, elapsed: Duration, schedule: Schedule) {
        // Whole microseconds, so that the value reads back unchanged from JSON, where it is in
        // seconds.
        let elapsed = Duration::from_micros(micros(elapsed));
        let inner = &mut *self.lock();
        inner.fresh.clear();
        for recorder in &inner.recorders {
            recorder.drain_into(&mut inner.fresh);
        }
        inner.total.merge(&inner.fresh);
        let offset = inner.timeline.end();
        let length = elapsed.saturating_sub(offset);
        // After its end a schedule has no target, which is not the same as a target of 0.
        let goes_on = schedule.time > offset && length > Duration::ZERO;
        let asked_before = inner.schedule.trips.unwrap_or(0.0);
        let asked = schedule.trips.filter(|_| goes_on).map(|all| (all - asked_before).max(0.0));
        let target_per_s = asked.map(|trips| per_second(trips, length));
        inner.last = Point { offset, length, target_per_s, ..Point::of(&inner.fresh) };
        inner.timeline.push(&inner.last);
        inner.settings.elapsed = elapsed;
        inner.settings.scheduled = Duration::from_micros(micros(schedule.time));
        inner.schedule = Schedule { time: inner.settings.scheduled, ..schedule };
    }

    /// The result as of the last [`tick`](Self::tick).
    #[must_use]
    pub fn result(&self) -> RunResult {
        let inner = self.lock();
        RunResult::build(
            inner.settings.clone(),
            &inner.total,
            inner.timeline.points().to_vec(),
            inner.schedule.trips,
        )
    }

    /// The figures of the time between the last two ticks.
    #[must_use]
    pub fn last_second(&self) -> Point {
        self.lock().last.clone()
    }

    /// Locks the counts, also after a panic of another thread: they are still valid then.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the trips of one thread.
///
/// Its lock is taken at the start and at the end of a trip, and once a second by
/// [`Statistics::tick`]. So a thread almost never waits for it.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<Interval>>);

impl Recorder {
    /// Counts a trip that starts.
    pub fn started(&self) {
        self.lock().started += 1;
    }

    /// Counts a trip that should start now and cannot.
    pub fn missed(&self) {
        self.lock().missed += 1;
    }

    /// Counts a trip that ended.
    pub fn finished(&self, trip: &TripRecord) {
        self.lock().record(trip);
    }

    /// Moves everything counted so far into `interval`.
    fn drain_into(&self, interval: &mut Interval) {
        let mut counted = self.lock();
        interval.merge(&counted);
        counted.clear();
    }

    /// Locks the counts, also after a panic of another thread: they are still valid then.
    fn lock(&self) -> MutexGuard<'_, Interval> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        outcome::{Failure, Outcome},
        plan::{self, TripKind},
        result::{Traffic, Trips},
    };

    const OUTCOMES: [Outcome; 4] = [
        Outcome::Bought,
        Outcome::GaveUp,
        Outcome::Failed(Failure::Connect),
        Outcome::Failed(Failure::Status(503)),
    ];

    fn trip(outcome: Outcome, ms: u64) -> TripRecord {
        TripRecord {
            intended: Duration::ZERO,
            started: Duration::from_millis(ms),
            ended: Duration::from_millis(3 * ms),
            kind: TripKind::QuickBuy,
            outcome,
            reason: outcome.failure().map(|failure| failure.to_string()),
            trace_id: None,
            faults: None,
            steps: vec![StepRecord {
                step: plan::Step::Checkout,
                service: Duration::from_millis(2 * ms),
                end: match outcome {
                    Outcome::Failed(_) => StepEnd::Failed,
                    Outcome::GaveUp => StepEnd::BrokenOff,
                    _ => StepEnd::Answered,
                },
                traffic: Traffic { requests: 1, retries: 0, sent_bytes: 5, received_bytes: 7 },
                fault_answers: vec![],
            }],
        }
    }

    /// A schedule of `rate` trips a second, after so many seconds.
    fn at_rate(seconds: u64, rate: f64) -> Schedule {
        Schedule { time: Duration::from_secs(seconds), trips: Some(rate * seconds as f64) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn no_trip_is_lost_between_threads_and_seconds(
            events in prop::collection::vec((0_usize..3, 0_usize..6, 1_u64..1000), 0..100),
        ) {
            let statistics = Statistics::new(Settings::default());
            let recorders: Vec<_> = (0..3).map(|_| statistics.recorder()).collect();
            let (mut finished, mut missed, mut ticks) = ([0; OUTCOMES.len()], 0, 0);
            let mut slowest = 0;
            for (thread, what, ms) in events {
                match OUTCOMES.get(what) {
                    Some(outcome) => {
                        recorders[thread].started();
                        recorders[thread].finished(&trip(*outcome, ms));
                        finished[what] += 1;
                        slowest = slowest.max(3 * ms * 1000);
                    }
                    None if what == 4 => {
                        recorders[thread].missed();
                        missed += 1;
                    }
                    None => {
                        ticks += 1;
                        statistics.tick(Duration::from_secs(ticks), Schedule::default());
                    }
                }
            }
            statistics.tick(Duration::from_secs(ticks + 1), at_rate(ticks + 1, 5.0));
            let result = statistics.result();
            let [bought, gave_up, unreached, overloaded] = finished;
            let all = bought + gave_up + unreached + overloaded;
            prop_assert_eq!(&result.trips, &Trips {
                scheduled: all + missed,
                started: all,
                completed: bought,
                gave_up,
                failed: unreached + overloaded,
                missed,
                in_flight: 0,
            });
            let checkout = &result.steps[plan::Step::Checkout as usize];
            prop_assert_eq!(checkout.failures, unreached + overloaded, "patience is no failure");
            prop_assert_eq!(checkout.gave_up, gave_up);
            prop_assert_eq!(result.failures.get("503").copied().unwrap_or(0), overloaded);
            prop_assert!(result.failure_reasons.keys().eq(result.failures.keys()));
            prop_assert_eq!(result.latency.corrected.count, all);
            prop_assert_eq!(result.latency.corrected.max_us.unwrap_or(0), slowest);
            prop_assert_eq!(result.slowest.first().map_or(0, |trip| trip.latency_us), slowest);
            let requests = &result.requests;
            prop_assert_eq!((requests.requests, requests.received_bytes), (all, 7 * all));
            let line = result.timeline.iter();
            prop_assert_eq!(line.map(|point| point.completed + point.failed).sum::<u64>(), all);
            let written = serde_json::to_string(&result).unwrap();
            prop_assert_eq!(serde_json::from_str::<RunResult>(&written).unwrap(), result);
        }
    }

    #[test]
    fn a_trip_that_started_late_shows_it_in_the_corrected_latency_of_trip_and_steps() {
        let statistics = Statistics::new(Settings::default());
        statistics.recorder().finished(&trip(Outcome::Bought, 10));
        statistics.tick(Duration::from_secs(1), Schedule::default());
        let result = statistics.result();
        let checkout = &result.steps[plan::Step::Checkout as usize].latency;
        for (latency, ms) in [
            (&result.latency.corrected, 30),
            (&result.latency.service, 20),
            (&checkout.corrected, 30),
            (&checkout.service, 20),
        ] {
            assert_eq!(latency.max_us, Some(ms * 1000));
        }
    }

    /// Forty trips a second for three seconds, and answers that take another third of one.
    #[test]
    fn what_comes_after_the_schedule_is_no_part_of_a_rate() {
        let statistics = Statistics::new(Settings::default());
        let recorder = statistics.recorder();
        for second in 1..=3 {
            (0..40).for_each(|_| recorder.started());
            statistics.tick(Duration::from_secs(second), at_rate(second, 40.0));
        }
        (0..120).for_each(|_| recorder.finished(&trip(Outcome::Bought, 100)));
        statistics.tick(Duration::from_millis(3333), at_rate(3, 40.0));
        let result = statistics.result();
        let rate = &result.rate;
        assert_eq!((rate.target_per_s, rate.started_per_s), (Some(40.0), 40.0));
        assert_eq!((rate.completed_per_s, rate.requests_per_s), (40.0, 40.0));
        let targets: Vec<_> = result.timeline.iter().map(|point| point.target_per_s).collect();
        assert_eq!(targets, [Some(40.0), Some(40.0), Some(40.0), None]);
        assert_eq!(statistics.last_second(), result.timeline[3]);
    }

    /// From 0 to 80 trips a second in four seconds: 160 trips, 40/s.
    #[test]
    fn the_target_of_a_ramp_is_what_it_asked_for_and_not_its_rate_at_some_moment() {
        let statistics = Statistics::new(Settings::default());
        for second in 1..=4_u64 {
            let trips = Some(10.0 * (second * second) as f64);
            let time = Duration::from_secs(second);
            statistics.tick(time, Schedule { time, trips });
        }
        let result = statistics.result();
        assert_eq!(result.rate.target_per_s, Some(40.0));
        let targets: Vec<_> = result.timeline.iter().map(|point| point.target_per_s).collect();
        assert_eq!(targets, [10.0, 30.0, 50.0, 70.0].map(Some));
    }
}
