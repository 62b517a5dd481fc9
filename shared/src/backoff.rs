//! Pauses between attempts, which grow with each failure.

use std::time::Duration;

/// Pauses that double from `first` on, and are never longer than `longest`.
///
/// Wait a random part of the pause, so that clients that failed at the same moment do not come back
/// at the same moment: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.
///
/// ```
/// use std::time::Duration;
/// use shared::backoff::Backoff;
///
/// let backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(2) };
/// let pauses = [0, 1, 2, 5].map(|failures| backoff.pause(failures).as_millis());
/// assert_eq!(pauses, [100, 200, 400, 2_000]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Backoff {
    /// The pause before the next attempt. `failures` is 0 after the first failure, 1 after the
    /// second.
    pub fn pause(&self, failures: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(failures)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_never_exceed_the_longest_however_many_failures() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(30) };
        for (failures, secs) in [(0, 1), (4, 16), (5, 30), (31, 30), (32, 30), (u32::MAX, 30)] {
            assert_eq!(backoff.pause(failures), Duration::from_secs(secs), "{failures}");
        }
    }
}
