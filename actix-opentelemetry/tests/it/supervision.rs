//! Starting, supervising and restarting actors.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::opentelemetry::baggage::BaggageExt;
use actix_opentelemetry::opentelemetry::trace::FutureExt;
use actix_opentelemetry::opentelemetry::{Context, KeyValue};
use actix_opentelemetry::testing::{SpanTree, TestTrace};
use actix_opentelemetry::{StartPolicy, TracedActor, TracedContext, TracedStart};

use crate::fixture::{Tenant, mark, messages, tenant, traced_actors};

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
async fn a_restart_is_a_trace_of_its_own_linked_to_the_message_that_stopped_the_actor() {
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
async fn a_supervised_actor_without_addresses_ends() {
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
async fn an_actor_starts_and_restarts_in_an_empty_context() {
    let arbiter = Arbiter::new();
    let trace = TestTrace::start("test");
    let cx = trace.cx().with_value(Tenant(7)).with_baggage([KeyValue::new("user.id", "42")]);
    let (tx, lives) = mpsc::channel();
    let life = move || Mortal { life: tx.clone() };

    async {
        let here = [life().start_traced(), Mortal::create_traced(|_| life())];
        let make = life.clone();
        let there = Mortal::start_traced_in(&arbiter.handle(), move |_| make());
        let make = life.clone();
        let supervised = Mortal::supervise_traced(move |_| make());
        let far = Mortal::supervise_traced_in(&arbiter.handle(), move |_| life());
        for mortal in here.iter().chain([&there, &supervised, &far]) {
            mortal.send(Die).await.unwrap();
        }
        // An actor that answers again has been restarted.
        assert!(supervised.send(Live).await.is_ok() && far.send(Live).await.is_ok());
    }
    .with_context(cx)
    .await;

    assert_eq!(lives.try_iter().collect::<Vec<_>>(), vec![Life::default(); 5 + 2]);
    assert_eq!(
        trace.tree(10).await,
        "restart Mortal INTERNAL -> ask Mortal Die
restart Mortal INTERNAL -> ask Mortal Die
test INTERNAL
  ask Mortal Die INTERNAL
  ask Mortal Die INTERNAL
  ask Mortal Die INTERNAL
  ask Mortal Die INTERNAL
  ask Mortal Die INTERNAL
  ask Mortal Live INTERNAL
  ask Mortal Live INTERNAL
"
    );
    arbiter.stop();
}

/// Keeps what an actor finds in the context in which it starts.
#[derive(Debug, Clone, Default, PartialEq)]
struct Life {
    tenant: Option<Tenant>,
    user: Option<String>,
}

struct Mortal {
    life: mpsc::Sender<Life>,
}

messages!(Die => (), Live => ());

impl Actor for Mortal {
    type Context = TracedContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let user = Context::map_current(|cx| cx.baggage().get("user.id").map(ToString::to_string));
        self.life.send(Life { tenant: tenant(), user }).unwrap();
    }
}

impl TracedActor for Mortal {
    const NAME: &'static str = "Mortal";
}

impl Supervised for Mortal {}

impl Handler<Die> for Mortal {
    type Result = ();

    fn handle(&mut self, _: Die, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Live> for Mortal {
    type Result = ();

    fn handle(&mut self, _: Live, _: &mut Self::Context) {}
}

/// An actor that belongs to the work that starts it.
struct Step;

messages!(Redo => ());

impl Actor for Step {
    type Context = TracedContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        mark("started");
    }
}

impl TracedActor for Step {
    const NAME: &'static str = "Step";
    const START: StartPolicy = StartPolicy::Inherit;
}

impl Supervised for Step {}

impl Handler<Redo> for Step {
    type Result = ();

    fn handle(&mut self, _: Redo, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[actix::test]
async fn an_actor_can_start_in_the_context_of_its_starter() {
    let arbiter = Arbiter::new();
    let trace = TestTrace::start("test");

    let (here, there, supervised) = trace.run_now(|| {
        let here = Step.start_traced();
        let there = Step::start_traced_in(&arbiter.handle(), |_| {
            mark("made");
            Step
        });
        (here, there, Step::supervise_traced(|_| Step))
    });
    trace.run(async { supervised.send(Redo).await }).await.unwrap();
    here.send(Redo).await.unwrap();
    there.send(Redo).await.unwrap();

    assert_eq!(
        trace.tree(8).await,
        "restart Step INTERNAL -> ask Step Redo
  started INTERNAL
test INTERNAL
  ask Step Redo INTERNAL
  made INTERNAL
  started INTERNAL
  started INTERNAL
  started INTERNAL
"
    );
    arbiter.stop();
}

/// One of two actors, each of which needs the address of the other.
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
