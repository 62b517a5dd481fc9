//! Every type of reply. The span ends when the reply is ready, and the context is current in all
//! code of the handler.

use std::sync::Arc;
use std::time::Duration;

use actix::dev::{MessageResponse, OneshotSender};
use actix::fut;
use actix::prelude::*;
use actix_opentelemetry::testing::TestTrace;
use actix_opentelemetry::{TracedContext, TracedStart};
use actix_rt::task::yield_now;
use futures_util::future::{join, join_all};
use tokio::sync::oneshot;

use crate::fixture::{mark, messages, traced_actors};

struct Till;

traced_actors!(Till);
messages! {
    Unit => (), Number => u32, Text => String, Fallible => Result<u32, u32>, Maybe => Option<u32>,
    Many => Vec<u32>, Shared => Arc<u32>, Address => Addr<Till>, Wrapped => (u32, u32),
    Future => u32, ActorFut => u32, Atomic => u32, ResponseNow => u32, ResponseLater => u32,
    ActorResponseNow => u32, ActorResponseLater => u32,
    Derived => Price, Deferred => u32, SpawnsFirst => u32,
}

#[derive(Debug, PartialEq, MessageResponse)]
struct Price(u32);

/// Work that takes several polls.
async fn slow(value: u32) -> u32 {
    mark("first poll");
    yield_now().await;
    mark("later poll");
    value
}

/// Handlers whose reply is ready when they return.
macro_rules! answers {
    ($($message:ty => $result:ty: $value:expr),+ $(,)?) => {$(
        impl Handler<$message> for Till {
            type Result = $result;

            fn handle(&mut self, _: $message, _: &mut Self::Context) -> Self::Result {
                mark("work");
                $value
            }
        }
    )+};
}

answers! {
    Unit => (): (),
    Number => u32: 7,
    Text => String: "seven".to_owned(),
    Fallible => Result<u32, u32>: Err(7),
    Maybe => Option<u32>: Some(7),
    Many => Vec<u32>: vec![7],
    Shared => Arc<u32>: Arc::new(7),
    Wrapped => MessageResult<Wrapped>: MessageResult((7, 7)),
    ResponseNow => Response<u32>: Response::reply(7),
    ActorResponseNow => ActorResponse<Self, u32>: ActorResponse::reply(7),
    Derived => Price: Price(7),
}

impl Handler<Address> for Till {
    type Result = Addr<Till>;

    fn handle(&mut self, _: Address, ctx: &mut Self::Context) -> Self::Result {
        mark("work");
        ctx.address()
    }
}

#[actix::test]
async fn a_reply_that_is_ready_ends_the_span_before_it_is_sent() {
    let till = Till.start_traced();

    /// Sends the message in a trace of its own.
    macro_rules! check {
        ($($message:ident => $reply:expr),+ $(,)?) => {$(
            let trace = TestTrace::start("test");
            let reply = trace.run(async { till.send($message).await }).await.unwrap();
            assert_eq!(reply, $reply);
            // The span must have ended by the time that the reply is here, so this does not wait.
            assert_eq!(trace.tree(0).await, format!(
                "test INTERNAL\n  ask Till {} INTERNAL\n    work INTERNAL\n",
                stringify!($message)
            ));
        )+};
    }

    check! {
        Unit => (), Number => 7, Text => "seven", Fallible => Err(7), Maybe => Some(7),
        Many => [7], Shared => Arc::new(7), Address => till, Wrapped => (7, 7), ResponseNow => 7,
        ActorResponseNow => 7, Derived => Price(7),
    }
}

impl Handler<Future> for Till {
    type Result = ResponseFuture<u32>;

    fn handle(&mut self, _: Future, _: &mut Self::Context) -> Self::Result {
        Box::pin(slow(7))
    }
}

impl Handler<ActorFut> for Till {
    type Result = ResponseActFuture<Self, u32>;

    fn handle(&mut self, _: ActorFut, _: &mut Self::Context) -> Self::Result {
        Box::pin(slow(7).into_actor(self).map(continued))
    }
}

impl Handler<Atomic> for Till {
    type Result = AtomicResponse<Self, u32>;

    fn handle(&mut self, _: Atomic, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(slow(7).into_actor(self).map(continued)))
    }
}

impl Handler<ActorResponseLater> for Till {
    type Result = ActorResponse<Self, u32>;

    fn handle(&mut self, _: ActorResponseLater, _: &mut Self::Context) -> Self::Result {
        ActorResponse::r#async(slow(7).into_actor(self).map(continued))
    }
}

fn continued(value: u32, _: &mut Till, _: &mut TracedContext<Till>) -> u32 {
    mark("continuation");
    value
}

#[actix::test]
async fn a_reply_that_takes_time_keeps_the_span_open_and_the_context_current() {
    let till = Till.start_traced();

    macro_rules! check {
        ($($message:ident: $continuation:literal),+) => {$(
            let trace = TestTrace::start("test");
            let reply = trace.run(async { till.send($message).await }).await;
            assert_eq!(reply, Ok(7));
            assert_eq!(trace.tree(0).await, format!(
                "test INTERNAL
  ask Till {} INTERNAL
{}    first poll INTERNAL
    later poll INTERNAL
",
                stringify!($message),
                $continuation
            ));
        )+};
    }

    check!(Future: "");
    check! {
        ActorFut: "    continuation INTERNAL\n", Atomic: "    continuation INTERNAL\n",
        ActorResponseLater: "    continuation INTERNAL\n"
    }
}

impl Handler<ResponseLater> for Till {
    type Result = Response<u32>;

    fn handle(&mut self, _: ResponseLater, _: &mut Self::Context) -> Self::Result {
        // actix spawns the future of `Response::fut` without the context, so it carries its own.
        use actix_opentelemetry::opentelemetry::trace::FutureExt;
        Response::fut(slow(7).with_current_context())
    }
}

#[actix::test]
async fn a_response_fut_that_brings_its_context_is_whole() {
    let till = Till.start_traced();
    let trace = TestTrace::start("test");

    assert_eq!(trace.run(async { till.send(ResponseLater).await }).await, Ok(7));

    assert_eq!(
        trace.tree(0).await,
        "test INTERNAL
  ask Till ResponseLater INTERNAL
    first poll INTERNAL
    later poll INTERNAL
"
    );
}

/// A response type of an application, which keeps the channel and answers from another task.
struct Later;

impl MessageResponse<Till, Deferred> for Later {
    fn handle(self, _: &mut TracedContext<Till>, tx: Option<OneshotSender<u32>>) {
        mark("in the response");
        actix_rt::spawn(async move {
            yield_now().await;
            tx.unwrap().send(7).unwrap();
        });
    }
}

impl Handler<Deferred> for Till {
    type Result = Later;

    fn handle(&mut self, _: Deferred, _: &mut Self::Context) -> Later {
        Later
    }
}

/// A response type of an application, which spawns an endless future before it answers.
struct SpawnsThenAnswers;

impl MessageResponse<Till, SpawnsFirst> for SpawnsThenAnswers {
    fn handle(self, ctx: &mut TracedContext<Till>, tx: Option<OneshotSender<u32>>) {
        ctx.spawn(fut::ready(()).then(|(), actor: &mut Till, _| {
            mark("in the response");
            std::future::pending().into_actor(actor)
        }));
        tx.unwrap().send(7).unwrap();
    }
}

impl Handler<SpawnsFirst> for Till {
    type Result = SpawnsThenAnswers;

    fn handle(&mut self, _: SpawnsFirst, _: &mut Self::Context) -> SpawnsThenAnswers {
        SpawnsThenAnswers
    }
}

#[actix::test]
async fn an_applications_own_response_type_ends_the_span_when_it_answers() {
    let till = Till.start_traced();

    macro_rules! check {
        ($($message:ident),+) => {$(
            let trace = TestTrace::start("test");
            assert_eq!(trace.run(async { till.send($message).await }).await, Ok(7));
            assert_eq!(trace.tree(3).await, format!(
                "test INTERNAL\n  ask Till {} INTERNAL\n    in the response INTERNAL\n",
                stringify!($message)
            ));
        )+};
    }

    check!(Deferred, SpawnsFirst);
}

#[actix::test]
async fn the_span_of_a_tell_is_open_until_its_reply_is_ready() {
    let till = Till.start_traced();
    let trace = TestTrace::start("test");

    trace.run_now(|| {
        till.do_send(Future);
        till.do_send(Atomic);
    });

    assert_eq!(
        trace.tree(8).await,
        "test INTERNAL
  tell Till Atomic INTERNAL
    continuation INTERNAL
    first poll INTERNAL
    later poll INTERNAL
  tell Till Future INTERNAL
    first poll INTERNAL
    later poll INTERNAL
"
    );
}

/// Waits between two marks until it is let go.
struct Gate;

traced_actors!(Gate);

#[derive(Message)]
#[rtype(result = "()")]
struct Enter {
    before: &'static str,
    after: &'static str,
    go: oneshot::Receiver<()>,
}

impl Handler<Enter> for Gate {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, enter: Enter, _: &mut Self::Context) -> Self::Result {
        let wait = async move {
            mark(enter.before);
            enter.go.await.unwrap();
            mark(enter.after);
        };
        Box::pin(wait.into_actor(self))
    }
}

#[actix::test]
async fn messages_that_interleave_in_one_actor_never_see_each_others_context() {
    let gate = Gate.start_traced();
    let (first, second) = (TestTrace::start("first"), TestTrace::start("second"));
    let ((go_first, first_gate), (go_second, second_gate)) =
        (oneshot::channel(), oneshot::channel());
    let enter = |before, after, go| Enter { before, after, go };

    let one = first.run_now(|| gate.send(enter("1 before", "1 after", first_gate)));
    let two = second.run_now(|| gate.send(enter("2 before", "2 after", second_gate)));
    let release = async {
        yield_now().await;
        go_second.send(()).unwrap();
        yield_now().await;
        go_first.send(()).unwrap();
    };
    let ((one, two), ()) = join(join(one, two), release).await;

    one.unwrap();
    two.unwrap();
    assert_eq!(
        first.tree(4).await,
        "first INTERNAL
  ask Gate Enter INTERNAL
    1 after INTERNAL
    1 before INTERNAL
"
    );
    assert_eq!(
        second.tree(4).await,
        "second INTERNAL
  ask Gate Enter INTERNAL
    2 after INTERNAL
    2 before INTERNAL
"
    );
}

messages!(Chores => u32);

impl Handler<Chores> for Till {
    type Result = u32;

    fn handle(&mut self, _: Chores, ctx: &mut Self::Context) -> u32 {
        ctx.spawn(slow(1).into_actor(self).map(|_, _, ctx| {
            mark("continuation");
            ctx.address().do_send(Unit);
        }));
        ctx.wait(async { mark("waited for") }.into_actor(self));
        actix_opentelemetry::spawn_traced(async { mark("spawned") });
        7
    }
}

#[actix::test]
async fn spawned_work_is_under_the_span_that_spawned_it() {
    let till = Till.start_traced();
    let trace = TestTrace::start("test");

    assert_eq!(trace.run(async { till.send(Chores).await }).await, Ok(7));

    assert_eq!(
        trace.tree(9).await,
        "test INTERNAL
  ask Till Chores INTERNAL
    continuation INTERNAL
    first poll INTERNAL
    later poll INTERNAL
    spawned INTERNAL
    tell Till Unit INTERNAL
      work INTERNAL
    waited for INTERNAL
"
    );
}

#[actix::test]
async fn a_hundred_asks_at_once_each_find_their_own_trace() {
    let till = Till.start_traced();
    let traces: Vec<_> = (0..100).map(|_| TestTrace::start("test")).collect();

    let replies =
        join_all(traces.iter().map(|trace| trace.run(async { till.send(Future).await }))).await;

    assert!(replies.iter().all(|reply| *reply == Ok(7)));
    for trace in &traces {
        assert_eq!(
            trace.tree(0).await,
            "test INTERNAL
  ask Till Future INTERNAL
    first poll INTERNAL
    later poll INTERNAL
"
        );
    }
}

#[actix::test]
async fn a_timeout_of_actix_is_still_a_timeout() {
    let till = Till.start_traced();
    let (_go, go) = oneshot::channel();
    let gate = Gate.start_traced();
    let waiting = gate.send(Enter { before: "", after: "", go }).timeout(Duration::from_millis(1));
    assert_eq!(waiting.await, Err(MailboxError::Timeout));
    assert_eq!(till.send(Number).timeout(Duration::from_secs(60)).await, Ok(7));
}
