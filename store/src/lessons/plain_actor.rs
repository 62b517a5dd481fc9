//! `plain-actor`: one actor in the path that carries no context.

use actix::{Actor, Addr, Handler, Message, ResponseFuture};
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart as _};
use opentelemetry::KeyValue;

use super::{
    aisle::{Aisle, Reserve},
    lesson::{Lesson, Picture, Variant},
    tracer::LessonTracer,
};

pub(super) const LESSON: Lesson = Lesson {
    name: "plain-actor",
    title: "One actor that carries no context",
    mistake: "One actor in the path runs in actix's own `Context`.",
    seen: "The trace stops at the handler. The actors behind leave nothing, and what they write is an \
           orphan without a customer.",
    picture: Picture::Cut,
    runs: "in the request, with actors of its own",
    why: [
        "A message is handled on another thread, or later, where the sender's context is not current.",
        "actix's `Context` hands on the message alone, so everything behind that actor has lost the \
         trace, even the actors that would carry it.",
        "`TracedContext` takes the sender's context along in the envelope: three lines an actor, and \
         messages, handlers and senders stay as they are.",
    ],
    file: "store/src/lessons/plain_actor.rs",
    source: include_str!("plain_actor.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            let aisle = Aisle { tracer: tracer.clone() }.start_traced();
            match variant {
                Variant::Mistake => pay_at_a_plain_till(aisle).await,
                Variant::Fix => pay_at_a_traced_till(tracer, aisle).await,
            }
            None
        })
    },
};

// ANCHOR: mistake
impl Actor for PlainTill {
    type Context = actix::Context<Self>;
}

async fn pay_at_a_plain_till(aisle: Addr<Aisle>) {
    let till = PlainTill { aisle }.start();
    till.send(Pay).await.ok();
}
// ANCHOR_END: mistake

// ANCHOR: fix
impl Actor for Till {
    type Context = TracedContext<Self>;
}

impl TracedActor for Till {
    const NAME: &'static str = "Till";

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [self.tracer.run()]
    }
}

async fn pay_at_a_traced_till(tracer: LessonTracer, aisle: Addr<Aisle>) {
    let till = Till { tracer, aisle }.start_traced();
    till.send(Pay).await.ok();
}
// ANCHOR_END: fix

/// Has what is paid for reserved.
struct PlainTill {
    aisle: Addr<Aisle>,
}

/// Does the same.
struct Till {
    tracer: LessonTracer,
    aisle: Addr<Aisle>,
}

/// Pay for a basket.
#[derive(Message)]
#[rtype(result = "()")]
struct Pay;

impl Handler<Pay> for PlainTill {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Pay, _: &mut Self::Context) -> Self::Result {
        Box::pin(pay(self.aisle.clone()))
    }
}

impl Handler<Pay> for Till {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Pay, _: &mut Self::Context) -> Self::Result {
        Box::pin(pay(self.aisle.clone()))
    }
}

async fn pay(aisle: Addr<Aisle>) {
    aisle.send(Reserve).await.ok();
}
