//! Starts the trips, each at its time, on a thread of its own.
//!
//! A thread that does nothing but wait wakes within some ten microseconds of the time it asked
//! for; a timer of the runtime has a resolution of a millisecond, and waits for whatever the
//! runtime is busy with. What is due at one wake-up is started together, and keeps the time it
//! should have started at.

use std::{
    num::NonZeroU64,
    ops::ControlFlow,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use actix::Addr;

use crate::{
    actors::{Crew, GoShopping},
    clock::Clock,
    pace::{Next, Pace, Return},
    plan::Planner,
    ticket::{Door, Ticket},
};

/// What the pacer is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Note {
    /// A shopper is back.
    Back(Return),
    /// Start no more trips.
    Stop,
}

/// Starts the trips of a run.
pub(crate) struct Pacer {
    pub(crate) clock: Clock,
    pub(crate) pace: Pace,
    pub(crate) planner: Planner,
    pub(crate) most_in_flight: u32,
    /// Trips still to be asked for, if there is a limit.
    pub(crate) trips_left: Option<NonZeroU64>,
    /// When to end, if there is a limit.
    pub(crate) end: Option<Duration>,
    /// The threads that make the trips.
    pub(crate) lanes: Vec<Lane>,
    pub(crate) notes: Receiver<Note>,
}

/// Asks the system to wake this thread when it asked to be woken: Linux may make any thread up to
/// 50 us late unless told otherwise, and what is due in that time would be started together.
fn wake_on_time() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_timerslack(1) {
        tracing::warn!(%error, "trips may start up to 50 us late");
    }
}

/// A thread that makes trips.
pub(crate) struct Lane {
    pub(crate) crew: Addr<Crew>,
    pub(crate) door: Arc<Door>,
}

impl Pacer {
    /// Starts trips until the last one, the end of the run, or the note to stop.
    pub(crate) fn run(mut self) {
        wake_on_time();
        while self.start_due().is_continue() && self.wait().is_continue() {}
    }

    /// Starts every trip that is due.
    fn start_due(&mut self) -> ControlFlow<()> {
        let now = self.clock.now();
        let now = self.end.map_or(now, |end| now.min(end));
        while let Some(departure) = self.pace.take_due(now) {
            if self.end.is_some_and(|end| departure.due >= end) {
                return ControlFlow::Break(());
            }
            // A shopper stays with its thread.
            let lane = &self.lanes[departure.shopper as usize % self.lanes.len()];
            let plan = || self.planner.plan(departure.shopper, departure.nth);
            if let Some(ticket) =
                Ticket::issue(&lane.door, self.most_in_flight, departure.due, plan)
            {
                lane.crew.do_send(GoShopping(ticket));
            }
            if let Some(left) = &mut self.trips_left {
                match NonZeroU64::new(left.get() - 1) {
                    Some(fewer) => *left = fewer,
                    None => return ControlFlow::Break(()),
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Waits until the next trip is due or a note comes, and takes in all notes that are there.
    fn wait(&mut self) -> ControlFlow<()> {
        let next = match (self.pace.next(), self.end) {
            (Next::At(due), Some(end)) => Some(due.min(end)),
            (Next::At(due), None) => Some(due),
            (Next::AfterReturn, end) => end,
            (Next::Never, _) => return ControlFlow::Break(()),
        };
        let now = self.clock.now();
        if self.end.is_some_and(|end| now >= end) {
            return ControlFlow::Break(());
        }
        let note = match next {
            Some(due) => self.notes.recv_timeout(due.saturating_sub(now)),
            None => self.notes.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match note {
            Ok(note) => {
                self.take(note)?;
                while let Ok(note) = self.notes.try_recv() {
                    self.take(note)?;
                }
                ControlFlow::Continue(())
            }
            Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(()),
            Err(RecvTimeoutError::Disconnected) => ControlFlow::Break(()),
        }
    }

    fn take(&mut self, note: Note) -> ControlFlow<()> {
        match note {
            Note::Back(back) => {
                self.pace.back(back);
                ControlFlow::Continue(())
            }
            Note::Stop => ControlFlow::Break(()),
        }
    }
}
