//! Whether the database can do what a sale needs: read every table, and write.

use std::time::Duration;

use super::{
    StorageError,
    connection::Transaction,
    database::Database,
    sql::{NO_ROWS, Statement},
};

/// A commit that is not older than this shows that the database can be written to.
const RECENT: Duration = Duration::from_secs(1);

/// Names every table and column that the store uses, so that it fails when one is missing.
const READ_ALL_TABLES: Statement = Statement::same(
    "SELECT products orders order_lines deliveries idempotency_keys folded_products folded_orders \
     write_checks",
    "SELECT CAST(1 AS BIGINT) AS answer WHERE \
     EXISTS (SELECT id, name, price_cents, aisle, initial_stock, on_hand FROM products) \
     OR EXISTS (SELECT id, placed_at_ms, total_cents FROM orders) \
     OR EXISTS (SELECT order_id, line, product_id, name, quantity, unit_price_cents \
     FROM order_lines) \
     OR EXISTS (SELECT id, product_id, quantity, delivered_at_ms FROM deliveries) \
     OR EXISTS (SELECT key, fingerprint, order_id, expires_at_ms, trace_id, span_id \
     FROM idempotency_keys) \
     OR EXISTS (SELECT product_id, sold, delivered FROM folded_products) \
     OR EXISTS (SELECT orders, total_cents, deliveries, newest_placed_at_ms FROM folded_orders) \
     OR EXISTS (SELECT id, count FROM write_checks)",
);

/// Changes the row each time: SQLite writes nothing when nothing changes.
const WRITE: Statement = Statement::same(
    "INSERT write_checks",
    "INSERT INTO write_checks (id, count) VALUES (1, 1) \
     ON CONFLICT (id) DO UPDATE SET count = write_checks.count + 1",
);

/// Reads from every table by a connection that reads, and writes by one that writes.
///
/// A full or failing disk is noticed only by a COMMIT that has something to write. So a row is
/// changed, unless a sale or a delivery was committed within the last second, which shows as much.
pub(super) async fn check(database: &Database) -> Result<(), StorageError> {
    database.read((), |session, ()| Box::pin(session.run(&READ_ALL_TABLES, NO_ROWS))).await?;
    if !database.has_committed_within(RECENT) {
        write(database).await?;
    }
    Ok(())
}

/// Changes a row, in a transaction that is committed.
pub(super) async fn write(database: &Database) -> Result<(), StorageError> {
    database.transaction((), |transaction, ()| Box::pin(write_in(transaction))).await
}

/// Changes a row in this transaction.
pub(super) async fn write_in(transaction: &mut Transaction) -> Result<(), StorageError> {
    transaction.run(&WRITE, NO_ROWS).await
}
