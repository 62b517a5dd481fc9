//! An aisle of the lessons' own, so that none of the store's is in a lesson.

use actix::{Actor, Handler, Message};
use actix_opentelemetry::{TracedActor, TracedContext};
use opentelemetry::{KeyValue, trace::Tracer as _};

use super::tracer::LessonTracer;

/// Reserves, and writes that down in a span made by hand.
pub(super) struct Aisle {
    pub(super) tracer: LessonTracer,
}

/// Reserve a piece.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Reserve;

impl Actor for Aisle {
    type Context = TracedContext<Self>;
}

impl TracedActor for Aisle {
    const NAME: &'static str = "Aisle";

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [self.tracer.run()]
    }
}

impl Handler<Reserve> for Aisle {
    type Result = ();

    fn handle(&mut self, _: Reserve, _: &mut Self::Context) {
        self.tracer.in_span("update stock", |_| ());
    }
}
