//! Folds old orders and deliveries: deletes their rows, and adds what they sold and brought to the
//! sums of their products, in one transaction. So whatever interrupts it, each counts exactly once.
//!
//! What is added is counted from the rows that the DELETE statements return, and from nothing else.
//!
//! On PostgreSQL several stores fold at the same time, while all of them sell. They pass over rows
//! that another is folding, and a sale does not wait for them:
//!
//! - rows of orders are locked by `SKIP LOCKED`; a sale never locks an order that exists;
//! - then the keys of these orders, in the way in which sales lock keys. So a checkout that is being
//!   repeated finds its key and its order, or neither of them;
//! - last the sums, in the order of their products. Sales do not know them.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use super::{
    StorageError,
    connection::Transaction,
    database::Database,
    sql::{Dialect, NO_ROWS, Statement, bind_in_order, integer, milliseconds, read_by_name},
};

/// The most orders, and the most deliveries, in one transaction. Sales wait for it on SQLite, where
/// it takes a few milliseconds.
pub const MAX_FOLDED: usize = 128;

const ANY_OLD: Statement = Statement::each(
    "SELECT orders deliveries",
    "SELECT 1 AS old WHERE EXISTS (SELECT id FROM orders WHERE placed_at_ms <= ?1) \
     OR EXISTS (SELECT id FROM deliveries WHERE delivered_at_ms <= ?1)",
    "SELECT CAST(1 AS BIGINT) AS old FROM json_array_elements($1::json) AS input \
     WHERE EXISTS (SELECT id FROM orders \
     WHERE placed_at_ms <= CAST(input.value->>'until_ms' AS BIGINT)) \
     OR EXISTS (SELECT id FROM deliveries \
     WHERE delivered_at_ms <= CAST(input.value->>'until_ms' AS BIGINT))",
);

const SELECT_ORDERS: Statement = Statement::each(
    "SELECT orders",
    "SELECT id FROM orders WHERE placed_at_ms <= ?1 ORDER BY placed_at_ms LIMIT 128",
    "SELECT id FROM orders WHERE placed_at_ms <= \
     (SELECT CAST(input.value->>'until_ms' AS BIGINT) \
     FROM json_array_elements($1::json) AS input) ORDER BY placed_at_ms LIMIT 128 \
     FOR UPDATE SKIP LOCKED",
);

/// In the same way as the ledger's `LOCK_KEYS`.
const LOCK_KEYS: Statement = Statement::same(
    "SELECT pg_advisory_xact_lock",
    "SELECT pg_advisory_xact_lock(hash)::text FROM (\
     SELECT DISTINCT hashtextextended(key, 0) AS hash FROM idempotency_keys \
     WHERE order_id IN (SELECT input.value->>'id' \
     FROM json_array_elements($1::json) AS input) ORDER BY hash) AS hashes",
);

const DELETE_KEYS: Statement = Statement::each(
    "DELETE idempotency_keys",
    "DELETE FROM idempotency_keys WHERE order_id = ?1",
    "DELETE FROM idempotency_keys WHERE order_id IN (SELECT input.value->>'id' \
     FROM json_array_elements($1::json) AS input)",
);

const DELETE_LINES: Statement = Statement::each(
    "DELETE order_lines",
    "DELETE FROM order_lines WHERE order_id = ?1 RETURNING product_id, quantity",
    "DELETE FROM order_lines WHERE order_id IN (SELECT input.value->>'id' \
     FROM json_array_elements($1::json) AS input) RETURNING product_id, quantity",
);

const DELETE_ORDERS: Statement = Statement::each(
    "DELETE orders",
    "DELETE FROM orders WHERE id = ?1 RETURNING placed_at_ms, total_cents",
    "DELETE FROM orders WHERE id IN (SELECT input.value->>'id' \
     FROM json_array_elements($1::json) AS input) RETURNING placed_at_ms, total_cents",
);

const DELETE_DELIVERIES: Statement = Statement::each(
    "DELETE deliveries",
    "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries \
     WHERE delivered_at_ms <= ?1 ORDER BY delivered_at_ms LIMIT 128) \
     RETURNING product_id, quantity",
    // As an array the inner statement runs once. By IN it may run for each row, with other rows.
    "DELETE FROM deliveries WHERE id = ANY(ARRAY(SELECT id FROM deliveries \
     WHERE delivered_at_ms <= (SELECT CAST(input.value->>'until_ms' AS BIGINT) \
     FROM json_array_elements($1::json) AS input) ORDER BY delivered_at_ms LIMIT 128 \
     FOR UPDATE SKIP LOCKED)) RETURNING product_id, quantity",
);

const ADD_PRODUCTS: Statement = Statement::each(
    "INSERT folded_products",
    "INSERT INTO folded_products (product_id, sold, delivered) VALUES (?1, ?2, ?3) \
     ON CONFLICT (product_id) DO UPDATE SET sold = sold + excluded.sold, \
     delivered = delivered + excluded.delivered",
    "INSERT INTO folded_products (product_id, sold, delivered) \
     SELECT CAST(input.value->>'product_id' AS BIGINT), CAST(input.value->>'sold' AS BIGINT), \
     CAST(input.value->>'delivered' AS BIGINT) FROM json_array_elements($1::json) AS input \
     WHERE true ON CONFLICT (product_id) DO UPDATE SET \
     sold = folded_products.sold + excluded.sold, \
     delivered = folded_products.delivered + excluded.delivered",
);

const ADD_ORDERS: Statement = Statement::each(
    "INSERT folded_orders",
    "INSERT INTO folded_orders (id, orders, total_cents, deliveries, newest_placed_at_ms) \
     VALUES (1, ?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET \
     orders = orders + excluded.orders, total_cents = total_cents + excluded.total_cents, \
     deliveries = deliveries + excluded.deliveries, \
     newest_placed_at_ms = max(newest_placed_at_ms, excluded.newest_placed_at_ms)",
    "INSERT INTO folded_orders (id, orders, total_cents, deliveries, newest_placed_at_ms) \
     SELECT 1, CAST(input.value->>'orders' AS BIGINT), \
     CAST(input.value->>'total_cents' AS BIGINT), CAST(input.value->>'deliveries' AS BIGINT), \
     CAST(input.value->>'newest_placed_at_ms' AS BIGINT) \
     FROM json_array_elements($1::json) AS input WHERE true ON CONFLICT (id) DO UPDATE SET \
     orders = folded_orders.orders + excluded.orders, \
     total_cents = folded_orders.total_cents + excluded.total_cents, \
     deliveries = folded_orders.deliveries + excluded.deliveries, \
     newest_placed_at_ms = CASE \
     WHEN folded_orders.newest_placed_at_ms > excluded.newest_placed_at_ms \
     THEN folded_orders.newest_placed_at_ms ELSE excluded.newest_placed_at_ms END",
);

const NEWEST_FOLDED: Statement = Statement::same(
    "SELECT folded_orders",
    "SELECT newest_placed_at_ms FROM folded_orders WHERE orders > 0",
);

/// What one transaction has folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// How many orders.
    pub orders: u64,
    /// How many deliveries.
    pub deliveries: u64,
    /// Whether there may be more that are as old: the transaction has folded as much as one may.
    pub is_full: bool,
}

/// What the deleted rows sum up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sums {
    products: BTreeMap<i64, ProductSums>,
    orders: u64,
    total_cents: i64,
    deliveries: u64,
    newest_placed_at_ms: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ProductSums {
    sold: i64,
    delivered: i64,
}

#[derive(Clone, Copy, Debug)]
struct PiecesRow {
    product_id: i64,
    quantity: i64,
}

#[derive(Clone, Copy, Debug)]
struct DeletedOrderRow {
    placed_at_ms: i64,
    total_cents: i64,
}

#[derive(Serialize)]
struct OrderIdRow {
    id: String,
}

struct OldRow {
    #[expect(dead_code, reason = "that there is a row is the answer")]
    old: i64,
}

struct NewestRow {
    newest_placed_at_ms: i64,
}

read_by_name! {
    PiecesRow { product_id, quantity }
    DeletedOrderRow { placed_at_ms, total_cents }
    OrderIdRow { id }
    OldRow { old }
    NewestRow { newest_placed_at_ms }
}

bind_in_order! {
    OrderIdRow { id }
    UntilRow { until_ms }
    AddedProductRow { product_id, sold, delivered }
    AddedOrdersRow { orders, total_cents, deliveries, newest_placed_at_ms }
}

#[derive(Clone, Serialize)]
struct UntilRow {
    until_ms: i64,
}

#[derive(Serialize)]
struct AddedProductRow {
    product_id: i64,
    sold: i64,
    delivered: i64,
}

#[derive(Serialize)]
struct AddedOrdersRow {
    orders: i64,
    total_cents: i64,
    deliveries: i64,
    newest_placed_at_ms: i64,
}

impl Sums {
    /// What these rows sum up to, which have been deleted.
    fn of(orders: &[DeletedOrderRow], lines: &[PiecesRow], deliveries: &[PiecesRow]) -> Self {
        let mut products: BTreeMap<i64, ProductSums> = BTreeMap::new();
        for line in lines {
            products.entry(line.product_id).or_default().sold += line.quantity;
        }
        for delivery in deliveries {
            products.entry(delivery.product_id).or_default().delivered += delivery.quantity;
        }
        Self {
            products,
            orders: orders.len() as u64,
            total_cents: orders.iter().map(|order| order.total_cents).sum(),
            deliveries: deliveries.len() as u64,
            newest_placed_at_ms: orders.iter().map(|order| order.placed_at_ms).max().unwrap_or(0),
        }
    }

    fn is_empty(&self) -> bool {
        self.orders == 0 && self.deliveries == 0
    }
}

/// Whether there are orders or deliveries of `until` or before.
pub(super) async fn has_old(database: &Database, until: SystemTime) -> Result<bool, StorageError> {
    let until = [UntilRow { until_ms: milliseconds(until) }];
    let rows: Vec<OldRow> =
        database.read(until, |session, until| Box::pin(session.fetch(&ANY_OLD, until))).await?;
    Ok(!rows.is_empty())
}

/// Folds the oldest orders and deliveries of `until` or before, [`MAX_FOLDED`] of each at most.
pub(super) async fn fold(database: &Database, until: SystemTime) -> Result<Folded, StorageError> {
    let until = [UntilRow { until_ms: milliseconds(until) }];
    database.maintain(until, |transaction, until| Box::pin(fold_in(transaction, until))).await
}

async fn fold_in(
    transaction: &mut Transaction,
    until: &[UntilRow; 1],
) -> Result<Folded, StorageError> {
    let ids: Vec<OrderIdRow> = transaction.fetch(&SELECT_ORDERS, until).await?;
    let (mut orders, mut lines) = (Vec::new(), Vec::new());
    if !ids.is_empty() {
        if transaction.dialect() == Dialect::Postgres {
            transaction.run(&LOCK_KEYS, &ids).await?;
        }
        transaction.run(&DELETE_KEYS, &ids).await?;
        lines = transaction.fetch(&DELETE_LINES, &ids).await?;
        orders = transaction.fetch(&DELETE_ORDERS, &ids).await?;
    }
    let deliveries: Vec<PiecesRow> = transaction.fetch(&DELETE_DELIVERIES, until).await?;

    let sums = Sums::of(&orders, &lines, &deliveries);
    if !sums.is_empty() {
        add(transaction, &sums).await?;
    }
    let is_full = orders.len() >= MAX_FOLDED || deliveries.len() >= MAX_FOLDED;
    Ok(Folded { orders: sums.orders, deliveries: sums.deliveries, is_full })
}

async fn add(transaction: &mut Transaction, sums: &Sums) -> Result<(), StorageError> {
    let product = |(id, sums): (&i64, &ProductSums)| AddedProductRow {
        product_id: *id,
        sold: sums.sold,
        delivered: sums.delivered,
    };
    let products: Vec<_> = sums.products.iter().map(product).collect();
    if !products.is_empty() {
        transaction.run(&ADD_PRODUCTS, &products).await?;
    }
    let orders = AddedOrdersRow {
        orders: integer(sums.orders),
        total_cents: sums.total_cents,
        deliveries: integer(sums.deliveries),
        newest_placed_at_ms: sums.newest_placed_at_ms,
    };
    transaction.run(&ADD_ORDERS, &[orders]).await.map(drop)
}

/// When the newest of the folded orders was placed, if any has been folded.
pub(super) async fn newest_folded(database: &Database) -> Result<Option<SystemTime>, StorageError> {
    let rows: Vec<NewestRow> =
        database.read((), |session, ()| Box::pin(session.fetch(&NEWEST_FOLDED, NO_ROWS))).await?;
    let newest = rows.first().map(|row| u64::try_from(row.newest_placed_at_ms).unwrap_or(0));
    Ok(newest.map(|newest| UNIX_EPOCH + Duration::from_millis(newest)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_limits_in_the_statements_are_the_limit() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            for statement in [&SELECT_ORDERS, &DELETE_DELIVERIES] {
                let limit = format!(" LIMIT {MAX_FOLDED}");
                assert!(statement.text(dialect).contains(&limit), "{statement:?}");
            }
        }
    }

    /// The same sums in the database: what [`ADD_PRODUCTS`] and [`ADD_ORDERS`] do.
    fn add_up(mut all: Sums, one: &Sums) -> Sums {
        for (id, sums) in &one.products {
            let product = all.products.entry(*id).or_default();
            product.sold += sums.sold;
            product.delivered += sums.delivered;
        }
        all.orders += one.orders;
        all.total_cents += one.total_cents;
        all.deliveries += one.deliveries;
        all.newest_placed_at_ms = all.newest_placed_at_ms.max(one.newest_placed_at_ms);
        all
    }

    type OrderParts = (i64, i64, Vec<(i64, i64)>);

    fn sums(orders: &[OrderParts], deliveries: &[(i64, i64)]) -> Sums {
        let pieces = |(product_id, quantity): &(i64, i64)| PiecesRow {
            product_id: *product_id,
            quantity: *quantity,
        };
        let rows: Vec<_> = orders
            .iter()
            .map(|(placed_at_ms, total_cents, _)| DeletedOrderRow {
                placed_at_ms: *placed_at_ms,
                total_cents: *total_cents,
            })
            .collect();
        let lines: Vec<_> = orders.iter().flat_map(|order| order.2.iter().map(pieces)).collect();
        Sums::of(&rows, &lines, &deliveries.iter().map(pieces).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn however_orders_and_deliveries_are_batched_they_sum_up_to_the_same(
            orders in prop::collection::vec(
                (0..1_000_i64, 0..100_000_i64, prop::collection::vec((1..5_i64, 1..100_i64), 0..6)),
                0..40),
            deliveries in prop::collection::vec((1..5_i64, 1..1_000_i64), 0..40),
            order_batch in 1..8_usize,
            delivery_batch in 1..8_usize,
        ) {
            let mut in_batches = Sums::default();
            for batch in orders.chunks(order_batch) {
                in_batches = add_up(in_batches, &sums(batch, &[]));
            }
            for batch in deliveries.chunks(delivery_batch) {
                in_batches = add_up(in_batches, &sums(&[], batch));
            }
            let at_once = sums(&orders, &deliveries);
            prop_assert_eq!(&in_batches, &at_once);
            let pieces: i64 = orders.iter().flat_map(|order| &order.2).map(|line| line.1).sum();
            let sold: i64 = at_once.products.values().map(|product| product.sold).sum();
            prop_assert_eq!(sold, pieces);
            let pieces: i64 = deliveries.iter().map(|delivery| delivery.1).sum();
            let delivered: i64 = at_once.products.values().map(|product| product.delivered).sum();
            prop_assert_eq!(delivered, pieces);
        }
    }
}
