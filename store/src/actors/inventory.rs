//! The inventory: asks all aisles at once what they have, and gathers the answers.

use std::{borrow::Cow, sync::Arc};

use actix::{Actor, Handler, Message, ResponseFuture};
use actix_opentelemetry::{Reply, TracedActor, TracedContext};
use futures_util::future::try_join_all;
use shared::{fault::FaultyActor, wire::Product};

use super::{
    ActorError,
    aisle::{AisleRouter, ListProducts, ShowProduct},
    faults::InjectedFaults,
    limit::ConcurrencyLimit,
};
use crate::domain::ProductId;

/// The inventory of the store.
pub(crate) struct Inventory {
    aisles: Arc<AisleRouter>,
    limit: ConcurrencyLimit,
}

/// What is in store, in all aisles?
#[derive(Message)]
#[rtype(result = "Result<Vec<Product>, ActorError>")]
pub(crate) struct WhatsInStore;

/// What is there of one product?
#[derive(Message)]
#[rtype(result = "Result<Product, ActorError>")]
pub(crate) struct FindProduct(pub(crate) ProductId);

impl Inventory {
    /// The inventory of these aisles.
    pub(super) fn new(aisles: Arc<AisleRouter>, limit: ConcurrencyLimit) -> Self {
        Self { aisles, limit }
    }
}

impl Actor for Inventory {
    type Context = TracedContext<Self>;
}

impl TracedActor for Inventory {
    const NAME: &'static str = "Inventory";

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        ActorError::classify::<Vec<Product>>(reply)
            .or_else(|| ActorError::classify::<Product>(reply))
    }
}

impl Handler<WhatsInStore> for Inventory {
    type Result = ResponseFuture<Result<Vec<Product>, ActorError>>;

    fn handle(&mut self, _: WhatsInStore, ctx: &mut Self::Context) -> Self::Result {
        let faults = InjectedFaults::of(FaultyActor::Inventory);
        faults.stall(self, ctx);
        let permit = self.limit.acquire(self, ctx);
        let aisles = Arc::clone(&self.aisles);
        Box::pin(async move {
            let _permit = permit;
            faults.endure().await?;
            let aisles = try_join_all(aisles.aisles().map(|aisle| aisle.ask(ListProducts))).await?;
            Ok(aisles.concat())
        })
    }
}

impl Handler<FindProduct> for Inventory {
    type Result = ResponseFuture<Result<Product, ActorError>>;

    fn handle(&mut self, message: FindProduct, ctx: &mut Self::Context) -> Self::Result {
        let faults = InjectedFaults::of(FaultyActor::Inventory);
        faults.stall(self, ctx);
        let permit = self.limit.acquire(self, ctx);
        let aisles = Arc::clone(&self.aisles);
        Box::pin(async move {
            let _permit = permit;
            faults.endure().await?;
            let FindProduct(product) = message;
            aisles.aisle_of(product)?.ask(ShowProduct(product)).await
        })
    }
}
