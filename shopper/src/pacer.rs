//! Starts the trips of one thread, each at its time.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use actix::Addr;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use crate::{
    actors::{Crew, GoShopping},
    alarm::Alarm,
    clock::Clock,
    pace::{Next, Pace, Return},
    plan::Planner,
    ticket::{Door, Ticket},
};

/// How long before its time a trip is handed to who makes it, and who then waits awake: a thread
/// that sleeps wakes some tens of microseconds late, and the later the longer it slept, which would
/// bend the times between arrivals and be counted as the store's latency.
const LEAD: Duration = Duration::from_micros(100);

/// Starts the trips of one thread.
pub(crate) struct Pacer {
    pub(crate) clock: Clock,
    pub(crate) pace: Pace,
    pub(crate) planner: Planner,
    pub(crate) most_in_flight: u32,
    /// When to end, if there is a limit.
    pub(crate) end: Option<Duration>,
    /// Who makes the trips.
    pub(crate) crew: Addr<Crew>,
    pub(crate) door: Arc<Door>,
    /// The shoppers of the closed model that are back.
    pub(crate) returns: UnboundedReceiver<Return>,
    /// Cancelled when no more trips are to be started.
    pub(crate) stopping: CancellationToken,
}

impl Pacer {
    /// Starts trips until the last one, the end of the run, or until told to stop.
    pub(crate) async fn run(mut self) {
        let mut alarm = Alarm::new();
        while self.start_due().is_continue() && self.wait(&mut alarm).await.is_continue() {}
    }

    /// Starts every trip that is due, or all but due.
    fn start_due(&mut self) -> ControlFlow<()> {
        let now = self.clock.now() + LEAD;
        let now = self.end.map_or(now, |end| now.min(end));
        while let Some(departure) = self.pace.take_due(now) {
            if self.end.is_some_and(|end| departure.due >= end) {
                return ControlFlow::Break(());
            }
            let plan = || self.planner.plan(departure.shopper, departure.nth);
            if let Some(ticket) =
                Ticket::issue(&self.door, self.most_in_flight, departure.due, plan)
            {
                self.crew.do_send(GoShopping(ticket));
            }
        }
        ControlFlow::Continue(())
    }

    /// Waits until the next trip is due or shoppers are back.
    async fn wait(&mut self, alarm: &mut Alarm) -> ControlFlow<()> {
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
        let next = next.map(|due| due.saturating_sub(now + LEAD));
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => return ControlFlow::Break(()),
            Some(back) = self.returns.recv() => {
                self.pace.back(back);
                while let Ok(back) = self.returns.try_recv() {
                    self.pace.back(back);
                }
            }
            () = alarm.after(next.unwrap_or(Duration::MAX)) => {}
        }
        ControlFlow::Continue(())
    }
}
