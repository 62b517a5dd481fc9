//! Asks: `send`, by every kind of address, from every kind of sender.

use std::task::Poll;
use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::opentelemetry::trace::{FutureExt, TraceContextExt};
use actix_opentelemetry::opentelemetry::{Context, KeyValue};
use actix_opentelemetry::testing::{SpanTree, TestTrace};
use actix_opentelemetry::{
    AskError, RootPolicy, TracedActor, TracedContext, TracedStart, ask, ask_recipient,
    tell_recipient,
};
use futures_util::future::join_all;
use futures_util::poll;

use crate::fixture::{Tenant, mark, messages, tenant, traced_actors, unsampled};

/// Asks all aisles at once.
struct Inventory {
    aisles: Vec<Addr<Aisle>>,
}

struct Aisle {
    name: &'static str,
}

traced_actors!(Inventory);
messages!(Stock => u32, List => u32, Where => Option<Tenant>, Close => ());

impl Actor for Aisle {
    type Context = TracedContext<Self>;
}

impl TracedActor for Aisle {
    const NAME: &'static str = "Aisle";

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [KeyValue::new("aisle", self.name)]
    }
}

impl Handler<Stock> for Inventory {
    type Result = ResponseFuture<u32>;

    fn handle(&mut self, _: Stock, _: &mut Self::Context) -> Self::Result {
        let aisles = self.aisles.clone();
        Box::pin(async move {
            let lists = join_all(aisles.iter().map(|aisle| ask(aisle, List))).await;
            mark("sum");
            lists.into_iter().flatten().sum()
        })
    }
}

impl Handler<List> for Aisle {
    type Result = u32;

    fn handle(&mut self, _: List, _: &mut Self::Context) -> u32 {
        mark("look");
        10
    }
}

impl Handler<Close> for Aisle {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Where> for Aisle {
    type Result = Option<Tenant>;

    fn handle(&mut self, _: Where, _: &mut Self::Context) -> Option<Tenant> {
        assert!(!Context::current().span().span_context().is_sampled(), "nothing is recorded here");
        tenant()
    }
}

const AISLES: [&str; 3] = ["bakery", "dairy", "produce"];

#[actix::test]
async fn concurrent_asks_are_siblings_under_the_asking_span() {
    let aisles = AISLES.map(|name| Aisle { name }.start_traced()).to_vec();
    let inventory = Inventory { aisles }.start_traced();
    let trace = TestTrace::start("test");

    let stock = trace.run(async { inventory.send(Stock).await }).await;

    assert_eq!(stock, Ok(30));
    assert_eq!(
        SpanTree::new(&trace.spans(9).await).attributes(["aisle"]).render(),
        "test INTERNAL
  ask Inventory Stock INTERNAL
    ask Aisle List INTERNAL {aisle=bakery}
      look INTERNAL
    ask Aisle List INTERNAL {aisle=dairy}
      look INTERNAL
    ask Aisle List INTERNAL {aisle=produce}
      look INTERNAL
    sum INTERNAL
"
    );
}

#[actix::test]
async fn a_span_says_what_was_sent_to_whom_and_how_long_it_waited() {
    let aisle = Aisle { name: "dairy" }.start_traced();
    let trace = TestTrace::start("test");

    trace.run(async { aisle.send(List).await }).await.unwrap();

    let spans = trace.spans(3).await;
    let span = spans.iter().find(|span| span.name == "ask Aisle List").unwrap();
    let mut attributes = span.attributes.clone();
    let wait: f64 = attributes.remove("actix.mailbox.wait").unwrap().parse().unwrap();
    assert!((0.0..10.0).contains(&wait), "{wait} s");
    let expected = [
        ("actix.actor.name", "Aisle"),
        ("actix.message.kind", "ask"),
        ("actix.message.type", "it::asks::List"),
        ("aisle", "dairy"),
        ("code.function.name", "<it::asks::Aisle as Handler<it::asks::List>>::handle"),
    ];
    assert!(attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected));
}

#[actix::test]
async fn recipients_and_weak_addresses_carry_the_context_too() {
    let aisle = Aisle { name: "dairy" }.start_traced();
    let recipient: Recipient<List> = aisle.clone().recipient();
    let weak = aisle.downgrade();
    let weak_recipient: actix::WeakRecipient<List> = recipient.downgrade();
    let trace = TestTrace::start("test");

    let replies = trace
        .run(async {
            [
                recipient.send(List).await,
                weak.upgrade().unwrap().send(List).await,
                weak_recipient.upgrade().unwrap().send(List).await,
            ]
        })
        .await;

    assert_eq!(replies, [Ok(10), Ok(10), Ok(10)]);
    assert_eq!(
        trace.tree(7).await,
        "test INTERNAL
  ask Aisle List INTERNAL
    look INTERNAL
  ask Aisle List INTERNAL
    look INTERNAL
  ask Aisle List INTERNAL
    look INTERNAL
"
    );
}

#[actix::test]
async fn an_ask_across_arbiters_stays_in_its_trace() {
    let (near, far) = (Arbiter::new(), Arbiter::new());
    let aisle = Aisle::start_traced_in(&far.handle(), |_| Aisle { name: "dairy" });
    let inventory =
        Inventory::start_traced_in(&near.handle(), move |_| Inventory { aisles: vec![aisle] });
    let trace = TestTrace::start("test");

    let stock = trace.run(async { inventory.send(Stock).await }).await;

    assert_eq!(stock, Ok(10));
    assert_eq!(
        trace.tree(5).await,
        "test INTERNAL
  ask Inventory Stock INTERNAL
    ask Aisle List INTERNAL
      look INTERNAL
    sum INTERNAL
"
    );
    near.stop();
    far.stop();
}

#[actix::test]
async fn an_ask_is_in_the_trace_in_which_it_was_made_and_not_in_which_it_is_polled() {
    let aisle = Aisle { name: "dairy" }.start_traced();
    let (asking, polling) = (TestTrace::start("asking"), TestTrace::start("polling"));

    let reply = asking.run_now(|| ask(&aisle, List));

    assert_eq!(polling.run(reply).await, Ok(10));
    assert_eq!(
        asking.tree(3).await,
        "asking INTERNAL
  ask Aisle List INTERNAL
    look INTERNAL
"
    );
    assert_eq!(polling.tree(1).await, "polling INTERNAL\n");
}

#[actix::test]
async fn an_ask_of_a_full_mailbox_keeps_its_context_until_there_is_room() {
    let aisle = Aisle::create_traced(|ctx| {
        ctx.set_mailbox_capacity(1);
        Aisle { name: "dairy" }
    });
    let trace = TestTrace::start("test");

    // The first message fills the mailbox, which is not emptied before something is awaited. The
    // second finds no room; it enters the mailbox at its first poll, outside the trace.
    let asks = trace.run_now(|| [ask(&aisle, List), ask(&aisle, List)]);

    assert_eq!(join_all(asks).await, [Ok(10), Ok(10)]);
    assert_eq!(
        trace.tree(5).await,
        "test INTERNAL
  ask Aisle List INTERNAL
    look INTERNAL
  ask Aisle List INTERNAL
    look INTERNAL
"
    );
}

#[actix::test]
async fn an_ask_that_is_polled_before_there_is_room_keeps_its_context() {
    let aisle = Aisle::create_traced(|ctx| {
        ctx.set_mailbox_capacity(1);
        Aisle { name: "dairy" }
    });
    let trace = TestTrace::start("test");

    let (first, second) = trace.run_now(|| (ask(&aisle, List), ask(&aisle, List)));
    let mut second = Box::pin(second);
    assert_eq!(poll!(&mut second), Poll::Pending, "there is no room yet");
    assert_eq!(first.await, Ok(10));
    // This poll finds room.
    assert_eq!(second.await, Ok(10));

    assert_eq!(
        trace.tree(5).await,
        "test INTERNAL
  ask Aisle List INTERNAL
    look INTERNAL
  ask Aisle List INTERNAL
    look INTERNAL
"
    );
}

#[actix::test]
async fn a_recipient_can_be_asked_and_told_with_the_callers_context_and_failures() {
    let addr = Aisle::create_traced(|ctx| {
        ctx.set_mailbox_capacity(1);
        Aisle { name: "dairy" }
    });
    let aisle: Recipient<List> = addr.clone().recipient();
    let (trace, polling) = (TestTrace::start("test"), TestTrace::start("polling"));

    let (first, second) =
        trace.run_now(|| (ask_recipient(&aisle, List), ask_recipient(&aisle, List)));
    let replies = polling.run(join_all([first, second])).await;
    assert_eq!(replies, [Ok(10), Ok(10)]);
    trace.run_now(|| tell_recipient(&aisle, List)).unwrap();
    addr.send(Close).await.unwrap();
    while aisle.connected() {
        actix_rt::task::yield_now().await;
    }
    let gone = trace.run(async { ask_recipient(&aisle, List).await }).await;
    assert_eq!(gone, Err(AskError::Closed));
    assert!(trace.run_now(|| tell_recipient(&aisle, List)).is_err());

    assert_eq!(
        SpanTree::new(&trace.spans(7).await).with_events().render(),
        "test INTERNAL (actix.ask.failed, actix.tell.failed)
  ask Aisle List INTERNAL
    look INTERNAL
  ask Aisle List INTERNAL
    look INTERNAL
  tell Aisle List INTERNAL
    look INTERNAL
"
    );
    assert_eq!(polling.tree(1).await, "polling INTERNAL\n");
}

/// An actor that is not traced.
struct Plain;

impl Actor for Plain {
    type Context = actix::Context<Self>;
}

impl Handler<List> for Plain {
    type Result = ResponseFuture<u32>;

    fn handle(&mut self, _: List, _: &mut Self::Context) -> Self::Result {
        Box::pin(std::future::pending())
    }
}

#[actix::test]
async fn a_recipient_may_be_an_actor_that_is_not_traced() {
    let plain: Recipient<List> = Plain.start().recipient();
    let trace = TestTrace::start("test");

    let ask = trace.run_now(|| ask_recipient(&plain, List).timeout(Duration::from_millis(1)));
    assert_eq!(ask.fail_caller().await, Err(AskError::Timeout));

    assert_eq!(
        SpanTree::new(&trace.spans(1).await).with_events().render(),
        "test INTERNAL ERROR \"ask List: timeout\" (actix.ask.failed)\n"
    );
}

#[test]
fn an_asks_error_can_be_actixs_own() {
    let errors = [AskError::Full, AskError::Closed, AskError::Timeout].map(MailboxError::from);
    assert_eq!(errors, [MailboxError::Timeout, MailboxError::Closed, MailboxError::Timeout]);
}

#[actix::test]
async fn a_full_mailbox_can_be_refused_at_once() {
    let aisle = Aisle::create_traced(|ctx| {
        ctx.set_mailbox_capacity(1);
        Aisle { name: "dairy" }
    });
    let trace = TestTrace::start("test");

    let [first, second] = trace.run_now(|| [ask(&aisle, List), ask(&aisle, List).fail_when_full()]);

    assert_eq!(second.await, Err(AskError::Full));
    assert_eq!(first.await, Ok(10));
    assert_eq!(
        SpanTree::new(&trace.spans(3).await).with_events().render(),
        "test INTERNAL (actix.ask.failed)
  ask Aisle List INTERNAL
    look INTERNAL
"
    );
}

#[actix::test]
async fn outside_any_trace_there_is_no_span_but_the_context_is_carried() {
    let aisle = Aisle { name: "dairy" }.start_traced();
    let cx = Context::new().with_value(Tenant(7));

    let reply = async { aisle.send(Where).await }.with_context(cx).await;

    assert_eq!(reply, Ok(Some(Tenant(7))));
    assert_eq!(aisle.send(Where).await, Ok(None));
}

#[actix::test]
async fn in_a_trace_that_is_not_sampled_there_is_no_span_but_the_context_is_carried() {
    let aisle = Aisle { name: "dairy" }.start_traced();
    let cx = unsampled().with_value(Tenant(7));

    let reply = async { aisle.send(Where).await }.with_context(cx).await;

    assert_eq!(reply, Ok(Some(Tenant(7))));
}

/// An actor that is an entry point.
struct EntryPoint;

messages!(Start => Context);

impl Actor for EntryPoint {
    type Context = TracedContext<Self>;
}

impl TracedActor for EntryPoint {
    const NAME: &'static str = "EntryPoint";
    const ROOT: RootPolicy = RootPolicy::Start;
}

impl Handler<Start> for EntryPoint {
    type Result = MessageResult<Start>;

    fn handle(&mut self, _: Start, _: &mut Self::Context) -> Self::Result {
        MessageResult(Context::current())
    }
}

#[actix::test]
async fn an_actor_that_is_an_entry_point_starts_traces() {
    let recorder = actix_opentelemetry::testing::recorder();
    let entry = EntryPoint.start_traced();

    let outside = entry.send(Start).await.unwrap();
    let refused = async { entry.send(Start).await }.with_context(unsampled()).await.unwrap();

    let spans = recorder.spans(outside.span().span_context().trace_id());
    assert_eq!(SpanTree::new(&spans).render(), "ask EntryPoint Start INTERNAL\n");
    assert!(!refused.span().span_context().is_sampled(), "a trace that is refused stays so");
}
