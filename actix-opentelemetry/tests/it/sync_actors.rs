//! Sync actors, which run on threads of their own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use actix::dev::{MessageResponse, OneshotSender};
use actix::prelude::*;
use actix_opentelemetry::sync::{TracedSyncContext, start_traced, try_start_traced};
use actix_opentelemetry::testing::TestTrace;
use actix_opentelemetry::{TracedActor, TracedStart, ask};
use futures_util::future::join;

use crate::fixture::{mark, messages, traced_actors};

struct Oven {
    barrier: Arc<Barrier>,
}

messages!(Bake => u32, Burn => (), Quench => u32, Toast => u32, Mute => u32);

impl Actor for Oven {
    type Context = TracedSyncContext<Self>;
}

impl TracedActor for Oven {
    const NAME: &'static str = "Oven";
}

impl Handler<Bake> for Oven {
    type Result = u32;

    fn handle(&mut self, _: Bake, _: &mut Self::Context) -> u32 {
        self.barrier.wait();
        mark("bake");
        7
    }
}

impl Handler<Burn> for Oven {
    type Result = ();

    fn handle(&mut self, _: Burn, _: &mut Self::Context) {
        panic!("the cake burned");
    }
}

impl Handler<Quench> for Oven {
    type Result = MessageResult<Quench>;

    fn handle(&mut self, _: Quench, ctx: &mut Self::Context) -> Self::Result {
        ctx.stop();
        ctx.address().do_send(Burn);
        MessageResult(7)
    }
}

/// Answers from another thread.
struct Elsewhere;

impl MessageResponse<Oven, Toast> for Elsewhere {
    fn handle(self, _: &mut TracedSyncContext<Oven>, tx: Option<OneshotSender<u32>>) {
        thread::spawn(move || tx.unwrap().send(7).unwrap());
    }
}

impl Handler<Toast> for Oven {
    type Result = Elsewhere;

    fn handle(&mut self, _: Toast, _: &mut Self::Context) -> Elsewhere {
        Elsewhere
    }
}

/// A reply that drops the reply channel.
struct Nowhere;

impl MessageResponse<Oven, Mute> for Nowhere {
    fn handle(self, _: &mut TracedSyncContext<Oven>, _: Option<OneshotSender<u32>>) {}
}

impl Handler<Mute> for Oven {
    type Result = Nowhere;

    fn handle(&mut self, _: Mute, _: &mut Self::Context) -> Nowhere {
        Nowhere
    }
}

/// Asks an oven from an ordinary actor.
struct Baker(Addr<Oven>);

traced_actors!(Baker);
messages!(Order => u32);

impl Handler<Order> for Baker {
    type Result = ResponseFuture<u32>;

    fn handle(&mut self, _: Order, _: &mut Self::Context) -> Self::Result {
        let cakes = join(self.0.send(Bake), self.0.send(Bake));
        Box::pin(async move {
            let (one, two) = cakes.await;
            one.unwrap() + two.unwrap()
        })
    }
}

fn oven(threads: usize) -> Addr<Oven> {
    let barrier = Arc::new(Barrier::new(threads));
    start_traced(threads, move || Oven { barrier: Arc::clone(&barrier) })
}

#[actix::test]
async fn messages_to_several_threads_stay_in_their_trace() {
    // By the barrier neither thread bakes before both have a message.
    let baker = Baker(oven(2)).start_traced();
    let trace = TestTrace::start("test");

    assert_eq!(trace.run(async { baker.send(Order).await }).await, Ok(14));

    assert_eq!(
        trace.tree(0).await,
        "test INTERNAL
  ask Baker Order INTERNAL
    ask Oven Bake INTERNAL
      bake INTERNAL
    ask Oven Bake INTERNAL
      bake INTERNAL
"
    );
}

#[actix::test]
async fn every_reply_of_a_sync_actor_ends_its_span() {
    let oven = oven(1);
    let trace = TestTrace::start("test");

    trace
        .run(async {
            assert_eq!(oven.send(Bake).await, Ok(7));
            assert_eq!(oven.send(Toast).await, Ok(7));
            assert_eq!(oven.send(Mute).await, Err(MailboxError::Closed));
        })
        .await;

    assert_eq!(
        trace.tree(5).await,
        "test INTERNAL
  ask Oven Bake INTERNAL
    bake INTERNAL
  ask Oven Mute INTERNAL ERROR no_reply
  ask Oven Toast INTERNAL
"
    );
}

#[actix::test]
async fn a_panic_and_the_messages_that_it_leaves_in_the_queue_are_in_their_trace() {
    let oven = oven(1);
    let trace = TestTrace::start("test");

    let (burn, behind) = trace.run_now(|| (oven.send(Burn), oven.send(Bake)));

    assert_eq!(burn.await, Err(MailboxError::Closed));
    // The mailbox closes at the first message for which no thread is left.
    oven.do_send(Burn);
    assert_eq!(behind.await, Err(MailboxError::Closed));
    assert_eq!(
        trace.tree(3).await,
        "test INTERNAL
  ask Oven Bake INTERNAL ERROR undelivered
  ask Oven Burn INTERNAL ERROR panic \"the cake burned\"
"
    );
}

#[actix::test]
async fn a_sync_actor_that_stops_is_made_anew() {
    let made = Arc::new(AtomicU32::new(0));
    let oven = try_start_traced(1, || thread::Builder::new().name("oven".to_owned()), {
        let made = Arc::clone(&made);
        move || {
            made.fetch_add(1, Ordering::Relaxed);
            Oven { barrier: Arc::new(Barrier::new(1)) }
        }
    })
    .unwrap();
    let trace = TestTrace::start("test");

    assert_eq!(trace.run(async { ask(&oven, Quench).await }).await, Ok(7));

    assert_eq!(
        trace.tree(3).await,
        "test INTERNAL
  ask Oven Quench INTERNAL
    tell Oven Burn INTERNAL ERROR panic \"the cake burned\"
"
    );
    assert_eq!(made.load(Ordering::Relaxed), 2);
}
