//! However many orders are recorded at the same time, nothing is sold twice and nothing is lost.

use std::num::NonZeroU32;

use store::{
    domain::{Delivery, NewOrder},
    storage::{RecordOutcome, Storage},
};
use tokio::task::JoinSet;

use super::fixture::{
    TestDatabase, clean_audit, keyed, noon, on_each, order, product, record_when_free, when_free,
};

on_each!(
    sixty_four_writers_never_oversell_a_small_stock,
    two_replicas_never_oversell_and_never_deadlock,
);

/// Baskets with products in common, in different orders, so that locks could be taken crosswise.
fn basket(number: usize) -> NewOrder {
    match number % 4 {
        0 => order([(1, 2), (2, 1), (3, 1)]),
        1 => order([(3, 2), (2, 2), (1, 1)]),
        2 => keyed(&format!("key-{number}"), [(2, 3)]),
        _ => keyed(&format!("key-{number}"), [(3, 1), (1, 1)]),
    }
}

/// Every writer records batches until a batch sells nothing. Returns how many orders were recorded.
async fn buy_everything(storage: Storage, writer: usize) -> u64 {
    let mut sold = 0;
    for round in 0.. {
        let numbers = (0..4).map(|index| (round * 64 + writer) * 4 + index);
        let batch: Vec<_> = numbers.map(basket).collect();
        let outcomes = record_when_free(&storage, &batch).await;
        let new = outcomes.iter().filter(|one| matches!(one, RecordOutcome::Recorded(_))).count();
        sold += new as u64;
        if new == 0 {
            break;
        }
    }
    sold
}

async fn sixty_four_writers_never_oversell_a_small_stock(database: TestDatabase) {
    let storage = database.open([(1, 300), (2, 300), (3, 300)]).await;
    let mut writers = JoinSet::new();
    for writer in 0..64 {
        writers.spawn(buy_everything(storage.clone(), writer));
    }
    let sold: u64 = writers.join_all().await.into_iter().sum();

    let audit = clean_audit(&storage).await;
    assert_eq!(audit.orders, sold);
    let left: Vec<_> = audit.products.iter().map(|count| count.on_hand).collect();
    // The smallest baskets need three of the second, or one of the first and one of the third.
    assert!(left[1] < 3 && (left[0] == 0 || left[2] == 0), "{audit}");
}

async fn two_replicas_never_oversell_and_never_deadlock(database: TestDatabase) {
    let replicas = [database.open([(1, 200), (2, 200), (3, 200)]).await, database.open([]).await];
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        writers.spawn(buy_everything(replicas[writer % 2].clone(), writer));
    }
    let mut deliverers = JoinSet::new();
    for (index, storage) in replicas.clone().into_iter().enumerate() {
        deliverers.spawn(async move {
            for _ in 0..10 {
                // The two deliver in opposite orders.
                let products = if index == 0 { [1, 2, 3] } else { [3, 2, 1] };
                let five = NonZeroU32::new(5).unwrap();
                let delivery = |id| Delivery::new(product(id), five, noon());
                let deliveries = products.map(delivery);
                when_free(|| storage.deliver(&deliveries)).await;
            }
        });
    }
    deliverers.join_all().await;
    let sold: u64 = writers.join_all().await.into_iter().sum();

    let audit = clean_audit(&replicas[0]).await;
    assert_eq!(audit.orders, sold);
    assert!(audit.products.iter().all(|count| count.delivered == 100), "{audit}");
}
