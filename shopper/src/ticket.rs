//! A trip that has been started, so that it is counted as ended exactly once, however it ends.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use crate::{
    clock::Clock,
    outcome::{Failure, Outcome},
    pace::Return,
    plan::TripPlan,
    statistics::{Recorder, TripRecord},
};

/// Where the trips of one thread are counted out and in.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) clock: Clock,
    pub(crate) recorder: Recorder,
    /// Trips under way in all threads.
    pub(crate) in_flight: Arc<AtomicU32>,
    /// Where to say that a shopper is back; nowhere in the open model, which waits for nobody.
    pub(crate) returns: Option<mpsc::UnboundedSender<Return>>,
    /// Dropped with the last ticket and the pacer: then the run is over.
    pub(crate) _open: mpsc::Sender<Infallible>,
}

/// A trip that has been started. Dropped before it is settled, it counts as abandoned.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) plan: TripPlan,
    pub(crate) intended: Duration,
    issued: Duration,
    door: Arc<Door>,
    settled: bool,
}

impl Ticket {
    /// Starts a trip, unless as many as allowed are under way: then it is missed, not delayed.
    pub(crate) fn issue(
        door: &Arc<Door>,
        most_in_flight: u32,
        intended: Duration,
        plan: impl FnOnce() -> TripPlan,
    ) -> Option<Self> {
        let one_more = |in_flight| (in_flight < most_in_flight).then_some(in_flight + 1);
        let (change, look) = (Ordering::AcqRel, Ordering::Acquire);
        if door.in_flight.fetch_update(change, look, one_more).is_err() {
            door.recorder.missed();
            return None;
        }
        door.recorder.started();
        let issued = door.clock.now();
        Some(Self { plan: plan(), intended, issued, door: Arc::clone(door), settled: false })
    }

    /// Counts the trip as it ended.
    pub(crate) fn settle(mut self, trip: &TripRecord) {
        self.count(trip);
    }

    fn count(&mut self, trip: &TripRecord) {
        self.settled = true;
        self.door.recorder.finished(trip);
        self.door.in_flight.fetch_sub(1, Ordering::AcqRel);
        if let Some(returns) = &self.door.returns {
            let back = Return {
                shopper: self.plan.shopper,
                nth: self.plan.nth,
                at: trip.ended,
                reached_store: trip.outcome != Outcome::Failed(Failure::Connect),
            };
            // After the last trip has been started nobody waits for shoppers any more.
            returns.send(back).ok();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            self.count(&TripRecord {
                intended: self.intended,
                started: self.issued,
                ended: self.door.clock.now(),
                kind: self.plan.kind,
                outcome: Outcome::Failed(Failure::Abandoned),
                trace_id: None,
                steps: Vec::new(),
            });
        }
    }
}
