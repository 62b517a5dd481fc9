//! Every line of an order has its order and its product, whoever writes. SQLite checks each line by foreign
//! keys, PostgreSQL all lines of a statement together, by the triggers of migration 5.

use sqlx::{Connection as _, PgConnection, raw_sql};

use super::fixture::{TestDatabase, clean_audit, on_each, order, recorded, refusal};

on_each!(
    what_has_no_order_or_product_is_refused_and_what_a_line_names_stays,
    a_database_of_before_lines_were_checked_together_refuses_the_same,
);

const ORDER: &str = "order_lines_order_id_fkey";
const PRODUCT: &str = "order_lines_product_id_fkey";

/// Each breaks the reference from lines to orders, or that to products.
const REFUSED: [(&str, &str); 9] = [
    ("INSERT INTO order_lines VALUES ('nobody', 1, 1, 'potato', 1, 99)", ORDER),
    ("INSERT INTO order_lines SELECT id, 9, 99, 'nothing', 1, 99 FROM orders", PRODUCT),
    (
        "INSERT INTO order_lines SELECT 'nobody', line, product_id, name, 1, 99 FROM order_lines \
         UNION ALL SELECT order_id, line + 9, product_id, name, 1, 99 FROM order_lines",
        ORDER,
    ),
    ("UPDATE order_lines SET order_id = 'nobody' WHERE line = 2", ORDER),
    ("UPDATE order_lines SET product_id = 99 WHERE line = 2", PRODUCT),
    ("DELETE FROM orders", ORDER),
    ("UPDATE orders SET id = 'another'", ORDER),
    ("DELETE FROM products WHERE id = 2", PRODUCT),
    ("UPDATE products SET id = 99 WHERE id = 2", PRODUCT),
];

/// Each keeps both.
const ALLOWED: [&str; 6] = [
    "UPDATE order_lines SET product_id = 1 WHERE product_id = 1",
    "UPDATE orders SET id = id, total_cents = total_cents",
    "UPDATE products SET id = 4 WHERE id = 3",
    "DELETE FROM products WHERE id = 4",
    "DELETE FROM order_lines",
    "DELETE FROM orders",
];

/// What PostgreSQL refuses beyond that: to remove all rows at once, and to remove some as of an earlier
/// moment, at which lines cannot be seen that have been written since.
const REFUSED_BY_POSTGRES: [&str; 5] = [
    "TRUNCATE orders, idempotency_keys",
    "TRUNCATE products, deliveries",
    "TRUNCATE orders CASCADE",
    "BEGIN ISOLATION LEVEL REPEATABLE READ; DELETE FROM products WHERE id = 3; COMMIT",
    "BEGIN ISOLATION LEVEL SERIALIZABLE; DELETE FROM products WHERE id = 3; COMMIT",
];

async fn what_has_no_order_or_product_is_refused_and_what_a_line_names_stays(
    database: TestDatabase,
) {
    let storage = database.open([(1, 10), (2, 10), (3, 10)]).await;
    recorded(&storage.record(&[order([(1, 1), (2, 2)])]).await.unwrap()[0]);
    is_guarded(&database).await;
    clean_audit(&storage).await;
    for statement in ALLOWED {
        assert_eq!(database.refusal(statement).await, None, "{statement}");
    }
    assert_eq!(database.number("SELECT COUNT(*) FROM orders").await, 0);
}

async fn is_guarded(database: &TestDatabase) {
    let is_sqlite = database.file().is_some();
    for (statement, constraint) in REFUSED {
        let expected = match is_sqlite {
            true => format!("FOREIGN KEY constraint failed in {statement}"),
            false => format!("23503 {constraint}"),
        };
        let refusal = database.refusal(statement).await.unwrap_or_default();
        assert!(expected.starts_with(&refusal) && !refusal.is_empty(), "{statement}: {refusal:?}");
    }
    if !is_sqlite {
        for statement in REFUSED_BY_POSTGRES {
            assert_eq!(database.refusal(statement).await.as_deref(), Some("0A000"), "{statement}");
        }
    }
}

/// What migration 5 has changed, taken back: as a store of before left it.
const AS_BEFORE: [&str; 3] = [
    "DROP FUNCTION check_order_lines, check_named_by_order_lines, check_no_order_lines CASCADE",
    "ALTER TABLE order_lines ADD CONSTRAINT order_lines_order_id_fkey \
     FOREIGN KEY (order_id) REFERENCES orders (id)",
    "ALTER TABLE order_lines ADD CONSTRAINT order_lines_product_id_fkey \
     FOREIGN KEY (product_id) REFERENCES products (id)",
];

async fn a_database_of_before_lines_were_checked_together_refuses_the_same(database: TestDatabase) {
    let storage = database.open([(1, 10), (2, 10), (3, 10)]).await;
    let receipt = recorded(&storage.record(&[order([(1, 1), (2, 2)])]).await.unwrap()[0]).clone();
    storage.close().await;
    if database.file().is_none() {
        database.tamper(&AS_BEFORE).await;
    }
    database.tamper(&["DELETE FROM _sqlx_migrations WHERE version = 5"]).await;

    assert_eq!(database.migrate_all().await, [5]);

    let storage = database.open([]).await;
    assert_eq!(storage.order(receipt.order_id.into()).await.unwrap(), Some(receipt));
    is_guarded(&database).await;
    recorded(&storage.record(&[order([(2, 1), (3, 1)])]).await.unwrap()[0]);
    assert_eq!(clean_audit(&storage).await.orders, 2);
}

/// A database with an order that has no lines, and two connections to it.
async fn with_a_bare_order() -> Option<(TestDatabase, PgConnection, PgConnection)> {
    let database = TestDatabase::postgres()?;
    database.open([(1, 10)]).await.close().await;
    database.tamper(&["INSERT INTO orders VALUES ('bare', 1, 99)"]).await;
    let connect = || async { PgConnection::connect(&database.connect_string()).await.unwrap() };
    let (one, other) = (connect().await, connect().await);
    Some((database, one, other))
}

const ADD_LINE: &str = "INSERT INTO order_lines VALUES ('bare', 1, 1, 'potato', 1, 99)";
const DELETE: &str = "DELETE FROM orders WHERE id = 'bare'";
const WAITING: &str = "SELECT COUNT(*) FROM pg_stat_activity \
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// Runs `first` in a transaction that is committed when `second` waits for it, and returns why that is
/// refused then.
async fn refusal_after(first: &'static str, second: &'static str) -> Option<String> {
    let (database, mut one, mut other) = with_a_bare_order().await?;
    raw_sql("BEGIN").execute(&mut one).await.unwrap();
    raw_sql(first).execute(&mut one).await.unwrap();
    let waiting = tokio::spawn(async move { raw_sql(second).execute(&mut other).await });
    while database.number(WAITING).await == 0 {
        assert!(!waiting.is_finished(), "{second} has not waited");
    }
    raw_sql("COMMIT").execute(&mut one).await.unwrap();
    Some(refusal(&waiting.await.unwrap().unwrap_err()))
}

#[tokio::test]
async fn an_order_is_not_deleted_while_it_gets_a_line() {
    if let Some(refusal) = refusal_after(ADD_LINE, DELETE).await {
        assert_eq!(refusal, "23503 order_lines_order_id_fkey");
    }
}

#[tokio::test]
async fn an_order_gets_no_line_while_it_is_deleted() {
    if let Some(refusal) = refusal_after(DELETE, ADD_LINE).await {
        assert_eq!(refusal, "23503 order_lines_order_id_fkey");
    }
}
