//! Failure: panics, replies that never come, errors in replies, failures of the sender.

use std::borrow::Cow;
use std::cell::RefCell;
use std::panic;
use std::sync::Once;
use std::time::Duration;

use actix::dev::{MessageResponse, OneshotSender};
use actix::prelude::*;
use actix_opentelemetry::opentelemetry::Context;
use actix_opentelemetry::opentelemetry::trace::{TraceContextExt, TraceId};
use actix_opentelemetry::testing::{SpanTree, TestTrace};
use actix_opentelemetry::{AskError, Reply, TracedActor, TracedContext, TracedStart, ask};
use actix_rt::task::yield_now;

use crate::fixture::{Cleanup, mark, messages, traced_actors};

struct Shelf;

traced_actors!(Shelf);
messages! {
    Collapse => (), CollapseInFuture => (), CollapseInActorFuture => (), CollapseInWait => (),
    CollapseInSpawned => (), SpawnAndClose => (), CollapseLater => (), Wait => (), WaitInFuture => (), Close => (),
    Silent => u32, Ping => (),
}

impl Handler<Collapse> for Shelf {
    type Result = ();

    fn handle(&mut self, _: Collapse, _: &mut Self::Context) {
        mark("work");
        panic!("the shelf collapsed");
    }
}

impl Handler<CollapseInFuture> for Shelf {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: CollapseInFuture, _: &mut Self::Context) -> Self::Result {
        Box::pin(async {
            yield_now().await;
            panic!("shelf {} collapsed", 3);
        })
    }
}

impl Handler<CollapseInActorFuture> for Shelf {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: CollapseInActorFuture, _: &mut Self::Context) -> Self::Result {
        Box::pin(async { panic!("the shelf collapsed") }.into_actor(self))
    }
}

impl Handler<CollapseInWait> for Shelf {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: CollapseInWait, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(async { panic!("the shelf collapsed") }.into_actor(self)))
    }
}

impl Handler<CollapseInSpawned> for Shelf {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: CollapseInSpawned, ctx: &mut Self::Context) -> Self::Result {
        ctx.spawn(async { panic!("the shelf collapsed") }.into_actor(self));
        Box::pin(std::future::pending().into_actor(self))
    }
}

impl Handler<CollapseLater> for Shelf {
    type Result = ();

    fn handle(&mut self, _: CollapseLater, ctx: &mut Self::Context) {
        ctx.run_later(Duration::ZERO, |_, _| panic!("the shelf collapsed"));
    }
}

impl Handler<Wait> for Shelf {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Wait, _: &mut Self::Context) -> Self::Result {
        let cleanup = Cleanup;
        Box::pin(
            async move {
                let _cleanup = cleanup;
                std::future::pending().await
            }
            .into_actor(self),
        )
    }
}

impl Handler<WaitInFuture> for Shelf {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: WaitInFuture, _: &mut Self::Context) -> Self::Result {
        let cleanup = Cleanup;
        Box::pin(async move {
            let _cleanup = cleanup;
            std::future::pending().await
        })
    }
}

impl Handler<Close> for Shelf {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<SpawnAndClose> for Shelf {
    type Result = ();

    fn handle(&mut self, _: SpawnAndClose, ctx: &mut Self::Context) {
        let cleanup = Cleanup;
        let endless = async move {
            let _cleanup = cleanup;
            std::future::pending().await
        };
        ctx.spawn(endless.into_actor(self));
        ctx.stop();
    }
}

impl Handler<Ping> for Shelf {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

/// A reply that drops the reply channel.
struct NoReply;

impl MessageResponse<Shelf, Silent> for NoReply {
    fn handle(self, _: &mut TracedContext<Shelf>, tx: Option<OneshotSender<u32>>) {
        drop(tx);
    }
}

impl Handler<Silent> for Shelf {
    type Result = NoReply;

    fn handle(&mut self, _: Silent, _: &mut Self::Context) -> NoReply {
        NoReply
    }
}

#[actix::test]
async fn a_panic_in_a_handler_is_on_its_span_with_its_message() {
    let shelf = Shelf.start_traced();
    let trace = TestTrace::start("test");

    assert_eq!(trace.run(async { shelf.send(Collapse).await }).await, Err(MailboxError::Closed));

    assert_eq!(
        trace.tree(3).await,
        "test INTERNAL
  ask Shelf Collapse INTERNAL ERROR panic \"the shelf collapsed\"
    work INTERNAL
"
    );
}

#[actix::test]
async fn a_panic_in_a_reply_that_takes_time_is_on_its_span() {
    macro_rules! check {
        ($($message:ident: $said:literal),+) => {$(
            let shelf = Shelf.start_traced();
            let trace = TestTrace::start("test");
            let reply = trace.run(async { shelf.send($message).await }).await;
            assert_eq!(reply, Err(MailboxError::Closed));
            assert_eq!(trace.tree(2).await, format!(
                "test INTERNAL\n  ask Shelf {} INTERNAL ERROR panic \"{}\"\n",
                stringify!($message),
                $said
            ));
        )+};
    }

    check! {
        CollapseInFuture: "shelf 3 collapsed",
        CollapseInActorFuture: "the shelf collapsed",
        CollapseInWait: "the shelf collapsed"
    }
}

#[actix::test]
async fn a_panic_abandons_the_actors_other_replies_and_messages() {
    let shelf = Shelf.start_traced();
    let trace = TestTrace::start("test");

    let (waiting, collapse, behind) =
        trace.run_now(|| (shelf.send(Wait), shelf.send(Collapse), shelf.send(Ping)));

    assert_eq!(waiting.await, Err(MailboxError::Closed));
    assert_eq!(collapse.await, Err(MailboxError::Closed));
    assert_eq!(behind.await, Err(MailboxError::Closed));
    assert_eq!(
        trace.tree(6).await,
        "test INTERNAL
  ask Shelf Collapse INTERNAL ERROR panic \"the shelf collapsed\"
    work INTERNAL
  ask Shelf Ping INTERNAL ERROR undelivered
  ask Shelf Wait INTERNAL ERROR abandoned
    clean up INTERNAL
"
    );
}

#[actix::test]
async fn a_panic_in_spawned_work_is_an_event_on_the_span_that_is_still_open() {
    let shelf = Shelf.start_traced();
    let trace = TestTrace::start("test");

    let reply = trace.run(async { shelf.send(CollapseInSpawned).await }).await;

    assert_eq!(reply, Err(MailboxError::Closed));
    assert_eq!(
        SpanTree::new(&trace.spans(2).await).with_events().render(),
        "test INTERNAL
  ask Shelf CollapseInSpawned INTERNAL ERROR abandoned (exception)
"
    );
}

#[actix::test]
async fn a_panic_in_a_timer_is_on_the_timers_span() {
    let shelf = Shelf.start_traced();
    let trace = TestTrace::start("test");

    trace.run(async { shelf.send(CollapseLater).await }).await.unwrap();

    assert_eq!(
        trace.tree(3).await,
        "delayed Shelf INTERNAL ERROR panic \"the shelf collapsed\" -> ask Shelf CollapseLater
test INTERNAL
  ask Shelf CollapseLater INTERNAL
"
    );
}

thread_local! {
    static PANICKED_IN: RefCell<Option<TraceId>> = const { RefCell::new(None) };
}

#[actix::test]
async fn what_is_logged_of_a_panic_is_logged_in_the_messages_context() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let trace_id = Context::map_current(|cx| cx.span().span_context().trace_id());
            PANICKED_IN.set(Some(trace_id));
            usual(info);
        }));
    });
    let shelf = Shelf.start_traced();
    let trace = TestTrace::start("test");

    trace.run(async { shelf.send(CollapseInFuture).await }).await.unwrap_err();

    assert_eq!(PANICKED_IN.take(), Some(trace.id()));
    trace.spans(2).await;
}

#[actix::test]
async fn a_reply_whose_future_is_dropped_is_abandoned() {
    let shelf = Shelf.start_traced();
    let trace = TestTrace::start("test");

    let (waiting, close) = trace.run_now(|| (shelf.send(Wait), shelf.send(Close)));

    assert_eq!(waiting.await, Err(MailboxError::Closed));
    close.await.unwrap();
    assert_eq!(
        trace.tree(4).await,
        "test INTERNAL
  ask Shelf Close INTERNAL
  ask Shelf Wait INTERNAL ERROR abandoned
    clean up INTERNAL
"
    );
}

#[actix::test]
async fn spawned_work_that_is_dropped_is_dropped_in_its_context() {
    let shelf = Shelf.start_traced();
    let trace = TestTrace::start("test");

    trace.run(async { shelf.send(SpawnAndClose).await }).await.unwrap();

    assert_eq!(
        trace.tree(3).await,
        "test INTERNAL
  ask Shelf SpawnAndClose INTERNAL
    clean up INTERNAL
"
    );
}

#[test]
fn a_reply_that_the_end_of_the_system_cuts_off_is_abandoned() {
    let trace = TestTrace::start("test");
    System::new().block_on(async {
        let shelf = Shelf.start_traced();
        trace.run_now(|| shelf.do_send(WaitInFuture));
        shelf.send(Ping).await.unwrap();
        // The future has been spawned; the next turn of the runtime polls it.
        yield_now().await;
    });
    System::new().block_on(async {
        assert_eq!(
            trace.tree(3).await,
            "test INTERNAL
  tell Shelf WaitInFuture INTERNAL ERROR abandoned
    clean up INTERNAL
"
        );
    });
}

#[actix::test]
async fn an_ask_whose_sender_has_stopped_waiting_is_not_handled() {
    let shelf = Shelf.start_traced();
    let trace = TestTrace::start("test");

    drop(trace.run_now(|| shelf.send(Collapse)));

    assert_eq!(
        trace.tree(2).await,
        "test INTERNAL
  ask Shelf Collapse INTERNAL ERROR abandoned
"
    );
}

#[actix::test]
async fn a_handler_that_drops_the_reply_channel_gives_no_reply() {
    let shelf = Shelf.start_traced();
    let trace = TestTrace::start("test");

    let reply = trace.run(async { ask(&shelf, Silent).await }).await;

    assert_eq!(reply, Err(AskError::Closed));
    assert_eq!(
        trace.tree(2).await,
        "test INTERNAL
  ask Shelf Silent INTERNAL ERROR no_reply
"
    );
}

#[actix::test]
async fn a_timeout_of_an_ask_is_an_event_of_a_caller_that_may_recover() {
    let shelf = Shelf.start_traced();
    let trace = TestTrace::start("test");

    let reply =
        trace.run(async { ask(&shelf, Wait).timeout(Duration::from_millis(1)).await }).await;
    shelf.do_send(Close);

    assert_eq!(reply, Err(AskError::Timeout));
    assert_eq!(
        SpanTree::new(&trace.spans(3).await).with_events().render(),
        "test INTERNAL (actix.ask.failed)
  ask Shelf Wait INTERNAL ERROR abandoned
    clean up INTERNAL
"
    );
}

#[actix::test]
async fn an_ask_of_an_actor_that_has_gone_is_an_event_of_the_caller() {
    let shelf = Shelf.start_traced();
    shelf.send(Close).await.unwrap();
    while shelf.connected() {
        yield_now().await;
    }
    let trace = TestTrace::start("test");

    assert_eq!(trace.run(async { ask(&shelf, Ping).await }).await, Err(AskError::Closed));

    assert_eq!(
        SpanTree::new(&trace.spans(1).await).with_events().render(),
        "test INTERNAL (actix.ask.failed)\n"
    );
}

#[actix::test]
async fn a_caller_that_tries_again_and_is_answered_has_not_failed() {
    let shelf = Shelf.start_traced();
    let trace = TestTrace::start("GET /shelf");

    let reply = trace
        .run(async {
            for _ in 0..2 {
                ask(&shelf, Wait).timeout(Duration::from_millis(1)).await.unwrap_err();
            }
            ask(&shelf, Ping).timeout(Duration::from_secs(60)).await
        })
        .await;
    shelf.do_send(Close);

    assert_eq!(reply, Ok(()));
    assert_eq!(
        SpanTree::new(&trace.spans(6).await).with_events().render(),
        "GET /shelf INTERNAL (actix.ask.failed, actix.ask.failed)
  ask Shelf Ping INTERNAL
  ask Shelf Wait INTERNAL ERROR abandoned
    clean up INTERNAL
  ask Shelf Wait INTERNAL ERROR abandoned
    clean up INTERNAL
"
    );
}

#[actix::test]
async fn a_caller_can_say_that_it_fails_with_its_ask() {
    let shelf = Shelf.start_traced();
    let trace = TestTrace::start("GET /shelf");

    let reply = trace
        .run(async { ask(&shelf, Wait).timeout(Duration::from_millis(1)).fail_caller().await })
        .await;
    shelf.do_send(Close);

    assert_eq!(reply, Err(AskError::Timeout));
    assert_eq!(
        SpanTree::new(&trace.spans(3).await).with_events().render(),
        "GET /shelf INTERNAL ERROR \"ask Shelf Wait: timeout\" (actix.ask.failed)
  ask Shelf Wait INTERNAL ERROR abandoned
    clean up INTERNAL
"
    );
}

/// Says which of its replies are failures.
struct Stock;

#[derive(Debug, PartialEq)]
struct OutOfStock;

type Reserved = Result<u32, OutOfStock>;

messages! {
    Reserve => Reserved, ReserveLater => Reserved, ReserveAtomic => Reserved,
    ReserveWrapped => Reserved,
}

impl Actor for Stock {
    type Context = TracedContext<Self>;
}

impl TracedActor for Stock {
    const NAME: &'static str = "Stock";

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        reply.err::<u32, OutOfStock>().map(|_| "out_of_stock".into())
    }
}

impl Handler<Reserve> for Stock {
    type Result = Reserved;

    fn handle(&mut self, _: Reserve, _: &mut Self::Context) -> Reserved {
        Err(OutOfStock)
    }
}

impl Handler<ReserveLater> for Stock {
    type Result = ResponseFuture<Reserved>;

    fn handle(&mut self, _: ReserveLater, _: &mut Self::Context) -> Self::Result {
        Box::pin(async { Err(OutOfStock) })
    }
}

impl Handler<ReserveAtomic> for Stock {
    type Result = AtomicResponse<Self, Reserved>;

    fn handle(&mut self, _: ReserveAtomic, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(async { Err(OutOfStock) }.into_actor(self)))
    }
}

impl Handler<ReserveWrapped> for Stock {
    type Result = MessageResult<ReserveWrapped>;

    fn handle(&mut self, _: ReserveWrapped, _: &mut Self::Context) -> Self::Result {
        MessageResult(Err(OutOfStock))
    }
}

#[actix::test]
async fn an_error_in_a_reply_is_what_the_actor_says_it_is() {
    let stock = Stock.start_traced();
    let trace = TestTrace::start("test");

    let replies = trace
        .run(async {
            [
                stock.send(Reserve).await,
                stock.send(ReserveLater).await,
                stock.send(ReserveAtomic).await,
                stock.send(ReserveWrapped).await,
            ]
        })
        .await;

    assert!(replies.iter().all(|reply| *reply == Ok(Err(OutOfStock))));
    assert_eq!(
        trace.tree(0).await,
        "test INTERNAL
  ask Stock Reserve INTERNAL ERROR out_of_stock
  ask Stock ReserveAtomic INTERNAL ERROR out_of_stock
  ask Stock ReserveLater INTERNAL ERROR out_of_stock
  ask Stock ReserveWrapped INTERNAL ERROR out_of_stock
"
    );
}
