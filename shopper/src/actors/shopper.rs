//! `Shopper`: makes one trip after the other.

use std::rc::Rc;

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Handler, Message, WrapFuture};
use actix_opentelemetry::{TracedActor, TracedContext};

use super::{Crew, crew::Idle};
use crate::{
    ticket::Ticket,
    trip::{Shop, make_trip},
};

/// Makes one trip at a time, each for whom its ticket says.
pub(crate) struct Shopper {
    shop: Rc<Shop>,
    crew: Addr<Crew>,
}

impl Shopper {
    pub(crate) fn new(shop: Rc<Shop>, crew: Addr<Crew>) -> Self {
        Self { shop, crew }
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
pub(crate) struct GoShopping(pub(crate) Ticket);

impl Handler<GoShopping> for Shopper {
    type Result = ();

    fn handle(&mut self, GoShopping(ticket): GoShopping, ctx: &mut TracedContext<Self>) {
        let shop = Rc::clone(&self.shop);
        let trip = async move {
            let trip = make_trip(&shop, &ticket.plan, ticket.intended).await;
            ticket.settle(&trip);
        };
        ctx.spawn(trip.into_actor(self).map(|(), shopper, ctx| {
            shopper.crew.do_send(Idle(ctx.address()));
        }));
    }
}
