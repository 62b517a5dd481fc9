//! The restocker: has what was sold delivered again, a while later, so that the store never runs
//! dry.
//!
//! No request waits for a delivery. So a delivery is a trace of its own, with a link to the sale that
//! made it necessary. It is written to the database like a sale.

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
use crate::domain::{Delivery, ProductId};

/// The most that one delivery brings.
const MAX_QUANTITY: NonZeroU32 = NonZeroU32::new(1_000_000).expect("a million is not 0");

/// A delivery was too small if the product is low again within so many times the delay.
const SPARING_DELAYS: u32 = 10;

/// When what is delivered.
#[derive(Clone, Copy, Debug)]
pub struct RestockPolicy {
    /// Fewer pieces than this are low.
    pub below: u64,
    /// How many pieces come, as long as that is enough.
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

/// What is known of the deliveries of one product.
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
    /// Who wants to know when there is more.
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
    /// Below how many pieces a product is low after a delivery of so many: half of what came, so
    /// that what sells fast is ordered in time.
    pub(crate) fn low_mark(&self, delivered: u64) -> u64 {
        self.below.max(delivered / 2)
    }

    /// How many pieces to order after a delivery of `last` that lasted `for_so_long`.
    fn next_quantity(&self, last: NonZeroU32, for_so_long: Duration) -> NonZeroU32 {
        if for_so_long < self.delay * SPARING_DELAYS {
            last.saturating_mul(NonZeroU32::MIN.saturating_add(1)).min(MAX_QUANTITY)
        } else {
            self.quantity
        }
    }
}

impl Restocker {
    /// A restocker with nothing under way.
    pub(super) fn new(ledger: Arc<Supervised<Ledger>>, policy: RestockPolicy) -> Self {
        Self { ledger, policy, orders: HashMap::new() }
    }

    /// How many pieces to order, or `None` if some are under way.
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
                restocker.arrived(product);
                let delivered = u64::from(delivery.quantity.get());
                // An aisle that has gone reads the stock when it comes back.
                aisle.do_send(Restocked { reading, product, delivered });
            }
            Err(error) => {
                // The delivery keeps its id, so it cannot arrive twice.
                tracing::debug!(product = %delivery.product, %error, "a delivery must wait");
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
        assert_eq!(quantity(1_000, 60), 500);
        assert_eq!(quantity(900_000, 1), 1_000_000);
    }
}
