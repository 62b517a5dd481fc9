//! When the next trip starts, and whose it is: the two models of load, without a clock.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    iter::{Enumerate, Peekable},
    num::NonZeroU32,
    time::Duration,
};

use rand::RngExt;
use rand_distr::{Distribution, Exp1};

use crate::{
    arrival::Schedule,
    config::{Load, Think},
    plan::{Purpose, rng},
};

/// The longest that a shopper stays away, beyond its think time, after it could not reach the
/// store once; each further time doubles it.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);

/// The longest that a shopper stays away at all, beyond its think time.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);

/// A trip that is to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Departure {
    /// When, since the start of the run.
    pub(crate) due: Duration,
    /// Which shopper, from 1.
    pub(crate) shopper: u64,
    /// Which of this shopper's trips, from 0.
    pub(crate) nth: u64,
}

/// A shopper that is back from a trip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Return {
    /// Which shopper.
    pub(crate) shopper: u64,
    /// Which of its trips.
    pub(crate) nth: u64,
    /// When it was back, since the start of the run.
    pub(crate) at: Duration,
    /// Whether it found the store at all.
    pub(crate) reached_store: bool,
}

/// When trips start.
pub(crate) enum Pace {
    /// When a schedule says.
    Open(Box<Peekable<Enumerate<Schedule>>>),
    /// When shoppers have thought long enough.
    Closed(Shoppers),
}

/// When the next trip starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// At this time since the start of the run.
    At(Duration),
    /// Some time after a shopper is back.
    AfterReturn,
    /// There is none.
    Never,
}

impl Pace {
    pub(crate) fn new(load: &Load, seed: u64) -> Self {
        match (load, load.profile()) {
            (Load::Open { arrivals, .. }, Some(profile)) => {
                Self::Open(Box::new(Schedule::new(profile, *arrivals, seed).enumerate().peekable()))
            }
            (Load::Closed { shoppers, every, think }, _) => {
                Self::Closed(Shoppers::new(*shoppers, *every, *think, seed))
            }
            (Load::Open { .. }, None) => unreachable!("an open model has a rate profile"),
        }
    }

    /// When the next trip starts.
    pub(crate) fn next(&mut self) -> Next {
        match self {
            Self::Open(schedule) => schedule.peek().map_or(Next::Never, |(_, due)| Next::At(*due)),
            Self::Closed(shoppers) => {
                let next = shoppers.thinking.peek();
                next.map_or(Next::AfterReturn, |Reverse(departure)| Next::At(departure.due))
            }
        }
    }

    /// Takes the next trip, if it is due.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<Departure> {
        match self {
            Self::Open(schedule) => {
                let (index, due) = schedule.next_if(|(_, due)| *due <= now)?;
                Some(Departure { due, shopper: index as u64 + 1, nth: 0 })
            }
            Self::Closed(shoppers) => {
                let due = shoppers.thinking.peek().is_some_and(|next| next.0.due <= now);
                if due { shoppers.thinking.pop().map(|next| next.0) } else { None }
            }
        }
    }

    /// Takes note that a shopper is back: in the closed model it thinks, and comes again.
    pub(crate) fn back(&mut self, back: Return) {
        if let Self::Closed(shoppers) = self {
            shoppers.back(back);
        }
    }
}

/// The shoppers of the closed model.
pub(crate) struct Shoppers {
    seed: u64,
    every: Duration,
    think: Think,
    thinking: BinaryHeap<Reverse<Departure>>,
    /// How often each shopper has not reached the store since it last did.
    unreached: Vec<u32>,
}

impl Shoppers {
    /// The first trips are spread over one think time, so that they do not come as one crowd.
    fn new(shoppers: NonZeroU32, every: Duration, think: Think, seed: u64) -> Self {
        let count = shoppers.get();
        let first = |index: u32| {
            let due = every.mul_f64(f64::from(index) / f64::from(count));
            Reverse(Departure { due, shopper: u64::from(index) + 1, nth: 0 })
        };
        let thinking = (0..count).map(first).collect();
        Self { seed, every, think, thinking, unreached: vec![0; count as usize] }
    }

    fn back(&mut self, back: Return) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::Arrivals;

    const SECOND: Duration = Duration::from_secs(1);

    fn closed(shoppers: u32, think: Think) -> Pace {
        let shoppers = NonZeroU32::new(shoppers).unwrap();
        Pace::new(&Load::Closed { shoppers, every: SECOND, think }, 42)
    }

    fn back(departure: Departure, at: Duration, reached_store: bool) -> Return {
        Return { shopper: departure.shopper, nth: departure.nth, at, reached_store }
    }

    #[test]
    fn shoppers_start_one_after_the_other_and_think_between_trips() {
        let mut pace = closed(4, Think::Fixed);
        let first = pace.take_due(Duration::ZERO).unwrap();
        assert_eq!(first, Departure { due: Duration::ZERO, shopper: 1, nth: 0 });
        assert_eq!(pace.next(), Next::At(SECOND / 4));
        pace.back(back(first, SECOND / 5, true));
        let later: Vec<_> = std::iter::from_fn(|| pace.take_due(2 * SECOND)).collect();
        let who: Vec<_> = later.iter().map(|departure| departure.shopper).collect();
        assert_eq!(who, [2, 3, 4, 1]);
        assert_eq!(later[3].due, SECOND / 5 + SECOND);
        assert_eq!(pace.next(), Next::AfterReturn);
    }

    #[test]
    fn exponential_think_times_have_the_mean_that_was_asked_for() {
        let mut pace = closed(1, Think::Exponential);
        let mut total = Duration::ZERO;
        for _ in 0..2000 {
            let departure = pace.take_due(Duration::MAX).unwrap();
            total = departure.due;
            pace.back(back(departure, departure.due, true));
        }
        let mean = total.as_secs_f64() / 2000.0;
        assert!((0.95..1.05).contains(&mean), "{mean}");
    }

    #[test]
    fn a_shopper_that_finds_no_store_stays_away_longer_but_not_for_ever() {
        let mut pace = closed(1, Think::Fixed);
        let mut longest = Duration::ZERO;
        for _ in 0..100 {
            let departure = pace.take_due(Duration::MAX).unwrap();
            pace.back(back(departure, departure.due, false));
            let Next::At(due) = pace.next() else { panic!("it comes back") };
            longest = longest.max(due - departure.due);
        }
        assert!(longest > 2 * SECOND && longest <= SECOND + LONGEST_BACK_OFF, "{longest:?}");
        let departure = pace.take_due(Duration::MAX).unwrap();
        pace.back(back(departure, departure.due, true));
        assert_eq!(pace.next(), Next::At(departure.due + SECOND));
    }

    #[test]
    fn a_shopper_that_thinks_for_ever_never_comes_again() {
        for think in [Think::Fixed, Think::Exponential] {
            let load = Load::Closed { shoppers: NonZeroU32::MIN, every: Duration::MAX, think };
            let mut pace = Pace::new(&load, 1);
            let first = pace.take_due(Duration::ZERO).unwrap();
            pace.back(back(first, SECOND, true));
            assert!(pace.take_due(Duration::from_secs(3600)).is_none());
        }
    }

    #[test]
    fn the_open_model_waits_for_nobody() {
        let load = Load::Open {
            rate: Some("10".parse().unwrap()),
            stages: None,
            arrivals: Arrivals::Even,
            max_shoppers: NonZeroU32::MIN,
        };
        let mut pace = Pace::new(&load, 1);
        let due = std::iter::from_fn(|| pace.take_due(SECOND)).count();
        assert_eq!(due, 11, "one at the start, and one each tenth of a second");
        assert_eq!(pace.next(), Next::At(SECOND * 11 / 10));
    }
}
