//! All actors of a store together: who works where, how much each takes on, and who serves whom.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_opentelemetry::{TracedActor, TracedContext, TracedStart as _};
use actix_rt::ArbiterHandle;
use futures_util::future::try_join_all;
use shared::{
    fault::Fault,
    notice::{Notice, Over},
};
use tokio::time::Instant;

use super::{
    aisle::{Aisle, AisleRouter, ListProducts},
    checkout::Checkout,
    error::ActorError,
    inventory::Inventory,
    ledger::{Ledger, WriteLock},
    limit::ConcurrencyLimit,
    restocker::{RestockPolicy, Restocker},
    supervised::Supervised,
};
use crate::{domain::CatalogueProduct, storage::Storage};

/// How many experiments can be under way at the same time.
pub(crate) const MAX_EXPERIMENTS: usize = 32;

/// For how long the actors of an experiment wait for its next request.
const EXPERIMENT_IDLE: Duration = Duration::from_secs(10);

/// How much the actors take on.
#[derive(Clone, Copy, Debug)]
pub struct ActorConfig {
    /// Messages that an actor's mailbox holds.
    pub mailbox: usize,
    /// Requests that `Inventory` and `Checkout` work on at a time, each; the rest wait in the
    /// mailbox.
    pub concurrency: usize,
    /// Orders that wait for the ledger's next batch.
    pub ledger_queue: usize,
    /// When the shelves are filled.
    pub restock: RestockPolicy,
}

/// The actors that serve requests.
pub(crate) struct ActorSystem {
    pub(crate) inventory: Supervised<Inventory>,
    pub(crate) checkout: Supervised<Checkout>,
    pub(crate) ledger: Arc<Supervised<Ledger>>,
    aisles: Arc<AisleRouter>,
    checkouts: ConcurrencyLimit,
}

/// What all actors of one store share.
pub(crate) struct ActorParts {
    storage: Storage,
    write_lock: WriteLock,
    /// What there was when the store opened.
    catalogue: Vec<(CatalogueProduct, u64)>,
    /// Where the actors run; there is at least one.
    arbiters: Vec<ArbiterHandle>,
    config: ActorConfig,
    /// Whether aisles cannot read their stock.
    unread: Arc<Notice>,
    /// Whether actors stop and are started again.
    restarts: Arc<Notice>,
}

/// All actors of a store: one system for everybody, and one for each experiment.
///
/// An experiment is all requests that ask for the same faults. A fault stalls an actor or ends it,
/// and with it whatever else is in its mailbox. So that one user's experiment is nobody else's
/// outage, each has actors of its own: they are started when its first request comes, serve all its
/// requests, and are gone some time after the last. To the database all these systems are like
/// several replicas of the store: they never sell more than there is, and their views of the stock
/// agree soon.
pub(crate) struct ActorPools {
    parts: ActorParts,
    regular: Arc<ActorSystem>,
    experiments: Mutex<Vec<Experiment>>,
}

struct Experiment {
    faults: Vec<Fault>,
    actors: Arc<ActorSystem>,
    /// When its last request came.
    used_at: Instant,
}

impl ActorPools {
    /// Starts the actors for everybody.
    pub(crate) fn start(parts: ActorParts) -> Self {
        let regular = Arc::new(ActorSystem::start(&parts));
        Self { parts, regular, experiments: Mutex::default() }
    }

    /// The actors for everybody.
    pub(crate) fn regular(&self) -> &Arc<ActorSystem> {
        &self.regular
    }

    /// The actors for requests that ask for these faults, or `None` if too many others are asked for.
    /// Whoever holds them keeps them running.
    pub(crate) fn experiment(&self, faults: &[Fault], now: Instant) -> Option<Arc<ActorSystem>> {
        let mut experiments = self.experiments();
        if let Some(experiment) = experiments.iter_mut().find(|e| e.faults == faults) {
            experiment.used_at = now;
            return Some(Arc::clone(&experiment.actors));
        }
        if experiments.len() >= MAX_EXPERIMENTS {
            return None;
        }
        let actors = Arc::new(ActorSystem::start(&self.parts));
        experiments.push(Experiment {
            faults: faults.to_vec(),
            actors: Arc::clone(&actors),
            used_at: now,
        });
        Some(actors)
    }

    /// Ends the actors of experiments for which nothing has come for a while. To be called now and
    /// then.
    pub(crate) fn end_idle_experiments(&self, now: Instant) {
        let ended: Vec<_> = self.experiments().extract_if(.., |e| e.is_idle(now)).collect();
        // Actors end when nobody has their address, and not while others wait for the list.
        drop(ended);
    }

    /// Says that actors stop no more, if none has for as long as `calm`. To be called now and then.
    pub(crate) fn end_restarts(&self, calm: Duration) {
        if let Some(Over { count, lasted }) = self.parts.restarts.over_after(calm) {
            tracing::warn!(count, ?lasted, "actors that had stopped were started again");
        }
    }

    /// The names of the aisles, in the order of the catalogue.
    pub(crate) fn aisles(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (product, _) in &self.parts.catalogue {
            if !names.iter().any(|name| **name == *product.aisle) {
                names.push(product.aisle.to_string());
            }
        }
        names
    }

    /// Waits until no order is being placed.
    pub(crate) async fn idle(&self) {
        self.regular.checkouts.idle().await;
        let experiments: Vec<_> =
            self.experiments().iter().map(|experiment| Arc::clone(&experiment.actors)).collect();
        for actors in experiments {
            actors.checkouts.idle().await;
        }
    }

    fn experiments(&self) -> MutexGuard<'_, Vec<Experiment>> {
        self.experiments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Experiment {
    fn is_idle(&self, now: Instant) -> bool {
        let is_held_by_a_request = Arc::strong_count(&self.actors) > 1;
        !is_held_by_a_request
            && self.actors.checkouts.is_idle()
            && now.saturating_duration_since(self.used_at) >= EXPERIMENT_IDLE
    }
}

impl ActorSystem {
    /// Starts all actors.
    fn start(parts: &ActorParts) -> Self {
        let config = parts.config;
        let ledger = Arc::new(parts.start(0, {
            let (storage, write_lock) = (parts.storage.clone(), Arc::clone(&parts.write_lock));
            move || Ledger::new(storage.clone(), Arc::clone(&write_lock), config.ledger_queue)
        }));
        let restocker = Arc::new(parts.start(0, {
            let ledger = Arc::clone(&ledger);
            move || Restocker::new(Arc::clone(&ledger), config.restock)
        }));
        let aisles = Arc::new(AisleRouter::new(&parts.catalogue, |number, products| {
            let (ledger, restocker) = (Arc::clone(&ledger), Arc::clone(&restocker));
            let unread = Arc::clone(&parts.unread);
            parts.start(number + 1, move || {
                let (ledger, restocker) = (Arc::clone(&ledger), Arc::clone(&restocker));
                Aisle::new(&products, ledger, restocker, config.restock, Arc::clone(&unread))
            })
        }));
        let inventory = parts.start(0, {
            let aisles = Arc::clone(&aisles);
            move || Inventory::new(Arc::clone(&aisles), ConcurrencyLimit::new(config.concurrency))
        });
        let checkouts = ConcurrencyLimit::new(config.concurrency);
        let checkout = parts.start(0, {
            let (aisles, ledger) = (Arc::clone(&aisles), Arc::clone(&ledger));
            let checkouts = checkouts.clone();
            move || Checkout::new(Arc::clone(&aisles), Arc::clone(&ledger), checkouts.clone())
        });
        Self { inventory, checkout, ledger, aisles, checkouts }
    }

    /// Waits until every aisle has read its stock.
    ///
    /// # Errors
    /// [`ActorError`] if one of them cannot be asked.
    pub(crate) async fn ready(&self) -> Result<(), ActorError> {
        try_join_all(self.aisles.all().map(|aisle| aisle.ask(ListProducts))).await.map(drop)
    }
}

impl ActorParts {
    /// What the actors of a store on this database need. There must be at least one arbiter.
    pub(crate) fn new(
        storage: Storage,
        catalogue: Vec<(CatalogueProduct, u64)>,
        arbiters: Vec<ArbiterHandle>,
        config: ActorConfig,
    ) -> Self {
        let (write_lock, unread, restarts) = (WriteLock::default(), Arc::default(), Arc::default());
        Self { storage, write_lock, catalogue, arbiters, config, unread, restarts }
    }

    /// Starts an actor on the arbiter of this number, counted round.
    fn start<A: TracedActor<Context = TracedContext<A>>>(
        &self,
        arbiter: usize,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> Supervised<A> {
        let arbiter = self.arbiters[arbiter % self.arbiters.len()].clone();
        let mailbox = self.config.mailbox;
        let make = Arc::new(make);
        let start = move || {
            let make = Arc::clone(&make);
            A::start_traced_in(&arbiter, move |ctx| {
                ctx.set_mailbox_capacity(mailbox);
                make()
            })
        };
        Supervised::new(start, Arc::clone(&self.restarts))
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::SystemTime};

    use actix_rt::Arbiter;
    use opentelemetry::{Context, trace::FutureExt as _};
    use shared::wire::{BasketItem, CheckoutRequest, Product, Receipt};
    use tokio::time::timeout;

    use super::*;
    use crate::{
        actors::{Faults, FindProduct, PlaceOrder},
        domain::{Basket, NewOrder, ProductId},
    };

    /// Far longer than anything takes that is awaited: only a test that fails gets there.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn pools() -> ActorPools {
        let storage = Storage::open(&"sqlite::memory:".parse().unwrap()).await.unwrap();
        let catalogue = storage.catalogue().await.unwrap();
        let restock = RestockPolicy { below: 0, quantity: NonZeroU32::MIN, delay: PATIENCE };
        let config = ActorConfig { mailbox: 16, concurrency: 16, ledger_queue: 16, restock };
        let arbiters = vec![Arbiter::current()];
        ActorPools::start(ActorParts::new(storage, catalogue, arbiters, config))
    }

    impl ActorSystem {
        async fn buy(
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

        /// Waits until so many pieces of a product can be bought.
        async fn await_stock(&self, id: u32, pieces: u64) {
            let seen = async {
                while !self.product(id).await.is_ok_and(|product| product.in_stock == pieces) {
                    tokio::task::yield_now().await;
                }
            };
            let in_time = timeout(PATIENCE, seen).await;
            assert!(in_time.is_ok(), "there were never {pieces} pieces of product {id}");
        }
    }

    /// Lets these faults befall one request, and not those that come after it.
    async fn with_fault<T>(fault: &str, request: impl Future<Output = T>) -> T {
        let faults = Faults::new([fault.parse().unwrap()]);
        request.with_context(Context::current_with_value(faults)).await
    }

    #[actix_rt::test]
    async fn an_aisle_that_panics_comes_back_with_what_the_database_holds() {
        let pools = pools().await;
        let store = pools.regular();
        store.buy(&[(1, 100)], PATIENCE).await.unwrap();
        let panics = with_fault("panic=Aisle", store.buy(&[(1, 1), (12, 3)], PATIENCE)).await;
        assert!(matches!(panics, Err(ActorError::Stopped("Aisle"))), "{panics:?}");
        store.await_stock(1, 400).await;
        store.await_stock(12, 500).await;
    }

    #[actix_rt::test]
    async fn an_aisle_that_reserves_too_late_puts_the_pieces_back() {
        let pools = pools().await;
        let store = pools.regular();
        let slow = "slow-aisle=produce:200ms";
        let impatient = Duration::from_millis(50);
        let late = with_fault(slow, store.buy(&[(1, 5), (12, 1)], impatient)).await;
        assert!(matches!(late, Err(ActorError::DeadlineMissed("Checkout"))), "{late:?}");
        // The first request behind it is answered before, the second one after it.
        store.await_stock(12, 500).await;
        with_fault(slow, store.product(1)).await.unwrap();
        store.await_stock(1, 500).await;
    }

    #[actix_rt::test]
    async fn an_experiment_has_actors_of_its_own_until_it_has_been_idle_for_a_while() {
        let pools = pools().await;
        let faults = |text: &str| vec![text.parse::<Fault>().unwrap()];
        let (slow, panics) = (faults("slow-aisle=produce:1ms"), faults("panic=Aisle"));
        let start = Instant::now();
        let experiment = |faults: &[Fault], now| pools.experiment(faults, now).unwrap();
        let actors = experiment(&slow, start);
        assert!(Arc::ptr_eq(&actors, &experiment(&slow, start)), "they are used again");
        assert!(!Arc::ptr_eq(&actors, &experiment(&panics, start)));
        assert!(!Arc::ptr_eq(&actors, pools.regular()));
        actors.buy(&[(1, 5)], PATIENCE).await.unwrap();
        let running = actors.running();
        assert_eq!(running.iter().filter(|is_running| is_running()).count(), 10);

        // A request that is under way keeps them, however long it takes.
        pools.end_idle_experiments(start + EXPERIMENT_IDLE * 2);
        assert_eq!(pools.experiments().len(), 1);
        drop(actors);
        let used_at = start + EXPERIMENT_IDLE * 2;
        drop(experiment(&slow, used_at));
        let just_before = used_at + EXPERIMENT_IDLE - Duration::from_millis(1);
        pools.end_idle_experiments(just_before);
        assert_eq!(pools.experiments().len(), 1);
        pools.end_idle_experiments(used_at + EXPERIMENT_IDLE);
        assert_eq!(pools.experiments().len(), 0);
        let ended = async {
            while running.iter().any(|is_running| is_running()) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, ended).await.expect("all its actors end");
        pools.regular().await_stock(1, 495).await;
    }

    impl ActorSystem {
        /// For each actor, whether it is running; to ask keeps none alive.
        fn running(&self) -> Vec<Box<dyn Fn() -> bool>> {
            let aisles = self.aisles.all().map(Supervised::running);
            [self.inventory.running(), self.checkout.running(), self.ledger.running()]
                .into_iter()
                .chain(aisles)
                .collect()
        }
    }
}
