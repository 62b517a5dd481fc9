//! Waking on time.
//!
//! A timer of the runtime has a resolution of a millisecond, which is the whole time between two
//! trips at a thousand a second. On Linux a timer of the system wakes within some ten microseconds.

use std::time::Duration;

/// The longest wait: whoever waits longer looks at the clock again.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Wakes one task, as precisely as the system can.
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
                .inspect_err(|error| tracing::warn!(%error, "trips may start a millisecond late"))
                .ok(),
        }
    }

    /// Waits as long as this, or for a day if that is shorter. A wait that is dropped is over.
    pub(crate) async fn after(&mut self, wait: Duration) {
        let wait = wait.min(LONGEST);
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

    /// How much there is to read when a timer has rung: how often it has.
    const COUNT_BYTES: usize = size_of::<u64>();

    /// A timer of the system: see <https://man7.org/linux/man-pages/man2/timerfd_create.2.html>.
    #[derive(Debug)]
    pub(super) struct Timer {
        timer: TimerFd,
        /// The same timer, for the runtime to wait for: it can be read when it has rung, as a pipe
        /// can be when something is in it.
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
            // No time at all would mean to disarm it.
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
