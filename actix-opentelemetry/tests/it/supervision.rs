//! Starting, supervising and restarting actors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::testing::{SpanTree, TestTrace};
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart};
use opentelemetry::KeyValue;

use crate::fixture::{mark, messages, traced_actors};

/// Counts how often it was started.
struct Phoenix {
    starts: Arc<AtomicU32>,
}

messages!(Burn => (), BurnSoon => (), Count => u32);

impl Actor for Phoenix {
    type Context = TracedContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.starts.fetch_add(1, Ordering::Relaxed);
        mark("started");
    }
}

impl TracedActor for Phoenix {
    const NAME: &'static str = "Phoenix";

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [KeyValue::new("starts", i64::from(self.starts.load(Ordering::Relaxed)))]
    }
}

impl Supervised for Phoenix {
    fn restarting(&mut self, _: &mut Self::Context) {
        mark("restarting");
    }
}

impl Handler<Burn> for Phoenix {
    type Result = ();

    fn handle(&mut self, _: Burn, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<BurnSoon> for Phoenix {
    type Result = ();

    fn handle(&mut self, _: BurnSoon, ctx: &mut Self::Context) {
        ctx.run_later(Duration::ZERO, |_, ctx| ctx.terminate());
    }
}

impl Handler<Count> for Phoenix {
    type Result = u32;

    fn handle(&mut self, _: Count, _: &mut Self::Context) -> u32 {
        self.starts.load(Ordering::Relaxed)
    }
}

#[actix::test]
async fn a_restart_is_a_trace_of_its_own_linked_to_what_stopped_the_actor() {
    let phoenix = Phoenix::supervise_traced(|_| Phoenix { starts: Arc::default() });
    assert_eq!(phoenix.send(Count).await, Ok(1));
    let trace = TestTrace::start("test");

    trace.run(async { phoenix.send(Burn).await }).await.unwrap();
    trace.run(async { phoenix.send(Burn).await }).await.unwrap();

    assert_eq!(phoenix.send(Count).await, Ok(3));
    assert_eq!(
        SpanTree::new(&trace.spans(9).await)
            .attributes(["actix.actor.name", "actix.restart.count"])
            .render(),
        "restart Phoenix INTERNAL {actix.actor.name=Phoenix actix.restart.count=1} -> ask Phoenix Burn
  restarting INTERNAL
  started INTERNAL
restart Phoenix INTERNAL {actix.actor.name=Phoenix actix.restart.count=2} -> ask Phoenix Burn
  restarting INTERNAL
  started INTERNAL
test INTERNAL
  ask Phoenix Burn INTERNAL {actix.actor.name=Phoenix}
  ask Phoenix Burn INTERNAL {actix.actor.name=Phoenix}
"
    );
}

#[actix::test]
async fn an_actor_that_a_timer_stopped_links_its_restart_to_the_timer() {
    let arbiter = Arbiter::new();
    let phoenix =
        Phoenix::supervise_traced_in(&arbiter.handle(), |_| Phoenix { starts: Arc::default() });
    let trace = TestTrace::start("test");

    trace.run(async { phoenix.send(BurnSoon).await }).await.unwrap();

    assert_eq!(
        trace.tree(6).await,
        "delayed Phoenix INTERNAL -> ask Phoenix BurnSoon
restart Phoenix INTERNAL -> delayed Phoenix
  restarting INTERNAL
  started INTERNAL
test INTERNAL
  ask Phoenix BurnSoon INTERNAL
"
    );
    arbiter.stop();
}

#[actix::test]
async fn a_supervised_actor_that_nobody_can_reach_ends() {
    let starts = Arc::new(AtomicU32::new(0));
    let phoenix = Phoenix::supervise_traced({
        let starts = Arc::clone(&starts);
        |_| Phoenix { starts }
    });
    let trace = TestTrace::start("test");

    trace.run_now(|| phoenix.do_send(Burn));
    drop(phoenix);
    while Arc::strong_count(&starts) > 1 {
        actix_rt::task::yield_now().await;
    }

    assert_eq!(starts.load(Ordering::Relaxed), 1);
    assert_eq!(trace.tree(2).await, "test INTERNAL\n  tell Phoenix Burn INTERNAL\n");
}

#[actix::test]
async fn an_actor_starts_in_the_context_of_whoever_starts_it() {
    let arbiter = Arbiter::new();
    let trace = TestTrace::start("test");

    let (here, there) = trace.run_now(|| {
        let here = Phoenix { starts: Arc::default() }.start_traced();
        let there = Phoenix::start_traced_in(&arbiter.handle(), |_| {
            mark("made");
            Phoenix { starts: Arc::default() }
        });
        (here, there)
    });

    // Later messages have contexts of their own, or none.
    assert_eq!((here.send(Count).await, there.send(Count).await), (Ok(1), Ok(1)));
    assert_eq!(
        trace.tree(4).await,
        "test INTERNAL
  made INTERNAL
  started INTERNAL
  started INTERNAL
"
    );
    arbiter.stop();
}

/// An actor in which each of two needs the address of the other.
struct Twin(Addr<Twin>);

traced_actors!(Twin);

#[derive(Message)]
#[rtype(result = "()")]
struct Greet(u32);

impl Handler<Greet> for Twin {
    type Result = ();

    fn handle(&mut self, greet: Greet, _: &mut Self::Context) {
        if let Some(left) = greet.0.checked_sub(1) {
            self.0.do_send(Greet(left));
        }
    }
}

#[actix::test]
async fn a_context_can_be_made_before_its_actor() {
    let (one, two) = (TracedContext::<Twin>::new(), TracedContext::<Twin>::default());
    let (one_addr, two_addr) = (one.address(), two.address());
    assert!(one.connected() && format!("{one:?}").contains("TracedContext"));
    let one = one.run(Twin(two_addr));
    two.run(Twin(one_addr));
    let trace = TestTrace::start("test");

    trace.run_now(|| one.do_send(Greet(2)));

    assert_eq!(
        trace.tree(4).await,
        "test INTERNAL
  tell Twin Greet INTERNAL
    tell Twin Greet INTERNAL
      tell Twin Greet INTERNAL
"
    );
}
