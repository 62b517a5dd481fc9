//! The time of a run: since its start, and the same for all its threads.

use std::time::{Duration, Instant};

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

    /// Waits awake until this time; what else the thread has to do goes on.
    pub(crate) async fn reach(&self, time: Duration) {
        while self.now() < time {
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
            () = clock.reach(time) => assert!(clock.now() >= time, "{:?}", clock.now()),
            () = async { loop { served += 1; tokio::task::yield_now().await; } } => {}
        }
        assert!(served > 0);
        clock.reach(time).await;
    }
}
