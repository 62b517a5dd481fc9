//! `plain-actor`: an actor in the path that carries no context.

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
    title: "An actor in the path that carries no context",
    mistake: "One actor in the path runs in actix's own `Context`.",
    seen: "The trace ends at the handler. The message to the next actor gets no span, and the \
           span that this actor makes is an orphan without a customer.",
    picture: Picture::Cut,
    runs: "in the request, with actors of its own",
    why: [
        "An actor handles a message later, and perhaps on another thread, where the sender's \
         context is not current.",
        "actix's `Context` passes on only the message, so the trace is lost for all actors behind \
         it, also for traced ones.",
        "`TracedContext` passes on the sender's context in the envelope of the message; messages, \
         handlers and senders stay as they are.",
    ],
    file: "lessons/src/plain_actor.rs",
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

/// A till that reserves what is paid for.
struct PlainTill {
    aisle: Addr<Aisle>,
}

/// The same till, traced.
struct Till {
    tracer: LessonTracer,
    aisle: Addr<Aisle>,
}

/// Pays for a basket.
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
