//! `endless`: messages and timers that go on in the trace which set them off.

use std::{marker::PhantomData, time::Duration};

use actix::{Actor, AsyncContext as _, Handler, Message};
use actix_opentelemetry::{
    DEFAULT_HOP_LIMIT, TimerPolicy, TracedActor, TracedContext, TracedStart as _,
};
use opentelemetry::KeyValue;
use tokio::sync::oneshot;

use super::{
    lesson::{Lesson, Picture, Variant},
    tracer::LessonTracer,
};

pub(super) const LESSON: Lesson = Lesson {
    name: "endless",
    title: "A trace without an end",
    mistake: "An actor that keeps itself going, by messages to itself and by timers, stays in the trace \
              of the request that set it off.",
    seen: "Forty levels of the same message, and timers that fire below a request that is long over.",
    picture: Picture::Moved,
    runs: "in the request, with an actor of its own that counts: forty messages and five timers",
    why: [
        "A message carries the context of the code that sends it, so an actor that tells itself the next \
         step goes one level deeper with each.",
        "A timer that fires as a child is below the request that set it, however long that is over.",
        "The library's defaults cut both: after `HOP_LIMIT` tells in a row the next is the root of a new \
         trace, and so is each firing, with a link to where it came from.",
    ],
    file: "lessons/src/endless.rs",
    source: include_str!("endless.rs"),
    make: |variant, tracer| {
        Box::pin(async move {
            match variant {
                Variant::Mistake => watch::<Endless>(tracer).await,
                Variant::Fix => watch::<Cut>(tracer).await,
            }
            None
        })
    },
};

// ANCHOR: mistake
/// "It all belongs to the request": nothing is ever cut.
impl Policies for Endless {
    const HOP_LIMIT: u32 = u32::MAX;
    const TIMERS: TimerPolicy = TimerPolicy::Child;
}
// ANCHOR_END: mistake

// ANCHOR: fix
/// The library's defaults, which an actor has that says nothing of them.
impl Policies for Cut {
    const HOP_LIMIT: u32 = DEFAULT_HOP_LIMIT;
    const TIMERS: TimerPolicy = TimerPolicy::LinkedRoot;
}
// ANCHOR_END: fix

struct Endless;

struct Cut;

trait Policies: Unpin + 'static {
    const HOP_LIMIT: u32;
    const TIMERS: TimerPolicy;
}

/// Looks after the shelves: at one after the other, or again and again.
struct Restocker<P> {
    tracer: LessonTracer,
    done: Option<oneshot::Sender<()>>,
    policies: PhantomData<P>,
}

impl<P: Policies> TracedActor for Restocker<P> {
    const NAME: &'static str = "Restocker";
    const HOP_LIMIT: u32 = P::HOP_LIMIT;
    const TIMERS: TimerPolicy = P::TIMERS;

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [self.tracer.run()]
    }
}

impl<P: Policies> Actor for Restocker<P> {
    type Context = TracedContext<Self>;
}

/// Look at this shelf and, in a message of its own, at the next.
#[derive(Message)]
#[rtype(result = "()")]
struct Look {
    shelf: u32,
}

impl<P: Policies> Handler<Look> for Restocker<P> {
    type Result = ();

    fn handle(&mut self, Look { shelf }: Look, ctx: &mut Self::Context) {
        if shelf < SHELVES {
            ctx.address().do_send(Look { shelf: shelf + 1 });
        } else {
            self.say_done();
        }
    }
}

/// Look again later, five times.
#[derive(Message)]
#[rtype(result = "()")]
struct Watch;

impl<P: Policies> Handler<Watch> for Restocker<P> {
    type Result = ();

    fn handle(&mut self, _: Watch, ctx: &mut Self::Context) {
        for look in 1..=LOOKS {
            ctx.run_later(PAUSE * look, move |restocker, _| {
                if look == LOOKS {
                    restocker.say_done();
                }
            });
        }
    }
}

impl<P> Restocker<P> {
    fn say_done(&mut self) {
        if let Some(done) = self.done.take() {
            done.send(()).ok();
        }
    }
}

const SHELVES: u32 = 40;
const LOOKS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(2);

async fn watch<P: Policies>(tracer: LessonTracer) {
    let start = || {
        let (done, is_done) = oneshot::channel();
        let restocker =
            Restocker::<P> { tracer: tracer.clone(), done: Some(done), policies: PhantomData };
        (restocker.start_traced(), is_done)
    };
    let (restocker, is_done) = start();
    restocker.do_send(Look { shelf: 1 });
    is_done.await.ok();
    let (restocker, is_done) = start();
    restocker.do_send(Watch);
    is_done.await.ok();
}
