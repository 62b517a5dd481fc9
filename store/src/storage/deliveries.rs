//! Adds deliveries to the stock, each once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;

use super::{
    StorageError,
    connection::Transaction,
    database::Database,
    products::{lock_products, stock_in},
    sql::{Statement, bind_in_order, milliseconds, read_by_name},
};
use crate::domain::{Delivery, ProductId, StockLevel};

/// Returns only the rows that were inserted, so that a repeated delivery is counted once.
const INSERT_DELIVERIES: Statement = Statement::each(
    "INSERT deliveries",
    "INSERT INTO deliveries (id, product_id, quantity, delivered_at_ms) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (id) DO NOTHING RETURNING product_id, quantity",
    "INSERT INTO deliveries (id, product_id, quantity, delivered_at_ms) \
     SELECT input.value->>'id', CAST(input.value->>'product_id' AS BIGINT), \
     CAST(input.value->>'quantity' AS BIGINT), \
     CAST(input.value->>'delivered_at_ms' AS BIGINT) \
     FROM json_array_elements($1::json) AS input \
     WHERE true ON CONFLICT (id) DO NOTHING RETURNING product_id, quantity",
);

const UPDATE_PRODUCTS: Statement = Statement::each(
    "UPDATE products",
    "UPDATE products SET on_hand = on_hand + ?2 WHERE id = ?1",
    "UPDATE products SET on_hand = on_hand + CAST(input.value->>'delivered' AS BIGINT) \
     FROM json_array_elements($1::json) AS input \
     WHERE products.id = CAST(input.value->>'id' AS BIGINT)",
);

#[derive(Serialize)]
struct DeliveryRow {
    id: String,
    product_id: u32,
    quantity: u32,
    delivered_at_ms: i64,
}

struct NewRow {
    product_id: i64,
    quantity: i64,
}

read_by_name! {
    NewRow { product_id, quantity }
}

#[derive(Serialize)]
struct DeliveredRow {
    id: i64,
    delivered: i64,
}

bind_in_order! {
    DeliveryRow { id, product_id, quantity, delivered_at_ms }
    DeliveredRow { id, delivered }
}

/// Records the deliveries in one transaction, and returns the stock of their products.
pub(super) async fn deliver(
    database: &Database,
    deliveries: Arc<[Delivery]>,
) -> Result<Vec<StockLevel>, StorageError> {
    database
        .transaction(deliveries, |transaction, deliveries| {
            Box::pin(deliver_in(transaction, deliveries))
        })
        .await
}

async fn deliver_in(
    transaction: &mut Transaction,
    deliveries: &[Delivery],
) -> Result<Vec<StockLevel>, StorageError> {
    let products: BTreeSet<ProductId> = deliveries.iter().map(|one| one.product).collect();
    let products = lock_products(transaction, products).await?;
    // A delivery of a product that the store does not sell is ignored.
    let known = deliveries.iter().filter(|one| products.contains_key(&one.product));
    let rows: Vec<_> = known.map(DeliveryRow::from).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let new: Vec<NewRow> = transaction.fetch(&INSERT_DELIVERIES, &rows).await?;
    let mut delivered: BTreeMap<i64, i64> = BTreeMap::new();
    for row in new {
        *delivered.entry(row.product_id).or_default() += row.quantity;
    }
    let delivered: Vec<_> =
        delivered.into_iter().map(|(id, delivered)| DeliveredRow { id, delivered }).collect();
    if !delivered.is_empty() {
        transaction.run(&UPDATE_PRODUCTS, &delivered).await?;
    }
    stock_in(transaction, &products.into_keys().collect()).await
}

impl From<&Delivery> for DeliveryRow {
    fn from(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            product_id: delivery.product.get(),
            quantity: delivery.quantity.get(),
            delivered_at_ms: milliseconds(delivery.delivered_at),
        }
    }
}
