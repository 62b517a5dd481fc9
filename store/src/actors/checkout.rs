//! The checkout: reserves a basket in all its aisles at once, then has the ledger record the order.
//!
//! An order is sold whole or not at all. If it fails before it is recorded, its reservations are
//! dropped, which puts the pieces back. Once the ledger has the order, the checkout cannot stop it.

use std::{borrow::Cow, sync::Arc};

use actix::{Actor, Handler, Message, ResponseFuture};
use actix_opentelemetry::{Reply, TracedActor, TracedContext};
use opentelemetry::{
    Context, KeyValue, SpanId, TraceId,
    trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceState},
};
use shared::{
    fault::FaultyActor,
    wire::{Receipt, Shortage},
};
use tokio::time::{Instant, timeout_at};

use super::{
    aisle::{AisleRouter, Reservation},
    error::{ActorError, answers},
    ledger::{Ledger, Record, Recorded},
    limit::ConcurrencyLimit,
    serve::Serve,
    supervised::Supervised,
};
use crate::{
    domain::{NewOrder, SpanReference},
    storage::RecordOutcome,
};

/// The checkout.
pub(crate) struct Checkout {
    aisles: Arc<AisleRouter>,
    ledger: Arc<Supervised<Ledger>>,
    limit: ConcurrencyLimit,
}

/// Sell this, unless that takes too long.
#[derive(Message)]
#[rtype(result = "Result<Receipt, ActorError>")]
pub(crate) struct PlaceOrder {
    pub(crate) order: NewOrder,
    /// When the client stops waiting.
    pub(crate) deadline: Instant,
}

answers!(Checkout: Receipt);

impl Checkout {
    /// A checkout between the aisles and the ledger.
    pub(super) fn new(
        aisles: Arc<AisleRouter>,
        ledger: Arc<Supervised<Ledger>>,
        limit: ConcurrencyLimit,
    ) -> Self {
        Self { aisles, ledger, limit }
    }
}

impl Actor for Checkout {
    type Context = TracedContext<Self>;
}

impl TracedActor for Checkout {
    const NAME: &'static str = "Checkout";

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        Self::error_type(reply)
    }
}

impl Serve for Checkout {
    const FAULTY: FaultyActor = FaultyActor::Checkout;

    fn limit(&self) -> Option<&ConcurrencyLimit> {
        Some(&self.limit)
    }
}

impl Handler<PlaceOrder> for Checkout {
    type Result = ResponseFuture<Result<Receipt, ActorError>>;

    /// The order is carried on to its end, even if the client has disconnected or this actor has
    /// panicked meanwhile. So a receipt may be lost on its way to the client, but no reservation
    /// is.
    fn handle(&mut self, message: PlaceOrder, ctx: &mut Self::Context) -> Self::Result {
        let (aisles, ledger) = (Arc::clone(&self.aisles), Arc::clone(&self.ledger));
        self.serve(ctx, async move { place(message, &aisles, &ledger).await })
    }
}

async fn place(
    message: PlaceOrder,
    aisles: &AisleRouter,
    ledger: &Supervised<Ledger>,
) -> Result<Receipt, ActorError> {
    let PlaceOrder { mut order, deadline } = message;
    order.placed_in = current_span();
    let reserved = timeout_at(deadline, aisles.reserve(&order.basket))
        .await
        .map_err(|_| ActorError::DeadlineMissed(Checkout::NAME))?;
    let reservations = match reserved {
        // The key may belong to an order that is recorded already, and that sold the last pieces.
        // Only the database knows, so the ledger is asked anyway.
        Err(ActorError::OutOfStock(_)) if order.key.is_some() => Vec::new(),
        reserved => reserved?,
    };
    let basket = order.basket.clone();
    let recorded = ledger.ask(Record { order, deadline }).await;
    let sold = recorded.and_then(|recorded| conclude(recorded, reservations, aisles));
    // Either the aisles' view was wrong, or it is not known whether the order was recorded.
    if let Err(ActorError::OutOfStock(_) | ActorError::Storage(_)) = sold {
        aisles.reread(&basket);
    }
    sold
}

fn conclude(
    recorded: Recorded,
    reservations: Vec<Reservation>,
    aisles: &AisleRouter,
) -> Result<Receipt, ActorError> {
    match recorded.outcome {
        RecordOutcome::Recorded(receipt) => {
            for reservation in reservations {
                reservation.mark_sold(recorded.batch);
            }
            name_order(&receipt);
            Ok(receipt)
        }
        RecordOutcome::Replayed { receipt, placed_in } => {
            name_order(&receipt);
            mark_replayed(placed_in);
            Ok(receipt)
        }
        RecordOutcome::KeyReused => Err(ActorError::KeyReused),
        RecordOutcome::Short(shortages) => {
            let to_wire = |shortage: &crate::domain::Shortfall| Shortage {
                id: shortage.product.to_string(),
                name: aisles.name_of(shortage.product).to_owned(),
                requested: shortage.requested.get(),
                available: shortage.available,
            };
            Err(ActorError::OutOfStock(shortages.iter().map(to_wire).collect()))
        }
    }
}

/// The current span, if it is recorded.
fn current_span() -> Option<SpanReference> {
    Context::map_current(|cx| {
        let span = cx.span();
        let span = span.span_context();
        span.is_sampled().then(|| SpanReference {
            trace_id: u128::from_be_bytes(span.trace_id().to_bytes()),
            span_id: u64::from_be_bytes(span.span_id().to_bytes()),
        })
    })
}

/// Says on the current span which order it is about.
fn name_order(receipt: &Receipt) {
    let order_id = KeyValue::new("grocery.order.id", receipt.order_id.to_string());
    Context::map_current(|cx| cx.span().set_attribute(order_id));
}

/// Says on the current span that nothing was sold, and links to the sale whose receipt it is.
fn mark_replayed(placed_in: Option<SpanReference>) {
    Context::map_current(|cx| {
        let span = cx.span();
        span.set_attribute(KeyValue::new("grocery.order.replayed", true));
        if let Some(SpanReference { trace_id, span_id }) = placed_in {
            let (trace_id, span_id) = (TraceId::from(trace_id), SpanId::from(span_id));
            let (flags, state) = (TraceFlags::SAMPLED, TraceState::NONE);
            let sale = SpanContext::new(trace_id, span_id, flags, true, state);
            span.add_link(sale, Vec::new());
        }
    });
}
