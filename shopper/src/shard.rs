//! Starts the trips of one thread, each at its time, and counts each exactly once.
//!
//! A [`Pacer`] sleeps until shortly before a trip is due (by an [`Alarm`]; [`Lead`] says how shortly),
//! makes a [`TripGuard`] for the trip, and sends it to the thread's pool of shoppers. A shopper waits
//! for the exact moment without sleeping (by the [`Clock`](crate::under_way::Clock)) and makes the
//! trip. The guard counts the trip when it ends, even if it ends because the run was stopped or the
//! shopper panicked.

use std::{future::pending, ops::ControlFlow, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use crate::{
    actors::ShopperPool,
    pace::{Next, Pace, Return},
    plan::Planner,
    under_way::{Run, TripCounters, TripGuard},
};

/// The longest single wait. A pacer that has to wait longer looks at the clock in between.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Starts the trips of one thread.
pub(crate) struct Pacer {
    pub(crate) run: Arc<Run>,
    pub(crate) pace: Pace,
    pub(crate) planner: Planner,
    /// When to end, if there is a limit.
    pub(crate) end: Option<Duration>,
    /// The shoppers that make the trips.
    pub(crate) pool: ShopperPool,
    pub(crate) counters: Arc<TripCounters>,
    /// The shoppers of the closed model that are back.
    pub(crate) returns: mpsc::UnboundedReceiver<Return>,
    /// How early a trip is sent to its shopper.
    pub(crate) lead: Lead,
}

impl Pacer {
    /// Starts trips until the last one, the end of the run, or until it is told to stop.
    pub(crate) async fn run(mut self) {
        let mut alarm = Alarm::new();
        while self.start_due().is_continue() && self.wait(&mut alarm).await.is_continue() {}
        self.end_schedule().await;
    }

    /// Starts every trip that is due now or within the lead.
    fn start_due(&mut self) -> ControlFlow<()> {
        let now = self.run.clock.now() + self.lead.get();
        let now = self.end.map_or(now, |end| now.min(end));
        while let Some(departure) = self.pace.take_due(now) {
            if self.end.is_some_and(|end| departure.due >= end) {
                return ControlFlow::Break(());
            }
            let plan = || self.planner.plan(departure.shopper, departure.nth);
            if let Some(trip) = TripGuard::start(&self.counters, departure.due, plan) {
                self.pool.send(trip);
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
        let now = self.run.clock.now();
        if self.end.is_some_and(|end| now >= end) {
            // Trips that became due since this thread last looked are started late, but not lost.
            let _ = self.start_due();
            return ControlFlow::Break(());
        }
        let wake = next.map(|due| due.saturating_sub(self.lead.get()));
        let woken = async {
            match wake {
                Some(wake) => alarm.after(wake.saturating_sub(now)).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.run.stopping.cancelled() => return ControlFlow::Break(()),
            Some(back) = self.returns.recv() => {
                self.pace.back(back);
                while let Ok(back) = self.returns.try_recv() {
                    self.pace.back(back);
                }
            }
            () = woken => match wake {
                Some(wake) if wake > now => {
                    self.lead.woke(self.run.clock.now().saturating_sub(wake));
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    /// Ends the schedule at the time when the trip after the last one would have been due. In the
    /// closed model this is known only when the next shopper is back.
    async fn end_schedule(&mut self) {
        loop {
            match self.pace.after_last() {
                Next::At(due) => return self.run.schedule_end.not_after(due),
                Next::Never => return,
                Next::AfterReturn => match self.returns.recv().await {
                    Some(back) => self.pace.back(back),
                    None => return,
                },
            }
        }
    }
}

/// How long before its time a trip is sent to its shopper, which waits for the rest without
/// sleeping.
///
/// A thread that sleeps wakes late, by some tens of microseconds: the later, the longer it slept and
/// the slower its processor is to wake. That would distort the times between arrivals, and would
/// count as latency of the store. But waiting without sleeping takes processor time. So the lead is
/// what the thread needs: how late it woke lately, and four times how far that varied, estimated as
/// TCP estimates how long to wait for an answer (<https://www.rfc-editor.org/rfc/rfc6298>).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lead {
    late: Duration,
    varied: Duration,
}

impl Lead {
    /// The longest lead, which is also that of a thread that has not slept yet.
    const LONGEST: Duration = Duration::from_micros(100);

    /// The lead of a thread that has not slept yet.
    pub(crate) fn new() -> Self {
        Self { late: Self::LONGEST / 2, varied: Self::LONGEST / 8 }
    }

    fn get(self) -> Duration {
        (self.late + 4 * self.varied).min(Self::LONGEST)
    }

    /// Notes how late the thread woke.
    fn woke(&mut self, late: Duration) {
        // A thread that was held up for long would make the lead the longest for long.
        let late = late.min(Self::LONGEST);
        self.varied = (3 * self.varied + self.late.abs_diff(late)) / 4;
        self.late = (7 * self.late + late) / 8;
    }
}

/// Wakes one task, as precisely as the system can.
///
/// A timer of tokio has a resolution of a millisecond, which at a thousand trips a second is the
/// whole time between two. On Linux a timer of the system is used, which wakes within tens of
/// microseconds.
#[derive(Debug)]
pub(crate) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: Option<linux::Timer>,
}

impl Alarm {
    /// An alarm of the current runtime.
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            timer: linux::Timer::new()
                .inspect_err(|error| tracing::warn!(name: "shopper.timer.coarse", %error, "trips may start a millisecond late"))
                .ok(),
        }
    }

    /// Waits for this time, but no longer than a day. If the future is dropped, the wait ends.
    pub(crate) async fn after(&mut self, wait: Duration) {
        let wait = wait.min(LONGEST_WAIT);
        #[cfg(target_os = "linux")]
        if let Some(timer) = &mut self.timer
            && timer.wait(wait).await.is_ok()
        {
            return;
        }
        tokio::time::sleep(wait).await;
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{io, os::fd::AsFd, time::Duration};

    use nix::sys::{
        time::TimeSpec,
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    };
    use tokio::{io::AsyncReadExt, net::unix::pipe::Receiver};

    /// What can be read from a timer that has rung: a number of this size, how often it has rung.
    const COUNT_BYTES: usize = size_of::<u64>();

    /// A timer of the system: see <https://man7.org/linux/man-pages/man2/timerfd_create.2.html>.
    #[derive(Debug)]
    pub(super) struct Timer {
        timer: TimerFd,
        /// The same timer, as a pipe that tokio can wait for: it can be read once it has rung.
        rung: Receiver,
    }

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
            let rung = Receiver::from_owned_fd_unchecked(timer.as_fd().try_clone_to_owned()?)?;
            Ok(Self { timer, rung })
        }

        pub(super) async fn wait(&mut self, wait: Duration) -> io::Result<()> {
            // Setting a timer to zero would disarm it.
            let wait = TimeSpec::from_duration(wait.max(Duration::from_nanos(1)));
            self.timer.set(Expiration::OneShot(wait), TimerSetTimeFlags::empty())?;
            self.rung.read_exact(&mut [0; COUNT_BYTES]).await.map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn after(mut lead: Lead, wakes: impl IntoIterator<Item = u64>) -> Lead {
        wakes.into_iter().for_each(|late| lead.woke(Duration::from_micros(late)));
        lead
    }

    #[test]
    fn the_lead_is_what_waking_takes_and_never_more_than_before_the_first_sleep() {
        let first = Lead::new();
        assert_eq!(first.get(), Lead::LONGEST);
        let steady = after(first, [20; 100]);
        assert!((20..=21).contains(&steady.get().as_micros()), "{steady:?}");
        let varied = after(first, [5, 60].repeat(50));
        assert_eq!(varied.get(), Lead::LONGEST);
        let held_up = after(steady, [50_000]);
        assert_eq!(held_up.get(), Lead::LONGEST);
        let again = after(held_up, [20; 40]);
        assert!(again.get() < 2 * steady.get(), "{again:?}");
    }

    #[tokio::test]
    async fn it_never_wakes_early_also_after_a_wait_that_was_dropped() {
        let mut alarm = Alarm::new();
        for wait in [0, 1, 2_000, 300] {
            let dropped = tokio::time::timeout(Duration::ZERO, alarm.after(Duration::from_secs(9)));
            assert!(dropped.await.is_err());
            let wait = Duration::from_micros(wait);
            let start = Instant::now();
            alarm.after(wait).await;
            assert!(start.elapsed() >= wait, "{:?} of {wait:?}", start.elapsed());
        }
    }
}
