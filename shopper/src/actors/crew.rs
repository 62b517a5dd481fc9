//! `Crew`: the shoppers of one thread, and who of them is idle.

use std::rc::Rc;

use actix::{Actor, Addr, AsyncContext, Handler, Message};
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart};

use super::{GoShopping, Shopper};
use crate::trip::Shop;

/// The shoppers of one thread. It sends whoever is idle, and takes on a new one if none is.
pub(crate) struct Crew {
    shop: Rc<Shop>,
    idle: Vec<Addr<Shopper>>,
}

impl Crew {
    pub(crate) fn new(shop: Shop) -> Self {
        Self { shop: Rc::new(shop), idle: Vec::new() }
    }
}

impl Actor for Crew {
    type Context = TracedContext<Self>;
}

impl TracedActor for Crew {
    const NAME: &'static str = "Crew";
}

impl Handler<GoShopping> for Crew {
    type Result = ();

    fn handle(&mut self, trip: GoShopping, ctx: &mut TracedContext<Self>) {
        let shopper = self
            .idle
            .pop()
            .unwrap_or_else(|| Shopper::new(Rc::clone(&self.shop), ctx.address()).start_traced());
        shopper.do_send(trip);
    }
}

/// A shopper is idle again.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Idle(pub(super) Addr<Shopper>);

impl Handler<Idle> for Crew {
    type Result = ();

    fn handle(&mut self, Idle(shopper): Idle, _: &mut TracedContext<Self>) {
        self.idle.push(shopper);
    }
}
