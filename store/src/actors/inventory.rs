//! The inventory: asks all aisles at once what they have, and gathers the answers.

use std::{borrow::Cow, sync::Arc};

use actix::{Actor, Handler, Message, ResponseFuture};
use actix_opentelemetry::{Reply, TracedActor, TracedContext};
use futures_util::future::try_join_all;
use shared::{fault::FaultyActor, wire::Product};

use super::{
    Failure,
    admission::Admission,
    aisle::{ListProducts, ShowProduct},
    floor::Floor,
    trouble::Trouble,
};
use crate::domain::ProductId;

/// The inventory of the store.
pub(crate) struct Inventory {
    floor: Arc<Floor>,
    admission: Admission,
}

/// What is in store, in all aisles?
#[derive(Message)]
#[rtype(result = "Result<Vec<Product>, Failure>")]
pub(crate) struct WhatsInStore;

/// What is there of one product?
#[derive(Message)]
#[rtype(result = "Result<Product, Failure>")]
pub(crate) struct FindProduct(pub(crate) ProductId);

impl Inventory {
    /// The inventory of a floor.
    pub(super) fn new(floor: Arc<Floor>, admission: Admission) -> Self {
        Self { floor, admission }
    }
}

impl Actor for Inventory {
    type Context = TracedContext<Self>;
}

impl TracedActor for Inventory {
    const NAME: &'static str = "Inventory";

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        Failure::classify::<Vec<Product>>(reply).or_else(|| Failure::classify::<Product>(reply))
    }
}

impl Handler<WhatsInStore> for Inventory {
    type Result = ResponseFuture<Result<Vec<Product>, Failure>>;

    fn handle(&mut self, _: WhatsInStore, ctx: &mut Self::Context) -> Self::Result {
        let trouble = Trouble::of(FaultyActor::Inventory);
        trouble.stall(self, ctx);
        let admitted = self.admission.admit(self, ctx);
        let floor = Arc::clone(&self.floor);
        Box::pin(async move {
            let _admitted = admitted;
            trouble.endure().await?;
            let aisles = try_join_all(floor.aisles().map(|aisle| aisle.ask(ListProducts))).await?;
            Ok(aisles.concat())
        })
    }
}

impl Handler<FindProduct> for Inventory {
    type Result = ResponseFuture<Result<Product, Failure>>;

    fn handle(&mut self, message: FindProduct, ctx: &mut Self::Context) -> Self::Result {
        let trouble = Trouble::of(FaultyActor::Inventory);
        trouble.stall(self, ctx);
        let admitted = self.admission.admit(self, ctx);
        let floor = Arc::clone(&self.floor);
        Box::pin(async move {
            let _admitted = admitted;
            trouble.endure().await?;
            let FindProduct(product) = message;
            floor.aisle_of(product)?.ask(ShowProduct(product)).await
        })
    }
}
