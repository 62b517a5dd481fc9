use std::{num::NonZeroU32, time::SystemTime};

use actix_rt::Arbiter;
use opentelemetry::{Context, trace::FutureExt as _};
use shared::wire::{BasketItem, CheckoutRequest, Product, Receipt};
pub(in crate::actors) use testing::PATIENCE;
use tokio::time::{Instant, timeout};

use super::*;
use crate::{
    actors::{
        Faults, FindProduct, PlaceOrder,
        ledger::{BatchNumber, Record},
    },
    domain::{Basket, NewOrder, ProductId},
};

/// The parts of a store in memory, with full shelves and no deliveries.
pub(in crate::actors) async fn parts() -> ActorParts {
    let storage = Storage::open(&"sqlite::memory:".parse().unwrap()).await.unwrap();
    let catalogue = storage.catalogue().await.unwrap();
    let restock = RestockPolicy { below: 0, quantity: NonZeroU32::MIN, delay: PATIENCE };
    let config = ActorConfig { mailbox: 16, concurrency: 16, ledger_queue: 16, restock };
    ActorParts::new(storage, catalogue, vec![Arbiter::current()], config, ShopMetrics::default())
}

impl ActorSystem {
    pub(in crate::actors) async fn buy(
        &self,
        items: &[(u32, u32)],
        patience: Duration,
    ) -> Result<Receipt, ActorError> {
        let items = items
            .iter()
            .map(|(id, quantity)| BasketItem { id: id.to_string(), quantity: *quantity });
        let basket = Basket::try_from(&CheckoutRequest { items: items.collect() }).unwrap();
        let order = NewOrder::new(basket, None, SystemTime::now());
        let deadline = Instant::now() + patience;
        self.checkout.ask_until(deadline, PlaceOrder { order, deadline }).await
    }

    async fn product(&self, id: u32) -> Result<Product, ActorError> {
        self.inventory.ask(FindProduct(ProductId::new(id).unwrap())).await
    }

    /// Waits until exactly `pieces` of a product can be bought.
    pub(in crate::actors) async fn await_stock(&self, id: u32, pieces: u64) {
        let seen = async {
            while !self.product(id).await.is_ok_and(|product| product.in_stock == pieces) {
                tokio::task::yield_now().await;
            }
        };
        let in_time = timeout(PATIENCE, seen).await;
        assert!(in_time.is_ok(), "there were never {pieces} pieces of product {id}");
    }

    /// For each actor a question that can be asked later: is it still running? Asking keeps no
    /// actor alive.
    pub(in crate::actors) fn running(&self) -> Vec<Box<dyn Fn() -> bool>> {
        let aisles = self.aisles.all().map(Supervised::running);
        [self.inventory.running(), self.checkout.running(), self.ledger.running()]
            .into_iter()
            .chain(aisles)
            .collect()
    }
}

/// Asks for a fault in one request, and in none of those after it.
async fn with_fault<T>(fault: &str, request: impl Future<Output = T>) -> T {
    let faults = Faults::new([fault.parse().unwrap()]);
    request.with_context(Context::current_with_value(faults)).await
}

#[actix_rt::test]
async fn an_aisle_that_panics_comes_back_with_what_the_database_holds() {
    let store = ActorSystem::start(&parts().await);
    store.buy(&[(1, 100)], PATIENCE).await.unwrap();
    let panics = with_fault("panic=Aisle", store.buy(&[(1, 1), (12, 3)], PATIENCE)).await;
    assert!(matches!(panics, Err(ActorError::Stopped("Aisle"))), "{panics:?}");
    store.await_stock(1, 400).await;
    store.await_stock(12, 500).await;
}

#[actix_rt::test]
async fn an_aisle_that_reserves_too_late_puts_the_pieces_back() {
    let store = ActorSystem::start(&parts().await);
    let slow = "slow-aisle=produce:200ms";
    let impatient = Duration::from_millis(50);
    let late = with_fault(slow, store.buy(&[(1, 5), (12, 1)], impatient)).await;
    assert!(matches!(late, Err(ActorError::DeadlineMissed("Checkout"))), "{late:?}");
    // The aisle answers in order: the next slow question is answered after the late reservation.
    store.await_stock(12, 500).await;
    with_fault(slow, store.product(1)).await.unwrap();
    store.await_stock(1, 500).await;
}

#[actix_rt::test]
async fn an_order_that_comes_while_other_work_is_ready_is_in_the_batch_that_is_about_to_begin() {
    let store = ActorSystem::start(&parts().await);
    let record = async |after_turns| {
        for _ in 0..after_turns {
            tokio::task::yield_now().await;
        }
        let item = BasketItem { id: "1".into(), quantity: 1 };
        let basket = Basket::try_from(&CheckoutRequest { items: vec![item] }).unwrap();
        let order = NewOrder::new(basket, None, SystemTime::now());
        let deadline = Instant::now() + PATIENCE;
        store.ledger.ask(Record { order, deadline }).await.unwrap().batch
    };
    let batches = tokio::join!(record(0), record(4));
    assert_eq!(batches, (BatchNumber(1), BatchNumber(1)));
}
