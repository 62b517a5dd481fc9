//! `lazy-future`: a context that is attached while a future is made, and not while it is polled.

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
    name: "lazy-future",
    title: "A span around a future that has not run yet",
    mistake: "`in_span` gets a closure that returns a future, and the future is awaited outside.",
    seen: "An empty span without a duration, and the work beside it.",
    picture: Picture::Moved,
    runs: "in the request, with an actor of its own",
    why: [
        "A future does nothing before it is polled.",
        "`in_span` ends its span when the closure returns, which is before the first poll.",
        "`FutureExt::with_context` makes the span current at every poll, and the span ends with \
         the future.",
    ],
    file: "lessons/src/lazy_future.rs",
    source: include_str!("lazy_future.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            let aisle = Aisle { tracer: tracer.clone() }.start_traced();
            match variant {
                Variant::Mistake => span_around_the_making(tracer, aisle).await,
                Variant::Fix => span_around_the_work(tracer, aisle).await,
            }
            None
        })
    },
};

// ANCHOR: mistake
async fn span_around_the_making(tracer: LessonTracer, aisle: Addr<Aisle>) {
    let reserved = tracer.in_span("reserve basket", |_| async {
        tracer.in_span("look up price", |_| ());
        aisle.send(Reserve).await
    });
    reserved.await.ok();
}
// ANCHOR_END: mistake

// ANCHOR: fix
async fn span_around_the_work(tracer: LessonTracer, aisle: Addr<Aisle>) {
    let span = tracer.start("reserve basket");
    let reserved = async {
        tracer.in_span("look up price", |_| ());
        aisle.send(Reserve).await
    };
    reserved.with_context(Context::current_with_span(span)).await.ok();
}
// ANCHOR_END: fix
