//! `batch`: one piece of work for many messages, in the context of one of them.

use std::mem;

use actix::{Actor, Handler, Message, ResponseFuture};
use actix_opentelemetry::{BatchLinks, TracedActor, TracedContext, TracedStart as _, spawn_traced};
use futures_util::join;
use opentelemetry::{KeyValue, trace::Tracer as _};
use tokio::sync::oneshot;

use super::{
    lesson::{Lesson, Picture, Variant},
    tracer::LessonTracer,
};

pub(super) const LESSON: Lesson = Lesson {
    name: "batch",
    title: "A batch in the context of one of its messages",
    mistake: "An actor that writes many orders in one transaction writes them in the context of the last.",
    seen: "One customer pays for all: their trace has the work of three, and the others' traces have a \
           hole. Of the fix one sees less, a link in each trace.",
    picture: Picture::Mixed,
    runs: "in the request, with a ledger of its own and two requests beside it",
    why: [
        "A task that a handler spawns has the context of the message that is being handled, which is the \
         one that happened to make the batch full.",
        "Work that is done for many belongs in no one's trace, so it begins its own.",
        "`BatchLinks` gives it a link to each message that it serves, and each of these one to the work.",
    ],
    file: "store/src/lessons/batch.rs",
    source: include_str!("batch.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            three_orders(variant, tracer).await;
            None
        })
    },
};

// ANCHOR: mistake
impl Ledger {
    fn write_as_the_last_order(&mut self) {
        let orders = mem::take(&mut self.waiting);
        let tracer = self.tracer.clone();
        spawn_traced(async move {
            tracer.in_span("write three orders", |_| ());
            for written in orders {
                written.send(()).ok();
            }
        });
    }
}
// ANCHOR_END: mistake

// ANCHOR: fix
impl Ledger {
    fn write_as_a_batch(&mut self) {
        let orders = mem::take(&mut self.waiting);
        let links = mem::take(&mut self.links);
        let tracer = self.tracer.clone();
        actix_rt::spawn(links.process::<Self, _>(async move {
            tracer.in_span("write three orders", |_| ());
            for written in orders {
                written.send(()).ok();
            }
        }));
    }
}
// ANCHOR_END: fix

/// Gathers orders, and writes three at a time.
struct Ledger {
    tracer: LessonTracer,
    write: fn(&mut Self),
    waiting: Vec<oneshot::Sender<()>>,
    links: BatchLinks,
}

/// Record an order: done when it is written.
#[derive(Message)]
#[rtype(result = "()")]
struct Record;

impl Actor for Ledger {
    type Context = TracedContext<Self>;
}

impl TracedActor for Ledger {
    const NAME: &'static str = "Ledger";

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [self.tracer.run()]
    }
}

impl Handler<Record> for Ledger {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Record, _: &mut Self::Context) -> Self::Result {
        let (written, is_written) = oneshot::channel();
        self.waiting.push(written);
        self.links.add_current();
        if self.waiting.len() == 3 {
            (self.write)(self);
        }
        Box::pin(async move { is_written.await.unwrap_or_default() })
    }
}

async fn three_orders(variant: Variant, tracer: LessonTracer) {
    let write = match variant {
        Variant::Mistake => Ledger::write_as_the_last_order,
        Variant::Fix => Ledger::write_as_a_batch,
    };
    let (waiting, links) = (Vec::new(), BatchLinks::new());
    let ledger = Ledger { tracer: tracer.clone(), write, waiting, links }.start_traced();
    let order = || async { ledger.send(Record).await };
    // The first of them is that of the request which asked for the lesson.
    let (_, _, _) = join!(order(), tracer.serve("bob", order()), tracer.serve("carol", order()));
}
