//! Edge cases: an actor that panics in `attributes` or `classify`, things that are dropped before
//! their time, the turns of an actor's life, and threads that are ending.

use std::borrow::Cow;
use std::cell::RefCell;
use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::opentelemetry::{Context, KeyValue};
use actix_opentelemetry::testing::{SpanTree, TestTrace};
use actix_opentelemetry::{Reply, TracedActor, TracedContext, TracedStart, ask};
use futures_util::stream;

use crate::fixture::{Cleanup, mark, messages, traced_actors};

/// Panics in `attributes` once it has stumbled, and in `classify` if the reply says so.
struct Clumsy {
    has_stumbled: bool,
}

messages!(Describe => u32, Judge => Result<u32, u32>, Greet => u32);

impl Actor for Clumsy {
    type Context = TracedContext<Self>;
}

impl TracedActor for Clumsy {
    const NAME: &'static str = "Clumsy";

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        assert!(!self.has_stumbled, "no words");
        [KeyValue::new("mood", "good")]
    }

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        reply.err::<u32, u32>().map(|_| panic!("no opinion"))
    }
}

impl Handler<Describe> for Clumsy {
    type Result = u32;

    fn handle(&mut self, _: Describe, ctx: &mut Self::Context) -> u32 {
        mark("work");
        self.has_stumbled = true;
        ctx.notify(Greet);
        1
    }
}

impl Handler<Greet> for Clumsy {
    type Result = u32;

    fn handle(&mut self, _: Greet, _: &mut Self::Context) -> u32 {
        mark("greet");
        self.has_stumbled = false;
        2
    }
}

impl Handler<Judge> for Clumsy {
    type Result = Result<u32, u32>;

    fn handle(&mut self, _: Judge, _: &mut Self::Context) -> Self::Result {
        Err(3)
    }
}

#[actix::test]
async fn a_panic_in_attributes_or_classify_is_on_the_span_and_the_message_is_handled() {
    let clumsy = Clumsy { has_stumbled: false }.start_traced();
    let trace = TestTrace::start("test");

    let replies = trace
        .run(async {
            (
                ask(&clumsy, Describe).await,
                ask(&clumsy, Judge).await,
                // The actor still lives.
                ask(&clumsy, Greet).await,
            )
        })
        .await;

    assert_eq!(replies, (Ok(1), Ok(Err(3)), Ok(2)));
    assert_eq!(
        SpanTree::new(&trace.spans(8).await).attributes(["actix.actor.name", "mood"]).render(),
        "test INTERNAL
  ask Clumsy Describe INTERNAL {actix.actor.name=Clumsy mood=good}
    notify Clumsy Greet INTERNAL ERROR panic \"no words\" {actix.actor.name=Clumsy}
      greet INTERNAL
    work INTERNAL
  ask Clumsy Greet INTERNAL {actix.actor.name=Clumsy mood=good}
    greet INTERNAL
  ask Clumsy Judge INTERNAL ERROR panic \"no opinion\" {actix.actor.name=Clumsy mood=good}
"
    );
}

/// Sets timers and adds streams, and then stops.
struct Leaver;

traced_actors!(Leaver);

/// A message that leaves a mark when it is dropped.
#[derive(Message)]
#[rtype(result = "()")]
struct Later(Cleanup);

messages!(Leave => ());

impl Handler<Later> for Leaver {
    type Result = ();

    fn handle(&mut self, later: Later, _: &mut Self::Context) {
        drop(later.0);
        unreachable!("the actor has gone");
    }
}

impl StreamHandler<u32> for Leaver {
    fn handle(&mut self, _: u32, _: &mut Self::Context) {}
}

impl Handler<Leave> for Leaver {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        const LONG: Duration = Duration::from_secs(3600);
        ctx.notify_later(Later(Cleanup), LONG);
        let cleanup = Cleanup;
        ctx.run_later(LONG, move |_, _| drop(cleanup));
        let cleanup = Cleanup;
        ctx.run_interval(LONG, move |_, _| {
            let _ = &cleanup;
        });
        let cleanup = Cleanup;
        ctx.add_stream(stream::poll_fn(move |_| {
            let _ = &cleanup;
            std::task::Poll::<Option<u32>>::Pending
        }));
        let cleanup = Cleanup;
        ctx.add_message_stream(stream::poll_fn(move |_| {
            let _ = &cleanup;
            std::task::Poll::<Option<Later>>::Pending
        }));
        ctx.stop();
    }
}

#[actix::test]
async fn timers_and_streams_are_dropped_in_the_context_in_which_they_were_set() {
    let leaver = Leaver.start_traced();
    let trace = TestTrace::start("test");

    trace.run(async { leaver.send(Leave).await }).await.unwrap();

    assert_eq!(
        trace.tree(7).await,
        "test INTERNAL
  ask Leaver Leave INTERNAL
    clean up INTERNAL
    clean up INTERNAL
    clean up INTERNAL
    clean up INTERNAL
    clean up INTERNAL
"
    );
}

/// Makes a span in `started`, `stopping` and `stopped`.
struct Mayfly;

impl Actor for Mayfly {
    type Context = TracedContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        mark("started");
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        mark("stopping");
        Running::Stop
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        mark("stopped");
    }
}

impl TracedActor for Mayfly {
    const NAME: &'static str = "Mayfly";
}

impl Handler<Leave> for Mayfly {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[actix::test]
async fn started_stopping_and_stopped_are_outside_any_trace() {
    let trace = TestTrace::start("test");

    let mayfly = trace.run(async { Mayfly.start_traced() }).await;
    trace.run(async { mayfly.send(Leave).await }).await.unwrap();
    while mayfly.connected() {
        actix_rt::task::yield_now().await;
    }

    assert_eq!(trace.tree(2).await, "test INTERNAL\n  ask Mayfly Leave INTERNAL\n");
}

/// Counts.
struct Counter(u32);

traced_actors!(Counter);
messages!(Add => u32);

impl Handler<Add> for Counter {
    type Result = u32;

    fn handle(&mut self, _: Add, _: &mut Self::Context) -> u32 {
        self.0 += 1;
        self.0
    }
}

/// Tells its actor, and asks it, when its thread ends.
struct Farewell(Addr<Counter>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.do_send(Add);
        self.0.try_send(Add).unwrap();
        drop(self.0.send(Add));
        drop(ask(&self.0, Add));
    }
}

thread_local! {
    static FAREWELL: RefCell<Option<Farewell>> = const { RefCell::new(None) };
}

#[actix::test]
async fn a_message_from_a_thread_that_is_ending_is_delivered() {
    let counter = Counter::create_traced(|ctx| {
        ctx.set_mailbox_capacity(0);
        Counter(0)
    });
    // A thread drops its locals in the opposite order of their making. So the current context is
    // dropped before the farewell in some of the threads, after it in others, or was never made.
    type Prepare = fn(&Addr<Counter>);
    let prepare: [Prepare; 4] = [
        |_| (),
        |_| drop(Context::current()),
        |counter| counter.do_send(Add),
        |counter| {
            drop(Context::current());
            counter.do_send(Add);
        },
    ];
    for before in prepare {
        for after in prepare {
            let farewell = Farewell(counter.clone());
            let joined = std::thread::spawn(move || {
                before(&farewell.0);
                let addr = farewell.0.clone();
                FAREWELL.set(Some(farewell));
                after(&addr);
            })
            .join();
            assert!(joined.is_ok());
        }
    }

    // Of each farewell two messages are handled, and the asks are not, since their sender has
    // stopped waiting. Of the sixteen pairs half have one more message before the farewell, half
    // one after it.
    let told = 16 * 2 + 8 + 8;
    assert_eq!(counter.send(Add).await, Ok(told + 1), "no later ask hangs");
    assert_eq!(ask(&counter, Add).await, Ok(told + 2));
}
