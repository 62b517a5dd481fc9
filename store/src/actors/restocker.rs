//! The restocker: orders a delivery when a product becomes low, so that the store does not run out.
//!
//! No request waits for a delivery. So a delivery is a trace of its own, with a link to the sale
//! that made it necessary. The ledger records it like a sale.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration, time::SystemTime};

use actix::{
    Actor, ActorFutureExt as _, AsyncContext as _, Handler, Message, Recipient, ResponseActFuture,
    WrapFuture as _,
};
use actix_opentelemetry::{TracedActor, TracedContext};

use super::{
    ledger::{Deliver, Ledger, StockReading},
    supervised::Supervised,
};
use crate::{
    ACTIVITY,
    domain::{Delivery, ProductId},
};

/// The most that one delivery brings.
const MAX_QUANTITY: NonZeroU32 = NonZeroU32::new(1_000_000).expect("a million is not 0");

const TWO: NonZeroU32 = NonZeroU32::new(2).expect("two is not 0");

/// A delivery was too small if the product is low again within this many times the delay.
const SPARING_DELAYS: u32 = 10;

/// When goods are delivered, and how many pieces.
#[derive(Clone, Copy, Debug)]
pub struct RestockPolicy {
    /// A product with fewer pieces than this is low.
    pub below: u64,
    /// How many pieces a delivery brings, unless the product sells too fast for that.
    pub quantity: NonZeroU32,
    /// How long a delivery takes.
    pub delay: Duration,
}

/// The restocker.
pub(crate) struct Restocker {
    ledger: Arc<Supervised<Ledger>>,
    policy: RestockPolicy,
    orders: HashMap<ProductId, DeliveryState>,
}

/// The last delivery of one product.
struct DeliveryState {
    quantity: NonZeroU32,
    is_under_way: bool,
    arrived_at: SystemTime,
}

/// There is little left of a product.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LowStock {
    pub(crate) product: ProductId,
    /// The aisle to tell when the delivery has arrived.
    pub(crate) aisle: Recipient<Restocked>,
}

/// A delivery is here.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Arrive {
    delivery: Delivery,
    aisle: Recipient<Restocked>,
}

/// A delivery has been written to the database.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Restocked {
    pub(crate) reading: StockReading,
    pub(crate) product: ProductId,
    pub(crate) delivered: u64,
}

impl RestockPolicy {
    /// Below how many pieces a product is low after a delivery of `delivered` pieces. It is half of
    /// the delivery, so that a product that sells fast is ordered in time.
    pub(crate) fn low_mark(&self, delivered: u64) -> u64 {
        self.below.max(delivered / 2)
    }

    /// How many pieces to order after a delivery of `last` pieces, if the product was low again
    /// after `lasted`.
    fn next_quantity(&self, last: NonZeroU32, lasted: Duration) -> NonZeroU32 {
        if lasted < self.delay * SPARING_DELAYS {
            last.saturating_mul(TWO).min(MAX_QUANTITY)
        } else {
            // Not the first quantity at once: that would be sold out again while sales go on.
            NonZeroU32::new(last.get() / 2).map_or(self.quantity, |half| half.max(self.quantity))
        }
    }
}

impl Restocker {
    /// A restocker with nothing under way.
    pub(super) fn new(ledger: Arc<Supervised<Ledger>>, policy: RestockPolicy) -> Self {
        Self { ledger, policy, orders: HashMap::new() }
    }

    /// How many pieces to order, or `None` if a delivery is under way already.
    fn order(&mut self, product: ProductId) -> Option<NonZeroU32> {
        let now = SystemTime::now();
        let quantity = match self.orders.get(&product) {
            Some(order) if order.is_under_way => return None,
            Some(order) => {
                let lasted = now.duration_since(order.arrived_at).unwrap_or_default();
                self.policy.next_quantity(order.quantity, lasted)
            }
            None => self.policy.quantity,
        };
        self.orders
            .insert(product, DeliveryState { quantity, is_under_way: true, arrived_at: now });
        Some(quantity)
    }

    fn arrived(&mut self, product: ProductId) {
        if let Some(order) = self.orders.get_mut(&product) {
            order.is_under_way = false;
            order.arrived_at = SystemTime::now();
        }
    }
}

impl Actor for Restocker {
    type Context = TracedContext<Self>;
}

impl TracedActor for Restocker {
    const NAME: &'static str = "Restocker";
}

impl Handler<LowStock> for Restocker {
    type Result = ();

    fn handle(&mut self, message: LowStock, ctx: &mut Self::Context) {
        let LowStock { product, aisle } = message;
        if let Some(quantity) = self.order(product) {
            let delivered_at = SystemTime::now() + self.policy.delay;
            let delivery = Delivery::new(product, quantity, delivered_at);
            ctx.notify_later(Arrive { delivery, aisle }, self.policy.delay);
        }
    }
}

impl Handler<Arrive> for Restocker {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, message: Arrive, _: &mut Self::Context) -> Self::Result {
        let Arrive { delivery, aisle } = message;
        let delivered = self.ledger.ask(Deliver(delivery)).into_actor(self);
        Box::pin(delivered.map(move |delivered, restocker, ctx| match delivered {
            Ok(reading) => {
                let product = delivery.product;
                tracing::info!(name: "grocery.delivery.recorded", target: ACTIVITY, %product, quantity = delivery.quantity.get(), "a delivery is recorded");
                restocker.arrived(product);
                let delivered = u64::from(delivery.quantity.get());
                // An aisle that has panicked misses this, and reads its stock when it starts again.
                aisle.do_send(Restocked { reading, product, delivered });
            }
            Err(error) => {
                // The delivery is repeated under the same id, so it cannot be recorded twice.
                tracing::debug!(name: "grocery.delivery.postponed", product = %delivery.product, %error, "a delivery must wait");
                ctx.notify_later(Arrive { delivery, aisle }, restocker.policy.delay);
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RestockPolicy = RestockPolicy {
        below: 100,
        quantity: NonZeroU32::new(500).unwrap(),
        delay: Duration::from_secs(2),
    };

    #[test]
    fn what_sells_fast_is_ordered_earlier_and_in_larger_quantities() {
        assert_eq!(POLICY.low_mark(0), 100);
        assert_eq!(POLICY.low_mark(4_000), 2_000);
        let quantity = |last, secs| {
            POLICY.next_quantity(NonZeroU32::new(last).unwrap(), Duration::from_secs(secs)).get()
        };
        assert_eq!(quantity(500, 5), 1_000);
        assert_eq!(quantity(8_000, 60), 4_000, "what lasts longer is halved");
        assert_eq!(quantity(1_000, 60), 500);
        assert_eq!(quantity(700, 60), 500, "but never less than the first");
        assert_eq!(quantity(900_000, 1), 1_000_000);
    }
}
