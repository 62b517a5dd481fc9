//! The trips under way: what counts each of them once, and what all threads of a run share.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::TripMetrics,
    outcome::{Failure, Outcome},
    pace::{Return, ScheduleEnd},
    plan::TripPlan,
    statistics::{Recorder, StepEnd, TripRecord},
};

/// What all threads of a run have in common.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) clock: Clock,
    pub(crate) metrics: TripMetrics,
    /// How many trips may be under way.
    pub(crate) most_in_flight: u32,
    /// How many are.
    pub(crate) in_flight: AtomicU32,
    /// When the schedule ends. A pacer sets it after its last trip.
    pub(crate) schedule_end: ScheduleEnd,
    /// Cancelled when no more trips are to be started.
    pub(crate) stopping: CancellationToken,
    /// Nothing is ever sent by it. Every pacer and every guard holds the run, so when this has been
    /// dropped, the receiver knows that all trips are over.
    pub(crate) _open: mpsc::Sender<Infallible>,
}

/// Counts the trips of one thread as they start and end.
#[derive(Debug)]
pub(crate) struct TripCounters {
    pub(crate) run: Arc<Run>,
    pub(crate) recorder: Recorder,
    /// Tells the pacer that a shopper is back; `None` in the open model, which does not wait for
    /// shoppers.
    pub(crate) returns: Option<mpsc::UnboundedSender<Return>>,
}

/// Counts one trip: as started when it is made, and as ended when it is dropped.
///
/// The record of the trip begins as that of an abandoned one, and the trip fills it in. So a trip
/// that is cut off counts as abandoned, with the steps that it has made.
#[derive(Debug)]
pub(crate) struct TripGuard {
    pub(crate) plan: TripPlan,
    pub(crate) record: TripRecord,
    counters: Arc<TripCounters>,
}

impl TripGuard {
    /// Counts a trip as started. If as many as allowed are under way, it is counted as missed
    /// instead, and never made.
    pub(crate) fn start(
        counters: &Arc<TripCounters>,
        intended: Duration,
        plan: impl FnOnce() -> TripPlan,
    ) -> Option<Self> {
        let run = &counters.run;
        let one_more = |in_flight| (in_flight < run.most_in_flight).then_some(in_flight + 1);
        let counted = run.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        if counted.is_err() {
            counters.recorder.missed();
            run.metrics.missed();
            return None;
        }
        counters.recorder.started();
        let plan = plan();
        run.metrics.started(plan.kind);
        let now = run.clock.now();
        let record = TripRecord {
            intended,
            started: now,
            ended: now,
            kind: plan.kind,
            outcome: ABANDONED,
            reason: None,
            trace_id: None,
            faults: plan.fault.clone(),
            steps: Vec::new(),
        };
        Some(Self { plan, record, counters: Arc::clone(counters) })
    }
}

impl Drop for TripGuard {
    fn drop(&mut self) {
        let (trip, run) = (&mut self.record, &self.counters.run);
        if trip.outcome == ABANDONED {
            trip.ended = run.clock.now();
            // The step in which the trip was cut off has failed. The shopper has not given up.
            for step in trip.steps.iter_mut() {
                if step.end == StepEnd::BrokenOff {
                    step.end = StepEnd::Failed;
                }
            }
        }
        self.counters.recorder.finished(trip);
        run.metrics.finished(trip);
        run.in_flight.fetch_sub(1, Ordering::AcqRel);
        if let Some(returns) = &self.counters.returns {
            let back = Return {
                shopper: self.plan.shopper,
                nth: self.plan.nth,
                at: trip.ended,
                reached_store: trip.outcome != Outcome::Failed(Failure::Connect),
            };
            // It fails if the pacer has ended, which it does after its last trip.
            returns.send(back).ok();
        }
    }
}

/// The outcome of a trip until it has ended.
const ABANDONED: Outcome = Outcome::Failed(Failure::Abandoned);

/// The time since the start of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The instant at this time since the start.
    pub(crate) fn instant(&self, time: Duration) -> Instant {
        self.start + time
    }

    /// Waits until this time without sleeping, and returns the time that it is then. Other tasks of the
    /// thread run in the meantime.
    pub(crate) async fn reach(&self, time: Duration) -> Duration {
        loop {
            let now = self.now();
            if now >= time {
                return now;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_time_is_reached_not_before_it_comes_and_others_are_served_meanwhile() {
        let clock = Clock::start();
        let time = Duration::from_millis(2);
        let mut served = 0_u32;
        tokio::select! {
            biased;
            reached = clock.reach(time) => assert!(reached >= time, "{reached:?}"),
            () = async { loop { served += 1; tokio::task::yield_now().await; } } => {}
        }
        assert!(served > 0);
        assert!(clock.reach(time).await > time);
    }
}
