//! `late-send`: a message that is made here and sent in another task.

use actix::{Actor, Addr, Handler, Message};
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart as _, ask};
use opentelemetry::{Context, KeyValue, trace::Tracer as _};

use super::{
    lesson::{Lesson, Picture, Variant},
    tracer::LessonTracer,
};

pub(super) const LESSON: Lesson = Lesson {
    name: "late-send",
    title: "A send that another task polls",
    mistake: "A handler calls `send`, and a spawned task awaits the future that it returns.",
    seen: "All is well while the mailbox has room. When it is full, the ask is gone and its work is an \
           orphan: only under load.",
    picture: Picture::Cut,
    runs: "in the request, with two actors of its own",
    why: [
        "`send` packs the message at once, with the current context, if the mailbox has room.",
        "If it has none, the future keeps the message and packs it when it is polled: in the task, whose \
         context is empty.",
        "The library's `ask` takes the context when it is called, whether there is room or not; \
         `spawn_traced` would help as well, because the task then has the context.",
    ],
    file: "lessons/src/late_send.rs",
    source: include_str!("late_send.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            let [idle, busy] = [(); 2].map(|()| Aisle { tracer: tracer.clone() }.start_traced());
            match variant {
                Variant::Mistake => {
                    send_and_hand_over(idle).await;
                    fill_mailbox(&busy);
                    send_and_hand_over(busy).await;
                }
                Variant::Fix => {
                    ask_and_hand_over(idle).await;
                    fill_mailbox(&busy);
                    ask_and_hand_over(busy).await;
                }
            }
            None
        })
    },
};

// ANCHOR: mistake
async fn send_and_hand_over(aisle: Addr<Aisle>) {
    let reserved = aisle.send(Reserve);
    actix_rt::spawn(reserved).await.ok();
}
// ANCHOR_END: mistake

// ANCHOR: fix
async fn ask_and_hand_over(aisle: Addr<Aisle>) {
    let reserved = ask(&aisle, Reserve);
    actix_rt::spawn(reserved).await.ok();
}
// ANCHOR_END: fix

/// Sends messages until the mailbox has no room for another. They belong to no trace, so that the
/// lesson's shows only its own.
fn fill_mailbox(aisle: &Addr<Aisle>) {
    let _guard = Context::new().attach();
    while aisle.try_send(CountStock).is_ok() {}
}

/// Reserves, and writes that down in a span made by hand.
struct Aisle {
    tracer: LessonTracer,
}

/// Reserve a piece.
#[derive(Message)]
#[rtype(result = "()")]
struct Reserve;

/// Count what is there.
#[derive(Message)]
#[rtype(result = "()")]
struct CountStock;

impl Actor for Aisle {
    type Context = TracedContext<Self>;
}

impl TracedActor for Aisle {
    const NAME: &'static str = "Aisle";

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [self.tracer.run()]
    }
}

impl Handler<Reserve> for Aisle {
    type Result = ();

    fn handle(&mut self, _: Reserve, _: &mut Self::Context) {
        self.tracer.in_span("update stock", |_| ());
    }
}

impl Handler<CountStock> for Aisle {
    type Result = ();

    fn handle(&mut self, _: CountStock, _: &mut Self::Context) {}
}
