//! The closed model: shoppers who think between trips.

use std::{cmp::Reverse, collections::BinaryHeap, num::NonZeroU32, time::Duration};

use rand::RngExt;
use rand_distr::{Distribution, Exp1};

use super::{Allowance, Departure, Lane, Return};
use crate::{
    config::Think,
    plan::{Purpose, rng},
};

/// The longest that a shopper stays away, beyond its think time, after it could not reach the
/// store once; each further time doubles it.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);

/// The longest that a shopper stays away at all, beyond its think time.
pub(super) const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);

/// The shoppers of the closed model on one thread.
pub(crate) struct Shoppers {
    seed: u64,
    every: Duration,
    think: Think,
    thinking: BinaryHeap<Reverse<Departure>>,
    /// How often each shopper has not reached the store since it last did.
    unreached: Vec<u32>,
    allowance: Allowance,
}

impl Shoppers {
    /// The first trips are spread over one think time, so that they do not come as one crowd.
    pub(super) fn new(
        shoppers: NonZeroU32,
        every: Duration,
        think: Think,
        seed: u64,
        lane: Lane,
        allowance: Allowance,
    ) -> Self {
        let count = shoppers.get();
        let first = |index: u32| {
            let due = every.mul_f64(f64::from(index) / f64::from(count));
            Reverse(Departure { due, shopper: u64::from(index) + 1, nth: 0 })
        };
        let thinking = (0..count).skip(lane.index).step_by(lane.count.get()).map(first).collect();
        Self { seed, every, think, thinking, unreached: vec![0; count as usize], allowance }
    }

    /// When the next of them has thought long enough, if any thinks at all.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.thinking.peek().map(|next| next.0.due)
    }

    /// Takes the next trip, if it is due and allowed.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Departure> {
        if self.next_due()? > now || !self.allowance.take() {
            return None;
        }
        self.thinking.pop().map(|next| next.0)
    }

    /// Has a shopper that is back think, and come again.
    pub(super) fn back(&mut self, back: Return) {
        let mut rng = rng(self.seed, Purpose::Think, back.shopper, back.nth);
        let think = match self.think {
            Think::Fixed => self.every,
            Think::Exponential => scaled(self.every, Exp1.sample(&mut rng)),
        };
        let back_off = self.back_off(back).mul_f64(rng.random());
        let due = back.at.saturating_add(think).saturating_add(back_off);
        self.thinking.push(Reverse(Departure { due, shopper: back.shopper, nth: back.nth + 1 }));
    }

    /// The longest that this shopper stays away beyond its think time.
    fn back_off(&mut self, back: Return) -> Duration {
        let unreached = &mut self.unreached[back.shopper as usize - 1];
        if back.reached_store {
            *unreached = 0;
            return Duration::ZERO;
        }
        let doubled = FIRST_BACK_OFF.saturating_mul(2_u32.saturating_pow(*unreached));
        *unreached = unreached.saturating_add(1);
        doubled.min(LONGEST_BACK_OFF)
    }
}

/// A multiple of a duration, or the longest there is.
fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}
