//! All actors of a store together: who works where, and how much each takes on.

use std::sync::{Arc, OnceLock};

use actix_opentelemetry::{TracedActor, TracedContext, TracedStart as _};
use actix_rt::ArbiterHandle;

use super::{
    ActorError, RestockPolicy,
    aisle::{Aisle, AisleRouter},
    checkout::Checkout,
    inventory::{Inventory, WhatsInStore},
    ledger::{Ledger, WriteLock},
    limit::ConcurrencyLimit,
    restocker::Restocker,
    supervised::Supervised,
};
use crate::{domain::CatalogueProduct, storage::Storage};

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

/// What the crews of one store have in common.
pub(crate) struct ActorSystemParts {
    pub(crate) storage: Storage,
    pub(crate) write_lock: WriteLock,
    /// What there was when the store opened.
    pub(crate) catalogue: Vec<(CatalogueProduct, u64)>,
    /// Where the actors run; there is at least one.
    pub(crate) arbiters: Vec<ArbiterHandle>,
    pub(crate) config: ActorConfig,
}

/// The actors that serve requests.
pub(crate) struct ActorSystem {
    pub(crate) inventory: Supervised<Inventory>,
    pub(crate) checkout: Supervised<Checkout>,
    pub(crate) ledger: Arc<Supervised<Ledger>>,
    checkouts: ConcurrencyLimit,
    config: ActorConfig,
}

impl ActorSystem {
    /// Starts all actors.
    pub(crate) fn start(parts: &ActorSystemParts) -> Self {
        let config = parts.config;
        let ledger = Arc::new(parts.keep(0, {
            let (storage, write_lock) = (parts.storage.clone(), Arc::clone(&parts.write_lock));
            move || Ledger::new(storage.clone(), Arc::clone(&write_lock), config.ledger_queue)
        }));
        let restocker = Arc::new(parts.keep(0, {
            let ledger = Arc::clone(&ledger);
            move || Restocker::new(Arc::clone(&ledger), config.restock)
        }));
        let aisles = Arc::new(AisleRouter::new(&parts.catalogue, |number, products| {
            let (ledger, restocker) = (Arc::clone(&ledger), Arc::clone(&restocker));
            parts.keep(number + 1, move || {
                Aisle::new(&products, Arc::clone(&ledger), Arc::clone(&restocker), config.restock)
            })
        }));
        let inventory = parts.keep(0, {
            let aisles = Arc::clone(&aisles);
            move || Inventory::new(Arc::clone(&aisles), ConcurrencyLimit::new(config.concurrency))
        });
        let checkouts = ConcurrencyLimit::new(config.concurrency);
        let checkout = parts.keep(0, {
            let (ledger, checkouts) = (Arc::clone(&ledger), checkouts.clone());
            move || Checkout::new(Arc::clone(&aisles), Arc::clone(&ledger), checkouts.clone())
        });
        Self { inventory, checkout, ledger, checkouts, config }
    }

    /// Lasts until every actor has started and every aisle has read its stock.
    ///
    /// # Errors
    /// [`ActorError`] if one of them cannot be asked.
    pub(crate) async fn ready(&self) -> Result<(), ActorError> {
        self.inventory.ask(WhatsInStore).await.map(drop)
    }

    /// Lasts until no order is being placed.
    pub(crate) async fn idle(&self) {
        self.checkouts.idle(self.config.concurrency).await;
    }
}

impl ActorSystemParts {
    /// Has an actor on the arbiter of this number, counted around.
    fn keep<A: TracedActor<Context = TracedContext<A>>>(
        &self,
        arbiter: usize,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> Supervised<A> {
        let arbiter = self.arbiters[arbiter % self.arbiters.len()].clone();
        let mailbox = self.config.mailbox;
        let make = Arc::new(make);
        Supervised::new(move || {
            let make = Arc::clone(&make);
            A::start_traced_in(&arbiter, move |ctx| {
                ctx.set_mailbox_capacity(mailbox);
                make()
            })
        })
    }
}

/// All actors of a store.
pub(crate) struct ActorPools {
    parts: ActorSystemParts,
    regulars: ActorSystem,
    experimenters: OnceLock<ActorSystem>,
}

impl ActorPools {
    /// Starts the actors for everybody.
    pub(crate) fn start(parts: ActorSystemParts) -> Self {
        let regulars = ActorSystem::start(&parts);
        Self { parts, regulars, experimenters: OnceLock::new() }
    }

    /// The actors for everybody.
    pub(crate) fn regulars(&self) -> &ActorSystem {
        &self.regulars
    }

    /// The actors for requests that ask for faults.
    pub(crate) fn experimenters(&self) -> &ActorSystem {
        self.experimenters.get_or_init(|| ActorSystem::start(&self.parts))
    }

    /// Lasts until no order is being placed.
    pub(crate) async fn idle(&self) {
        self.regulars.idle().await;
        if let Some(experimenters) = self.experimenters.get() {
            experimenters.idle().await;
        }
    }
}
