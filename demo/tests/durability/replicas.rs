//! Two stores on one PostgreSQL.

use shared::wire::Receipt;
use store::testing::postgres;
use tokio::task::JoinSet;

use crate::{
    customer::{Answer, Customer, Purchase},
    store::{Store, clean_audit, stocked},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_on_one_postgres_never_oversell() {
    let Some(server) = tokio::task::block_in_place(postgres::shared) else { return };
    let database = server.database();
    stocked(&database, 150).await;
    let stores = [Store::start(&database), Store::start(&database)];
    let customers = stores.each_ref().map(|store| Customer::of(&store.url));

    let mut shoppers = JoinSet::new();
    for number in 0..64 {
        shoppers.spawn(buy_until_short(customers[number % 2].clone(), number));
    }
    let receipts: Vec<Receipt> = shoppers.join_all().await.into_iter().flatten().collect();

    // Whatever the last of them could not get because others held it and put it back.
    let rest =
        [buy_until_short(customers[0].clone(), 64), buy_until_short(customers[1].clone(), 65)];
    let rest = futures_util::future::join_all(rest).await.into_iter().flatten();
    let receipts: Vec<_> = receipts.into_iter().chain(rest).collect();
    // Each store knows the other's orders.
    assert_eq!(customers[1].receipt(&receipts[0]).await, receipts[0]);
    assert_eq!(customers[0].receipt(&receipts[0]).await, receipts[0]);
    let purchase = Purchase::new("one-key-two-stores".into(), &[(10, 1)]);
    assert_eq!(customers[0].buy_surely(&purchase).await, customers[1].buy_surely(&purchase).await);

    let audit = clean_audit(&database).await;
    assert_eq!(audit.orders, receipts.len() as u64 + 1);
    let on_hand: Vec<_> = audit.products[..2].iter().map(|count| count.on_hand).collect();
    assert_eq!(on_hand, [0, 0], "{audit}");
}

/// Buys the first two products in both orders until there is too little.
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
