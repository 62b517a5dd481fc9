//! `guard`: a context guard held across an await.
//!
//! The mistake affects a whole thread, so all its requests are tasks on a thread of the lesson's own.

use std::collections::HashMap;

use actix_rt::Arbiter;
use opentelemetry::{
    Context, global,
    trace::{FutureExt as _, TraceContextExt as _, Tracer as _},
};
use tokio::sync::oneshot;

use super::{
    lesson::{Lesson, Picture, Variant},
    tracer::{CUSTOMER, LessonTracer},
};

pub(super) const LESSON: Lesson = Lesson {
    name: "guard",
    title: "A context guard held across an await",
    mistake: "A handler attaches a context and keeps the guard while it awaits.",
    seen: "Under load only: while the handler waits, its thread serves other customers. One \
           request lands in this trace, another gets this customer's name.",
    picture: Picture::Mixed,
    runs: "on a thread of its own, with all requests as tasks; on a thread that serves HTTP it \
           would change the traces of other requests",
    why: [
        "An attached context is current for the thread, not for the task.",
        "While the task waits, the thread runs other tasks, and what they do in the current \
         context is recorded in this one.",
        "`FutureExt::with_context` attaches the context each time the future is polled, and \
         detaches it afterwards.",
    ],
    file: "lessons/src/guard.rs",
    source: include_str!("guard.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            on_a_thread_of_its_own(variant, tracer).await;
            None
        })
    },
};

// ANCHOR: mistake
#[expect(clippy::await_holding_invalid_type, reason = "it is the mistake")]
async fn price_order_holding_a_guard(tracer: LessonTracer, prices: Prices) {
    let span = tracer.start("price order");
    let _guard = Context::current_with_span(span).attach();
    tracer.in_span("ask for prices", |_| ());
    prices.arrive().await;
    tracer.in_span("add up", |_| ());
}
// ANCHOR_END: mistake

// ANCHOR: fix
async fn price_order(tracer: LessonTracer, prices: Prices) {
    let span = tracer.start("price order");
    let order = async {
        tracer.in_span("ask for prices", |_| ());
        prices.arrive().await;
        tracer.in_span("add up", |_| ());
    };
    order.with_context(Context::current_with_span(span)).await;
}
// ANCHOR_END: fix

/// Prices that another service sends.
struct Prices {
    waiting: oneshot::Sender<()>,
    arrived: oneshot::Receiver<()>,
}

impl Prices {
    /// Says that the order waits for them, and waits.
    async fn arrive(self) {
        self.waiting.send(()).ok();
        self.arrived.await.ok();
    }
}

/// A thread that ends when this is dropped.
struct OwnThread(Arbiter);

impl Drop for OwnThread {
    fn drop(&mut self) {
        self.0.stop();
    }
}

async fn on_a_thread_of_its_own(variant: Variant, tracer: LessonTracer) {
    let alice = Context::current();
    let thread = OwnThread(Arbiter::new());
    let (done, is_done) = oneshot::channel();
    thread.0.spawn_fn(move || {
        actix_rt::spawn(async move {
            three_requests(variant, tracer, alice).await;
            done.send(()).ok();
        });
    });
    is_done.await.ok();
}

/// Serves two other requests while the first one waits for its prices: one whose headers name a customer
/// but no trace, and one whose headers name a trace but no customer.
async fn three_requests(variant: Variant, tracer: LessonTracer, alice: Context) {
    let ((waiting, is_waiting), (arrive, arrived)) = (oneshot::channel(), oneshot::channel());
    let prices = Prices { waiting, arrived };
    let order = match variant {
        Variant::Mistake => {
            let order = price_order_holding_a_guard(tracer.clone(), prices);
            actix_rt::spawn(order.with_context(alice))
        }
        Variant::Fix => actix_rt::spawn(price_order(tracer.clone(), prices).with_context(alice)),
    };
    is_waiting.await.ok();
    let untraced = HashMap::from([("baggage".to_owned(), format!("{CUSTOMER}=bob"))]);
    serve(&tracer, &untraced).await;
    let trip = tracer.start_with_context("a trip of another customer", &Context::new());
    let trip = Context::new().with_span(trip);
    let mut unnamed = HashMap::new();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&trip, &mut unnamed));
    serve(&tracer, &unnamed).await;
    trip.span().end();
    arrive.send(()).ok();
    order.await.ok();
}

/// Serves a request as the HTTP middleware does: what its headers do not say comes from the current
/// context.
async fn serve(tracer: &LessonTracer, headers: &HashMap<String, String>) {
    let cx = global::get_text_map_propagator(|propagator| propagator.extract(headers));
    let cx = tracer.start_request(&cx);
    async { tracer.in_span("print receipt", |_| ()) }.with_context(cx.clone()).await;
    cx.span().end();
}
