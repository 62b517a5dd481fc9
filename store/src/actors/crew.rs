//! All actors of a store together: who works where, and how much each takes on.

use std::sync::Arc;

use actix_opentelemetry::{TracedActor, TracedContext, TracedStart as _};
use actix_rt::ArbiterHandle;

use super::{
    Failure, RestockPolicy,
    admission::Admission,
    aisle::Aisle,
    batch::Book,
    checkout::Checkout,
    floor::Floor,
    inventory::{Inventory, WhatsInStore},
    kept::Kept,
    ledger::Ledger,
    restocker::Restocker,
};
use crate::{domain::CatalogueProduct, storage::Storage};

/// How much the actors take on.
#[derive(Clone, Copy, Debug)]
pub struct CrewConfig {
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
pub(crate) struct Premises {
    pub(crate) storage: Storage,
    pub(crate) book: Book,
    /// What there was when the store opened.
    pub(crate) catalogue: Vec<(CatalogueProduct, u64)>,
    /// Where the actors run; there is at least one.
    pub(crate) arbiters: Vec<ArbiterHandle>,
    pub(crate) config: CrewConfig,
}

/// The actors that serve requests.
pub(crate) struct Crew {
    pub(crate) inventory: Kept<Inventory>,
    pub(crate) checkout: Kept<Checkout>,
    pub(crate) ledger: Arc<Kept<Ledger>>,
    checkouts: Admission,
    config: CrewConfig,
}

impl Crew {
    /// Starts all actors.
    pub(crate) fn start(premises: &Premises) -> Self {
        let config = premises.config;
        let ledger = Arc::new(premises.keep(0, {
            let (storage, book) = (premises.storage.clone(), Arc::clone(&premises.book));
            move || Ledger::new(storage.clone(), Arc::clone(&book), config.ledger_queue)
        }));
        let restocker = Arc::new(premises.keep(0, {
            let ledger = Arc::clone(&ledger);
            move || Restocker::new(Arc::clone(&ledger), config.restock)
        }));
        let floor = Arc::new(Floor::new(&premises.catalogue, |number, products| {
            let (ledger, restocker) = (Arc::clone(&ledger), Arc::clone(&restocker));
            premises.keep(number + 1, move || {
                Aisle::new(&products, Arc::clone(&ledger), Arc::clone(&restocker), config.restock)
            })
        }));
        let inventory = premises.keep(0, {
            let floor = Arc::clone(&floor);
            move || Inventory::new(Arc::clone(&floor), Admission::new(config.concurrency))
        });
        let checkouts = Admission::new(config.concurrency);
        let checkout = premises.keep(0, {
            let (ledger, checkouts) = (Arc::clone(&ledger), checkouts.clone());
            move || Checkout::new(Arc::clone(&floor), Arc::clone(&ledger), checkouts.clone())
        });
        Self { inventory, checkout, ledger, checkouts, config }
    }

    /// Lasts until every actor has started and every aisle has read its stock.
    ///
    /// # Errors
    /// [`Failure`] if one of them cannot be asked.
    pub(crate) async fn ready(&self) -> Result<(), Failure> {
        self.inventory.ask(WhatsInStore).await.map(drop)
    }

    /// Lasts until no order is being placed.
    pub(crate) async fn idle(&self) {
        self.checkouts.idle(self.config.concurrency).await;
    }
}

impl Premises {
    /// Has an actor on the arbiter of this number, counted around.
    fn keep<A: TracedActor<Context = TracedContext<A>>>(
        &self,
        arbiter: usize,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> Kept<A> {
        let arbiter = self.arbiters[arbiter % self.arbiters.len()].clone();
        let mailbox = self.config.mailbox;
        let make = Arc::new(make);
        Kept::new(move || {
            let make = Arc::clone(&make);
            A::start_traced_in(&arbiter, move |ctx| {
                ctx.set_mailbox_capacity(mailbox);
                make()
            })
        })
    }
}
