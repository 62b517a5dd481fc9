//! `lazy-future`: a context that is attached where a future is made, and not where it is polled.

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
    title: "A span around the making of a future",
    mistake: "`in_span` is given a closure that returns a future, which is awaited outside.",
    seen: "An empty span of no length, with its work beside it.",
    picture: Picture::Moved,
    runs: "in the request, with an actor of its own",
    why: [
        "A future does nothing until it is polled, and `in_span` is over when its closure has returned.",
        "What runs in the future runs later, in the context of whoever awaits it.",
        "The span has to be current at each poll: `with_context` gives it to the future, which ends it \
         when it is done.",
    ],
    file: "store/src/lessons/lazy_future.rs",
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
