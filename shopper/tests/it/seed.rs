//! The same seed gives the same trips, at any time, on any number of threads, and divided among
//! any number of shoppers.

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
};

use shopper::{
    arrival::Arrivals,
    config::{Config, Load, RunShare},
};

use crate::{
    stub::Stub,
    support::{one_trip, run},
};

/// The requests of each shopper, in order, without their keys and trace headers.
async fn asked_by_shopper(seed: u64, threads: usize, load: Load) -> BTreeMap<String, Vec<String>> {
    asked_by_share(seed, threads, load, RunShare::WHOLE).await
}

/// The same of one share of the run.
async fn asked_by_share(
    seed: u64,
    threads: usize,
    load: Load,
    share: RunShare,
) -> BTreeMap<String, Vec<String>> {
    let stub = Stub::proper();
    let config = Config {
        load,
        share,
        threads: NonZeroUsize::new(threads).unwrap(),
        trips: NonZeroU64::new(60),
        seed,
        mix: "browse-only=1,quick-buy=2,big-basket=1,hesitant=1".parse().unwrap(),
        faults: vec!["panic=Checkout@30%".parse().unwrap()],
        ..one_trip(&stub.url)
    };
    run(&config).await;
    let mut by_shopper = BTreeMap::<_, Vec<_>>::new();
    for asked in stub.asked() {
        let (kind, fault) = (asked.baggage("shopper.kind"), asked.baggage("grocery.fault"));
        let told = format!("{kind:?} {fault:?} {} {}", asked.line, asked.body);
        by_shopper.entry(asked.baggage("shopper.id").unwrap().to_owned()).or_default().push(told);
    }
    by_shopper
}

fn open() -> Load {
    Load::Open {
        rate: Some("2000".parse().unwrap()),
        stages: None,
        arrivals: Arrivals::Poisson,
        max_shoppers: NonZeroU32::new(100).unwrap(),
    }
}

#[actix_web::test]
async fn the_same_seed_twice_is_the_same_sequence_of_trips() {
    let closed = || crate::support::closed(1);
    let first = asked_by_shopper(42, 1, closed()).await;
    assert_eq!(first, asked_by_shopper(42, 1, closed()).await);
    assert_ne!(first, asked_by_shopper(43, 1, closed()).await);
}

#[actix_web::test]
async fn the_number_of_threads_changes_nothing_about_the_trips() {
    let one_thread = asked_by_shopper(42, 1, open()).await;
    assert_eq!(one_thread.len(), 60, "sixty shoppers, a trip each");
    assert_eq!(one_thread, asked_by_shopper(42, 3, open()).await);
}

#[actix_web::test]
async fn three_shoppers_that_share_a_run_make_the_trips_of_one() {
    let one = asked_by_shopper(42, 1, open()).await;
    let mut shared = BTreeMap::new();
    for (share, threads) in [("1/3", 1), ("2/3", 2), ("3/3", 1)] {
        let part = asked_by_share(42, threads, open(), share.parse().unwrap()).await;
        assert_eq!(part.len(), 20, "{share} of sixty");
        shared.extend(part);
    }
    assert_eq!(one, shared);
}
