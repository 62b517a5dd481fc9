//! Idempotency keys: however often a key is used, it buys once.

use std::{sync::Arc, time::Duration};

use store::{
    domain::{IdempotencyKey, NewOrder, SpanReference},
    storage::RecordOutcome,
};
use tokio::task::JoinSet;

use super::fixture::{
    TestDatabase, clean_audit, keyed, noon, on_each, on_hand, order, record_when_free, recorded,
};

on_each!(
    the_same_key_gives_the_same_receipt,
    the_span_of_the_first_sale_is_kept_with_its_key,
    the_same_key_with_another_basket_is_refused,
    a_key_is_not_used_up_by_an_order_that_was_short,
    a_key_that_is_used_twice_in_one_batch_buys_once,
    a_key_expires_after_a_day,
    expired_keys_are_forgotten,
    concurrent_uses_of_one_key_buy_once_across_replicas,
    one_key_for_different_baskets_at_once_buys_one_of_them,
);

async fn the_same_key_gives_the_same_receipt(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    let first = storage.record(&[keyed("k", [(1, 3)])]).await.unwrap();
    let receipt = recorded(&first[0]).clone();

    let again = storage.record(&[keyed("k", [(1, 3)]), order([(1, 1)])]).await.unwrap();

    assert_eq!(again[0], RecordOutcome::Replayed { receipt, placed_in: None });
    recorded(&again[1]);
    assert_eq!(on_hand(&storage).await, [6]);
    assert_eq!(clean_audit(&storage).await.keys, 1);
}

async fn the_span_of_the_first_sale_is_kept_with_its_key(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    let span = |trace_id| Some(SpanReference { trace_id, span_id: u64::MAX - 1 });
    let placed_in = |placed_in, after| NewOrder {
        placed_in,
        placed_at: noon() + after,
        ..keyed("k", [(1, 1)])
    };
    let sale = |outcomes: Vec<RecordOutcome>| match outcomes[..] {
        [RecordOutcome::Replayed { placed_in, .. }] => placed_in,
        _ => panic!("expected one repetition, but got {outcomes:?}"),
    };
    storage.record(&[placed_in(span(7), Duration::ZERO)]).await.unwrap();
    for later in [span(8), None] {
        let again = storage.record(&[placed_in(later, Duration::ZERO)]).await.unwrap();
        assert_eq!(sale(again), span(7));
    }
    // A sale under a key that had expired is another sale.
    let next_day = IdempotencyKey::LIFETIME;
    recorded(&storage.record(&[placed_in(span(u128::MAX), next_day)]).await.unwrap()[0]);
    let again = storage.record(&[placed_in(None, next_day)]).await.unwrap();
    assert_eq!(sale(again), span(u128::MAX));
}

async fn the_same_key_with_another_basket_is_refused(database: TestDatabase) {
    let storage = database.open([(1, 10), (2, 10)]).await;
    recorded(&storage.record(&[keyed("k", [(1, 3), (2, 1)])]).await.unwrap()[0]);
    let others = [keyed("k", [(1, 4), (2, 1)]), keyed("k", [(1, 3)]), keyed("k", [(2, 1), (1, 3)])];
    let outcomes = storage.record(&others).await.unwrap();
    assert_eq!(outcomes, [(); 3].map(|()| RecordOutcome::KeyReused));
    assert_eq!(on_hand(&storage).await, [7, 9]);
}

async fn a_key_is_not_used_up_by_an_order_that_was_short(database: TestDatabase) {
    let storage = database.open([(1, 2)]).await;
    let outcomes = storage.record(&[keyed("k", [(1, 3)]), keyed("k", [(1, 2)])]).await.unwrap();
    assert!(matches!(outcomes[0], RecordOutcome::Short(_)));
    recorded(&outcomes[1]);
    assert_eq!(storage.record(&[keyed("k", [(1, 3)])]).await.unwrap(), [RecordOutcome::KeyReused]);
    assert_eq!(clean_audit(&storage).await.keys, 1);
}

async fn a_key_that_is_used_twice_in_one_batch_buys_once(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    let orders = [keyed("k", [(1, 2)]), keyed("k", [(1, 2)]), keyed("k", [(1, 1)])];
    let outcomes = storage.record(&orders).await.unwrap();
    let receipt = recorded(&outcomes[0]).clone();
    let replayed = RecordOutcome::Replayed { receipt, placed_in: None };
    assert_eq!(outcomes[1..], [replayed, RecordOutcome::KeyReused]);
    assert_eq!(on_hand(&storage).await, [8]);
}

async fn a_key_expires_after_a_day(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    let at = |after| {
        let mut order = keyed("k", [(1, 1)]);
        order.placed_at = noon() + after;
        order
    };
    let first = storage.record(&[at(Duration::ZERO)]).await.unwrap();
    let just_before = IdempotencyKey::LIFETIME - Duration::from_millis(1);
    let replayed = storage.record(&[at(just_before)]).await.unwrap();
    let receipt = recorded(&first[0]).clone();
    assert_eq!(replayed, [RecordOutcome::Replayed { receipt, placed_in: None }]);

    let new = storage.record(&[at(IdempotencyKey::LIFETIME)]).await.unwrap();

    assert_ne!(recorded(&new[0]).order_id, recorded(&first[0]).order_id);
    let audit = clean_audit(&storage).await;
    assert_eq!((audit.orders, audit.keys), (2, 1));
}

async fn expired_keys_are_forgotten(database: TestDatabase) {
    let storage = database.open([(1, 10)]).await;
    storage.record(&[keyed("a", [(1, 1)]), keyed("b", [(1, 1)])]).await.unwrap();
    let mut next_day = keyed("c", [(1, 1)]);
    next_day.placed_at = noon() + IdempotencyKey::LIFETIME;

    storage.record(&[next_day]).await.unwrap();

    let audit = clean_audit(&storage).await;
    assert_eq!((audit.orders, audit.keys), (3, 1));
}

async fn concurrent_uses_of_one_key_buy_once_across_replicas(database: TestDatabase) {
    let replicas = [database.open([(1, 1000)]).await, database.open([]).await];
    let mut uses = JoinSet::new();
    for number in 0..32 {
        let storage = replicas[number % 2].clone();
        uses.spawn(async move {
            let batch = [order([(1, 1)]), keyed("k", [(1, 5)])];
            record_when_free(&storage, &batch).await.remove(1)
        });
    }
    let outcomes = uses.join_all().await;

    let new = outcomes.iter().filter(|one| matches!(one, RecordOutcome::Recorded(_))).count();
    assert_eq!(new, 1);
    let receipt = outcomes.iter().find_map(|one| match one {
        RecordOutcome::Recorded(receipt) => Some(receipt.clone()),
        _ => None,
    });
    let receipt = Arc::new(receipt.unwrap());
    assert!(outcomes.iter().all(|one| match one {
        RecordOutcome::Recorded(one) | RecordOutcome::Replayed { receipt: one, .. } => {
            *one == *receipt
        }
        _ => false,
    }));
    assert_eq!(on_hand(&replicas[0]).await, [1000 - 32 - 5]);
    clean_audit(&replicas[1]).await;
}

async fn one_key_for_different_baskets_at_once_buys_one_of_them(database: TestDatabase) {
    let replicas = [database.open([(1, 1000), (2, 1000)]).await, database.open([]).await];
    for round in 0..10 {
        let mut uses = JoinSet::new();
        // Baskets without a product in common, so that the writers compete for the key only.
        for (storage, product) in replicas.clone().into_iter().zip([1, 2]) {
            let order = keyed(&format!("round-{round}"), [(product, 1)]);
            uses.spawn(async move { record_when_free(&storage, &[order]).await.remove(0) });
        }
        let mut outcomes = uses.join_all().await;
        outcomes.sort_by_key(|outcome| *outcome == RecordOutcome::KeyReused);
        recorded(&outcomes[0]);
        assert_eq!(outcomes[1], RecordOutcome::KeyReused);
    }
    assert_eq!(clean_audit(&replicas[0]).await.orders, 10);
}
