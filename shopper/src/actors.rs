//! The actors of a thread: a pool of shoppers, which grows when all of them are on a trip.

use std::rc::Rc;

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Handler, Message, WrapFuture};
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart};

use crate::{
    trip::{TripContext, make_trip},
    under_way::TripGuard,
};

/// The shoppers of one thread. It sends an idle shopper on each trip, and starts a new one if none
/// is idle.
pub(crate) struct ShopperPool {
    context: Rc<TripContext>,
    idle: Vec<Addr<Shopper>>,
}

impl ShopperPool {
    pub(crate) fn new(context: TripContext) -> Self {
        Self { context: Rc::new(context), idle: Vec::new() }
    }
}

impl Actor for ShopperPool {
    type Context = TracedContext<Self>;
}

impl TracedActor for ShopperPool {
    const NAME: &'static str = "ShopperPool";
}

impl Handler<GoShopping> for ShopperPool {
    type Result = ();

    fn handle(&mut self, trip: GoShopping, ctx: &mut TracedContext<Self>) {
        let shopper = self.idle.pop().unwrap_or_else(|| {
            Shopper::new(Rc::clone(&self.context), ctx.address()).start_traced()
        });
        shopper.do_send(trip);
    }
}

/// A shopper is idle again.
#[derive(Message)]
#[rtype(result = "()")]
struct Idle(Addr<Shopper>);

impl Handler<Idle> for ShopperPool {
    type Result = ();

    fn handle(&mut self, Idle(shopper): Idle, _: &mut TracedContext<Self>) {
        self.idle.push(shopper);
    }
}

/// Makes one trip at a time. Which of the run's shoppers it plays is in the plan of the trip.
struct Shopper {
    context: Rc<TripContext>,
    pool: Addr<ShopperPool>,
}

impl Shopper {
    fn new(context: Rc<TripContext>, pool: Addr<ShopperPool>) -> Self {
        Self { context, pool }
    }
}

impl Actor for Shopper {
    type Context = TracedContext<Self>;
}

/// Messages between the actors come from outside any trace, so they are no spans: a trip is the
/// root of its own trace.
impl TracedActor for Shopper {
    const NAME: &'static str = "Shopper";
}

/// Make a trip.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct GoShopping(pub(crate) TripGuard);

impl Handler<GoShopping> for Shopper {
    type Result = ();

    fn handle(&mut self, GoShopping(guard): GoShopping, ctx: &mut TracedContext<Self>) {
        let context = Rc::clone(&self.context);
        let trip = async move {
            let mut guard = guard;
            make_trip(&context, &guard.plan, &mut guard.record).await;
        };
        ctx.spawn(trip.into_actor(self).map(|(), shopper, ctx| {
            shopper.pool.do_send(Idle(ctx.address()));
        }));
    }
}
