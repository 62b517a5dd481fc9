//! When the next trip starts, and which shopper makes it: the two models of load, without a clock.
//!
//! In the open model a schedule decides it. In the closed model each shopper thinks after its trip
//! and then makes the next one. Each thread has a [`Shard`] of the trips, so that no thread waits
//! for another.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    iter::Peekable,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::RngExt;
use rand_distr::{Distribution, Exp1};
use shared::backoff::Backoff;
use tokio_util::sync::CancellationToken;

use crate::{
    arrival::Schedule,
    config::{Load, RunShare, Think},
    plan::{Purpose, rng},
};

/// How long a shopper stays away at most, beyond its think time, if it could not reach the store.
const STAY_AWAY: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(5) };

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

/// The number of a thread among those that make the trips of a run, in all its processes. It has
/// every `count`th trip (open model) or shopper (closed model), beginning with `index`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shard {
    /// Which one, from 0.
    pub(crate) index: usize,
    /// How many there are.
    pub(crate) count: NonZeroUsize,
}

impl Shard {
    /// The shards of a process with this share of a run, one for each of its threads. All of them
    /// together have what the share has on one thread.
    pub(crate) fn of_share(share: RunShare, threads: NonZeroUsize) -> impl Iterator<Item = Self> {
        // There are at most 10,000 shares, and a process has at most as many threads as it can
        // start, so the products are far below the largest number.
        let shares = share.count().get() as usize;
        let count = threads.saturating_mul(NonZeroUsize::new(shares).unwrap_or(NonZeroUsize::MIN));
        (0..threads.get())
            .map(move |thread| Self { index: share.index() as usize + thread * shares, count })
    }

    /// Whether the trip of this number, from 0, is in it.
    fn has(self, number: u64) -> bool {
        number % self.count.get() as u64 == self.index as u64
    }
}

/// When the trips of one thread start.
pub(crate) enum Pace {
    /// By a schedule, up to the trip of this number.
    Open(Peekable<Part>, u64),
    /// By shoppers, who think between their trips.
    Closed(Shoppers),
}

/// When the next trip starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// At this time since the start of the run.
    At(Duration),
    /// At a time that is not known until a shopper is back from its trip.
    AfterReturn,
    /// There is no further trip.
    Never,
}

/// The part of a schedule that one thread has, with the number of each trip.
type Part = Box<dyn Iterator<Item = (u64, Duration)> + Send>;

impl Pace {
    /// The pace of a shard. `allowance` limits the trips: in the open model by their numbers in the
    /// whole run, in the closed model by counting those of this process.
    pub(crate) fn new(load: &Load, seed: u64, shard: Shard, allowance: Allowance) -> Self {
        match (load, load.profile()) {
            (Load::Open { arrivals, .. }, Some(profile)) => {
                let all = (0..).zip(Schedule::new(profile, *arrivals, seed));
                // Every shard has the first trip after the last one that is allowed: it is never
                // made, and tells when the schedule ends, which so is the same for all.
                let end = allowance.trips;
                let part = all.filter(move |&(number, _)| shard.has(number) || number == end);
                let part: Part = Box::new(part);
                Self::Open(part.peekable(), end)
            }
            (Load::Closed { shoppers, every, think }, _) => {
                Self::Closed(Shoppers::new(*shoppers, *every, *think, seed, shard, allowance))
            }
            (Load::Open { .. }, None) => unreachable!("an open model has a rate profile"),
        }
    }

    /// When the next trip starts.
    pub(crate) fn next(&mut self) -> Next {
        match self {
            Self::Open(schedule, trips) => match schedule.peek() {
                Some((number, due)) if number < trips => Next::At(*due),
                _ => Next::Never,
            },
            Self::Closed(shoppers) => shoppers.next(),
        }
    }

    /// When the trip after the last one would start, which is the end of the schedule.
    pub(crate) fn after_last(&mut self) -> Next {
        match self {
            Self::Open(schedule, _) => {
                schedule.peek().map_or(Next::Never, |(_, due)| Next::At(*due))
            }
            Self::Closed(shoppers) => shoppers.next(),
        }
    }

    /// Takes the next trip, if it is due.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<Departure> {
        match self {
            Self::Open(schedule, trips) => {
                let (number, due) =
                    schedule.next_if(|(number, due)| number < trips && *due <= now)?;
                Some(Departure { due, shopper: number + 1, nth: 0 })
            }
            Self::Closed(shoppers) => shoppers.take_due(now),
        }
    }

    /// Notes that a shopper is back from its trip. In the closed model it thinks, and then makes
    /// the next one.
    pub(crate) fn back(&mut self, back: Return) {
        if let Self::Closed(shoppers) = self {
            shoppers.back(back);
        }
    }
}

/// The shoppers of the closed model on one thread.
pub(crate) struct Shoppers {
    seed: u64,
    every: Duration,
    think: Think,
    shard: Shard,
    thinking: BinaryHeap<Reverse<Departure>>,
    /// How many trips in a row each shopper of this shard has failed to reach the store.
    unreached: Vec<u32>,
    allowance: Allowance,
}

impl Shoppers {
    /// The first trips are spread over one think time, so that the shoppers do not all come at
    /// once.
    fn new(
        shoppers: NonZeroU32,
        every: Duration,
        think: Think,
        seed: u64,
        shard: Shard,
        allowance: Allowance,
    ) -> Self {
        let count = shoppers.get();
        let first = |index: u32| {
            let due = every.mul_f64(f64::from(index) / f64::from(count));
            Reverse(Departure { due, shopper: u64::from(index) + 1, nth: 0 })
        };
        let thinking: BinaryHeap<_> =
            (0..count).skip(shard.index).step_by(shard.count.get()).map(first).collect();
        let unreached = vec![0; thinking.len()];
        Self { seed, every, think, shard, thinking, unreached, allowance }
    }

    /// When the next shopper has thought long enough.
    fn next(&self) -> Next {
        match self.thinking.peek() {
            Some(next) => Next::At(next.0.due),
            None if self.unreached.is_empty() => Next::Never,
            None => Next::AfterReturn,
        }
    }

    /// Takes the next trip, if it is due and allowed.
    fn take_due(&mut self, now: Duration) -> Option<Departure> {
        if self.thinking.peek()?.0.due > now || !self.allowance.take() {
            return None;
        }
        self.thinking.pop().map(|next| next.0)
    }

    /// Plans the next trip of a shopper that is back: after its think time, and later if it could
    /// not reach the store.
    fn back(&mut self, back: Return) {
        let (think, back_off) = match (self.think, self.back_off(back)) {
            // Where chance decides nothing, no random numbers are made.
            (Think::Fixed, Duration::ZERO) => (self.every, Duration::ZERO),
            (think, longest) => {
                let mut rng = rng(self.seed, Purpose::Think, back.shopper, back.nth);
                let think = match think {
                    Think::Fixed => self.every,
                    Think::Exponential => scaled(self.every, Exp1.sample(&mut rng)),
                };
                (think, longest.mul_f64(rng.random()))
            }
        };
        let due = back.at.saturating_add(think).saturating_add(back_off);
        self.thinking.push(Reverse(Departure { due, shopper: back.shopper, nth: back.nth + 1 }));
    }

    /// How long this shopper stays away at most, beyond its think time.
    fn back_off(&mut self, back: Return) -> Duration {
        let index = (back.shopper as usize - 1) / self.shard.count;
        let unreached = &mut self.unreached[index];
        if back.reached_store {
            *unreached = 0;
            return Duration::ZERO;
        }
        let longest = STAY_AWAY.pause(*unreached);
        *unreached = unreached.saturating_add(1);
        longest
    }
}

/// A multiple of a duration, or the longest possible duration if that is too long.
fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// How many trips there may be. In the open model, where trips have numbers, it is the number of the
/// whole run; in the closed model it is the number of this process, on all its threads together.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    trips: u64,
    taken: Arc<AtomicU64>,
    stopping: CancellationToken,
}

impl Allowance {
    /// The allowance of a process with this share of a run of so many trips.
    pub(crate) fn of_share(
        load: &Load,
        trips: Option<NonZeroU64>,
        share: RunShare,
        stopping: CancellationToken,
    ) -> Self {
        match load {
            Load::Open { .. } => Self::new(trips, stopping),
            // A share without any trip has no shopper either: the settings are refused before.
            Load::Closed { .. } => {
                let part = trips.map(|trips| NonZeroU64::new(share.part_of(trips.get())));
                Self::new(part.map(|part| part.unwrap_or(NonZeroU64::MIN)), stopping)
            }
        }
    }

    /// An allowance of this many trips, or without a limit. It cancels `stopping` when the last
    /// trip is taken.
    pub(crate) fn new(trips: Option<NonZeroU64>, stopping: CancellationToken) -> Self {
        let trips = trips.map_or(u64::MAX, NonZeroU64::get);
        Self { trips, taken: Arc::default(), stopping }
    }

    /// Takes one trip; `false` if none is left.
    fn take(&self) -> bool {
        let one_more = |taken| (taken < self.trips).then_some(taken + 1);
        let before = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        if before.is_ok_and(|taken| taken + 1 == self.trips) {
            self.stopping.cancel();
        }
        before.is_ok()
    }
}

/// When the schedule of a run ends, on all its threads together.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleEnd(Arc<AtomicU64>);

impl ScheduleEnd {
    /// A schedule that ends at this time, if it is known, or earlier (see
    /// [`not_after`](Self::not_after)).
    pub(crate) fn new(end: Option<Duration>) -> Self {
        Self(Arc::new(AtomicU64::new(end.map_or(u64::MAX, nanos))))
    }

    /// Ends the schedule at this time, if it does not end earlier.
    pub(crate) fn not_after(&self, time: Duration) {
        self.0.fetch_min(nanos(time), Ordering::AcqRel);
    }

    /// When it ends; `None` if that is not known yet.
    pub(crate) fn get(&self) -> Option<Duration> {
        let end = self.0.load(Ordering::Acquire);
        (end < u64::MAX).then(|| Duration::from_nanos(end))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arrival::Arrivals;

    const SECOND: Duration = Duration::from_secs(1);

    const ONLY: Shard = Shard { index: 0, count: NonZeroUsize::MIN };

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
        assert!(longest > 2 * SECOND && longest <= SECOND + STAY_AWAY.longest, "{longest:?}");
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

    /// All trips of a run until `end`, for each thread.
    fn trips(load: &Load, threads: usize, trips: u64, end: Duration) -> Vec<Vec<Departure>> {
        let count = NonZeroUsize::new(threads).unwrap();
        let (trips, stopping) = (NonZeroU64::new(trips), CancellationToken::new());
        let allowance = Allowance::new(trips, stopping.clone());
        let of_shard = |index| {
            let mut pace = Pace::new(load, 42, Shard { index, count }, allowance.clone());
            std::iter::from_fn(|| pace.take_due(end)).collect()
        };
        let all: Vec<Vec<_>> = (0..threads).map(of_shard).collect();
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

    /// The departures of one process with a share of a run, on so many threads, until `end`. In the
    /// closed model a trip takes as long as its shopper and its number say.
    fn of_process(
        load: &Load,
        share: RunShare,
        threads: usize,
        trips: Option<NonZeroU64>,
        end: Duration,
    ) -> (Vec<Departure>, Option<Duration>) {
        let threads = NonZeroUsize::new(threads).unwrap();
        let allowance = Allowance::of_share(load, trips, share, CancellationToken::new());
        let shards = Shard::of_share(share, threads);
        let mut paces: Vec<_> =
            shards.map(|shard| Pace::new(load, 42, shard, allowance.clone())).collect();
        let mut made = Vec::new();
        // The earliest trip of all threads is taken first, as it is in a run.
        let earliest = |paces: &mut Vec<Pace>| {
            let due = |pace: &mut Pace| match pace.next() {
                Next::At(due) => due,
                _ => Duration::MAX,
            };
            let dues: Vec<_> = paces.iter_mut().map(due).collect();
            let first = (0..paces.len()).min_by_key(|&thread| dues[thread])?;
            let departure = paces[first].take_due(end)?;
            let takes = 1 + (departure.shopper * 7 + departure.nth * 3) % 11;
            let at = departure.due + Duration::from_millis(takes);
            paces[first].back(back(departure, at, true));
            Some(departure)
        };
        while let Some(departure) = earliest(&mut paces) {
            made.push(departure);
        }
        let ends = paces.iter_mut().filter_map(|pace| match pace.after_last() {
            Next::At(due) => Some(due),
            _ => None,
        });
        (made, ends.min())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_shares_of_a_run_together_are_the_trips_of_one_shopper(
            is_open: bool,
            arrivals in prop::sample::select(
                vec![Arrivals::Even, Arrivals::Poisson, Arrivals::Bursty]),
            think in prop::sample::select(vec![Think::Fixed, Think::Exponential]),
            count in 1_u32..7,
            threads in prop::collection::vec(1_usize..5, 7),
            limit in prop::option::of(10_u64..300),
        ) {
            let shoppers = NonZeroU32::new(20).unwrap();
            let load = match is_open {
                true => open("50", arrivals),
                false => Load::Closed { shoppers, every: SECOND / 2, think },
            };
            // In the closed model it depends on the answers which trips are the first so many.
            let trips = limit.filter(|_| is_open).and_then(NonZeroU64::new);
            let whole = RunShare::WHOLE;
            let (mut one, end) = of_process(&load, whole, threads[6], trips, 5 * SECOND);
            one.sort();
            let count = NonZeroU32::new(count).unwrap();
            let mut all = Vec::new();
            for index in 0..count.get() {
                let share = RunShare::new(index, count).unwrap();
                let process = of_process(&load, share, threads[index as usize], trips, 5 * SECOND);
                prop_assert!(process.0.len() as u64 >= share.part_of(one.len() as u64) / 2);
                if trips.is_some_and(|trips| one.len() as u64 == trips.get()) {
                    prop_assert_eq!(process.1, end, "all shares see the same end");
                }
                all.extend(process.0);
            }
            all.sort();
            prop_assert!(one.len() >= 10);
            prop_assert_eq!(all, one);
        }

        #[test]
        fn the_shares_of_the_closed_model_together_make_as_many_trips_as_asked_for(
            limit in 7_u64..100,
            count in 1_u32..7,
            threads in 1_usize..4,
        ) {
            let shoppers = NonZeroU32::new(20).unwrap();
            let load = Load::Closed { shoppers, every: SECOND, think: Think::Exponential };
            let (trips, count) = (NonZeroU64::new(limit), NonZeroU32::new(count).unwrap());
            let shares = (0..count.get()).map(|index| RunShare::new(index, count).unwrap());
            let made = shares.map(|share| of_process(&load, share, threads, trips, Duration::MAX));
            prop_assert_eq!(made.map(|made| made.0.len() as u64).sum::<u64>(), limit);
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

    #[test]
    fn a_schedule_ends_when_the_trip_after_the_last_would_have_been_due() {
        let hundred = || Allowance::new(NonZeroU64::new(100), CancellationToken::new());
        let load = open("40", Arrivals::Even);
        for count in [1, 3, 7] {
            let count = NonZeroUsize::new(count).unwrap();
            let ends = (0..count.get()).map(|index| {
                let mut pace = Pace::new(&load, 42, Shard { index, count }, hundred());
                while pace.take_due(Duration::MAX).is_some() {}
                assert_eq!(pace.next(), Next::Never);
                let Next::At(due) = pace.after_last() else { panic!("a rate goes on for ever") };
                due
            });
            assert_eq!(ends.min(), Some(Duration::from_millis(2500)), "100 trips at 40/s");
        }
        let mut pace = closed(2, Think::Fixed);
        let first = pace.take_due(Duration::ZERO).unwrap();
        assert_eq!(pace.after_last(), Next::At(SECOND / 2), "the other has not been yet");
        pace.take_due(SECOND).unwrap();
        assert_eq!(pace.after_last(), Next::AfterReturn);
        pace.back(back(first, SECOND, true));
        assert_eq!(pace.after_last(), Next::At(2 * SECOND));
    }

    #[test]
    fn a_thread_without_shoppers_has_no_trips() {
        let load = Load::Closed { shoppers: NonZeroU32::MIN, every: SECOND, think: Think::Fixed };
        let shard = Shard { index: 1, count: NonZeroUsize::new(2).unwrap() };
        let allowance = Allowance::new(None, CancellationToken::new());
        assert_eq!(Pace::new(&load, 42, shard, allowance).next(), Next::Never);
    }

    #[test]
    fn the_earliest_end_of_all_threads_is_the_end() {
        let end = ScheduleEnd::new(None);
        assert_eq!(end.get(), None);
        end.not_after(Duration::MAX);
        assert_eq!(end.get(), None);
        for seconds in [3, 2, 5] {
            end.clone().not_after(Duration::from_secs(seconds));
        }
        assert_eq!(end.get(), Some(Duration::from_secs(2)));
    }
}
