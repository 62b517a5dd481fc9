//! When the next trip starts, and whose it is: the two models of load, without a clock.

mod allowance;
mod shoppers;

pub(crate) use allowance::Allowance;

use std::{iter::Peekable, num::NonZeroUsize, time::Duration};

use crate::{arrival::Schedule, config::Load};
use shoppers::Shoppers;

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

/// Which of the threads that make the trips of a run; each has the trips of its own shoppers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    /// Which one, from 0.
    pub(crate) index: usize,
    /// How many there are.
    pub(crate) count: NonZeroUsize,
}

/// When the trips of one thread start.
pub(crate) enum Pace {
    /// When a schedule says.
    Open(Peekable<Part>),
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

/// The part of a schedule that one thread has, with the number of each trip.
type Part = Box<dyn Iterator<Item = (usize, Duration)> + Send>;

impl Pace {
    /// The pace of a lane. Whose the trips of the allowance are is known beforehand in the open
    /// model; in the closed one they are taken as they come.
    pub(crate) fn new(load: &Load, seed: u64, lane: Lane, allowance: Allowance) -> Self {
        match (load, load.profile()) {
            (Load::Open { arrivals, .. }, Some(profile)) => {
                let all = Schedule::new(profile, *arrivals, seed).enumerate();
                let all = all.take(usize::try_from(allowance.trips()).unwrap_or(usize::MAX));
                let part: Part = Box::new(all.skip(lane.index).step_by(lane.count.get()));
                Self::Open(part.peekable())
            }
            (Load::Closed { shoppers, every, think }, _) => {
                Self::Closed(Shoppers::new(*shoppers, *every, *think, seed, lane, allowance))
            }
            (Load::Open { .. }, None) => unreachable!("an open model has a rate profile"),
        }
    }

    /// When the next trip starts.
    pub(crate) fn next(&mut self) -> Next {
        match self {
            Self::Open(schedule) => schedule.peek().map_or(Next::Never, |(_, due)| Next::At(*due)),
            Self::Closed(shoppers) => shoppers.next_due().map_or(Next::AfterReturn, Next::At),
        }
    }

    /// Takes the next trip, if it is due.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<Departure> {
        match self {
            Self::Open(schedule) => {
                let (index, due) = schedule.next_if(|(_, due)| *due <= now)?;
                Some(Departure { due, shopper: index as u64 + 1, nth: 0 })
            }
            Self::Closed(shoppers) => shoppers.take_due(now),
        }
    }

    /// Takes note that a shopper is back: in the closed model it thinks, and comes again.
    pub(crate) fn back(&mut self, back: Return) {
        if let Self::Closed(shoppers) = self {
            shoppers.back(back);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroU64};

    use tokio_util::sync::CancellationToken;

    use super::{shoppers::LONGEST_BACK_OFF, *};
    use crate::{arrival::Arrivals, config::Think};

    const SECOND: Duration = Duration::from_secs(1);

    const ONLY: Lane = Lane { index: 0, count: NonZeroUsize::MIN };

    fn pace(load: &Load) -> Pace {
        Pace::new(load, 42, ONLY, Allowance::new(None, CancellationToken::new()))
    }

    fn closed(shoppers: u32, think: Think) -> Pace {
        let shoppers = NonZeroU32::new(shoppers).unwrap();
        pace(&Load::Closed { shoppers, every: SECOND, think })
    }

    fn open(rate: &str, arrivals: Arrivals) -> Load {
        let rate = Some(rate.parse().unwrap());
        Load::Open { rate, stages: None, arrivals, max_shoppers: NonZeroU32::MIN }
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
            let mut pace = pace(&load);
            let first = pace.take_due(Duration::ZERO).unwrap();
            pace.back(back(first, SECOND, true));
            assert!(pace.take_due(Duration::from_secs(3600)).is_none());
        }
    }

    #[test]
    fn the_open_model_waits_for_nobody() {
        let mut pace = pace(&open("10", Arrivals::Even));
        let due = std::iter::from_fn(|| pace.take_due(SECOND)).count();
        assert_eq!(due, 11, "one at the start, and one each tenth of a second");
        assert_eq!(pace.next(), Next::At(SECOND * 11 / 10));
    }
    /// All trips of a run until `end`, by thread.
    fn trips(load: &Load, threads: usize, trips: u64, end: Duration) -> Vec<Vec<Departure>> {
        let count = NonZeroUsize::new(threads).unwrap();
        let (trips, stopping) = (NonZeroU64::new(trips), CancellationToken::new());
        let allowance = Allowance::new(trips, stopping.clone());
        let lane = |index| {
            let lane = Lane { index, count };
            let mut pace = Pace::new(load, 42, lane, allowance.clone());
            std::iter::from_fn(|| pace.take_due(end)).collect()
        };
        let all: Vec<Vec<_>> = (0..threads).map(lane).collect();
        let is_closed = matches!(load, Load::Closed { .. });
        let is_last = all.concat().len() as u64 == trips.map_or(0, NonZeroU64::get);
        assert_eq!(stopping.is_cancelled(), is_closed && is_last, "told when the last is taken");
        all
    }

    #[test]
    fn the_trips_are_the_same_on_any_number_of_threads() {
        for arrivals in [Arrivals::Even, Arrivals::Poisson] {
            for limit in [0, 100] {
                let load = open("50", arrivals);
                let one = trips(&load, 1, limit, 10 * SECOND).concat();
                assert!(limit == 0 && one.len() > 400 || one.len() == 100, "{}", one.len());
                let mut three = trips(&load, 3, limit, 10 * SECOND).concat();
                three.sort();
                assert_eq!(one, three);
            }
        }
    }

    #[test]
    fn the_closed_model_makes_no_more_trips_than_asked_for_on_all_threads_together() {
        let shoppers = NonZeroU32::new(10).unwrap();
        let load = Load::Closed { shoppers, every: SECOND, think: Think::Fixed };
        let shares: Vec<_> = trips(&load, 3, 0, SECOND).iter().map(Vec::len).collect();
        assert_eq!(shares, [4, 3, 3], "each shopper is on one thread");
        assert_eq!(trips(&load, 3, 8, SECOND).concat().len(), 8);
        assert_eq!(trips(&load, 16, 10, SECOND).concat().len(), 10, "more threads than shoppers");
    }
}
