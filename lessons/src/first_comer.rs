//! `first-comer`: an actor and a worker that keep the context of their first request.

use actix::{Actor, Addr, AsyncContext as _, Handler, Message, ResponseFuture, WrapFuture as _};
use actix_opentelemetry::{StartPolicy, TracedActor, TracedContext, TracedStart as _};
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
    title: "The context of the first request, kept",
    mistake: "An actor keeps the context of its first message in a field, and starts a worker in \
              that context.",
    seen: "One trace keeps growing: the work for all customers is in it, under the first \
           customer's name. The traces of the others end early.",
    picture: Picture::Mixed,
    runs: "in the request, with actors of its own and the requests of two more customers",
    why: [
        "A context belongs to one request, and what lives longer must not keep it.",
        "A worker that is started when it is first needed, by `spawn_traced` or as an actor with \
         `StartPolicy::Inherit`, does its work for all later requests in the context of the first.",
        "In the fix each piece of work brings its own context: a message in its envelope, an item \
         of a queue beside it.",
    ],
    file: "lessons/src/first_comer.rs",
    source: include_str!("first_comer.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            three_customers(variant, tracer).await;
            None
        })
    },
};

// ANCHOR: mistake
fn pay_in_the_first_context(till: &mut Till) -> ResponseFuture<()> {
    let cx = till.first.get_or_insert_with(Context::current).clone();
    let printer = till.printer.get_or_insert_with(|| {
        let (printer, queue) = mpsc::channel(8);
        FirstPrinter { queue: Some(queue), tracer: till.tracer.clone() }.start_traced();
        printer
    });
    Box::pin(pay(till.aisle.clone(), printer.clone()).with_context(cx))
}

impl TracedActor for FirstPrinter {
    const NAME: &'static str = "Printer";
    const START: StartPolicy = StartPolicy::Inherit;
}

impl Actor for FirstPrinter {
    type Context = TracedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (Some(mut queue), tracer) = (self.queue.take(), self.tracer.clone()) else { return };
        let print_receipts = async move {
            while let Some(receipt) = queue.recv().await {
                tracer.in_span("print receipt", |_| ());
                receipt.printed.send(()).ok();
            }
        };
        ctx.spawn(print_receipts.into_actor(self));
    }
}
// ANCHOR_END: mistake

// ANCHOR: fix
fn pay_in_the_context_of_each(till: &mut Till) -> ResponseFuture<()> {
    let printer = till.printer.get_or_insert_with(|| {
        let (printer, queue) = mpsc::channel(8);
        Printer { queue: Some(queue), tracer: till.tracer.clone() }.start_traced();
        printer
    });
    Box::pin(pay(till.aisle.clone(), printer.clone()))
}

impl TracedActor for Printer {
    const NAME: &'static str = "Printer";
}

impl Actor for Printer {
    type Context = TracedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (Some(mut queue), tracer) = (self.queue.take(), self.tracer.clone()) else { return };
        let print_receipts = async move {
            while let Some(receipt) = queue.recv().await {
                tracer.in_span_with_context("print receipt", &receipt.cx, |_| ());
                receipt.printed.send(()).ok();
            }
        };
        ctx.spawn(print_receipts.into_actor(self));
    }
}
// ANCHOR_END: fix

/// Reserves what is paid for, and waits for the receipt.
async fn pay(aisle: Addr<Aisle>, printer: mpsc::Sender<Receipt>) {
    aisle.send(Reserve).await.ok();
    let (printed, is_printed) = oneshot::channel();
    printer.send(Receipt { cx: Context::current(), printed }).await.ok();
    is_printed.await.ok();
}

/// A receipt in the printer's queue, with the context of its customer.
struct Receipt {
    cx: Context,
    printed: oneshot::Sender<()>,
}

/// Prints receipts in the context in which it was started.
struct FirstPrinter {
    queue: Option<mpsc::Receiver<Receipt>>,
    tracer: LessonTracer,
}

/// Prints each receipt in the context of its customer.
struct Printer {
    queue: Option<mpsc::Receiver<Receipt>>,
    tracer: LessonTracer,
}

/// The till of all customers. It starts a printer when it needs one.
struct Till {
    tracer: LessonTracer,
    aisle: Addr<Aisle>,
    pay: fn(&mut Self) -> ResponseFuture<()>,
    first: Option<Context>,
    printer: Option<mpsc::Sender<Receipt>>,
}

/// Pays for a basket. The reply comes when the receipt is printed.
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
        Variant::Mistake => pay_in_the_first_context,
        Variant::Fix => pay_in_the_context_of_each,
    };
    let aisle = Aisle { tracer: tracer.clone() }.start_traced();
    let till = Till { tracer: tracer.clone(), aisle, pay, first: None, printer: None };
    let till = till.start_traced();
    let pay = || async { till.send(Pay).await };
    // The first payment is that of the request which asked for the lesson.
    pay().await.ok();
    tracer.serve("bob", pay()).await.ok();
    tracer.serve("carol", pay()).await.ok();
}
