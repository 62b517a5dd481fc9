//! What a trip will do, decided before it starts, by the seed alone.
//!
//! The plan of a trip depends on the seed, the shopper and how many trips that shopper made before.
//! It does not depend on the clock, the store's answers or the number of threads. So the same seed
//! gives the same trips, and a run can be repeated.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use rand::{
    Rng, RngExt, SeedableRng,
    distr::{Distribution, weighted::WeightedIndex},
    rngs::StdRng,
    seq::index,
};
use shared::{
    fault::{Fault, FaultError},
    share::{Share, ShareError},
    wire::BasketItem,
};

use crate::answers::Product;

/// What kind of trip it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TripKind {
    /// Looks at what is in store and leaves.
    BrowseOnly,
    /// Buys one to three things.
    QuickBuy,
    /// Buys five to fifteen things.
    BigBasket,
    /// Fills a basket, has a closer look at what is in it, and leaves without it.
    Hesitant,
    /// Buys like a quick buyer, but gives up when it takes too long.
    Impatient,
    /// Wants hundreds of one thing, whether or not the store has so many.
    BulkBuy,
}

impl TripKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::BrowseOnly,
        Self::QuickBuy,
        Self::BigBasket,
        Self::Hesitant,
        Self::Impatient,
        Self::BulkBuy,
    ];

    /// Its name on the command line, in the report and in the baggage entry `shopper.kind`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BrowseOnly => "browse-only",
            Self::QuickBuy => "quick-buy",
            Self::BigBasket => "big-basket",
            Self::Hesitant => "hesitant",
            Self::Impatient => "impatient",
            Self::BulkBuy => "bulk-buy",
        }
    }
}

/// A step of a trip: one request, with its retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Gets the welcome message.
    Welcome,
    /// Gets the list of all products.
    Browse,
    /// Gets one product, for a closer look.
    Look,
    /// Buys the basket.
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

    /// The path of its request below the store's address, with `{id}` for what differs from one
    /// request to the next.
    #[must_use]
    pub const fn path_template(self) -> &'static str {
        match self {
            Self::Welcome => "/",
            Self::Browse => "/whats-in-store",
            Self::Look => "/products/{id}",
            Self::Checkout => "/checkout",
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
    /// The seed that decides the basket, together with what is in store.
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

/// Kinds of trip with their weights: `quick-buy=80,big-basket=20`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    kinds: Vec<(TripKind, u32)>,
    weights: WeightedIndex<u64>,
}

/// Why a text is not a mix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{input:?} is not a mix of trips: {problem}; expected KIND=WEIGHT,..., with KIND one of {}, \
     each at most once, and WEIGHT a whole number, not all zero",
    TripKind::ALL.map(TripKind::name).join(", ")
)]
pub struct MixError {
    input: String,
    problem: &'static str,
}

impl Mix {
    fn choose(&self, rng: &mut impl Rng) -> TripKind {
        self.kinds[self.weights.sample(rng)].0
    }
}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        parse_mix(text).map_err(|problem| MixError { input: text.into(), problem })
    }
}

fn parse_mix(text: &str) -> Result<Mix, &'static str> {
    let mut kinds = Vec::<(TripKind, u32)>::new();
    for part in text.split(',') {
        let (name, weight) = part.split_once('=').ok_or("there is no '='")?;
        let kind = TripKind::ALL.into_iter().find(|kind| kind.name() == name.trim());
        let kind = kind.ok_or("there is no such kind")?;
        if kinds.iter().any(|(other, _)| *other == kind) {
            return Err("a kind is there twice");
        }
        let weight = weight.trim().parse().map_err(|_| "the weight cannot be read")?;
        kinds.push((kind, weight));
    }
    let weights = WeightedIndex::new(kinds.iter().map(|(_, weight)| u64::from(*weight)))
        .map_err(|_| "all weights are zero")?;
    Ok(Mix { kinds, weights })
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, weight)) in self.kinds.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}={weight}", kind.name())?;
        }
        Ok(())
    }
}

/// A fault and the share of the trips that ask for it: `error=Ledger:5%@10%`. Without a share, all
/// trips ask for it.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultShare {
    fault: Fault,
    share: Share,
}

/// Why a text is not a fault with a share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultShareError {
    /// The part before the `@` is not a fault.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// The part behind the `@` is not a share.
    #[error(transparent)]
    Share(#[from] ShareError),
}

impl FaultShare {
    /// The fault itself.
    pub(crate) fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The fault as it stands in baggage, if this trip is to ask for it.
    fn draw(&self, rng: &mut impl Rng) -> Option<String> {
        rng.random_bool(self.share.fraction()).then(|| self.fault.to_string())
    }
}

impl FromStr for FaultShare {
    type Err = FaultShareError;

    fn from_str(text: &str) -> Result<Self, FaultShareError> {
        let (fault, share) = match text.rsplit_once('@') {
            Some((fault, share)) => (fault, share.parse()?),
            None => (text, Share::ALL),
        };
        Ok(Self { fault: fault.parse()?, share })
    }
}

impl fmt::Display for FaultShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.fault, self.share)
    }
}

/// Chooses a basket from what is in store. The same plan and the same products give the same
/// basket.
///
/// It is empty for a shopper that only browses, and if nothing is in stock. A product without a
/// number in stock counts as available. Only a
/// shopper that buys in bulk asks for more pieces than there are.
#[must_use]
pub fn fill_basket(plan: &TripPlan, products: &[Product<'_>]) -> Vec<BasketItem> {
    let (lines, pieces) = appetite(plan.kind);
    if *lines.end() == 0 {
        return Vec::new();
    }
    let mut in_stock = Vec::with_capacity(products.len());
    in_stock.extend(products.iter().filter(|product| product.in_stock != Some(0)));
    let mut rng = StdRng::seed_from_u64(plan.basket_seed);
    let lines = rng.random_range(lines).min(in_stock.len());
    let chosen = index::sample(&mut rng, in_stock.len(), lines);
    let item = |product: &Product<'_>| {
        let most = match plan.kind {
            TripKind::BulkBuy => u32::MAX,
            _ => product.in_stock.map_or(u32::MAX, |n| u32::try_from(n).unwrap_or(u32::MAX)),
        };
        let quantity = rng.random_range(pieces.clone()).min(most);
        BasketItem { id: product.id.clone().into_owned(), quantity }
    };
    chosen.into_iter().map(|index| in_stock[index]).map(item).collect()
}

/// Chooses a basket from what the store sells, whether or not it is in stock. The same plan gives the same
/// basket for as long as the store sells the same.
#[must_use]
pub fn fill_repeatable_basket(plan: &TripPlan, products: &[Product<'_>]) -> Vec<BasketItem> {
    let everything = products.iter().cloned();
    let everything = everything.map(|product| Product { in_stock: None, ..product });
    fill_basket(plan, &everything.collect::<Vec<_>>())
}

/// How many lines a basket of this kind of trip has, and how many pieces a line.
fn appetite(kind: TripKind) -> (RangeInclusive<usize>, RangeInclusive<u32>) {
    match kind {
        TripKind::BrowseOnly => (0..=0, 1..=1),
        TripKind::QuickBuy | TripKind::Impatient => (1..=3, 1..=2),
        TripKind::Hesitant => (1..=3, 1..=4),
        TripKind::BigBasket => (5..=15, 1..=4),
        TripKind::BulkBuy => (1..=1, 100..=500),
    }
}

/// What random numbers are used for. Each purpose has a sequence of its own, so that a change in
/// one does not change the others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// When the trips of the open model start.
    Arrivals = 1,
    /// What a trip will do.
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
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn planner(seed: u64) -> Planner {
        let mix = "browse-only=1,quick-buy=1,big-basket=1,hesitant=1,impatient=1,bulk-buy=1";
        let mix = mix.parse().unwrap();
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

    #[test]
    fn kinds_come_as_often_as_they_weigh() {
        let planner =
            Planner::new(1, "browse-only=1,quick-buy=3,hesitant=0".parse().unwrap(), vec![]);
        let kinds: Vec<_> = (0..4000).map(|nth| planner.plan(1, nth).kind).collect();
        let count = |kind| kinds.iter().filter(|&&other| other == kind).count();
        assert!((850..1150).contains(&count(TripKind::BrowseOnly)));
        assert_eq!(count(TripKind::BrowseOnly) + count(TripKind::QuickBuy), 4000);
    }

    #[test]
    fn a_mix_reads_back_as_it_was_written() {
        let text = "quick-buy=80,big-basket=20";
        assert_eq!(text.parse::<Mix>().unwrap().to_string(), text);
    }

    #[test]
    fn what_is_no_mix_is_refused_by_name() {
        for text in
            ["", "quick-buy", "nobody=1", "quick-buy=-1", "quick-buy=1,quick-buy=2", "hesitant=0"]
        {
            let error = text.parse::<Mix>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is not a mix of trips")), "{error}");
        }
    }

    #[test]
    fn a_fault_may_have_a_share() {
        for (text, expected) in [
            ("panic=Checkout@25%", "panic=Checkout@25%"),
            ("error=Ledger:5%@0.1", "error=Ledger:5%@10%"),
            ("stall=Aisle:1s", "stall=Aisle:1s@100%"),
        ] {
            assert_eq!(text.parse::<FaultShare>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn either_part_is_refused_by_name() {
        let error = "panic=Aisle@lots".parse::<FaultShare>().unwrap_err();
        assert!(matches!(error, FaultShareError::Share(_)), "{error}");
        let error = "panic@5%".parse::<FaultShare>().unwrap_err();
        assert!(matches!(error, FaultShareError::Fault(_)), "{error}");
    }

    /// Products with these numbers in stock; `None` for a store that does not say how many.
    fn store(stock: &[Option<u64>]) -> Vec<Product<'static>> {
        let product = |(index, &in_stock): (usize, &Option<u64>)| Product {
            id: index.to_string().into(),
            name: format!("product {index}").into(),
            price: "0.99".parse().unwrap(),
            in_stock,
        };
        stock.iter().enumerate().map(product).collect()
    }

    proptest! {
        #[test]
        fn a_basket_can_always_be_bought_unless_it_is_bought_in_bulk(
            stock in prop::collection::vec(prop::option::of(0_u64..6), 0..60),
            basket_seed: u64,
            kind in prop::sample::select(TripKind::ALL.to_vec()),
        ) {
            let plan = TripPlan { shopper: 1, nth: 0, kind, fault: None, basket_seed };
            let basket = fill_basket(&plan, &store(&stock));
            prop_assert_eq!(&basket, &fill_basket(&plan, &store(&stock)));
            let ids: HashSet<_> = basket.iter().map(|item| &item.id).collect();
            prop_assert_eq!(ids.len(), basket.len(), "no product twice");
            for item in &basket {
                let in_stock = stock[item.id.parse::<usize>().unwrap()].unwrap_or(u64::MAX);
                let pieces = if kind == TripKind::BulkBuy { 100..=500 } else { 1..=in_stock };
                prop_assert!(pieces.contains(&u64::from(item.quantity)));
            }
            let everything = vec![None; stock.len()];
            prop_assert_eq!(
                fill_repeatable_basket(&plan, &store(&stock)),
                fill_basket(&plan, &store(&everything)),
                "it does not depend on what is in stock"
            );
            let anything = stock.iter().any(|&in_stock| in_stock != Some(0));
            prop_assert_eq!(basket.is_empty(), kind == TripKind::BrowseOnly || !anything);
        }
    }
}
