//! The checkout: reserves in all aisles concerned at once, then has the order recorded.
//!
//! An order is whole or not at all: every way out before it is recorded releases what was reserved,
//! and once the ledger has it nothing here can stop it.

use std::{borrow::Cow, sync::Arc};

use actix::{Actor, Handler, Message, ResponseFuture};
use actix_opentelemetry::{Reply, TracedActor, TracedContext};
use opentelemetry::{Context, KeyValue, trace::TraceContextExt as _};
use shared::{
    fault::FaultyActor,
    wire::{Receipt, Shortage},
};
use tokio::time::{Instant, timeout_at};

use super::{
    ActorError,
    aisle::{AisleRouter, Reservation},
    faults::InjectedFaults,
    ledger::{Ledger, Record, Recorded},
    limit::ConcurrencyLimit,
    supervised::Supervised,
};
use crate::{domain::NewOrder, storage::RecordOutcome};

/// The checkout.
pub(crate) struct Checkout {
    desk: Arc<Desk>,
    limit: ConcurrencyLimit,
}

/// Sell this, unless that takes too long.
#[derive(Message)]
#[rtype(result = "Result<Receipt, ActorError>")]
pub(crate) struct PlaceOrder {
    pub(crate) order: NewOrder,
    /// When whoever asks will have gone.
    pub(crate) deadline: Instant,
}

/// Whom the checkout asks.
struct Desk {
    aisles: Arc<AisleRouter>,
    ledger: Arc<Supervised<Ledger>>,
}

impl Checkout {
    /// A checkout between the aisles and the ledger.
    pub(super) fn new(
        aisles: Arc<AisleRouter>,
        ledger: Arc<Supervised<Ledger>>,
        limit: ConcurrencyLimit,
    ) -> Self {
        Self { desk: Arc::new(Desk { aisles, ledger }), limit }
    }
}

impl Desk {
    async fn place(&self, message: PlaceOrder) -> Result<Receipt, ActorError> {
        let PlaceOrder { order, deadline } = message;
        let reserved = timeout_at(deadline, self.aisles.reserve(&order.basket))
            .await
            .map_err(|_| ActorError::DeadlineMissed(Checkout::NAME))?;
        let reservations = match reserved {
            // The key may have been used for a sale that emptied the shelf: the database knows.
            Err(ActorError::OutOfStock(_)) if order.key.is_some() => Vec::new(),
            reserved => reserved?,
        };
        let basket = order.basket.clone();
        let recorded = self.ledger.ask(Record { order, deadline }).await;
        let sold = recorded.and_then(|recorded| self.conclude(recorded, reservations));
        // Either the view was wrong, or nobody knows whether the order was recorded.
        if let Err(ActorError::OutOfStock(_) | ActorError::Storage(_)) = sold {
            self.aisles.reread(&basket);
        }
        sold
    }

    fn conclude(
        &self,
        recorded: Recorded,
        reservations: Vec<Reservation>,
    ) -> Result<Receipt, ActorError> {
        match recorded.outcome {
            RecordOutcome::Recorded(receipt) => {
                for reservation in reservations {
                    reservation.mark_sold(recorded.batch);
                }
                let order_id = KeyValue::new("grocery.order.id", receipt.order_id.to_string());
                Context::map_current(|cx| cx.span().set_attribute(order_id));
                Ok(receipt)
            }
            RecordOutcome::Replayed(receipt) => Ok(receipt),
            RecordOutcome::KeyReused => Err(ActorError::KeyReused),
            RecordOutcome::Short(shortages) => {
                let to_wire = |shortage: &crate::domain::Shortfall| Shortage {
                    id: shortage.product.to_string(),
                    name: self.aisles.name_of(shortage.product).to_string(),
                    requested: shortage.requested.get(),
                    available: shortage.available,
                };
                Err(ActorError::OutOfStock(shortages.iter().map(to_wire).collect()))
            }
        }
    }
}

impl Actor for Checkout {
    type Context = TracedContext<Self>;
}

impl TracedActor for Checkout {
    const NAME: &'static str = "Checkout";

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        ActorError::classify::<Receipt>(reply)
    }
}

impl Handler<PlaceOrder> for Checkout {
    type Result = ResponseFuture<Result<Receipt, ActorError>>;

    fn handle(&mut self, message: PlaceOrder, ctx: &mut Self::Context) -> Self::Result {
        let faults = InjectedFaults::of(FaultyActor::Checkout);
        faults.stall(self, ctx);
        let permit = self.limit.acquire(self, ctx);
        let desk = Arc::clone(&self.desk);
        // It runs to its end whether or not anybody still waits for it, and even if this actor is
        // gone: the receipt of a recorded order may be lost on the way, its reservations not.
        Box::pin(async move {
            let _permit = permit;
            faults.endure().await?;
            desk.place(message).await
        })
    }
}
