//! Adds up everything that was ever delivered and sold, to show that nothing was lost or sold
//! twice.

use std::fmt;

use shared::money::Money;

use super::{
    StorageError,
    connection::Transaction,
    database::Database,
    sql::{NO_ROWS, Statement, read_by_name},
};

/// Lifts PostgreSQL's statement timeout, which is meant for orders and too short for reading whole
/// tables.
const TAKE_TIME: Statement = Statement::each("SET", "SELECT 1", "SET LOCAL statement_timeout = 0");

const COUNT_PRODUCTS: Statement = Statement::same(
    "SELECT products deliveries order_lines folded_products",
    "SELECT products.id, products.name, products.initial_stock AS initial, products.on_hand, \
     CAST(COALESCE(delivered.quantity, 0) + COALESCE(folded.delivered, 0) AS BIGINT) AS delivered, \
     CAST(COALESCE(sold.quantity, 0) AS BIGINT) AS sold, \
     CAST(COALESCE(folded.sold, 0) AS BIGINT) AS folded \
     FROM products \
     LEFT JOIN (SELECT product_id, SUM(quantity) AS quantity FROM deliveries \
     GROUP BY product_id) AS delivered ON delivered.product_id = products.id \
     LEFT JOIN (SELECT product_id, SUM(quantity) AS quantity FROM order_lines \
     GROUP BY product_id) AS sold ON sold.product_id = products.id \
     LEFT JOIN folded_products AS folded ON folded.product_id = products.id \
     ORDER BY products.id",
);

const COUNT_ORDERS: Statement = Statement::same(
    "SELECT orders idempotency_keys",
    "SELECT COUNT(*) AS orders, CAST(COALESCE(SUM(total_cents), 0) AS BIGINT) AS total_cents, \
     (SELECT COUNT(*) FROM idempotency_keys) AS keys FROM orders",
);

const COUNT_FOLDED: Statement =
    Statement::same("SELECT folded_orders", "SELECT orders, total_cents FROM folded_orders");

const WRONG_TOTALS: Statement = Statement::same(
    "SELECT orders order_lines",
    "SELECT orders.id, orders.total_cents AS expected, \
     CAST(COALESCE(SUM(order_lines.quantity * order_lines.unit_price_cents), -1) AS BIGINT) \
     AS counted \
     FROM orders LEFT JOIN order_lines ON order_lines.order_id = orders.id \
     GROUP BY orders.id, orders.total_cents \
     HAVING COALESCE(SUM(order_lines.quantity * order_lines.unit_price_cents), -1) \
     <> orders.total_cents ORDER BY orders.id LIMIT 20",
);

/// A key's fingerprint is written as `Fingerprint` writes it, from the lines of its order.
const WRONG_KEYS: Statement = Statement::same(
    "SELECT idempotency_keys order_lines",
    "SELECT idempotency_keys.key, idempotency_keys.order_id \
     FROM idempotency_keys LEFT JOIN order_lines \
     ON order_lines.order_id = idempotency_keys.order_id \
     GROUP BY idempotency_keys.key, idempotency_keys.order_id, idempotency_keys.fingerprint \
     HAVING COALESCE(string_agg(CAST(order_lines.quantity AS TEXT) || 'x' \
     || CAST(order_lines.product_id AS TEXT), ',' ORDER BY order_lines.line), '') \
     <> idempotency_keys.fingerprint ORDER BY idempotency_keys.key LIMIT 20",
);

/// The result of an audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Every product, in the order of ids.
    pub products: Vec<ProductCount>,
    /// Orders ever recorded, with those that were folded.
    pub orders: u64,
    /// Orders that were folded: their pieces and their price are known in sum only.
    pub folded: u64,
    /// What all orders cost together, with those that were folded.
    pub takings: Money,
    /// Idempotency keys that are remembered.
    pub keys: u64,
    /// What is wrong, one line each; at most 20 orders and 20 keys are named.
    pub violations: Vec<String>,
}

/// The pieces of one product, since the store opened for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductCount {
    /// The product's id.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// Pieces when the store opened.
    pub initial: i64,
    /// Pieces delivered since then, with the deliveries that were folded.
    pub delivered: i64,
    /// Pieces sold since then, by the lines of the orders that are kept.
    pub sold: i64,
    /// Pieces sold since then by orders that were folded.
    pub folded: i64,
    /// Pieces on hand, as the product's row has it.
    pub on_hand: i64,
}

struct OrderCounts {
    orders: i64,
    total_cents: i64,
    keys: i64,
}

struct FoldedCounts {
    orders: i64,
    total_cents: i64,
}

struct WrongTotal {
    id: String,
    expected: i64,
    counted: i64,
}

struct WrongKey {
    key: String,
    order_id: String,
}

read_by_name! {
    ProductCount { id, name, initial, delivered, sold, folded, on_hand }
    OrderCounts { orders, total_cents, keys }
    FoldedCounts { orders, total_cents }
    WrongTotal { id, expected, counted }
    WrongKey { key, order_id }
}

/// Audits the database.
pub(super) async fn audit(database: &Database) -> Result<Audit, StorageError> {
    database.snapshot((), |transaction, ()| Box::pin(count(transaction))).await
}

async fn count(transaction: &mut Transaction) -> Result<Audit, StorageError> {
    transaction.run(&TAKE_TIME, NO_ROWS).await?;
    let products: Vec<ProductCount> = transaction.fetch(&COUNT_PRODUCTS, NO_ROWS).await?;
    let counts: Vec<OrderCounts> = transaction.fetch(&COUNT_ORDERS, NO_ROWS).await?;
    let folded: Vec<FoldedCounts> = transaction.fetch(&COUNT_FOLDED, NO_ROWS).await?;
    let totals: Vec<WrongTotal> = transaction.fetch(&WRONG_TOTALS, NO_ROWS).await?;
    let keys: Vec<WrongKey> = transaction.fetch(&WRONG_KEYS, NO_ROWS).await?;

    let mut violations: Vec<String> = products.iter().filter_map(ProductCount::violation).collect();
    violations.extend(totals.iter().map(WrongTotal::violation));
    violations.extend(keys.iter().map(WrongKey::violation));
    let (counts, folded) = (counts.first(), folded.first());
    let unsigned = |count: i64| u64::try_from(count).unwrap_or_default();
    let cents = counts.map_or(0, |counts| unsigned(counts.total_cents));
    let folded_cents = folded.map_or(0, |folded| unsigned(folded.total_cents));
    let folded = folded.map_or(0, |folded| unsigned(folded.orders));
    Ok(Audit {
        products,
        orders: counts.map_or(0, |counts| unsigned(counts.orders)) + folded,
        folded,
        takings: Money::from_cents(cents.saturating_add(folded_cents)).unwrap_or_default(),
        keys: counts.map_or(0, |counts| unsigned(counts.keys)),
        violations,
    })
}

impl Audit {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl ProductCount {
    fn violation(&self) -> Option<String> {
        let Self { id, name, initial, delivered, sold, folded, on_hand } = self;
        let expected =
            i128::from(*initial) + i128::from(*delivered) - i128::from(*sold) - i128::from(*folded);
        (expected != i128::from(*on_hand) || *on_hand < 0).then(|| {
            format!(
                "product {id} ({name}): {initial} initial + {delivered} delivered - {sold} sold \
                 - {folded} folded = {expected}, but {on_hand} on hand"
            )
        })
    }
}

impl WrongTotal {
    fn violation(&self) -> String {
        let Self { id, expected, counted } = self;
        if *counted < 0 {
            return format!("order {id}: it has no lines");
        }
        format!("order {id}: its lines sum to {counted} cents, but its total is {expected} cents")
    }
}

impl WrongKey {
    fn violation(&self) -> String {
        let Self { key, order_id } = self;
        format!("idempotency key {key:?}: its order {order_id} has another basket")
    }
}

impl fmt::Display for Audit {
    /// The figures as a table, then what is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>10} {:<20} {:>10} {:>10} {:>10} {:>10} {:>10}",
            "product", "name", "initial", "delivered", "sold", "folded", "on hand"
        )?;
        for ProductCount { id, name, initial, delivered, sold, folded, on_hand } in &self.products {
            writeln!(
                f,
                "{id:>10} {name:<20} {initial:>10} {delivered:>10} {sold:>10} {folded:>10} \
                 {on_hand:>10}"
            )?;
        }
        let Self { orders, folded, takings, keys, .. } = self;
        writeln!(
            f,
            "{orders} orders, {folded} of them folded, {takings} taken, {keys} idempotency keys \
             remembered"
        )?;
        for violation in &self.violations {
            writeln!(f, "violation: {violation}")?;
        }
        match self.violations.len() {
            0 => f.write_str(
                "clean: initial + delivered - sold - folded = on hand for every product",
            ),
            1 => f.write_str("1 violation"),
            count => write!(f, "{count} violations"),
        }
    }
}
