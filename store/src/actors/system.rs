//! The actors that serve requests: what they are made of, how they are started, who asks whom.
//!
//! ```text
//! GET /whats-in-store, /products  ──▶  Inventory  ──▶  Aisle (one for each aisle of the catalogue)
//! POST /checkout                  ──▶  Checkout   ──▶  Aisle, then Ledger
//! GET /orders, /readyz            ──▶  Ledger     ──▶  the database
//!
//! Aisle  ──▶  Ledger (reads stock),  Restocker (reports low stock)  ──▶  Ledger (records deliveries)
//! Retention (every minute)  ──▶  Ledger (folds old orders)
//! ```

use std::{sync::Arc, time::Duration};

use actix_opentelemetry::{TracedActor, TracedContext, TracedStart as _};
use actix_rt::ArbiterHandle;
use futures_util::future::try_join_all;
use shared::notice::{Notice, Over};
use tokio::{sync::OwnedMutexGuard, time::Instant};

use super::{
    aisle::{Aisle, AisleParts, AisleRouter, ListProducts},
    checkout::Checkout,
    error::ActorError,
    inventory::Inventory,
    ledger::{BatchNumber, FoldLock, Ledger, WriteLock},
    limit::ConcurrencyLimit,
    metrics::{ShopMetrics, StockGauge},
    restocker::{RestockPolicy, Restocker},
    retention::{Retention, RetentionPolicy, RetentionState},
    supervised::Supervised,
};
use crate::{domain::CatalogueProduct, storage::Storage};

/// How much work the actors accept.
#[derive(Clone, Copy, Debug)]
pub struct ActorConfig {
    /// How many messages the mailbox of an actor holds.
    pub mailbox: usize,
    /// How many requests `Inventory` and `Checkout` each work on at a time. Further requests wait
    /// in the mailbox.
    pub concurrency: usize,
    /// How many orders wait for the ledger's next batch.
    pub ledger_queue: usize,
    /// When sold goods are delivered again.
    pub restock: RestockPolicy,
}

/// One set of running actors. HTTP handlers ask the three that are public here.
pub(crate) struct ActorSystem {
    pub(crate) inventory: Supervised<Inventory>,
    pub(crate) checkout: Supervised<Checkout>,
    pub(crate) ledger: Arc<Supervised<Ledger>>,
    aisles: Arc<AisleRouter>,
    /// What is on hand, one for each aisle.
    stock: Vec<StockGauge>,
    /// The limit of `checkout`, which also says whether orders are being placed.
    checkouts: ConcurrencyLimit,
}

/// While it is held, no actor writes to the database.
pub(crate) struct NothingIsWritten {
    _folding: OwnedMutexGuard<()>,
    _writing: OwnedMutexGuard<BatchNumber>,
}

/// What every set of actors of one store is made of.
pub(crate) struct ActorParts {
    storage: Storage,
    write_lock: WriteLock,
    fold_lock: FoldLock,
    /// The products, each with the pieces on hand when the store opened.
    catalogue: Vec<(CatalogueProduct, u64)>,
    /// The threads that the actors run on: at least one.
    arbiters: Vec<ArbiterHandle>,
    config: ActorConfig,
    metrics: ShopMetrics,
    /// Logs once that aisles cannot read their stock, and once that they can again.
    unread: Arc<Notice>,
    /// Logs once that actors have stopped and were started again.
    restarts: Arc<Notice>,
}

impl ActorSystem {
    /// Starts all actors, those first that the others ask.
    ///
    /// Each actor is started by a closure, which is called again if the actor panics. So the
    /// closure keeps what the actor is made of, and gives each new actor a clone.
    pub(super) fn start(parts: &ActorParts) -> Self {
        let config = parts.config;
        let ledger = Arc::new(parts.start(0, {
            let (storage, metrics) = (parts.storage.clone(), parts.metrics.clone());
            let (write, fold) = (Arc::clone(&parts.write_lock), Arc::clone(&parts.fold_lock));
            let queue = config.ledger_queue;
            move || {
                let (write, fold) = (Arc::clone(&write), Arc::clone(&fold));
                Ledger::new(storage.clone(), write, fold, metrics.clone(), queue)
            }
        }));
        let restocker = Arc::new(parts.start(0, {
            let ledger = Arc::clone(&ledger);
            move || Restocker::new(Arc::clone(&ledger), config.restock)
        }));
        let aisle_parts = AisleParts {
            ledger: Arc::clone(&ledger),
            restocker,
            policy: config.restock,
            opened_at: Instant::now(),
            unread: Arc::clone(&parts.unread),
        };
        let mut stock = Vec::new();
        let aisles = Arc::new(AisleRouter::new(&parts.catalogue, |number, products| {
            let aisle_parts = aisle_parts.clone();
            let gauge = parts.metrics.stock_gauge(&products[0].0.aisle);
            stock.push(gauge.clone());
            let make = move || Aisle::new(&products, gauge.clone(), aisle_parts.clone());
            parts.start(number + 1, make)
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
        Self { inventory, checkout, ledger, aisles, stock, checkouts }
    }

    /// Waits until every aisle has read its stock.
    ///
    /// # Errors
    /// [`ActorError`] if an aisle cannot be asked.
    pub(crate) async fn ready(&self) -> Result<(), ActorError> {
        try_join_all(self.aisles.all().map(|aisle| aisle.ask(ListProducts))).await.map(drop)
    }

    /// What is on hand, one for each aisle.
    pub(super) fn stock(&self) -> &[StockGauge] {
        &self.stock
    }

    /// Whether no order is being placed.
    pub(super) fn is_idle(&self) -> bool {
        self.checkouts.is_idle()
    }

    /// Waits until no order is being placed.
    pub(super) async fn idle(&self) {
        self.checkouts.idle().await;
    }
}

impl ActorParts {
    /// The parts for the actors of a store on this database. There must be at least one arbiter.
    pub(crate) fn new(
        storage: Storage,
        catalogue: Vec<(CatalogueProduct, u64)>,
        arbiters: Vec<ArbiterHandle>,
        config: ActorConfig,
        metrics: ShopMetrics,
    ) -> Self {
        let (write_lock, fold_lock) = (WriteLock::default(), FoldLock::default());
        let (unread, restarts) = (Arc::default(), Arc::default());
        Self {
            storage,
            write_lock,
            fold_lock,
            catalogue,
            arbiters,
            config,
            metrics,
            unread,
            restarts,
        }
    }

    /// What is measured of all actors of the store together.
    pub(super) fn metrics(&self) -> &ShopMetrics {
        &self.metrics
    }

    /// Waits for the batch, the delivery, the reading of stock and the folding that are under way.
    /// None begins until the guard is dropped.
    pub(super) async fn stop_writing(&self) -> NothingIsWritten {
        let folding = Arc::clone(&self.fold_lock).lock_owned().await;
        let writing = Arc::clone(&self.write_lock).lock_owned().await;
        NothingIsWritten { _folding: folding, _writing: writing }
    }

    /// Starts the actor that has orders folded with this policy.
    pub(super) fn start_retention(
        &self,
        ledger: &Arc<Supervised<Ledger>>,
        policy: RetentionPolicy,
        state: Arc<RetentionState>,
    ) -> Supervised<Retention> {
        let ledger = Arc::clone(ledger);
        self.start(0, move || {
            Retention::new(Arc::clone(&ledger), policy.clone(), Arc::clone(&state))
        })
    }

    /// The names of the aisles, in the order of the catalogue.
    pub(super) fn aisle_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (product, _) in &self.catalogue {
            if !names.iter().any(|name| **name == *product.aisle) {
                names.push(product.aisle.to_string());
            }
        }
        names
    }

    /// Whether actors have stopped of which the log does not say yet that they run again.
    pub(super) fn is_restarting(&self) -> bool {
        self.restarts.is_going_on()
    }

    /// Logs that actors have stopped and were started again, once no actor has stopped for `calm`.
    pub(super) fn log_restarts_after(&self, calm: Duration) {
        if let Some(Over { count, lasted }) = self.restarts.over_after(calm) {
            tracing::warn!(name: "grocery.actor.restarts_over", count, ?lasted, "actors that had stopped were started again");
        }
    }

    /// Starts an actor, and starts it again whenever it has stopped.
    ///
    /// `thread` chooses the arbiter, modulo their number: with two arbiters, 0, 2 and 4 share one.
    fn start<A: TracedActor<Context = TracedContext<A>>>(
        &self,
        thread: usize,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> Supervised<A> {
        let arbiter = self.arbiters[thread % self.arbiters.len()].clone();
        let mailbox = self.config.mailbox;
        // The actor is made on its own thread, so each start hands `make` over to that thread.
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
pub(super) mod tests;
