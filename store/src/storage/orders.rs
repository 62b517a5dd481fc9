//! Records batches of orders, reads orders, and deletes idempotency keys after a day.
//!
//! Locks are always taken in the same order: first idempotency keys, then products, each sorted. So
//! stores that share one database cannot deadlock.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde::Serialize;
use shared::wire::Receipt;

use super::{
    RecordOutcome, StorageError,
    connection::{Session, Transaction},
    database::Database,
    products::lock_products,
    sale::{self, Decision, KeyUse, LockedProducts, UsedKeys, decide},
    sql::{self, Dialect, IdRow, Statement, bind_in_order, integer, milliseconds, read_by_name},
};
use crate::domain::{IdempotencyKey, NewOrder, OrderId, ProductId};

/// The shortest time between two deletions of expired keys.
const SWEEP_PERIOD: Duration = Duration::from_secs(10);

/// A key that is not in the table yet has no row to lock, so PostgreSQL locks a hash of it.
const LOCK_KEYS: Statement = Statement::same(
    "SELECT pg_advisory_xact_lock",
    "SELECT pg_advisory_xact_lock(hash)::text FROM (\
     SELECT DISTINCT hashtextextended(input.value->>'key', 0) AS hash \
     FROM json_array_elements($1::json) AS input ORDER BY hash) AS hashes",
);

const SELECT_KEYS: Statement = Statement::each(
    "SELECT idempotency_keys",
    "SELECT key, fingerprint, order_id, expires_at_ms, trace_id, span_id FROM idempotency_keys \
     WHERE key = ?1",
    "SELECT key, fingerprint, order_id, expires_at_ms, trace_id, span_id FROM idempotency_keys \
     WHERE key IN (SELECT input.value->>'key' FROM json_array_elements($1::json) AS input)",
);

// What every sale writes goes to PostgreSQL as arrays instead of objects: the names of the fields would
// be most of it. It is read as `jsonb`, once: of `json` each `->>` reads the text of the row anew.

const INSERT_ORDERS: Statement = Statement::each(
    "INSERT orders",
    "INSERT INTO orders (id, placed_at_ms, total_cents) VALUES (?1, ?2, ?3)",
    "INSERT INTO orders (id, placed_at_ms, total_cents) \
     SELECT input.value->>0, CAST(input.value->>1 AS BIGINT), \
     CAST(input.value->>2 AS BIGINT) FROM jsonb_array_elements($1::jsonb) AS input",
);

const INSERT_LINES: Statement = Statement::each(
    "INSERT order_lines",
    "INSERT INTO order_lines (order_id, line, product_id, name, quantity, unit_price_cents) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    "INSERT INTO order_lines (order_id, line, product_id, name, quantity, unit_price_cents) \
     SELECT input.value->>0, CAST(input.value->>1 AS BIGINT), \
     CAST(input.value->>2 AS BIGINT), input.value->>3, \
     CAST(input.value->>4 AS BIGINT), CAST(input.value->>5 AS BIGINT) \
     FROM jsonb_array_elements($1::jsonb) AS input",
);

const UPDATE_PRODUCTS: Statement = Statement::each(
    "UPDATE products",
    "UPDATE products SET on_hand = on_hand - ?2 WHERE id = ?1",
    "UPDATE products SET on_hand = on_hand - CAST(input.value->>1 AS BIGINT) \
     FROM jsonb_array_elements($1::jsonb) AS input \
     WHERE products.id = CAST(input.value->>0 AS BIGINT)",
);

const INSERT_KEYS: Statement = Statement::each(
    "INSERT idempotency_keys",
    "INSERT INTO idempotency_keys \
     (key, fingerprint, order_id, expires_at_ms, trace_id, span_id) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    UPSERT_KEYS_POSTGRES,
);

/// The same where some of the keys are in the table and have expired: they are overwritten. SQLite keeps
/// a copy of each page that such a statement changes, until the statement is over.
const OVERWRITE_KEYS: Statement = Statement::each(
    "INSERT idempotency_keys",
    "INSERT INTO idempotency_keys \
     (key, fingerprint, order_id, expires_at_ms, trace_id, span_id) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
     ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, \
     order_id = excluded.order_id, expires_at_ms = excluded.expires_at_ms, \
     trace_id = excluded.trace_id, span_id = excluded.span_id",
    UPSERT_KEYS_POSTGRES,
);

const UPSERT_KEYS_POSTGRES: &str = "INSERT INTO idempotency_keys \
     (key, fingerprint, order_id, expires_at_ms, trace_id, span_id) \
     SELECT input.value->>0, input.value->>1, input.value->>2, \
     CAST(input.value->>3 AS BIGINT), input.value->>4, input.value->>5 \
     FROM jsonb_array_elements($1::jsonb) AS input WHERE true \
     ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, \
     order_id = excluded.order_id, expires_at_ms = excluded.expires_at_ms, \
     trace_id = excluded.trace_id, span_id = excluded.span_id";

const RECEIPTS: Statement = Statement::each(
    "SELECT orders order_lines",
    "SELECT orders.id, orders.placed_at_ms, order_lines.product_id, order_lines.name, \
     order_lines.quantity, order_lines.unit_price_cents \
     FROM orders JOIN order_lines ON order_lines.order_id = orders.id \
     WHERE orders.id = ?1 ORDER BY order_lines.line",
    "SELECT orders.id, orders.placed_at_ms, order_lines.product_id, order_lines.name, \
     order_lines.quantity, order_lines.unit_price_cents \
     FROM orders JOIN order_lines ON order_lines.order_id = orders.id \
     WHERE orders.id IN (SELECT input.value->>'id' FROM json_array_elements($1::json) AS input) \
     ORDER BY orders.id, order_lines.line",
);

/// The limit keeps the sweep short, since sales wait for it. Every [`SWEEP_PERIOD`] it deletes as
/// many keys as come at two thousand a second.
///
/// It passes over keys that another store, or the folding of their orders, is deleting at the moment.
const DELETE_EXPIRED: Statement = Statement::each(
    "DELETE idempotency_keys",
    "DELETE FROM idempotency_keys WHERE key IN (SELECT key FROM idempotency_keys \
     WHERE expires_at_ms <= ?1 ORDER BY expires_at_ms LIMIT 20000)",
    "DELETE FROM idempotency_keys WHERE key = ANY(ARRAY(SELECT key FROM idempotency_keys \
     WHERE expires_at_ms <= (SELECT CAST(input.value->>'now_ms' AS BIGINT) \
     FROM json_array_elements($1::json) AS input) ORDER BY expires_at_ms LIMIT 20000 \
     FOR UPDATE SKIP LOCKED))",
);

/// Records the orders in one transaction, and returns the outcome of each.
pub(super) async fn record(
    database: &Database,
    orders: Arc<[NewOrder]>,
) -> Result<Vec<RecordOutcome>, StorageError> {
    database
        .transaction(orders, |transaction, orders| Box::pin(record_in(transaction, orders)))
        .await
}

async fn record_in(
    transaction: &mut Transaction,
    orders: &[NewOrder],
) -> Result<Vec<RecordOutcome>, StorageError> {
    let (keys, some_expired) = used_keys(transaction, orders).await?;
    let mut products = lock_ordered_products(transaction, orders, &keys).await?;
    let decisions = decide(orders, &mut products, keys)?;
    write_sales(transaction, orders, &decisions, &products, some_expired).await?;
    let repeated = repeated_receipts(transaction, &decisions).await?;
    decisions.into_iter().map(|decision| outcome(decision, &repeated)).collect()
}

/// The receipts of the orders that are repeated, which may be of this batch or of an earlier one.
async fn repeated_receipts(
    transaction: &mut Transaction,
    decisions: &[Decision],
) -> Result<HashMap<OrderId, Receipt>, StorageError> {
    let repeated = decisions.iter().filter_map(|decision| match decision {
        Decision::Repeat(order, _) => Some(*order),
        _ => None,
    });
    let mut repeated: BTreeSet<OrderId> = repeated.collect();
    if repeated.is_empty() {
        return Ok(HashMap::new());
    }
    let mut receipts = HashMap::new();
    for decision in decisions {
        if let Decision::Record(receipt) = decision {
            let order = OrderId::from(receipt.order_id);
            if repeated.remove(&order) {
                receipts.insert(order, receipt.clone());
            }
        }
    }
    let earlier = Vec::from_iter(repeated);
    receipts.extend(read_receipts(transaction, &earlier).await?);
    Ok(receipts)
}

fn outcome(
    decision: Decision,
    receipts: &HashMap<OrderId, Receipt>,
) -> Result<RecordOutcome, StorageError> {
    Ok(match decision {
        Decision::Record(receipt) => RecordOutcome::Recorded(receipt),
        Decision::Repeat(order, placed_in) => {
            let receipt = receipts.get(&order).cloned().ok_or_else(|| {
                StorageError::Corrupt(format!(
                    "an idempotency key for order {order}, but no such order"
                ))
            })?;
            RecordOutcome::Replayed { receipt, placed_in }
        }
        Decision::Short(shortages) => RecordOutcome::Short(shortages),
        Decision::KeyReused => RecordOutcome::KeyReused,
    })
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'k> {
    key: &'k str,
}

struct KeyUseRow {
    key: String,
    fingerprint: String,
    order_id: String,
    expires_at_ms: i64,
    trace_id: Option<String>,
    span_id: Option<String>,
}

/// Locks the keys of the batch, and reads for which orders they were used before. Says too whether some
/// of them are in the table and have expired.
async fn used_keys(
    transaction: &mut Transaction,
    orders: &[NewOrder],
) -> Result<(UsedKeys, bool), StorageError> {
    let keys = orders.iter().filter_map(|order| order.key.as_ref());
    let keys: BTreeSet<_> = keys.map(|key| Key { key: key.as_str() }).collect();
    let keys: Vec<_> = keys.into_iter().collect();
    if keys.is_empty() {
        return Ok((UsedKeys::new(), false));
    }
    if transaction.dialect() == Dialect::Postgres {
        transaction.run(&LOCK_KEYS, &keys).await?;
    }
    let now = orders.iter().map(|order| milliseconds(order.placed_at)).max().unwrap_or_default();
    let rows: Vec<KeyUseRow> = transaction.fetch(&SELECT_KEYS, &keys).await?;
    let found = rows.len();
    let used = rows
        .into_iter()
        .filter(|row| row.expires_at_ms > now)
        .map(|row| {
            let order = sql::order_id(&row.order_id)?;
            let placed_in = sql::span_reference(row.trace_id.as_deref(), row.span_id.as_deref())?;
            Ok((row.key, KeyUse { fingerprint: row.fingerprint, order, placed_in }))
        })
        .collect::<Result<UsedKeys, StorageError>>()?;
    let some_expired = used.len() < found;
    Ok((used, some_expired))
}

/// Locks the products of all orders whose keys were not used before, and reads their stock.
async fn lock_ordered_products(
    transaction: &mut Transaction,
    orders: &[NewOrder],
    keys: &UsedKeys,
) -> Result<LockedProducts, StorageError> {
    let known = |key: &IdempotencyKey| keys.contains_key(key.as_str());
    let new = orders.iter().filter(|order| !order.key.as_ref().is_some_and(known));
    let products = new.flat_map(|order| order.basket.lines()).map(|line| line.product);
    let products: BTreeSet<ProductId> = products.collect();
    lock_products(transaction, products).await
}

/// Writes the orders that are to be recorded, and subtracts what they sold from the stock.
async fn write_sales(
    transaction: &mut Transaction,
    orders: &[NewOrder],
    decisions: &[Decision],
    products: &LockedProducts,
    some_keys_expired: bool,
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
    let sold = products.iter().filter(|(_, product)| product.sold > 0);
    let sold: Vec<SoldRow> = sold.map(|(id, product)| (id.get(), integer(product.sold))).collect();
    transaction.run(&INSERT_ORDERS, &sales.orders).await?;
    transaction.run(&INSERT_LINES, &sales.lines).await?;
    transaction.run(&UPDATE_PRODUCTS, &sold).await?;
    if !sales.keys.is_empty() {
        let insert = if some_keys_expired { &OVERWRITE_KEYS } else { &INSERT_KEYS };
        transaction.run(insert, &sales.keys).await?;
    }
    Ok(())
}

/// The rows to be written for the orders that are recorded.
#[derive(Default)]
struct Sales<'o> {
    orders: Vec<OrderRow>,
    lines: Vec<LineRow<'o>>,
    keys: Vec<KeyRow<'o>>,
}

/// The id, when it was placed in milliseconds, and the total in cents.
type OrderRow = (String, i64, i64);

/// The order, the number of the line, the product, its name, its quantity, and its price in cents.
type LineRow<'o> = (String, i64, &'o str, &'o str, u32, i64);

/// The key, the fingerprint, the order, when the key expires in milliseconds, and the trace and the span
/// in which the order was placed.
type KeyRow<'o> = (&'o str, String, String, i64, Option<String>, Option<String>);

/// The product, and how many pieces of it were sold.
type SoldRow = (u32, i64);

bind_in_order! {
    Key<'_> { key }
    OrderRow { 0, 1, 2 }
    LineRow<'_> { 0, 1, 2, 3, 4, 5 }
    KeyRow<'_> { 0, 1, 2, 3, 4, 5 }
    SoldRow { 0, 1 }
    Now { now_ms }
}

impl<'o> Sales<'o> {
    fn add(&mut self, order: &'o NewOrder, receipt: &'o Receipt) {
        let id = order.id.to_string();
        let placed_at = milliseconds(order.placed_at);
        self.orders.push((id.clone(), placed_at, integer(receipt.total.cents())));
        self.lines.extend((1..).zip(&receipt.lines).map(|(number, line)| {
            let price = integer(line.unit_price.cents());
            (id.clone(), number, line.id.as_str(), line.name.as_str(), line.quantity, price)
        }));
        if let Some(key) = &order.key {
            self.keys.push((
                key.as_str(),
                order.fingerprint().as_str().to_owned(),
                id,
                milliseconds(order.placed_at + IdempotencyKey::LIFETIME),
                order.placed_in.map(|span| format!("{:032x}", span.trace_id)),
                order.placed_in.map(|span| format!("{:016x}", span.span_id)),
            ));
        }
    }
}

struct ReceiptLineRow {
    id: String,
    placed_at_ms: i64,
    product_id: i64,
    name: String,
    quantity: i64,
    unit_price_cents: i64,
}

read_by_name! {
    KeyUseRow { key, fingerprint, order_id, expires_at_ms, trace_id, span_id }
    ReceiptLineRow { id, placed_at_ms, product_id, name, quantity, unit_price_cents }
}

pub(super) async fn order(
    database: &Database,
    id: OrderId,
) -> Result<Option<Receipt>, StorageError> {
    let receipts =
        database.read([id], |session, ids| Box::pin(read_receipts(session, ids))).await?;
    Ok(receipts.into_values().next())
}

/// The receipts of those orders that exist.
pub(super) async fn read_receipts(
    session: &mut Session,
    orders: &[OrderId],
) -> Result<HashMap<OrderId, Receipt>, StorageError> {
    if orders.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<_> = orders.iter().copied().map(IdRow::from).collect();
    let rows: Vec<ReceiptLineRow> = session.fetch(&RECEIPTS, &ids).await?;
    let orders = rows.chunk_by(|one, next| one.id == next.id);
    orders.filter_map(|lines| Some(receipt(lines.first()?, lines))).collect()
}

fn receipt(
    first: &ReceiptLineRow,
    lines: &[ReceiptLineRow],
) -> Result<(OrderId, Receipt), StorageError> {
    let id = sql::order_id(&first.id)?;
    let lines = lines.iter().map(|line| {
        let quantity = line.quantity;
        let quantity =
            u32::try_from(quantity).map_err(|_| sql::corrupt("the quantity", quantity))?;
        let unit_price = sql::money(line.unit_price_cents)?;
        sale::receipt_line(
            sql::product_id(line.product_id)?,
            line.name.clone(),
            quantity,
            unit_price,
        )
    });
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    Ok((id, sale::receipt(id, lines, first.placed_at_ms)?))
}

/// When expired keys were last deleted. The time is that of the orders, not that of the system.
#[derive(Debug, Default)]
pub(super) struct SweepSchedule {
    last_ms: AtomicI64,
}

impl SweepSchedule {
    /// Whether it is time to sweep. A call that returns `true` begins the next period, so its
    /// caller has to sweep.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        let now = milliseconds(now);
        let last = self.last_ms.load(Ordering::Relaxed);
        let period = i64::try_from(SWEEP_PERIOD.as_millis()).unwrap_or(i64::MAX);
        let due = last == 0 || now.saturating_sub(last) >= period;
        let mine = due
            && self
                .last_ms
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        // The first call only starts the clock: a store that has just opened does not sweep.
        mine && last != 0
    }
}

/// Deletes keys that have expired by `now`.
pub(super) async fn sweep(database: &Database, now: SystemTime) -> Result<(), StorageError> {
    let now = [Now { now_ms: milliseconds(now) }];
    database
        .transaction(now, |transaction, now| Box::pin(transaction.run(&DELETE_EXPIRED, now)))
        .await
}

#[derive(Clone, Serialize)]
struct Now {
    now_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_a_period() {
        let sweep = SweepSchedule::default();
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let due_at = |seconds| sweep.is_due(start + Duration::from_secs(seconds));
        assert_eq!([0, 9, 10, 11, 20].map(due_at), [false, false, true, false, true]);
    }
}
