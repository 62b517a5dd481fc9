//! The actors of a thread: shoppers, of which there are more as soon as all of them are on a trip.

use std::{cell::RefCell, rc::Rc};

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Handler, Message, WrapFuture};
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart};

use crate::{
    trip::{TripContext, make_trip},
    under_way::TripGuard,
};

/// The shoppers of one thread. It sends an idle shopper on each trip, and starts a new one if none
/// is idle.
///
/// A trip is one message: the pool is no actor, and a shopper that is back puts itself among the idle
/// ones.
pub(crate) struct ShopperPool {
    context: Rc<TripContext>,
    idle: Idle,
}

/// The shoppers of a thread that are on no trip.
type Idle = Rc<RefCell<Vec<Addr<Shopper>>>>;

impl ShopperPool {
    pub(crate) fn new(context: TripContext) -> Self {
        Self { context: Rc::new(context), idle: Idle::default() }
    }

    /// Sends a shopper on this trip.
    pub(crate) fn send(&self, trip: TripGuard) {
        let idle = self.idle.borrow_mut().pop();
        let shopper = idle.unwrap_or_else(|| {
            let (context, idle) = (Rc::clone(&self.context), Rc::clone(&self.idle));
            Shopper { context, idle }.start_traced()
        });
        shopper.do_send(GoShopping(trip));
    }
}

/// Makes one trip at a time. Which of the run's shoppers it plays is in the plan of the trip.
struct Shopper {
    context: Rc<TripContext>,
    idle: Idle,
}

impl Actor for Shopper {
    type Context = TracedContext<Self>;
}

/// Its messages come from outside any trace, so they are no spans: a trip is the root of its own
/// trace.
impl TracedActor for Shopper {
    const NAME: &'static str = "Shopper";
}

/// Make a trip.
#[derive(Message)]
#[rtype(result = "()")]
struct GoShopping(TripGuard);

impl Handler<GoShopping> for Shopper {
    type Result = ();

    fn handle(&mut self, GoShopping(guard): GoShopping, ctx: &mut TracedContext<Self>) {
        let context = Rc::clone(&self.context);
        // In a box, since the future is kilobytes and what wraps it moves it several times.
        let trip = Box::pin(async move {
            let mut guard = guard;
            make_trip(&context, &guard.plan, &mut guard.record).await;
        });
        ctx.spawn(trip.into_actor(self).map(|(), shopper, ctx| {
            shopper.idle.borrow_mut().push(ctx.address());
        }));
    }
}
