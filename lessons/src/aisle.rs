//! An actor that several lessons use, so that none of the store's own actors is in a lesson.

use std::time::Duration;

use actix::{Actor, Handler, Message, ResponseFuture};
use actix_opentelemetry::{TracedActor, TracedContext};
use opentelemetry::{
    KeyValue,
    trace::{Span as _, Tracer as _},
};
use tokio::time::sleep;

use super::tracer::LessonTracer;

/// How long a reservation takes.
const TIME: Duration = Duration::from_millis(3);

/// An aisle that reserves pieces, with a span made by hand for each reservation.
pub(super) struct Aisle {
    pub(super) tracer: LessonTracer,
}

/// Reserves a piece.
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
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Reserve, _: &mut Self::Context) -> Self::Result {
        let mut span = self.tracer.start("update stock");
        Box::pin(async move {
            sleep(TIME).await;
            span.end();
        })
    }
}
