//! `streamed-body`: a response body that is produced after its handler has returned.

use std::time::Duration;

use actix::Addr;
use actix_opentelemetry::TracedStart as _;
use actix_web::{Error, HttpResponse, http::header::ContentType, web::Bytes};
use futures_util::{StreamExt as _, stream};
use opentelemetry::{
    Context,
    trace::{FutureExt as _, Tracer as _},
};
use tokio::time::sleep;

use super::{
    aisle::{Aisle, Reserve},
    lesson::{Lesson, Picture, Variant},
    tracer::LessonTracer,
};

pub(super) const LESSON: Lesson = Lesson {
    name: "streamed-body",
    title: "A body that is streamed after the handler",
    mistake: "A handler returns a stream, and the stream does the work.",
    seen: "The span of the request takes less than a millisecond although the client waited for twenty, \
           and there are six orphans.",
    picture: Picture::Cut,
    runs: "in the request, with an actor of its own",
    why: [
        "The server polls the body when the handler has returned, outside any context.",
        "In the fix each page brings the context along, so its spans are in the trace.",
        "The span of the request has ended before, and the fix does not change that: a span \
         around the stream would show how long the body takes.",
    ],
    file: "lessons/src/streamed_body.rs",
    source: include_str!("streamed_body.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            let aisle = Aisle { tracer: tracer.clone() }.start_traced();
            Some(match variant {
                Variant::Mistake => stream_pages(tracer, aisle),
                Variant::Fix => stream_pages_in_context(tracer, aisle),
            })
        })
    },
};

// ANCHOR: mistake
fn stream_pages(tracer: LessonTracer, aisle: Addr<Aisle>) -> HttpResponse {
    let pages = stream::iter(1..=3);
    let pages = pages.then(move |number| page(number, tracer.clone(), aisle.clone()));
    HttpResponse::Ok().content_type(ContentType::plaintext()).streaming(pages)
}
// ANCHOR_END: mistake

// ANCHOR: fix
fn stream_pages_in_context(tracer: LessonTracer, aisle: Addr<Aisle>) -> HttpResponse {
    let cx = Context::current();
    let pages = stream::iter(1..=3);
    let pages = pages
        .then(move |number| page(number, tracer.clone(), aisle.clone()).with_context(cx.clone()));
    HttpResponse::Ok().content_type(ContentType::plaintext()).streaming(pages)
}
// ANCHOR_END: fix

/// Reads one page of the body, which takes a few milliseconds.
async fn page(number: u32, tracer: LessonTracer, aisle: Addr<Aisle>) -> Result<Bytes, Error> {
    sleep(Duration::from_millis(5)).await;
    tracer.in_span("read page", |_| ());
    aisle.send(Reserve).await.ok();
    Ok(format!("page {number}\n").into())
}
