//! Timers: each firing is a trace of its own, linked to the span that set the timer.

use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::opentelemetry::Context;
use actix_opentelemetry::opentelemetry::trace::{FutureExt, TraceContextExt};
use actix_opentelemetry::testing::{SpanTree, TestTrace};
use actix_opentelemetry::{RootPolicy, TimerPolicy, TracedActor, TracedContext, TracedStart};
use actix_rt::time::Instant;
use tokio::sync::oneshot;

use crate::fixture::{mark, messages, traced_actors, unsampled};

const SOON: Duration = Duration::from_millis(1);

struct Restocker {
    ticks: u32,
}

traced_actors!(Restocker);
messages!(Deliver => (), Order => (), Later => (), Tick => (), TickAt => ());

impl Handler<Deliver> for Restocker {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Deliver, _: &mut Self::Context) -> Self::Result {
        Box::pin(async { mark("unpack") })
    }
}

impl Handler<Order> for Restocker {
    type Result = ();

    fn handle(&mut self, _: Order, ctx: &mut Self::Context) {
        ctx.notify_later(Deliver, SOON);
    }
}

impl Handler<Later> for Restocker {
    type Result = ();

    fn handle(&mut self, _: Later, ctx: &mut Self::Context) {
        ctx.run_later(SOON, |_, ctx| {
            mark("first");
            ctx.run_later(SOON, |_, _| mark("second"));
        });
    }
}

impl Handler<Tick> for Restocker {
    type Result = ();

    fn handle(&mut self, _: Tick, ctx: &mut Self::Context) {
        ctx.run_interval(SOON, |actor, ctx| actor.tick(ctx));
    }
}

impl Handler<TickAt> for Restocker {
    type Result = ();

    fn handle(&mut self, _: TickAt, ctx: &mut Self::Context) {
        ctx.run_interval_at(Instant::now(), SOON, |actor, ctx| actor.tick(ctx));
    }
}

/// Says in which context a timer fires.
#[derive(Message)]
#[rtype(result = "()")]
struct Watch(oneshot::Sender<Context>);

impl Handler<Watch> for Restocker {
    type Result = ();

    fn handle(&mut self, watch: Watch, ctx: &mut Self::Context) {
        ctx.run_later(SOON, |_, _| watch.0.send(Context::current()).unwrap());
    }
}

impl Restocker {
    fn tick(&mut self, ctx: &mut TracedContext<Self>) {
        mark("look");
        self.ticks += 1;
        if self.ticks == 3 {
            ctx.cancel_future(ctx.handle());
        }
    }
}

#[actix::test]
async fn a_delayed_message_is_a_trace_of_its_own_with_a_link() {
    let restocker = Restocker { ticks: 0 }.start_traced();
    let trace = TestTrace::start("test");

    trace.run(async { restocker.send(Order).await }).await.unwrap();

    let spans = trace.spans(4).await;
    assert_eq!(
        SpanTree::new(&spans).render(),
        "delayed Restocker Deliver INTERNAL -> ask Restocker Order
  unpack INTERNAL
test INTERNAL
  ask Restocker Order INTERNAL
"
    );
    let delayed = spans.iter().find(|span| span.name.starts_with("delayed")).unwrap();
    let late: f64 = delayed.attribute("actix.mailbox.wait").unwrap().parse().unwrap();
    assert!((0.0..10.0).contains(&late), "{late} s");
    assert_eq!(delayed.attribute("actix.message.kind"), Some("delayed"));
}

#[actix::test]
async fn a_delayed_closure_is_a_trace_of_its_own_with_a_link() {
    let restocker = Restocker { ticks: 0 }.start_traced();
    let trace = TestTrace::start("test");

    trace.run(async { restocker.send(Later).await }).await.unwrap();

    let spans = trace.spans(6).await;
    let tree = SpanTree::new(&spans).attributes(["code.function.name"]).render();
    assert_eq!(
        tree.replace("actix::handler::", "")
            .replace("<it::timers::Restocker as Handler<it::timers::Later>>::handle", "HANDLER"),
        "delayed Restocker INTERNAL {code.function.name=HANDLER::{{closure}}::{{closure}}} -> delayed Restocker
  second INTERNAL
delayed Restocker INTERNAL {code.function.name=HANDLER::{{closure}}} -> ask Restocker Later
  first INTERNAL
test INTERNAL
  ask Restocker Later INTERNAL {code.function.name=HANDLER}
"
    );
}

#[actix::test]
async fn each_tick_of_an_interval_is_a_trace_of_its_own_with_a_link() {
    macro_rules! check {
        ($($message:ident),+) => {$(
            let restocker = Restocker { ticks: 0 }.start_traced();
            let trace = TestTrace::start("test");
            trace.run(async { restocker.send($message).await }).await.unwrap();
            let spans = trace.spans(8).await;
            // An interval that is late may tick again in the poll in which it is cancelled.
            let ticks = spans.iter().filter(|span| span.name == "interval Restocker").count();
            assert!(ticks >= 3);
            let tick = "interval Restocker INTERNAL -> ask Restocker MESSAGE\n  look INTERNAL\n";
            let test = "test INTERNAL\n  ask Restocker MESSAGE INTERNAL\n";
            assert_eq!(
                SpanTree::new(&spans).render(),
                (tick.repeat(ticks) + test).replace("MESSAGE", stringify!($message))
            );
        )+};
    }

    check!(Tick, TickAt);
}

/// An actor whose timers are steps of the work that sets them.
struct Retry;

impl Actor for Retry {
    type Context = TracedContext<Self>;
}

impl TracedActor for Retry {
    const NAME: &'static str = "Retry";
    const HOP_LIMIT: u32 = 2;
    const TIMERS: TimerPolicy = TimerPolicy::Child;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Attempt {
    left: u32,
}

impl Handler<Attempt> for Retry {
    type Result = ();

    fn handle(&mut self, attempt: Attempt, ctx: &mut Self::Context) {
        if let Some(left) = attempt.left.checked_sub(1) {
            ctx.notify_later(Attempt { left }, SOON);
        }
    }
}

#[actix::test]
async fn a_timer_can_be_a_child_but_a_chain_of_them_is_cut_like_a_chain_of_tells() {
    let retry = Retry.start_traced();
    let trace = TestTrace::start("test");

    trace.run(async { retry.send(Attempt { left: 3 }).await }).await.unwrap();

    assert_eq!(
        trace.tree(5).await,
        "delayed Retry Attempt INTERNAL -> delayed Retry Attempt
test INTERNAL
  ask Retry Attempt INTERNAL
    delayed Retry Attempt INTERNAL
      delayed Retry Attempt INTERNAL
"
    );
}

/// An actor driven by a timer alone.
struct Pulse {
    beat: Option<oneshot::Sender<Context>>,
}

impl Actor for Pulse {
    type Context = TracedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(SOON, |actor, _| {
            if let Some(beat) = actor.beat.take() {
                beat.send(Context::current()).unwrap();
            }
        });
    }
}

impl TracedActor for Pulse {
    const NAME: &'static str = "Pulse";
    const ROOT: RootPolicy = RootPolicy::Start;
}

#[actix::test]
async fn a_timer_set_outside_any_trace_starts_one_if_the_actor_is_an_entry_point() {
    let recorder = actix_opentelemetry::testing::recorder();
    let (tx, beat) = oneshot::channel();
    let _pulse = Pulse { beat: Some(tx) }.start_traced();

    let trace_id = beat.await.unwrap().span().span_context().trace_id();

    let spans = recorder.wait_for(trace_id, 1, Duration::from_secs(60)).await.0;
    assert_eq!(SpanTree::new(&spans).render(), "interval Pulse INTERNAL\n");
}

#[actix::test]
async fn a_timer_set_in_an_unsampled_trace_asks_the_sampler_anew() {
    let restocker = Restocker { ticks: 0 }.start_traced();
    let (tx, first) = oneshot::channel();
    async { restocker.send(Watch(tx)).await }.with_context(unsampled()).await.unwrap();

    let trace_id = first.await.unwrap().span().span_context().trace_id();

    assert_ne!(trace_id, unsampled().span().span_context().trace_id());
    let recorder = actix_opentelemetry::testing::recorder();
    let spans = recorder.wait_for(trace_id, 1, Duration::from_secs(60)).await.0;
    assert_eq!(SpanTree::new(&spans).render(), "delayed Restocker INTERNAL\n");
}
