//! Deliveries: each is added to the stock once.

use std::num::NonZeroU32;

use store::domain::{Delivery, StockLevel};

use super::fixture::{TestDatabase, clean_audit, noon, on_each, on_hand, product};

on_each!(a_delivery_is_on_the_shelf_once, what_is_not_sold_is_not_delivered);

fn delivery(id: u32, quantity: u32) -> Delivery {
    Delivery::new(product(id), NonZeroU32::new(quantity).unwrap(), noon())
}

async fn a_delivery_is_on_the_shelf_once(database: TestDatabase) {
    let storage = database.open([(1, 1), (2, 2), (3, 3)]).await;
    let deliveries = [delivery(3, 10), delivery(1, 20), delivery(3, 30)];

    let levels = storage.deliver(&deliveries).await.unwrap();

    let level = |id, on_hand| StockLevel { product: product(id), on_hand };
    assert_eq!(levels, [level(1, 21), level(3, 43)]);
    assert_eq!(storage.deliver(&deliveries).await.unwrap(), levels);
    let two = [deliveries[1], delivery(1, 4)];
    assert_eq!(storage.deliver(&two).await.unwrap(), [level(1, 25)]);
    assert_eq!(on_hand(&storage).await, [25, 2, 43]);
    let delivered: Vec<_> =
        clean_audit(&storage).await.products.iter().map(|count| count.delivered).collect();
    assert_eq!(delivered, [24, 0, 40]);
}

async fn what_is_not_sold_is_not_delivered(database: TestDatabase) {
    let storage = database.open([(1, 1)]).await;
    assert_eq!(storage.deliver(&[delivery(99, 1)]).await.unwrap(), []);
    assert_eq!(storage.deliver(&[delivery(99, 1), delivery(1, 1)]).await.unwrap().len(), 1);
    assert_eq!(on_hand(&storage).await, [2]);
}
