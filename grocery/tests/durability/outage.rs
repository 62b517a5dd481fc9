//! PostgreSQL is stopped under load, and started again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use testing::{PATIENCE, postgres::Postgres};
use tokio::{
    sync::Notify,
    task::{JoinSet, block_in_place},
    time::timeout,
};

use crate::{
    customer::{Answer, Customer, Purchase},
    store::{Store, clean_audit, stocked},
};

/// How long a customer waits before asking again.
const BACK_OFF: Duration = Duration::from_millis(50);

/// The receipts of all customers so far.
#[derive(Default)]
struct Counts {
    sold: AtomicUsize,
    unavailable: AtomicUsize,
    is_over: AtomicBool,
    changed: Notify,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_outlives_an_outage_of_its_postgres() {
    let Some(mut server) = block_in_place(|| Postgres::start(&[])) else { return };
    let database = server.database();
    stocked(&database, 1_000_000).await;
    let store = Store::start(&database);
    let customer = Customer::of(&store.url);
    let counts = Arc::<Counts>::default();
    let mut customers = JoinSet::new();
    for number in 0..8 {
        customers.spawn(buy(customer.clone(), number, Arc::clone(&counts)));
    }

    counts.until(&counts.sold, 40).await;
    assert_eq!(customer.get("/readyz").await.0, 200);
    block_in_place(|| server.stop());
    counts.until(&counts.unavailable, 16).await;
    assert_eq!(customer.get("/readyz").await.0, 503);
    assert_eq!(customer.get("/healthz").await.0, 200);
    block_in_place(|| server.start_again());
    let before = counts.sold.load(Ordering::SeqCst);
    counts.until(&counts.sold, before + 40).await;
    assert_eq!(customer.get("/readyz").await.0, 200);
    counts.is_over.store(true, Ordering::SeqCst);
    customers.join_all().await;

    let audit = clean_audit(&database).await;
    assert_eq!(audit.orders, counts.sold.load(Ordering::SeqCst) as u64, "each order once");
}

/// Buys until the test is over. Every order is repeated with its key until it is sold.
async fn buy(customer: Customer, number: usize, counts: Arc<Counts>) {
    let mut order = 0;
    while !counts.is_over.load(Ordering::SeqCst) {
        let key = format!("customer-{number}-order-{order}");
        let purchase = Purchase::new(key, &[(1, 1), (12, 2)]);
        loop {
            match customer.buy(&purchase).await {
                Answer::Sold(_) => break counts.count(&counts.sold),
                Answer::Unavailable => counts.count(&counts.unavailable),
                other => panic!("{other:?}"),
            }
            tokio::time::sleep(BACK_OFF).await;
        }
        order += 1;
    }
}

impl Counts {
    fn count(&self, what: &AtomicUsize) {
        what.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_one();
    }

    async fn until(&self, what: &AtomicUsize, enough: usize) {
        let reached = async {
            while what.load(Ordering::SeqCst) < enough {
                self.changed.notified().await;
            }
        };
        timeout(PATIENCE, reached).await.expect("the customers get on");
    }
}
