//! The audit: it finds changes of the database that the store did not make.

use store::storage;

use super::fixture::{TestDatabase, clean_audit, keyed, on_each, order};

on_each!(
    a_clean_audit_prints_its_figures,
    an_audit_changes_nothing,
    an_audit_finds_what_does_not_add_up
);

async fn a_clean_audit_prints_its_figures(database: TestDatabase) {
    let storage = database.open([(1, 10), (2, 5)]).await;
    storage.record(&[keyed("k", [(1, 3)]), order([(1, 1), (2, 2)])]).await.unwrap();
    assert_eq!(
        clean_audit(&storage).await.to_string(),
        "   product name                    initial  delivered       sold     folded    on hand
         1 potato                       10          0          4          0          6
         2 apple                         5          0          2          0          3
2 orders, 0 of them folded, 4.96 taken, 1 idempotency keys remembered
clean: initial + delivered - sold - folded = on hand for every product"
    );
}

async fn an_audit_changes_nothing(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    storage.close().await;
    // Opening the database would add the whole catalogue to it.
    let audit = storage::audit(&database.url).await.unwrap();
    assert!(audit.is_clean() && audit.products.len() == 1, "{audit}");
}

#[tokio::test]
async fn an_audit_of_no_database_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing.db");
    let url = format!("sqlite:{}", path.display()).parse().unwrap();
    let error = storage::audit(&url).await.unwrap_err();
    assert_eq!(error.kind(), "open", "{error}");
    assert!(!path.exists());
}

async fn an_audit_finds_what_does_not_add_up(database: TestDatabase) {
    let storage = database.open([(1, 10), (2, 5)]).await;
    let orders = [keyed("k", [(1, 3)]), order([(1, 1), (2, 2)]), order([(2, 1)])];
    storage.record(&orders).await.unwrap();
    let [keyed, wrong, bare] = orders.map(|order| order.id);

    database
        .tamper(&[
            "UPDATE products SET on_hand = on_hand + 1 WHERE id = 1",
            &format!("UPDATE orders SET total_cents = 1 WHERE id = '{wrong}'"),
            &format!("DELETE FROM order_lines WHERE order_id = '{bare}'"),
            "UPDATE idempotency_keys SET fingerprint = '1x1'",
            "INSERT INTO folded_products (product_id, sold, delivered) VALUES (2, 7, 1)",
        ])
        .await;

    let audit = storage.audit().await.unwrap();
    assert!(!audit.is_clean());
    let mut expected = vec![
        "product 1 (potato): 10 initial + 0 delivered - 4 sold - 0 folded = 6, but 7 on hand"
            .to_owned(),
        "product 2 (apple): 5 initial + 1 delivered - 2 sold - 7 folded = -3, but 2 on hand"
            .to_owned(),
        format!("order {wrong}: its lines sum to 199 cents, but its total is 1 cents"),
        format!("order {bare}: it has no lines"),
        format!("idempotency key \"k\": its order {keyed} has another basket"),
    ];
    // Orders are named in the order of their ids.
    if bare < wrong {
        expected.swap(2, 3);
    }
    assert_eq!(audit.violations, expected);
    assert!(audit.to_string().ends_with("\n5 violations"), "{audit}");
}
