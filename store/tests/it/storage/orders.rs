//! Orders: what is sold, what is short, and what a receipt says.

use store::{
    domain::{OrderId, Shortfall, StockLevel},
    storage::RecordOutcome,
};

use super::fixture::{TestDatabase, clean_audit, on_each, on_hand, order, product, recorded};

on_each!(
    a_recorded_order_has_its_receipt_for_ever,
    an_order_short_of_stock_fails_alone,
    an_order_for_what_is_not_sold_is_short,
    a_full_batch_of_full_baskets_is_recorded,
    no_orders_are_no_work,
    the_catalogue_and_the_stock_say_what_is_on_hand,
);

async fn a_recorded_order_has_its_receipt_for_ever(database: TestDatabase) {
    let storage = database.open([(1, 10), (3, 10)]).await;
    let new = order([(3, 2), (1, 10)]);

    let outcomes = storage.record(std::slice::from_ref(&new)).await.unwrap();

    let receipt = recorded(&outcomes[0]);
    assert_eq!(receipt.order_id, new.id.uuid());
    let json = serde_json::to_value(receipt).unwrap();
    assert_eq!(
        json["lines"].to_string(),
        r#"[{"id":"3","name":"mango","price":3.0,"quantity":2,"unit_price":1.5},{"id":"1","name":"potato","price":9.9,"quantity":10,"unit_price":0.99}]"#
    );
    assert_eq!(receipt.total.to_string(), "12.90");
    assert_eq!(receipt.placed_at, "2026-01-31T12:00:00.250Z");

    storage.close().await;
    let reopened = database.open([]).await;
    assert_eq!(reopened.order(new.id).await.unwrap().as_ref(), Some(receipt));
    assert_eq!(reopened.order(OrderId::new()).await.unwrap(), None);
    assert_eq!(on_hand(&reopened).await, [0, 8]);
}

async fn an_order_short_of_stock_fails_alone(database: TestDatabase) {
    let storage = database.open([(1, 10), (2, 10), (3, 1)]).await;
    let orders = [
        order([(1, 6), (2, 1)]),
        order([(1, 5), (2, 1), (3, 2)]),
        order([(1, 4)]),
        order([(1, 1)]),
    ];

    let outcomes = storage.record(&orders).await.unwrap();

    recorded(&outcomes[0]);
    let short = |id, asked, available| Shortfall {
        product: product(id),
        requested: std::num::NonZeroU32::new(asked).unwrap(),
        available,
    };
    assert_eq!(outcomes[1], RecordOutcome::Short(vec![short(1, 5, 4), short(3, 2, 1)]));
    recorded(&outcomes[2]);
    assert_eq!(outcomes[3], RecordOutcome::Short(vec![short(1, 1, 0)]));
    assert_eq!(on_hand(&storage).await, [0, 9, 1]);
    assert_eq!(storage.order(orders[1].id).await.unwrap(), None);
    assert_eq!(clean_audit(&storage).await.orders, 2);
}

async fn an_order_for_what_is_not_sold_is_short(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    let outcomes = storage.record(&[order([(1, 1), (99, 1)]), order([(1, 1)])]).await.unwrap();
    assert!(matches!(&outcomes[0], RecordOutcome::Short(short)
        if short.len() == 1 && short[0].product == product(99) && short[0].available == 0));
    recorded(&outcomes[1]);
}

async fn a_full_batch_of_full_baskets_is_recorded(database: TestDatabase) {
    let stock: [(u32, u32); 36] = std::array::from_fn(|index| (index as u32 + 1, 256));
    let storage = database.open(stock).await;
    let orders: Vec<_> = (0..256).map(|_| order(stock.map(|(id, _)| (id, 1)))).collect();

    let outcomes = storage.record(&orders).await.unwrap();

    assert!(outcomes.iter().zip(&orders).all(|(outcome, order)| {
        recorded(outcome).order_id == order.id.uuid() && recorded(outcome).lines.len() == 36
    }));
    assert_eq!(on_hand(&storage).await, [0; 36]);
    assert_eq!(clean_audit(&storage).await.orders, 256);
}

async fn no_orders_are_no_work(database: TestDatabase) {
    let storage = database.open([]).await;
    assert_eq!(storage.record(&[]).await.unwrap(), []);
    assert_eq!(storage.deliver(&[]).await.unwrap(), []);
    assert_eq!(storage.stock(&[]).await.unwrap(), []);
}

async fn the_catalogue_and_the_stock_say_what_is_on_hand(database: TestDatabase) {
    let storage = database.open([(12, 7), (1, 5)]).await;
    storage.check().await.unwrap();

    let catalogue = storage.catalogue().await.unwrap();
    let texts: Vec<_> = catalogue
        .iter()
        .map(|(product, on_hand)| {
            format!("{} {} {} {} {on_hand}", product.id, product.name, product.price, product.aisle)
        })
        .collect();
    assert_eq!(texts, ["1 potato 0.99 produce 5", "12 milk 1.19 dairy 7"]);

    let stock = storage.stock(&[product(12), product(99), product(1)]).await.unwrap();
    let level = |id, on_hand| StockLevel { product: product(id), on_hand };
    assert_eq!(stock, [level(1, 5), level(12, 7)]);
}
