//! When a request is repeated: after growing pauses, and never so often that it adds much load.

use std::time::Duration;

use rand::{Rng, RngExt};

/// The longest pause before the first retry; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause at all. A store that asks for a longer one is not asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How many retries can be saved up, so that a long good time does not pay for a storm.
const MOST_SAVED: f64 = 100.0;

/// Retries as a share of the requests: every first attempt earns its share of a retry.
///
/// So there are never more retries than that share of the first attempts, however many fail: a
/// store in trouble sees little more load, not a multiple.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    share: f64,
    saved: f64,
}

impl Budget {
    pub(super) fn new(share: f64) -> Self {
        Self { share, saved: 0.0 }
    }

    /// Earns a share of a retry.
    pub(super) fn first_attempt(&mut self) {
        self.saved = (self.saved + self.share).min(MOST_SAVED);
    }

    /// Takes a retry, if one has been earned.
    pub(super) fn retry(&mut self) -> bool {
        let enough = self.saved >= 1.0;
        if enough {
            self.saved -= 1.0;
        }
        enough
    }
}

/// How long to wait before the next attempt, after `resend_count` retries: at random between
/// nothing and a limit that doubles each time, so that shoppers that failed together do not come
/// back together (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>), but
/// never less than the store asked for. `None` if the store asked for too much.
pub(super) fn pause_before_retry(
    resend_count: u32,
    retry_after: Option<Duration>,
    rng: &mut impl Rng,
) -> Option<Duration> {
    let asked = retry_after.unwrap_or(Duration::ZERO);
    if asked > LONGEST_PAUSE {
        return None;
    }
    let limit = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(resend_count)).min(LONGEST_PAUSE);
    Some(asked + limit.mul_f64(rng.random()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    proptest! {
        #[test]
        fn retries_are_never_more_than_their_share(
            share in 0.0_f64..=0.5,
            failures in prop::collection::vec(0_u32..5, 0..2000),
        ) {
            let mut budget = Budget::new(share);
            let (mut attempts, mut retries) = (0.0, 0.0);
            for wanted in failures {
                attempts += 1.0;
                budget.first_attempt();
                retries += (0..wanted).filter(|_| budget.retry()).count() as f64;
                prop_assert!(retries <= share * attempts + 1e-6, "{retries} of {attempts}");
            }
        }

        #[test]
        fn pauses_stay_within_their_limits(
            resend_count: u32,
            seed: u64,
            retry_after in prop::option::of(0_u64..10_000),
        ) {
            let retry_after = retry_after.map(Duration::from_millis);
            let mut rng = StdRng::seed_from_u64(seed);
            match pause_before_retry(resend_count, retry_after, &mut rng) {
                Some(pause) => {
                    prop_assert!(pause >= retry_after.unwrap_or_default());
                    prop_assert!(pause <= 2 * LONGEST_PAUSE);
                }
                None => prop_assert!(retry_after.unwrap_or_default() > LONGEST_PAUSE),
            }
        }
    }

    #[test]
    fn a_good_time_does_not_pay_for_a_storm() {
        let mut budget = Budget::new(0.2);
        (0..1_000_000).for_each(|_| budget.first_attempt());
        assert_eq!((0..1000).filter(|_| budget.retry()).count(), MOST_SAVED as usize);
    }
}
