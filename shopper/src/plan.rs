//! What a trip will be, decided before it starts and by the seed alone.
//!
//! The plan of a trip depends on the seed, the shopper and how many trips that shopper made
//! before: not on the clock, the store's answers or the number of threads. So the same seed gives
//! the same trips, and a run can be repeated.

mod basket;
mod fault;
mod mix;

pub use basket::fill_basket;
pub use fault::{FaultShare, FaultShareError};
pub use mix::{Mix, MixError};

use rand::{Rng, SeedableRng, rngs::StdRng};

/// What kind of trip it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TripKind {
    /// Looks at what is in store and goes.
    BrowseOnly,
    /// Buys one to three things.
    QuickBuy,
    /// Buys five to fifteen things.
    BigBasket,
    /// Fills a basket, has a closer look at what is in it, and leaves without it.
    Hesitant,
    /// Buys like a quick buyer, but gives up when it takes too long.
    Impatient,
}

impl TripKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::BrowseOnly, Self::QuickBuy, Self::BigBasket, Self::Hesitant, Self::Impatient];

    /// Its name on the command line, in the report and in the baggage entry `shopper.kind`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BrowseOnly => "browse-only",
            Self::QuickBuy => "quick-buy",
            Self::BigBasket => "big-basket",
            Self::Hesitant => "hesitant",
            Self::Impatient => "impatient",
        }
    }
}

/// A step of a trip: one request, and what is asked again when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Being welcomed.
    Welcome,
    /// Seeing what is in store.
    Browse,
    /// A closer look at one product.
    Look,
    /// Buying the basket.
    Checkout,
}

impl Step {
    /// All steps, in the order of a trip.
    pub const ALL: [Self; 4] = [Self::Welcome, Self::Browse, Self::Look, Self::Checkout];

    /// Its request, as the report names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Welcome => "GET /",
            Self::Browse => "GET /whats-in-store",
            Self::Look => "GET /products/{id}",
            Self::Checkout => "POST /checkout",
        }
    }
}

/// A trip as it is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TripPlan {
    /// Which shopper makes it, from 1.
    pub shopper: u64,
    /// Which of this shopper's trips it is, from 0.
    pub nth: u64,
    /// What kind of trip it is.
    pub kind: TripKind,
    /// The faults that the store is asked for, as the baggage entry `grocery.fault` has them.
    pub fault: Option<String>,
    /// What decides the basket, together with what is in store.
    pub basket_seed: u64,
}

/// Plans the trips of a run.
#[derive(Clone, Debug)]
pub struct Planner {
    seed: u64,
    mix: Mix,
    faults: Vec<FaultShare>,
}

impl Planner {
    /// A planner whose trips are decided by `seed`.
    #[must_use]
    pub fn new(seed: u64, mix: Mix, faults: Vec<FaultShare>) -> Self {
        Self { seed, mix, faults }
    }

    /// The plan of the `nth` trip (from 0) of a shopper (from 1).
    #[must_use]
    pub fn plan(&self, shopper: u64, nth: u64) -> TripPlan {
        let mut rng = rng(self.seed, Purpose::Plan, shopper, nth);
        let kind = self.mix.choose(&mut rng);
        let faults: Vec<_> = self.faults.iter().filter_map(|fault| fault.draw(&mut rng)).collect();
        let fault = (!faults.is_empty()).then(|| faults.join(";"));
        TripPlan { shopper, nth, kind, fault, basket_seed: rng.next_u64() }
    }
}

/// What random numbers are for: each purpose has numbers of its own, so that a change in one
/// leaves the others as they were.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// When the trips of the open model start.
    Arrivals = 1,
    /// What a trip will be.
    Plan = 2,
    /// How long a shopper thinks after a trip.
    Think = 3,
}

/// The random numbers of a seed for one purpose and one trip.
pub(crate) fn rng(seed: u64, purpose: Purpose, shopper: u64, nth: u64) -> StdRng {
    let mut bytes = [0; 32];
    let numbers = [seed, purpose as u64, shopper, nth];
    for (chunk, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        chunk.copy_from_slice(&number.to_le_bytes());
    }
    StdRng::from_seed(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planner(seed: u64) -> Planner {
        let mix = "browse-only=1,quick-buy=1,big-basket=1,hesitant=1,impatient=1".parse().unwrap();
        Planner::new(seed, mix, vec!["panic=Checkout@50%".parse().unwrap()])
    }

    #[test]
    fn the_same_seed_plans_the_same_trips() {
        let trips = |seed| (0..200).map(move |nth| planner(seed).plan(7, nth)).collect::<Vec<_>>();
        assert_eq!(trips(42), trips(42));
        assert_ne!(trips(42), trips(43));
    }

    #[test]
    fn shoppers_differ_from_each_other() {
        let kinds = |shopper| (0..50).map(move |nth| planner(1).plan(shopper, nth).kind);
        assert_ne!(kinds(1).collect::<Vec<_>>(), kinds(2).collect::<Vec<_>>());
    }

    #[test]
    fn a_fault_takes_its_share_of_the_trips() {
        let planner = planner(3);
        let faulty = (0..2000).filter(|&nth| planner.plan(1, nth).fault.is_some()).count();
        assert!((900..1100).contains(&faulty), "{faulty}");
    }
}
