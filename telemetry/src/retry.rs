//! Sends a request again until the backend takes it or it is given up.
//!
//! A request is sent again as the protocol says: after an answer that asks for it, and when there
//! was no answer. The pauses in between grow. How long one batch may be tried is limited, for spans
//! by `OTEL_BSP_EXPORT_TIMEOUT`. Meanwhile new spans wait in the queue, which is limited too. All
//! of this happens on the exporter's own thread.
//!
//! With the default settings, and without the random part of the pauses:
//!
//! ```text
//! attempt   pause 250 ms   attempt   500 ms   attempt   1 s   attempt   2 s   ...   5 s   at most 30 s
//! ```
//!
//! <https://opentelemetry.io/docs/specs/otlp/#failures>

use crate::health::Health;
use crate::outcome::{Failure, Retryable};
use shared::backoff::Backoff;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How one exporter's requests are tried again, and when they are given up.
#[derive(Debug)]
pub(crate) struct Retry {
    /// The pauses between attempts.
    pub(crate) back_off: Backoff,
    /// How long one request may be tried. `None` means for as long as the process runs.
    pub(crate) limit: Option<Duration>,
    /// The end of the process.
    pub(crate) closing: Arc<Closing>,
    /// Logs that the backend does not take what it is sent.
    pub(crate) health: Arc<Health>,
}

impl Retry {
    /// Runs `attempt` until it succeeds, fails for good, or time is up.
    pub(crate) fn run<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let start = Instant::now();
        let mut attempts = 0;
        loop {
            let failure = match attempt() {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            let back_off = at_random(self.back_off.pause(attempts));
            let wait = match failure.retryable {
                Retryable::Never => return Err(failure),
                Retryable::NoAnswer | Retryable::Busy(None) => back_off,
                Retryable::Busy(Some(wait)) => wait.max(back_off),
            };
            let is_over = self.limit.is_some_and(|limit| start.elapsed() + wait >= limit);
            if is_over || !self.closing.sleep(wait, failure.retryable) {
                return Err(failure);
            }
            self.health.is_asked_again(&failure.reason);
            attempts = attempts.saturating_add(1);
        }
    }
}

/// The end of the process, as the exporters' threads see it.
///
/// Once it has begun, a backend that answers that it is busy is asked again while there is time. A
/// backend that does not answer is not asked again, because most likely it is not running.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    /// Until when attempts may go on. `None` until the end has begun.
    deadline: Mutex<Option<Instant>>,
    begun: Condvar,
}

impl Closing {
    /// Begins the end. Threads that wait for their next attempt make it now, and no attempt is
    /// waited for past `deadline`.
    pub(crate) fn begin(&self, deadline: Instant) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
        self.begun.notify_all();
    }

    /// Waits for `wait` before another attempt. Returns false at once if there is to be no other
    /// attempt.
    fn sleep(&self, wait: Duration, retryable: Retryable) -> bool {
        let until = Instant::now() + wait;
        let mut deadline = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        if deadline.is_some_and(|deadline| until > deadline || retryable == Retryable::NoAnswer) {
            return false;
        }
        let had_begun = deadline.is_some();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // The end wakes a thread that waits, so that it makes its next attempt at once.
            if left.is_zero() || deadline.is_some() != had_begun {
                return true;
            }
            deadline =
                self.begun.wait_timeout(deadline, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A random time between half of `pause` and all of it, so that many clients of one backend do not
/// come back at the same moment.
fn at_random(pause: Duration) -> Duration {
    // Each new hasher has a random key.
    let share = RandomState::new().hash_one(()) % 1_000;
    pause / 2 + (pause / 2).mul_f64(share as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::error_type;
    use std::collections::BTreeSet;

    fn retry(limit: Option<Duration>) -> Retry {
        Retry {
            back_off: Backoff { first: Duration::ZERO, longest: Duration::ZERO },
            limit,
            closing: Arc::default(),
            health: Arc::new(Health::new("test")),
        }
    }

    /// Makes attempts that fail as `ends` says, and then succeed. Returns the outcome and their
    /// number.
    fn attempts(retry: &Retry, ends: &[Retryable]) -> (Result<(), Retryable>, usize) {
        let mut made = 0;
        let outcome = retry.run(|| {
            made += 1;
            match ends.get(made - 1) {
                Some(&retryable) => {
                    let (reason, error_type) = (String::new(), error_type::OTHER.into());
                    Err(Failure { reason, retryable, error_type })
                }
                None => Ok(()),
            }
        });
        (outcome.map_err(|failure| failure.retryable), made)
    }

    #[test]
    fn a_request_is_sent_again_only_if_it_may_be_taken_later() {
        let retry = retry(Some(Duration::from_secs(60)));
        assert_eq!(attempts(&retry, &[]), (Ok(()), 1));
        assert_eq!(attempts(&retry, &[Retryable::NoAnswer, Retryable::Busy(None)]), (Ok(()), 3));
        let busy = Retryable::Busy(Some(Duration::from_millis(1)));
        assert_eq!(attempts(&retry, &[busy, Retryable::Never]), (Err(Retryable::Never), 2));
    }

    #[test]
    fn a_wait_that_ends_after_the_limit_is_not_begun() {
        let day = Retryable::Busy(Some(Duration::from_secs(86_400)));
        let minute = Some(Duration::from_secs(60));
        assert_eq!(attempts(&retry(minute), &[day]), (Err(day), 1));
        let none = Some(Duration::ZERO);
        assert_eq!(attempts(&retry(none), &[Retryable::NoAnswer]), (Err(Retryable::NoAnswer), 1));
    }

    #[test]
    fn at_the_end_only_a_backend_that_answers_is_asked_again_and_only_in_time() {
        let retry = retry(None);
        retry.closing.begin(Instant::now() + Duration::from_secs(3_600));
        assert_eq!(attempts(&retry, &[Retryable::Busy(None), Retryable::Busy(None)]), (Ok(()), 3));
        assert_eq!(attempts(&retry, &[Retryable::NoAnswer]), (Err(Retryable::NoAnswer), 1));
        let day = Retryable::Busy(Some(Duration::from_secs(86_400)));
        assert_eq!(attempts(&retry, &[day]), (Err(day), 1));
    }

    #[test]
    fn the_end_wakes_a_thread_that_waits_for_one_more_attempt() {
        let retry = retry(None);
        let day = Retryable::Busy(Some(Duration::from_secs(86_400)));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| attempts(&retry, &[day, day]));
            retry.closing.begin(Instant::now());
            // One attempt if the end came first, two if it woke the wait between them.
            let (outcome, made) = waiting.join().expect("it ends");
            assert_eq!(outcome, Err(day));
            assert!((1..=2).contains(&made), "{made}");
        });
    }

    #[test]
    fn pauses_are_random_and_no_longer_than_asked_for() {
        let pause = Duration::from_secs(4);
        let pauses: BTreeSet<_> = (0..100).map(|_| at_random(pause)).collect();
        assert!(pauses.iter().all(|&one| pause / 2 <= one && one <= pause), "{pauses:?}");
        assert!(pauses.len() > 1, "chosen at random");
    }
}
