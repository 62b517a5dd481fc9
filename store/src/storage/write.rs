//! Writes what a batch of orders has sold: each table by one statement, however many orders.

use serde::Serialize;
use shared::wire::Receipt;

use super::{
    StorageError,
    clock::milliseconds,
    sale::{Decision, Shelves},
    session::Transaction,
    statement::{Statement, reading_rows},
};
use crate::domain::{IdempotencyKey, NewOrder};

const INSERT_ORDERS: Statement = reading_rows!(
    "INSERT orders",
    "INSERT INTO orders (id, placed_at_ms, total_cents) \
     SELECT input.value->>'id', CAST(input.value->>'placed_at_ms' AS BIGINT), \
     CAST(input.value->>'total_cents' AS BIGINT) FROM ",
    input,
    "",
)
.batched("BATCH INSERT orders");

const INSERT_LINES: Statement = reading_rows!(
    "INSERT order_lines",
    "INSERT INTO order_lines (order_id, line, product_id, name, quantity, unit_price_cents) \
     SELECT input.value->>'order_id', CAST(input.value->>'line' AS BIGINT), \
     CAST(input.value->>'product_id' AS BIGINT), input.value->>'name', \
     CAST(input.value->>'quantity' AS BIGINT), \
     CAST(input.value->>'unit_price_cents' AS BIGINT) FROM ",
    input,
    "",
)
.batched("BATCH INSERT order_lines");

const UPDATE_PRODUCTS: Statement = reading_rows!(
    "UPDATE products",
    "UPDATE products SET on_hand = on_hand - CAST(input.value->>'sold' AS BIGINT) FROM ",
    input,
    " WHERE products.id = CAST(input.value->>'id' AS BIGINT)",
)
.batched("BATCH UPDATE products");

/// An expired key that nobody has swept away yet is taken over.
const INSERT_KEYS: Statement = reading_rows!(
    "INSERT idempotency_keys",
    "INSERT INTO idempotency_keys (key, fingerprint, order_id, expires_at_ms) \
     SELECT input.value->>'key', input.value->>'fingerprint', input.value->>'order_id', \
     CAST(input.value->>'expires_at_ms' AS BIGINT) FROM ",
    input,
    " WHERE true ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, \
     order_id = excluded.order_id, expires_at_ms = excluded.expires_at_ms",
)
.batched("BATCH INSERT idempotency_keys");

/// Writes the orders that are to be recorded, and takes what they sold off the shelves.
pub(super) async fn sales(
    transaction: &mut Transaction<'_>,
    orders: &[NewOrder],
    decisions: &[Decision],
    shelves: &Shelves,
) -> Result<(), StorageError> {
    let mut sales = Sales::default();
    for (order, decision) in orders.iter().zip(decisions) {
        if let Decision::Record(receipt) = decision {
            sales.add(order, receipt);
        }
    }
    if sales.orders.is_empty() {
        return Ok(());
    }
    let sold = shelves.iter().filter(|(_, shelf)| shelf.sold > 0);
    let sold: Vec<_> = sold.map(|(id, shelf)| SoldRow { id: id.get(), sold: shelf.sold }).collect();
    transaction.run(&INSERT_ORDERS, &sales.orders).await?;
    transaction.run(&INSERT_LINES, &sales.lines).await?;
    transaction.run(&UPDATE_PRODUCTS, &sold).await?;
    if !sales.keys.is_empty() {
        transaction.run(&INSERT_KEYS, &sales.keys).await?;
    }
    Ok(())
}

/// The rows of the orders that are recorded.
#[derive(Default)]
struct Sales<'o> {
    orders: Vec<OrderRow>,
    lines: Vec<LineRow<'o>>,
    keys: Vec<KeyRow<'o>>,
}

#[derive(Serialize)]
struct OrderRow {
    id: String,
    placed_at_ms: i64,
    total_cents: u64,
}

#[derive(Serialize)]
struct LineRow<'o> {
    order_id: String,
    line: usize,
    product_id: &'o str,
    name: &'o str,
    quantity: u32,
    unit_price_cents: u64,
}

#[derive(Serialize)]
struct KeyRow<'o> {
    key: &'o str,
    fingerprint: String,
    order_id: String,
    expires_at_ms: i64,
}

#[derive(Serialize)]
struct SoldRow {
    id: u32,
    sold: u64,
}

impl<'o> Sales<'o> {
    fn add(&mut self, order: &'o NewOrder, receipt: &'o Receipt) {
        let placed_at_ms = milliseconds(order.placed_at);
        let id = order.id.to_string();
        self.lines.extend(receipt.lines.iter().enumerate().map(|(index, line)| LineRow {
            order_id: id.clone(),
            line: index + 1,
            product_id: &line.id,
            name: &line.name,
            quantity: line.quantity,
            unit_price_cents: line.unit_price.cents(),
        }));
        if let Some(key) = &order.key {
            self.keys.push(KeyRow {
                key: key.as_str(),
                fingerprint: order.fingerprint().as_str().to_owned(),
                order_id: id.clone(),
                expires_at_ms: milliseconds(order.placed_at + IdempotencyKey::LIFETIME),
            });
        }
        self.orders.push(OrderRow { id, placed_at_ms, total_cents: receipt.total.cents() });
    }
}
