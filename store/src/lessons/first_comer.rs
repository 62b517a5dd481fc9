//! `first-comer`: what an actor and a worker keep of their first request.

use actix::{Actor, Addr, Handler, Message, ResponseFuture};
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart as _, spawn_traced};
use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt as _, Tracer as _},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    aisle::{Aisle, Reserve},
    lesson::{Lesson, Picture, Variant},
    tracer::LessonTracer,
};

pub(super) const LESSON: Lesson = Lesson {
    name: "first-comer",
    title: "The first request, kept",
    mistake: "An actor keeps the context of its first message, and starts a worker in it.",
    seen: "One trace grows for as long as the process lives, with everybody's work under the first \
           customer's name. The others' traces stop short.",
    picture: Picture::Mixed,
    runs: "in the request, with actors of its own and two requests one after the other",
    why: [
        "A context belongs to one request, and whatever outlives the request must not hold it.",
        "A worker that is started when it is first needed is started in somebody's context: spawned with \
         it, it does everybody's work in it. So does a loop in `started`, if the actor's policy is \
         `StartPolicy::Inherit`.",
        "Each piece of work brings its own context along, in the message or beside it in the queue, and the \
         worker is spawned without one.",
    ],
    file: "store/src/lessons/first_comer.rs",
    source: include_str!("first_comer.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            three_customers(variant, tracer).await;
            None
        })
    },
};

// ANCHOR: mistake
fn pay_as_the_first(till: &mut Till) -> ResponseFuture<()> {
    let cx = till.first.get_or_insert_with(Context::current).clone();
    let printer = till.printer.get_or_insert_with(|| {
        let (printer, mut receipts) = mpsc::unbounded_channel::<Receipt>();
        let tracer = till.tracer.clone();
        spawn_traced(async move {
            while let Some(receipt) = receipts.recv().await {
                tracer.in_span("print receipt", |_| ());
                receipt.printed.send(()).ok();
            }
        });
        printer
    });
    Box::pin(pay(till.aisle.clone(), printer.clone()).with_context(cx))
}
// ANCHOR_END: mistake

// ANCHOR: fix
fn pay_as_oneself(till: &mut Till) -> ResponseFuture<()> {
    let printer = till.printer.get_or_insert_with(|| {
        let (printer, mut receipts) = mpsc::unbounded_channel::<Receipt>();
        let tracer = till.tracer.clone();
        actix_rt::spawn(async move {
            while let Some(receipt) = receipts.recv().await {
                tracer.in_span_with_context("print receipt", &receipt.cx, |_| ());
                receipt.printed.send(()).ok();
            }
        });
        printer
    });
    Box::pin(pay(till.aisle.clone(), printer.clone()))
}
// ANCHOR_END: fix

/// Takes the money, and has a receipt printed.
async fn pay(aisle: Addr<Aisle>, printer: mpsc::UnboundedSender<Receipt>) {
    aisle.send(Reserve).await.ok();
    let (printed, is_printed) = oneshot::channel();
    printer.send(Receipt { cx: Context::current(), printed }).ok();
    is_printed.await.ok();
}

/// A receipt in the printer's queue, with the context of whoever gets it.
struct Receipt {
    cx: Context,
    printed: oneshot::Sender<()>,
}

/// Takes the money of all customers, and has one printer.
struct Till {
    tracer: LessonTracer,
    aisle: Addr<Aisle>,
    pay: fn(&mut Self) -> ResponseFuture<()>,
    first: Option<Context>,
    printer: Option<mpsc::UnboundedSender<Receipt>>,
}

/// Pay for a basket: done when the receipt is printed.
#[derive(Message)]
#[rtype(result = "()")]
struct Pay;

impl Actor for Till {
    type Context = TracedContext<Self>;
}

impl TracedActor for Till {
    const NAME: &'static str = "Till";

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [self.tracer.run()]
    }
}

impl Handler<Pay> for Till {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Pay, _: &mut Self::Context) -> Self::Result {
        (self.pay)(self)
    }
}

async fn three_customers(variant: Variant, tracer: LessonTracer) {
    let pay = match variant {
        Variant::Mistake => pay_as_the_first,
        Variant::Fix => pay_as_oneself,
    };
    let aisle = Aisle { tracer: tracer.clone() }.start_traced();
    let till = Till { tracer: tracer.clone(), aisle, pay, first: None, printer: None };
    let till = till.start_traced();
    let pay = || async { till.send(Pay).await };
    // The first is the customer of the request which asked for the lesson.
    pay().await.ok();
    tracer.serve("bob", pay()).await.ok();
    tracer.serve("carol", pay()).await.ok();
}
