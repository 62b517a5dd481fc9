//! `spawn`: work moved to another task or thread.

use std::{thread, time::Duration};

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
    title: "Work moved to another task or thread",
    mistake: "A handler moves work to `actix::spawn`, to a thread and to `web::block`, without \
              the context.",
    seen: "The request takes as long as its work, but the work is not below it. The spans of the \
           work are orphans, the message to the actor left no span, and the error that was set on \
           the current span is lost.",
    picture: Picture::Cut,
    runs: "in the request, with an actor and a thread of its own",
    why: [
        "The current context belongs to a thread, and a new task or thread starts with an empty \
         one, even if the handler awaits it.",
        "In an empty context a message gets no span, and `Context::current().span()` is one that \
         ignores what is set on it.",
        "`spawn_traced` gives the task the current context; to a thread the context is moved, and \
         attached there.",
    ],
    file: "lessons/src/spawn.rs",
    source: include_str!("spawn.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            let aisle = Aisle { tracer: tracer.clone() }.start_traced();
            match variant {
                Variant::Mistake => move_the_work_alone(tracer, aisle).await,
                Variant::Fix => move_the_context_too(tracer, aisle).await,
            }
            None
        })
    },
};

// ANCHOR: mistake
async fn move_the_work_alone(tracer: LessonTracer, aisle: Addr<Aisle>) {
    actix_rt::spawn(async move { aisle.send(Reserve).await }).await.ok();

    let (printer, (printed, is_printed)) = (tracer.clone(), oneshot::channel());
    thread::spawn(move || {
        printer.in_span("print label", |_| print_label());
        printed.send(()).ok();
    });
    is_printed.await.ok();

    let blocking = web::block(move || {
        tracer.in_span("hash password", |_| hash_password());
        Context::current().span().set_status(Status::error("the disk is full"));
    });
    blocking.await.ok();
}
// ANCHOR_END: mistake

// ANCHOR: fix
async fn move_the_context_too(tracer: LessonTracer, aisle: Addr<Aisle>) {
    spawn_traced(async move { aisle.send(Reserve).await }).await.ok();

    let (printer, (printed, is_printed)) = (tracer.clone(), oneshot::channel());
    let cx = Context::current();
    thread::spawn(move || {
        let _guard = cx.attach();
        printer.in_span("print label", |_| print_label());
        printed.send(()).ok();
    });
    is_printed.await.ok();

    let cx = Context::current();
    let blocking = web::block(move || {
        let _guard = cx.attach();
        tracer.in_span("hash password", |_| hash_password());
        Context::current().span().set_status(Status::error("the disk is full"));
    });
    blocking.await.ok();
}
// ANCHOR_END: fix

fn print_label() {
    thread::sleep(Duration::from_millis(3));
}

fn hash_password() {
    thread::sleep(Duration::from_millis(3));
}
