//! A trip that has been started, so that it is counted as ended exactly once, however it ends.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use crate::{
    clock::Clock,
    outcome::{Failure, Outcome},
    pace::Return,
    pacer::Note,
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
    /// Whom to tell that a shopper is back.
    pub(crate) pacer: mpsc::Sender<Note>,
    /// Dropped with the last ticket and the pacer: then the run is over.
    pub(crate) _open: tokio::sync::mpsc::Sender<Infallible>,
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
    ///
    /// Only the pacer starts trips, so that no other can between the look and the count.
    pub(crate) fn issue(
        door: &Arc<Door>,
        most_in_flight: u32,
        intended: Duration,
        plan: impl FnOnce() -> TripPlan,
    ) -> Option<Self> {
        if door.in_flight.load(Ordering::Acquire) >= most_in_flight {
            door.recorder.missed();
            return None;
        }
        door.in_flight.fetch_add(1, Ordering::AcqRel);
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
        let back = Return {
            shopper: self.plan.shopper,
            nth: self.plan.nth,
            at: trip.ended,
            reached_store: trip.outcome != Outcome::Failed(Failure::Connect),
        };
        // After the last trip has been started nobody waits for shoppers any more.
        self.door.pacer.send(Note::Back(back)).ok();
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
