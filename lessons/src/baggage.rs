//! `baggage`: a context that is made anew on the way.

use actix::Addr;
use actix_opentelemetry::TracedStart as _;
use opentelemetry::{
    Context,
    trace::{FutureExt as _, TraceContextExt as _, Tracer as _},
};

use super::{
    aisle::{Aisle, Reserve},
    lesson::{Lesson, Picture, Variant},
    tracer::LessonTracer,
};

pub(super) const LESSON: Lesson = Lesson {
    name: "baggage",
    title: "Baggage that is left behind",
    mistake: "A handler puts its span into a new `Context`, instead of into the current one.",
    seen: "The same tree, but the customer's name ends at that span.",
    picture: Picture::Cut,
    runs: "in the request, with an actor of its own",
    why: [
        "A context holds the span, the baggage and whatever else was put in it; `Context::new()` holds \
         none of these.",
        "With the span put back the trace looks whole, and only code that reads the baggage notices: a \
         tenant or a fault that is named there is unknown from here on, also in the services that are \
         asked.",
        "`Context::current_with_span` keeps all that the current context has, and sets the span.",
    ],
    file: "lessons/src/baggage.rs",
    source: include_str!("baggage.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            let aisle = Aisle { tracer: tracer.clone() }.start_traced();
            match variant {
                Variant::Mistake => reserve_in_a_new_context(tracer, aisle).await,
                Variant::Fix => reserve_in_the_current_context(tracer, aisle).await,
            }
            None
        })
    },
};

// ANCHOR: mistake
async fn reserve_in_a_new_context(tracer: LessonTracer, aisle: Addr<Aisle>) {
    let span = tracer.start("reserve basket");
    let cx = Context::new().with_span(span);
    async { aisle.send(Reserve).await }.with_context(cx).await.ok();
}
// ANCHOR_END: mistake

// ANCHOR: fix
async fn reserve_in_the_current_context(tracer: LessonTracer, aisle: Addr<Aisle>) {
    let span = tracer.start("reserve basket");
    let cx = Context::current_with_span(span);
    async { aisle.send(Reserve).await }.with_context(cx).await.ok();
}
// ANCHOR_END: fix
