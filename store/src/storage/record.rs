//! Records a batch of orders in one transaction.
//!
//! Locks are always taken in the same order: first idempotency keys, then products, each sorted.
//! So however many stores share one database, they cannot wait for each other in a circle.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use shared::wire::Receipt;
use sqlx::FromRow;

use super::{
    RecordOutcome, StorageError,
    clock::milliseconds,
    database::Database,
    read::{self, IdRow},
    sale::{Decision, KeyUse, Shelf, Shelves, UsedKeys, decide},
    session::Transaction,
    statement::{Dialect, Statement, reading_rows},
    write,
};
use crate::domain::{IdempotencyKey, NewOrder, OrderId, ProductId};

/// A key that is not in the table yet cannot be locked there, so PostgreSQL locks its hash.
const LOCK_KEYS: Statement = reading_rows!(
    "SELECT pg_advisory_xact_lock",
    "SELECT pg_advisory_xact_lock(hash)::text FROM (\
     SELECT DISTINCT hashtextextended(input.value->>'key', 0) AS hash FROM ",
    input,
    " ORDER BY hash) AS hashes",
);

const SELECT_KEYS: Statement = reading_rows!(
    "SELECT idempotency_keys",
    "SELECT key, fingerprint, order_id, expires_at_ms FROM idempotency_keys \
     WHERE key IN (SELECT input.value->>'key' FROM ",
    input,
    ")",
);

const LOCK_PRODUCTS: Statement = reading_rows!(
    "SELECT products",
    "SELECT id, name, price_cents, on_hand FROM products \
     WHERE id IN (SELECT CAST(input.value->>'id' AS BIGINT) FROM ",
    input,
    ") ORDER BY id",
    locking: " FOR UPDATE",
);

/// Records the batch.
pub(super) async fn record(
    database: &Database,
    orders: &[NewOrder],
) -> Result<Vec<RecordOutcome>, StorageError> {
    database
        .transaction(orders, |transaction, orders| Box::pin(record_in(transaction, orders)))
        .await
}

async fn record_in(
    transaction: &mut Transaction<'_>,
    orders: &[NewOrder],
) -> Result<Vec<RecordOutcome>, StorageError> {
    let keys = used_keys(transaction, orders).await?;
    let mut shelves = lock_shelves(transaction, orders, &keys).await?;
    let decisions = decide(orders, &mut shelves, keys)?;
    write::sales(transaction, orders, &decisions, &shelves).await?;

    let recorded = decisions.iter().filter_map(|decision| match decision {
        Decision::Record(receipt) => Some((OrderId::from(receipt.order_id), receipt.clone())),
        _ => None,
    });
    let mut receipts: HashMap<OrderId, Receipt> = recorded.collect();
    let earlier: Vec<OrderId> = decisions
        .iter()
        .filter_map(|decision| match decision {
            Decision::Repeat(order) if !receipts.contains_key(order) => Some(*order),
            _ => None,
        })
        .collect();
    receipts.extend(read::receipts(transaction, &earlier).await?);
    decisions.into_iter().map(|decision| outcome(decision, &receipts)).collect()
}

fn outcome(
    decision: Decision,
    receipts: &HashMap<OrderId, Receipt>,
) -> Result<RecordOutcome, StorageError> {
    Ok(match decision {
        Decision::Record(receipt) => RecordOutcome::Recorded(receipt),
        Decision::Repeat(order) => {
            let receipt = receipts.get(&order).cloned();
            RecordOutcome::Replayed(receipt.ok_or_else(|| {
                StorageError::Corrupt(format!(
                    "an idempotency key for order {order}, but no such order"
                ))
            })?)
        }
        Decision::Short(shortages) => RecordOutcome::Short(shortages),
        Decision::KeyReused => RecordOutcome::KeyReused,
    })
}

#[derive(FromRow)]
struct KeyUseRow {
    key: String,
    fingerprint: String,
    order_id: String,
    expires_at_ms: i64,
}

/// Locks the batch's keys, and reads what those that are known were used for.
async fn used_keys(
    transaction: &mut Transaction<'_>,
    orders: &[NewOrder],
) -> Result<UsedKeys, StorageError> {
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    struct Key<'k> {
        key: &'k str,
    }
    let keys = orders.iter().filter_map(|order| order.key.as_ref());
    let keys: BTreeSet<_> = keys.map(|key| Key { key: key.as_str() }).collect();
    let keys: Vec<_> = keys.into_iter().collect();
    if keys.is_empty() {
        return Ok(UsedKeys::new());
    }
    if transaction.dialect() == Dialect::Postgres {
        transaction.run(&LOCK_KEYS, &keys).await?;
    }
    let now = orders.iter().map(|order| milliseconds(order.placed_at)).max().unwrap_or_default();
    let rows: Vec<KeyUseRow> = transaction.fetch(&SELECT_KEYS, &keys).await?;
    rows.into_iter()
        .filter(|row| row.expires_at_ms > now)
        .map(|row| {
            let order = read::order_id(&row.order_id)?;
            Ok((row.key, KeyUse { fingerprint: row.fingerprint, order }))
        })
        .collect()
}

#[derive(FromRow)]
struct ShelfRow {
    id: i64,
    name: String,
    price_cents: i64,
    on_hand: i64,
}

/// Locks the products of all orders that may be new, and reads what there is of them.
async fn lock_shelves(
    transaction: &mut Transaction<'_>,
    orders: &[NewOrder],
    keys: &UsedKeys,
) -> Result<Shelves, StorageError> {
    let known = |key: &IdempotencyKey| keys.contains_key(key.as_str());
    let new = orders.iter().filter(|order| !order.key.as_ref().is_some_and(known));
    let products = new.flat_map(|order| order.basket.lines()).map(|line| line.product);
    let products: BTreeSet<ProductId> = products.collect();
    lock_products(transaction, products).await
}

/// Locks products, in the order of their ids, and reads what there is of them.
pub(super) async fn lock_products(
    transaction: &mut Transaction<'_>,
    products: BTreeSet<ProductId>,
) -> Result<Shelves, StorageError> {
    if products.is_empty() {
        return Ok(Shelves::new());
    }
    let ids: Vec<_> = products.into_iter().map(IdRow::from).collect();
    let rows: Vec<ShelfRow> = transaction.fetch(&LOCK_PRODUCTS, &ids).await?;
    rows.into_iter()
        .map(|row| {
            let price = read::money(row.price_cents)?;
            let on_hand = read::count(row.on_hand)?;
            let shelf = Shelf { name: row.name, price, on_hand, sold: 0 };
            Ok((read::product_id(row.id)?, shelf))
        })
        .collect()
}
