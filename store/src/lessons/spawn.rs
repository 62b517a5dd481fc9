//! `spawn`: work handed to another task or thread.

use std::thread;

use actix::Addr;
use actix_opentelemetry::{TracedStart as _, spawn_traced};
use actix_web::web;
use opentelemetry::{
    Context,
    trace::{Status, TraceContextExt as _, Tracer as _},
};
use tokio::sync::oneshot;

use super::{
    aisle::{Aisle, Reserve},
    lesson::{Lesson, Picture, Variant},
    tracer::LessonTracer,
};

pub(super) const LESSON: Lesson = Lesson {
    name: "spawn",
    title: "Work handed to another task or thread",
    mistake: "A handler hands its work to `actix::spawn`, to a thread and to `web::block`, and awaits it.",
    seen: "The handler waits, and is empty. The spans of the work are orphans, the message to the actor \
           has left nothing, and the error that was recorded is nowhere.",
    picture: Picture::Cut,
    runs: "in the request, with an actor and a thread of its own",
    why: [
        "The current context belongs to a thread while it polls a task, and a new task or thread begins \
         with an empty one, awaited or not.",
        "A message that is sent in an empty context is carried without a span, and \
         `Context::current().span()` is then a span that takes a status and forgets it.",
        "`spawn_traced` gives the task the context that spawns it; into a thread the context is moved, \
         and attached there.",
    ],
    file: "store/src/lessons/spawn.rs",
    source: include_str!("spawn.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            let aisle = Aisle { tracer: tracer.clone() }.start_traced();
            match variant {
                Variant::Mistake => hand_over_the_work_alone(tracer, aisle).await,
                Variant::Fix => hand_over_the_context_too(tracer, aisle).await,
            }
            None
        })
    },
};

// ANCHOR: mistake
async fn hand_over_the_work_alone(tracer: LessonTracer, aisle: Addr<Aisle>) {
    actix_rt::spawn(async move { aisle.send(Reserve).await }).await.ok();

    let (printer, (printed, is_printed)) = (tracer.clone(), oneshot::channel());
    thread::spawn(move || {
        printer.in_span("print label", |_| ());
        printed.send(()).ok();
    });
    is_printed.await.ok();

    let blocking = web::block(move || {
        tracer.in_span("hash password", |_| ());
        Context::current().span().set_status(Status::error("the disk is full"));
    });
    blocking.await.ok();
}
// ANCHOR_END: mistake

// ANCHOR: fix
async fn hand_over_the_context_too(tracer: LessonTracer, aisle: Addr<Aisle>) {
    spawn_traced(async move { aisle.send(Reserve).await }).await.ok();

    let (printer, (printed, is_printed)) = (tracer.clone(), oneshot::channel());
    let cx = Context::current();
    thread::spawn(move || {
        let _guard = cx.attach();
        printer.in_span("print label", |_| ());
        printed.send(()).ok();
    });
    is_printed.await.ok();

    let cx = Context::current();
    let blocking = web::block(move || {
        let _guard = cx.attach();
        tracer.in_span("hash password", |_| ());
        Context::current().span().set_status(Status::error("the disk is full"));
    });
    blocking.await.ok();
}
// ANCHOR_END: fix
