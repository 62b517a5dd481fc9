//! Sixty-four customers and too little stock: it is sold out, not oversold.

use shared::wire::Receipt;
use store::storage::{Audit, DatabaseUrl};
use testing::postgres;
use tokio::task::JoinSet;

use crate::{
    customer::{Answer, Customer, Purchase},
    store::{Store, clean_audit, stocked},
};

/// Customers who buy at the same time.
const CUSTOMERS: usize = 64;

/// Pieces of each product.
const PIECES: u32 = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_small_stock_is_sold_out_and_not_oversold_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grocery.db");
    let database = format!("sqlite:{}", path.display()).parse().unwrap();
    sell_out(&database, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_small_stock_is_sold_out_and_not_oversold_on_postgres() {
    let Some(server) = tokio::task::block_in_place(postgres::shared) else { return };
    sell_out(&server.database(), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_on_one_postgres_sell_out_and_do_not_oversell() {
    let Some(server) = tokio::task::block_in_place(postgres::shared) else { return };
    let database = server.database();
    let (audit, stores) = sell_out(&database, 2).await;
    let [one, other] = [&stores[0], &stores[1]].map(|store| Customer::of(&store.url));

    let purchase = Purchase::new("one-key-two-stores".into(), &[(10, 1)]);
    let receipt = one.buy_surely(&purchase).await;
    assert_eq!(other.buy_surely(&purchase).await, receipt);
    assert_eq!(other.receipt(&receipt).await, receipt);
    assert_eq!(clean_audit(&database).await.orders, audit.orders + 1);
}

/// Sells all of the first two products in so many stores on one database.
async fn sell_out(database: &DatabaseUrl, stores: usize) -> (Audit, Vec<Store>) {
    stocked(database, PIECES).await;
    let stores: Vec<_> = (0..stores).map(|_| Store::start(database)).collect();
    let customers: Vec<_> = stores.iter().map(|store| Customer::of(&store.url)).collect();

    let mut shoppers = JoinSet::new();
    for number in 0..CUSTOMERS {
        shoppers.spawn(buy_until_short(customers[number % customers.len()].clone(), number));
    }
    let mut receipts: Vec<Receipt> = shoppers.join_all().await.into_iter().flatten().collect();
    // One more round, for pieces that the last orders had reserved and put back.
    receipts.extend(buy_until_short(customers[0].clone(), CUSTOMERS).await);

    let audit = clean_audit(database).await;
    assert_eq!(audit.orders, receipts.len() as u64);
    let left: Vec<_> = audit.products[..2].iter().map(|count| count.on_hand).collect();
    assert_eq!(left, [0, 0], "{audit}");
    (audit, stores)
}

/// Buys the first two products, each customer in an order of their own, until there is too little.
async fn buy_until_short(customer: Customer, number: usize) -> Vec<Receipt> {
    let lines = if number.is_multiple_of(2) { [(1, 1), (2, 1)] } else { [(2, 1), (1, 1)] };
    let mut receipts = Vec::new();
    loop {
        let key = format!("customer-{number}-order-{}", receipts.len());
        match customer.buy(&Purchase::new(key, &lines)).await {
            Answer::Sold(receipt) => receipts.push(receipt),
            Answer::OutOfStock => return receipts,
            other => panic!("{other:?}"),
        }
    }
}
