//! The inventory: asks all aisles at once for their products, and joins the answers.

use std::{borrow::Cow, sync::Arc};

use actix::{Actor, Handler, Message, ResponseFuture};
use actix_opentelemetry::{Reply, TracedActor, TracedContext};
use futures_util::future::try_join_all;
use shared::{fault::FaultyActor, wire::Product};

use super::{
    aisle::{AisleRouter, ListProducts, ShowProduct},
    error::{ActorError, answers},
    limit::ConcurrencyLimit,
    listing::whats_in_store,
    serve::Serve,
};
use crate::domain::ProductId;

/// The inventory of the store.
pub(crate) struct Inventory {
    aisles: Arc<AisleRouter>,
    limit: ConcurrencyLimit,
}

/// What is in store, in all aisles? The answer is the JSON of
/// [`WhatsInStore`](shared::wire::WhatsInStore).
#[derive(Message)]
#[rtype(result = "Result<String, ActorError>")]
pub(crate) struct WhatsInStore;

/// What is there of one product?
#[derive(Message)]
#[rtype(result = "Result<Product, ActorError>")]
pub(crate) struct FindProduct(pub(crate) ProductId);

answers!(Inventory: String, Product);

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
        Self::error_type(reply)
    }
}

impl Serve for Inventory {
    const FAULTY: FaultyActor = FaultyActor::Inventory;

    fn limit(&self) -> Option<&ConcurrencyLimit> {
        Some(&self.limit)
    }
}

impl Handler<WhatsInStore> for Inventory {
    type Result = ResponseFuture<Result<String, ActorError>>;

    fn handle(&mut self, _: WhatsInStore, ctx: &mut Self::Context) -> Self::Result {
        let aisles = Arc::clone(&self.aisles);
        self.serve(ctx, async move {
            let lists = aisles.all().map(|aisle| aisle.ask(ListProducts));
            Ok(whats_in_store(&try_join_all(lists).await?))
        })
    }
}

impl Handler<FindProduct> for Inventory {
    type Result = ResponseFuture<Result<Product, ActorError>>;

    fn handle(&mut self, message: FindProduct, ctx: &mut Self::Context) -> Self::Result {
        let FindProduct(product) = message;
        let aisles = Arc::clone(&self.aisles);
        self.serve(ctx, async move { aisles.of(product)?.ask(ShowProduct(product)).await })
    }
}
