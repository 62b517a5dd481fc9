//! The store is killed in the middle of checkouts, again and again.

use std::sync::{Arc, Mutex};

use shared::wire::Receipt;
use store::storage::DatabaseUrl;
use testing::{PATIENCE, postgres};
use tokio::{
    sync::Notify,
    task::{JoinSet, block_in_place},
    time::timeout,
};

use crate::{
    customer::{Answer, Customer, Purchase},
    store::{Store, clean_audit, stocked},
};

/// How often the store is killed.
const KILLS: usize = 20;

/// Customers who buy at the same time.
const CUSTOMERS: usize = 8;

/// The records of all customers of one round.
#[derive(Default)]
struct Notebook {
    sold: Mutex<Vec<(Purchase, Receipt)>>,
    lost: Mutex<Vec<Purchase>>,
    changed: Notify,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_order_that_was_answered_survives_twenty_kills_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grocery.db");
    survive_twenty_kills(&format!("sqlite:{}", path.display()).parse().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_order_that_was_answered_survives_twenty_kills_on_postgres() {
    let Some(server) = block_in_place(postgres::shared) else { return };
    survive_twenty_kills(&server.database()).await;
}

async fn survive_twenty_kills(database: &DatabaseUrl) {
    stocked(database, 1_000_000).await;
    let mut sold: Vec<(Purchase, Receipt)> = Vec::new();
    let mut lost: Vec<Purchase> = Vec::new();

    for round in 0..KILLS {
        let store = Store::start(database);
        let customer = Customer::of(&store.url);
        for purchase in lost.drain(..) {
            let receipt = customer.buy_surely(&purchase).await;
            sold.push((purchase, receipt));
        }
        // In each round the store is killed at another moment of a batch.
        let notebook = buy_until_killed(store, &customer, round, 3 + round * 2).await;
        sold.append(&mut notebook.sold.lock().unwrap());
        lost.append(&mut notebook.lock_lost());
    }

    let store = Store::start(database);
    let customer = Customer::of(&store.url);
    for purchase in lost {
        let receipt = customer.buy_surely(&purchase).await;
        sold.push((purchase, receipt));
    }
    for (purchase, receipt) in &sold {
        assert_eq!(customer.receipt(receipt).await, *receipt);
        assert_eq!(customer.buy_surely(purchase).await, *receipt, "the key gives the same receipt");
    }
    store.kill();
    let audit = clean_audit(database).await;
    assert_eq!(audit.orders, sold.len() as u64, "every order that was ever asked for, once");
    assert_eq!(audit.keys, audit.orders);
}

/// Lets customers buy until so many orders are sold, then kills the store while they go on.
async fn buy_until_killed(
    store: Store,
    customer: &Customer,
    round: usize,
    enough: usize,
) -> Arc<Notebook> {
    let notebook = Arc::<Notebook>::default();
    let mut customers = JoinSet::new();
    for number in 0..CUSTOMERS {
        let (customer, notebook) = (customer.clone(), Arc::clone(&notebook));
        customers.spawn(async move {
            for count in 0.. {
                let key = format!("round-{round}-customer-{number}-order-{count}");
                let purchase = Purchase::new(key, &[(1 + (number as u32 % 3), 2), (7, 1)]);
                match customer.buy(&purchase).await {
                    Answer::Sold(receipt) => notebook.note_sold(purchase, receipt),
                    Answer::Lost => return notebook.lock_lost().push(purchase),
                    other => panic!("{purchase:?}: {other:?}"),
                }
            }
        });
    }
    notebook.until_sold(enough).await;
    store.kill();
    customers.join_all().await;
    notebook
}

impl Notebook {
    fn note_sold(&self, purchase: Purchase, receipt: Receipt) {
        self.sold.lock().unwrap().push((purchase, receipt));
        self.changed.notify_one();
    }

    fn lock_lost(&self) -> std::sync::MutexGuard<'_, Vec<Purchase>> {
        self.lost.lock().unwrap()
    }

    async fn until_sold(&self, enough: usize) {
        let reached = async {
            while self.sold.lock().unwrap().len() < enough {
                self.changed.notified().await;
            }
        };
        timeout(PATIENCE, reached).await.expect("the customers get on");
    }
}
