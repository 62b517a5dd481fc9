//! What the trips took and how they ended.
//!
//! Every thread has a [`Recorder`]; [`Statistics`] empties them each second and keeps the total,
//! the last second and the time line; a [`Snapshot`] of it is what the live view and the report
//! show. Latency counts from the moment a trip should have started, so that a store (or a
//! generator) that is late cannot hide it; not to do so is known as coordinated omission:
//! <https://www.youtube.com/watch?v=lJ8ydIuPFeU>.

mod interval;
mod latency;
mod record;
mod recorder;
mod slowest;
mod snapshot;
mod timeline;

pub use latency::{LONGEST, Latency};
pub use record::{StepEnd, StepRecord, Traffic, TripRecord};
pub use recorder::Recorder;
pub use slowest::{SLOWEST_KEPT, SlowTrip};
pub use snapshot::{Kind, Snapshot, Step, Trips};
pub use timeline::{MAX_BUCKETS, Second};

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use interval::Interval;
use timeline::Timeline;

/// The statistics of a run: a handle that is cheap to clone and can be asked from any thread.
#[derive(Clone, Debug)]
pub struct Statistics(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    recorders: Vec<Recorder>,
    total: Interval,
    /// What was recorded since the last tick; kept for its memory.
    fresh: Interval,
    timeline: Timeline,
    last_second: Second,
    elapsed: Duration,
    target_rate: Option<f64>,
}

impl Statistics {
    /// The statistics of a run with a recorder for each of `threads`.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            recorders: std::iter::repeat_with(Recorder::new).take(threads).collect(),
            total: Interval::new(),
            fresh: Interval::new(),
            timeline: Timeline::new(),
            last_second: Second::default(),
            elapsed: Duration::ZERO,
            target_rate: None,
        })))
    }

    /// The recorders, one a thread.
    #[must_use]
    pub fn recorders(&self) -> Vec<Recorder> {
        self.lock().recorders.clone()
    }

    /// Takes in what was recorded since the last call. Call it each second, and at the end.
    ///
    /// `elapsed` is the time since the start of the run, `target_rate` the trips per second that
    /// the schedule asks for at that time.
    pub fn tick(&self, elapsed: Duration, target_rate: Option<f64>) {
        let inner = &mut *self.lock();
        inner.fresh.clear();
        for recorder in &inner.recorders {
            recorder.drain_into(&mut inner.fresh);
        }
        inner.total.merge(&inner.fresh);
        inner.last_second = inner.timeline.push(&inner.fresh, elapsed, target_rate);
        inner.elapsed = elapsed;
        inner.target_rate = target_rate;
    }

    /// The statistics as of the last [`tick`](Self::tick).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let inner = self.lock();
        Snapshot {
            elapsed: inner.elapsed,
            target_rate: inner.target_rate,
            last_second: inner.last_second.clone(),
            timeline: inner.timeline.buckets().to_vec(),
            ..Snapshot::of(&inner.total)
        }
    }

    /// A panic while counting leaves counts that are still counts: go on.
    fn lock(&self) -> MutexGuard<'_, Inner> {
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
            trace_id: None,
            steps: vec![StepRecord {
                step: plan::Step::Checkout,
                service: Duration::from_millis(2 * ms),
                end: match outcome {
                    Outcome::Failed(_) => StepEnd::Failed,
                    Outcome::GaveUp => StepEnd::BrokenOff,
                    _ => StepEnd::Answered,
                },
                traffic: Traffic { requests: 1, retries: 0, sent_bytes: 5, received_bytes: 7 },
            }],
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn no_trip_is_lost_between_threads_and_seconds(
            events in prop::collection::vec((0_usize..3, 0_usize..6, 1_u64..1000), 0..100),
        ) {
            let statistics = Statistics::new(3);
            let recorders = statistics.recorders();
            let (mut finished, mut missed, mut ticks) = ([0; OUTCOMES.len()], 0, 0);
            for (thread, what, ms) in events {
                match OUTCOMES.get(what) {
                    Some(outcome) => {
                        recorders[thread].started();
                        recorders[thread].finished(&trip(*outcome, ms));
                        finished[what] += 1;
                    }
                    None if what == 4 => {
                        recorders[thread].missed();
                        missed += 1;
                    }
                    None => {
                        ticks += 1;
                        statistics.tick(Duration::from_secs(ticks), None);
                    }
                }
            }
            statistics.tick(Duration::from_secs(ticks + 1), None);
            let snapshot = statistics.snapshot();
            let [bought, gave_up, unreached, overloaded] = finished;
            let all = bought + gave_up + unreached + overloaded;
            prop_assert_eq!(snapshot.trips, Trips {
                scheduled: all + missed,
                started: all,
                completed: bought,
                gave_up,
                failed: unreached + overloaded,
                missed,
                in_flight: 0,
            });
            let steps = &snapshot.steps[plan::Step::Checkout as usize];
            prop_assert_eq!(steps.failures, unreached + overloaded, "patience is no failure");
            prop_assert_eq!(snapshot.failures.get("503").copied().unwrap_or(0), overloaded);
            prop_assert_eq!(snapshot.latency.corrected.len(), all);
            prop_assert_eq!((snapshot.requests, snapshot.received_bytes), (all, 7 * all));
            let line = snapshot.timeline.iter();
            prop_assert_eq!(line.map(|second| second.completed + second.failed).sum::<u64>(), all);
        }
    }

    #[test]
    fn a_trip_that_started_late_shows_it_in_the_corrected_latency_of_trip_and_steps() {
        let statistics = Statistics::new(1);
        statistics.recorders()[0].finished(&trip(Outcome::Bought, 10));
        statistics.tick(Duration::from_secs(1), None);
        let snapshot = statistics.snapshot();
        let checkout = &snapshot.steps[plan::Step::Checkout as usize].latency;
        for (histogram, ms) in [
            (&snapshot.latency.corrected, 30),
            (&snapshot.latency.service, 20),
            (&checkout.corrected, 30),
            (&checkout.service, 20),
        ] {
            assert!(histogram.equivalent(histogram.max(), ms * 1000), "{}", histogram.max());
        }
    }
}
