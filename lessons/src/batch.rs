//! `batch`: one piece of work for several messages, in the context of one of them.

use std::{mem, time::Duration};

use actix::{Actor, Handler, Message, ResponseFuture};
use actix_opentelemetry::{BatchLinks, TracedActor, TracedContext, TracedStart as _, spawn_traced};
use futures_util::join;
use opentelemetry::{
    KeyValue,
    trace::{Span as _, Tracer as _},
};
use tokio::{sync::oneshot, time::sleep};

use super::{
    lesson::{Lesson, Picture, Variant},
    tracer::LessonTracer,
};

pub(super) const LESSON: Lesson = Lesson {
    name: "batch",
    title: "A batch written in the context of one order",
    mistake: "An actor writes three orders in one transaction, in the context of the last one.",
    seen: "The trace of one customer has the work for all three, and the traces of the other two \
           do not show it. With the fix each trace shows less: only a link to the batch.",
    picture: Picture::Mixed,
    runs: "in the request, with a ledger of its own and the requests of two more customers",
    why: [
        "A task that a handler spawns gets the context of the message that is being handled: here \
         the third, which completes the batch.",
        "Work for several requests belongs to none of their traces, so it gets a trace of its \
         own.",
        "`BatchLinks` links it to the span of each message, and each of these spans to it.",
    ],
    file: "lessons/src/batch.rs",
    source: include_str!("batch.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            three_orders(variant, tracer).await;
            None
        })
    },
};

// ANCHOR: mistake
fn write_in_the_context_of_the_last(ledger: &mut Ledger) {
    let orders = mem::take(&mut ledger.orders);
    spawn_traced(write(orders, ledger.tracer.clone()));
}
// ANCHOR_END: mistake

// ANCHOR: fix
fn write_in_a_trace_of_its_own(ledger: &mut Ledger) {
    let orders = mem::take(&mut ledger.orders);
    let links = mem::take(&mut ledger.links);
    let written = links.process::<Ledger, _>(write(orders, ledger.tracer.clone()));
    actix_rt::spawn(written);
}
// ANCHOR_END: fix

/// Writes these orders in one transaction.
async fn write(orders: Vec<oneshot::Sender<()>>, tracer: LessonTracer) {
    let mut span = tracer.start("write three orders");
    sleep(Duration::from_millis(3)).await;
    span.end();
    for written in orders {
        written.send(()).ok();
    }
}

/// Gathers orders, and writes three at a time. Its handler, below, adds each message to the links.
struct Ledger {
    tracer: LessonTracer,
    write: fn(&mut Self),
    orders: Vec<oneshot::Sender<()>>,
    links: BatchLinks,
}

/// Records an order. The reply comes when it is written.
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
        self.orders.push(written);
        self.links.add_current();
        if self.orders.len() == 3 {
            (self.write)(self);
        }
        Box::pin(async move { is_written.await.unwrap_or_default() })
    }
}

async fn three_orders(variant: Variant, tracer: LessonTracer) {
    let write = match variant {
        Variant::Mistake => write_in_the_context_of_the_last,
        Variant::Fix => write_in_a_trace_of_its_own,
    };
    let (orders, links) = (Vec::new(), BatchLinks::new());
    let ledger = Ledger { tracer: tracer.clone(), write, orders, links }.start_traced();
    let order = || async { ledger.send(Record).await };
    // The first order is that of the request which asked for the lesson.
    let (_, _, _) = join!(order(), tracer.serve("bob", order()), tracer.serve("carol", order()));
}
