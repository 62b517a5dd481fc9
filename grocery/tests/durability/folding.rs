//! The store is killed in the middle of folding old orders, again and again, while it sells.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use shared::wire::{BasketItem, CheckoutRequest};
use store::{
    domain::{Basket, NewOrder},
    storage::{self, DatabaseUrl, Storage},
};
use testing::{PATIENCE, postgres};
use tokio::{
    task::{JoinSet, block_in_place},
    time::timeout,
};

use crate::{
    customer::{Answer, Customer, Purchase},
    store::{Store, clean_audit, stocked},
};

/// How often the store is killed.
const KILLS: u64 = 20;

/// Old orders that are there when the store starts: several batches, so that it is killed before the
/// last.
const OLD_ORDERS: u64 = 1_000;

/// Customers who buy meanwhile.
const CUSTOMERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_adds_up_after_twenty_kills_while_orders_are_folded_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grocery.db");
    survive_twenty_kills(&format!("sqlite:{}", path.display()).parse().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_adds_up_after_twenty_kills_while_orders_are_folded_on_postgres() {
    let Some(server) = block_in_place(postgres::shared) else { return };
    survive_twenty_kills(&server.database()).await;
}

async fn survive_twenty_kills(database: &DatabaseUrl) {
    stocked(database, 1_000_000).await;
    let (mut orders, mut added, mut folded, mut interrupted) = (0, 0, 0, 0);
    let mut lost: Vec<Purchase> = Vec::new();

    for round in 0..KILLS {
        let old = added - folded;
        add_old_orders(database, OLD_ORDERS - old).await;
        (added, orders) = (folded + OLD_ORDERS, orders + OLD_ORDERS - old);
        let store = Store::start_with(database, &["--keep-orders=1h"]);
        let customer = Customer::of(&store.url);
        for purchase in lost.drain(..) {
            customer.buy_surely(&purchase).await;
            orders += 1;
        }
        let (sold, unanswered) = buy_until_killed(store, &customer, database, round, folded).await;
        orders += sold;
        lost = unanswered;
        let audit = clean_audit(database).await;
        assert!((orders..=orders + lost.len() as u64).contains(&audit.orders), "{audit}");
        assert!(audit.folded > folded, "{audit}");
        interrupted += u64::from(audit.folded - folded < OLD_ORDERS);
        folded = audit.folded;
    }

    assert!(interrupted > KILLS / 2, "only {interrupted} kills came before the last batch");
    let store = Store::start(database);
    let customer = Customer::of(&store.url);
    for purchase in lost {
        customer.buy_surely(&purchase).await;
        orders += 1;
    }
    store.kill();
    let audit = clean_audit(database).await;
    assert_eq!((audit.orders, audit.folded), (orders, folded), "every order once");
}

/// Lets customers buy until orders are being folded, then kills the store while they go on. Returns
/// how many orders were sold, and those that were not answered.
async fn buy_until_killed(
    store: Store,
    customer: &Customer,
    database: &DatabaseUrl,
    round: u64,
    folded: u64,
) -> (u64, Vec<Purchase>) {
    let sold = Arc::new(AtomicU64::new(0));
    let mut customers = JoinSet::new();
    for number in 0..CUSTOMERS {
        let (customer, sold) = (customer.clone(), Arc::clone(&sold));
        customers.spawn(async move {
            for count in 0.. {
                let key = format!("round-{round}-customer-{number}-order-{count}");
                let purchase = Purchase::new(key, &[(1 + (number as u32 % 3), 2), (7, 1)]);
                match customer.buy(&purchase).await {
                    Answer::Sold(_) => drop(sold.fetch_add(1, Ordering::SeqCst)),
                    Answer::Lost => return purchase,
                    other => panic!("{purchase:?}: {other:?}"),
                }
            }
            unreachable!("a store that is killed answers no more")
        });
    }
    let folding = async { while storage::audit(database).await.unwrap().folded == folded {} };
    timeout(PATIENCE, folding).await.expect("old orders are folded");
    store.kill();
    let unanswered = customers.join_all().await;
    (sold.load(Ordering::SeqCst), unanswered)
}

/// Adds orders of yesterday, each with a key.
async fn add_old_orders(database: &DatabaseUrl, count: u64) {
    let storage = Storage::open(database).await.unwrap();
    let yesterday = SystemTime::now() - Duration::from_secs(20 * 60 * 60);
    let order = |_| {
        let item = |id: &str| BasketItem { id: id.into(), quantity: 1 };
        let request = CheckoutRequest { items: vec![item("1"), item("12"), item("20")] };
        let basket = Basket::try_from(&request).unwrap();
        let key = format!("old-{}", uuid::Uuid::new_v4()).parse().unwrap();
        NewOrder::new(basket, Some(key), yesterday)
    };
    let orders: Vec<_> = (0..count).map(order).collect();
    for batch in orders.chunks(250) {
        storage.record(batch).await.unwrap();
    }
    storage.close().await;
}
