//! Folding: old orders and deliveries become sums, each once, and everything still adds up.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use store::{
    domain::{Delivery, NewOrder},
    storage::{Folded, MAX_FOLDED, RecordOutcome, Storage},
};
use tokio::task::JoinSet;

use super::fixture::{
    TestDatabase, clean_audit, keyed, noon, on_each, on_hand, order, product, record_when_free,
    recorded, when_free,
};

on_each!(
    a_folded_order_has_no_receipt_and_still_counts,
    the_oldest_are_folded_first_and_never_too_many_at_once,
    what_is_not_old_stays,
    a_key_is_forgotten_with_its_order,
    a_checkout_that_is_repeated_while_its_order_is_folded_is_one_or_the_other,
    keys_that_expire_while_their_orders_are_folded_hold_nobody_up,
    replicas_fold_each_order_once_while_all_of_them_sell,
    whatever_is_sold_delivered_and_folded_adds_up,
    with_as_much_folded_as_sold_nothing_grows,
);

/// A time after that of all orders that these tests place at noon.
fn evening() -> SystemTime {
    noon() + Duration::from_secs(6 * 60 * 60)
}

fn at(placed_at: SystemTime, order: NewOrder) -> NewOrder {
    NewOrder { placed_at, ..order }
}

fn delivery(id: u32, pieces: u32, at: SystemTime) -> Delivery {
    Delivery::new(product(id), NonZeroU32::new(pieces).unwrap(), at)
}

/// Folds all of this time or before, and returns how many orders and deliveries that were.
async fn fold_all(storage: &Storage, until: SystemTime) -> (u64, u64) {
    let mut sum = (0, 0);
    loop {
        let folded = when_free(|| storage.fold(until)).await;
        sum = (sum.0 + folded.orders, sum.1 + folded.deliveries);
        if !folded.is_full {
            return sum;
        }
    }
}

async fn a_folded_order_has_no_receipt_and_still_counts(database: TestDatabase) {
    let storage = database.open([(1, 10), (2, 5), (3, 7)]).await;
    let old = [keyed("k", [(1, 3)]), order([(1, 1), (2, 2)])];
    let new = at(evening(), order([(2, 1)]));
    storage.record(&[old.to_vec(), vec![new.clone()]].concat()).await.unwrap();
    storage.deliver(&[delivery(1, 20, noon()), delivery(2, 30, evening())]).await.unwrap();
    assert_eq!(storage.newest_folded().await.unwrap(), None);
    assert!(storage.has_old(noon()).await.unwrap());

    let folded = storage.fold(noon()).await.unwrap();

    assert_eq!(folded, Folded { orders: 2, deliveries: 1, is_full: false });
    assert!(!storage.has_old(noon()).await.unwrap());
    assert_eq!(storage.newest_folded().await.unwrap(), Some(noon()));
    for order in &old {
        assert_eq!(storage.order(order.id).await.unwrap(), None);
    }
    assert!(storage.order(new.id).await.unwrap().is_some());
    assert_eq!(on_hand(&storage).await, [26, 32, 7]);
    assert_eq!(
        clean_audit(&storage).await.to_string(),
        "   product name                    initial  delivered       sold     folded    on hand
         1 potato                       10         20          0          4         26
         2 apple                         5         30          1          2         32
         3 mango                         7          0          0          0          7
3 orders, 2 of them folded, 5.46 taken, 0 idempotency keys remembered
clean: initial + delivered - sold - folded = on hand for every product"
    );
    assert_eq!(fold_all(&storage, evening()).await, (1, 1));
    let audit = clean_audit(&storage).await;
    assert_eq!((audit.orders, audit.folded), (3, 3));
    assert_eq!(audit.products[1].delivered, 30);
}

async fn the_oldest_are_folded_first_and_never_too_many_at_once(database: TestDatabase) {
    let storage = database.open([(1, 1_000), (2, 1)]).await;
    let later = |seconds| noon() + Duration::from_secs(seconds);
    let orders: Vec<_> = (0..300).rev().map(|second| at(later(second), order([(1, 1)]))).collect();
    for batch in orders.chunks(200) {
        storage.record(batch).await.unwrap();
    }
    let deliveries: Vec<_> = (0..150).map(|second| delivery(2, 1, later(second))).collect();
    storage.deliver(&deliveries).await.unwrap();

    let full = MAX_FOLDED as u64;
    let folded = storage.fold(evening()).await.unwrap();
    assert_eq!(folded, Folded { orders: full, deliveries: full, is_full: true });
    assert_eq!(storage.newest_folded().await.unwrap(), Some(later(full - 1)));
    clean_audit(&storage).await;
    let folded = storage.fold(evening()).await.unwrap();
    assert_eq!(folded, Folded { orders: full, deliveries: 150 - full, is_full: true });
    clean_audit(&storage).await;
    let folded = storage.fold(evening()).await.unwrap();
    assert_eq!(folded, Folded { orders: 300 - 2 * full, deliveries: 0, is_full: false });
    assert_eq!(storage.newest_folded().await.unwrap(), Some(later(299)));
    assert_eq!(storage.fold(evening()).await.unwrap(), Folded::default());
    let audit = clean_audit(&storage).await;
    assert_eq!((audit.orders, audit.folded), (300, 300));
}

async fn what_is_not_old_stays(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    storage.record(&[keyed("k", [(1, 3)])]).await.unwrap();
    storage.deliver(&[delivery(1, 5, noon())]).await.unwrap();
    let just_before = noon() - Duration::from_millis(1);
    assert!(!storage.has_old(just_before).await.unwrap());
    assert_eq!(storage.fold(just_before).await.unwrap(), Folded::default());
    let audit = clean_audit(&storage).await;
    assert_eq!((audit.orders, audit.folded, audit.keys), (1, 0, 1));
}

/// Who repeats a checkout after its order was folded buys again.
async fn a_key_is_forgotten_with_its_order(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    let first = storage.record(&[keyed("k", [(1, 3)]), keyed("other", [(1, 1)])]).await.unwrap();
    let receipt = recorded(&first[0]).clone();
    let again = storage.record(&[keyed("k", [(1, 3)])]).await.unwrap();
    assert_eq!(again, [RecordOutcome::Replayed { receipt, placed_in: None }]);

    storage.fold(noon()).await.unwrap();

    let again = storage.record(&[at(evening(), keyed("k", [(1, 3)]))]).await.unwrap();
    assert_ne!(recorded(&again[0]).order_id, recorded(&first[0]).order_id);
    let audit = clean_audit(&storage).await;
    assert_eq!((audit.orders, audit.folded, audit.keys), (3, 2, 1));
}

async fn a_checkout_that_is_repeated_while_its_order_is_folded_is_one_or_the_other(
    database: TestDatabase,
) {
    let replicas = [database.open([(1, 10_000)]).await, database.open([]).await];
    let mut sold = 0;
    for round in 0..40 {
        let key = format!("round-{round}");
        recorded(&replicas[0].record(&[keyed(&key, [(1, 1)])]).await.unwrap()[0]);
        sold += 1;
        let folding = tokio::spawn({
            let storage = replicas[round % 2].clone();
            async move { when_free(|| storage.fold(noon())).await }
        });
        let repeated = at(evening(), keyed(&key, [(1, 1)]));
        match &record_when_free(&replicas[1], &[repeated]).await[0] {
            RecordOutcome::Recorded(_) => sold += 1,
            RecordOutcome::Replayed { .. } => {}
            other => panic!("{other:?}"),
        }
        folding.await.unwrap();
    }
    let audit = clean_audit(&replicas[0]).await;
    assert_eq!((audit.orders, audit.folded), (sold, 40));
}

/// A day after a sale its key expires. If orders are kept for a day, both are deleted at the same
/// time, and by different stores.
async fn keys_that_expire_while_their_orders_are_folded_hold_nobody_up(database: TestDatabase) {
    let replicas = [database.open([(1, 100_000)]).await, database.open([]).await];
    let orders: Vec<_> = (0..1_000).map(|number| keyed(&format!("k-{number}"), [(1, 1)])).collect();
    for batch in orders.chunks(250) {
        replicas[0].record(batch).await.unwrap();
    }
    let next_day = noon() + Duration::from_secs(25 * 60 * 60);
    let folding = tokio::spawn({
        let storage = replicas[0].clone();
        async move { fold_all(&storage, evening()).await }
    });
    // Each order of a later ten seconds has expired keys deleted.
    for second in 0..10 {
        let placed_at = next_day + Duration::from_secs(second * 10);
        record_when_free(&replicas[1], &[at(placed_at, order([(1, 1)]))]).await;
    }
    assert_eq!(folding.await.unwrap(), (1_000, 0));
    let audit = clean_audit(&replicas[0]).await;
    assert_eq!((audit.orders, audit.folded, audit.keys), (1_010, 1_000, 0));
}

async fn replicas_fold_each_order_once_while_all_of_them_sell(database: TestDatabase) {
    let replicas = [database.open([(1, 9_000), (2, 9_000)]).await, database.open([]).await];
    let old: Vec<_> = (0..600).map(|number| keyed(&format!("old-{number}"), [(1, 1)])).collect();
    for batch in old.chunks(200) {
        replicas[0].record(batch).await.unwrap();
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let (mut sellers, mut folders) = (JoinSet::new(), JoinSet::new());
    for number in 0..4_u32 {
        let storage = replicas[number as usize % 2].clone();
        sellers.spawn(async move {
            for count in 0..20 {
                // Half of them are old when they are placed.
                let placed_at = if count % 2 == 0 { noon() } else { evening() };
                let key = format!("seller-{number}-{count}");
                let new = [at(placed_at, keyed(&key, [(1, 1), (2, 2)]))];
                recorded(&record_when_free(&storage, &new).await[0]);
                let new = [delivery(2, 3, placed_at)];
                when_free(|| storage.deliver(&new)).await;
            }
        });
    }
    for number in 0..4_usize {
        let (storage, is_over) = (replicas[number % 2].clone(), Arc::clone(&is_over));
        folders.spawn(async move {
            let mut sum = (0, 0);
            loop {
                let was_over = is_over.load(Ordering::SeqCst);
                let folded = fold_all(&storage, noon()).await;
                sum = (sum.0 + folded.0, sum.1 + folded.1);
                if was_over {
                    return sum;
                }
            }
        });
    }
    while let Some(sold) = sellers.join_next().await {
        sold.unwrap();
        clean_audit(&replicas[1]).await;
    }
    is_over.store(true, Ordering::SeqCst);
    let folded = folders.join_all().await;
    // Rows that one passes over are folded by another.
    let folded = folded.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(folded, (640, 40));
    let audit = clean_audit(&replicas[0]).await;
    assert_eq!((audit.orders, audit.folded, audit.keys), (680, 640, 40));
    assert_eq!((audit.products[1].delivered, audit.products[1].on_hand), (240, 9_000 - 160 + 240));
}

/// What happens in a store, one after the other.
#[derive(Clone, Debug)]
enum Step {
    Sell { product: u32, pieces: u32, minute: u64, key: Option<u8> },
    Deliver { product: u32, pieces: u32, minute: u64 },
    Fold { until_minute: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..4_u32, 1..9_u32, 0..60_u64, prop::option::of(0..12_u8))
            .prop_map(|(product, pieces, minute, key)| Step::Sell { product, pieces, minute, key }),
        2 => (1..4_u32, 1..30_u32, 0..60_u64)
            .prop_map(|(product, pieces, minute)| Step::Deliver { product, pieces, minute }),
        2 => (0..60_u64).prop_map(|until_minute| Step::Fold { until_minute }),
    ];
    prop::collection::vec(step, 60)
}

/// A model counts along: the database agrees after every step.
async fn whatever_is_sold_delivered_and_folded_adds_up(database: TestDatabase) {
    let storage = database.open([(1, 20), (2, 20), (3, 20)]).await;
    let minute = |minute| noon() + Duration::from_secs(minute * 60);
    let mut runner = TestRunner::deterministic();
    let mut stock = [20_i64; 3];
    let (mut kept_orders, mut kept_deliveries) = (Vec::new(), Vec::new());
    let (mut orders, mut folded) = (0, 0);
    let steps = (0..3).flat_map(|_| steps().new_tree(&mut runner).unwrap().current());
    for step in steps.collect::<Vec<_>>() {
        match step {
            Step::Sell { product, pieces, minute: placed, key } => {
                let bought = match key {
                    Some(key) => keyed(&format!("key-{key}"), [(product, pieces)]),
                    None => order([(product, pieces)]),
                };
                let outcome = storage.record(&[at(minute(placed), bought)]).await.unwrap();
                if let RecordOutcome::Recorded(_) = outcome[0] {
                    stock[product as usize - 1] -= i64::from(pieces);
                    kept_orders.push(placed);
                    orders += 1;
                }
            }
            Step::Deliver { product, pieces, minute: delivered } => {
                storage.deliver(&[delivery(product, pieces, minute(delivered))]).await.unwrap();
                stock[product as usize - 1] += i64::from(pieces);
                kept_deliveries.push(delivered);
            }
            Step::Fold { until_minute } => {
                let is_old = |time: &mut u64| *time <= until_minute;
                let old = kept_orders.extract_if(.., is_old).count() as u64;
                let old_deliveries = kept_deliveries.extract_if(.., is_old).count() as u64;
                let done = fold_all(&storage, minute(until_minute)).await;
                assert_eq!(done, (old, old_deliveries));
                folded += old;
            }
        }
        let audit = clean_audit(&storage).await;
        assert_eq!((audit.orders, audit.folded), (orders, folded));
        let on_hand: Vec<_> = audit.products.iter().map(|product| product.on_hand).collect();
        assert_eq!(on_hand, stock);
    }
    assert!(orders > 30 && folded > 10, "{orders} orders, {folded} of them folded");
}

/// A day of sales, of which the last four are kept. A clock of the test's own makes them
/// short.
async fn with_as_much_folded_as_sold_nothing_grows(database: TestDatabase) {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let storage = database.open([(1, 1_000_000), (2, 1_000_000)]).await;
    let hourly = 250;
    let (mut now, mut sizes) = (noon(), Vec::new());
    for hour in 0..24_u64 {
        now += HOUR;
        let orders: Vec<_> = (0..hourly)
            .map(|number| at(now, keyed(&format!("{hour}-{number}"), [(1, 1), (2, 1)])))
            .collect();
        storage.record(&orders).await.unwrap();
        storage.deliver(&[delivery(1, 10, now)]).await.unwrap();
        fold_all(&storage, now - 4 * HOUR).await;
        while storage.give_back_space().await.unwrap() {}
        let kept = hourly * (hour as i64 + 1).min(4);
        assert_eq!(database.number("SELECT COUNT(*) FROM orders").await, kept);
        assert_eq!(database.number("SELECT COUNT(*) FROM order_lines").await, kept * 2);
        assert_eq!(database.number("SELECT COUNT(*) FROM idempotency_keys").await, kept);
        assert_eq!(database.number("SELECT COUNT(*) FROM deliveries").await, kept / hourly);
        assert_eq!(database.number("SELECT COUNT(*) FROM folded_products").await, {
            if hour < 4 { 0 } else { 2 }
        });
        if let Some(file) = database.file() {
            let log = file.with_extension("db-wal").metadata().unwrap().len();
            assert!(log < 16 * 1024 * 1024, "the log has {log} bytes");
            sizes.push(database.number("SELECT page_count FROM pragma_page_count").await);
        }
    }
    let audit = clean_audit(&storage).await;
    assert_eq!((audit.orders, audit.folded), (6_000, 5_000));
    assert_eq!(audit.products[0].delivered, 240);
    if let Some(file) = database.file() {
        // With all orders in it, it would have grown to more than twice as much.
        let (early, late) = (sizes[8], sizes[23]);
        assert!(late <= early * 5 / 4, "{early} pages, and later {late}: {sizes:?}");

        fold_all(&storage, now).await;
        while storage.give_back_space().await.unwrap() {}
        let emptied = database.number("SELECT page_count FROM pragma_page_count").await;
        assert!(emptied < late / 2, "{late} pages, and {emptied} when all orders were folded");
        storage.close().await;
        let bytes = file.metadata().unwrap().len();
        assert!(bytes <= emptied as u64 * 4096, "the file has {bytes} bytes");
    }
}
