//! The same seed gives the same trips, at any time and on any number of threads.

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
};

use shopper::{
    arrival::Arrivals,
    config::{Config, Load},
};

use crate::{
    stub::Stub,
    support::{one_trip, run},
};

/// The requests of each shopper, in order, without their keys and trace headers.
async fn asked_by_shopper(seed: u64, threads: usize, load: Load) -> BTreeMap<String, Vec<String>> {
    let stub = Stub::proper();
    let config = Config {
        load,
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
