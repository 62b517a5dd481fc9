//! Tells (`do_send`, `try_send`, `notify`), and where a chain of them is cut.

use actix::prelude::*;
use actix_opentelemetry::testing::{SpanTree, TestTrace};
use actix_opentelemetry::{
    DEFAULT_HOP_LIMIT, DEFAULT_ROUND_LIMIT, TracedActor, TracedContext, TracedStart, tell,
};

use crate::fixture::{mark, messages, traced_actors};

struct Clerk;

traced_actors!(Clerk);
messages!(Note => (), Remind => (), Done => (), Leave => (), Slip => ());

impl Handler<Note> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Note, _: &mut Self::Context) {
        mark("write");
    }
}

impl Handler<Remind> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Remind, ctx: &mut Self::Context) {
        ctx.notify(Note);
        ctx.address().do_send(Note);
    }
}

impl Handler<Done> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Done, _: &mut Self::Context) {}
}

impl Handler<Leave> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        ctx.notify(Slip);
        ctx.stop();
    }
}

impl Handler<Slip> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Slip, _: &mut Self::Context) {
        unreachable!("the actor has stopped");
    }
}

#[actix::test]
async fn every_way_of_telling_is_a_child_of_the_telling_span() {
    let clerk = Clerk.start_traced();
    let recipient: Recipient<Note> = clerk.clone().recipient();
    let trace = TestTrace::start("test");

    trace.run_now(|| {
        clerk.do_send(Note);
        clerk.try_send(Remind).unwrap();
        recipient.do_send(Note);
        recipient.try_send(Note).unwrap();
        tell(&clerk, Note).unwrap();
    });

    assert_eq!(
        trace.tree(14).await,
        "test INTERNAL
  tell Clerk Note INTERNAL
    write INTERNAL
  tell Clerk Note INTERNAL
    write INTERNAL
  tell Clerk Note INTERNAL
    write INTERNAL
  tell Clerk Note INTERNAL
    write INTERNAL
  tell Clerk Remind INTERNAL
    notify Clerk Note INTERNAL
      write INTERNAL
    tell Clerk Note INTERNAL
      write INTERNAL
"
    );
}

#[actix::test]
async fn a_broadcast_is_one_child_for_each_actor() {
    let clerks: Vec<_> = (0..3).map(|_| Clerk.start_traced().recipient::<Done>()).collect();
    let trace = TestTrace::start("test");

    trace.run_now(|| clerks.iter().for_each(|clerk| clerk.do_send(Done)));

    assert_eq!(
        trace.tree(4).await,
        "test INTERNAL
  tell Clerk Done INTERNAL
  tell Clerk Done INTERNAL
  tell Clerk Done INTERNAL
"
    );
}

#[actix::test]
async fn messages_that_are_dropped_with_their_actor_are_in_their_trace() {
    let clerk = Clerk.start_traced();
    let trace = TestTrace::start("test");

    let asked = trace.run_now(|| {
        clerk.do_send(Leave);
        clerk.do_send(Slip);
        clerk.send(Slip)
    });

    assert_eq!(asked.await, Err(MailboxError::Closed));
    assert_eq!(
        trace.tree(5).await,
        "test INTERNAL
  ask Clerk Slip INTERNAL ERROR undelivered
  tell Clerk Leave INTERNAL
    notify Clerk Slip INTERNAL ERROR undelivered
  tell Clerk Slip INTERNAL ERROR undelivered
"
    );
}

#[actix::test]
async fn a_tell_to_an_actor_that_has_gone_is_an_event_of_the_teller() {
    let clerk = Clerk.start_traced();
    clerk.send(Leave).await.unwrap();
    while clerk.connected() {
        actix_rt::task::yield_now().await;
    }
    let trace = TestTrace::start("test");

    let refused = trace.run_now(|| tell(&clerk, Done));

    assert!(matches!(refused, Err(actix::dev::SendError::Closed(Done))));
    assert_eq!(
        SpanTree::new(&trace.spans(1).await).with_events().render(),
        "test INTERNAL (actix.tell.failed)\n"
    );
}

/// Passes a message on to itself.
struct Relay<const HOP_LIMIT: u32>;

/// Passes itself on so many times, and at one of them asks instead of telling.
#[derive(Message)]
#[rtype(result = "()")]
struct Pass {
    left: u32,
    ask_at: u32,
}

impl<const HOP_LIMIT: u32> Actor for Relay<HOP_LIMIT> {
    type Context = TracedContext<Self>;
}

impl<const HOP_LIMIT: u32> TracedActor for Relay<HOP_LIMIT> {
    const NAME: &'static str = "Relay";
    const HOP_LIMIT: u32 = HOP_LIMIT;
}

impl<const HOP_LIMIT: u32> Handler<Pass> for Relay<HOP_LIMIT> {
    type Result = ();

    fn handle(&mut self, pass: Pass, ctx: &mut Self::Context) {
        let Some(left) = pass.left.checked_sub(1) else { return };
        let next = Pass { left, ..pass };
        if pass.left == pass.ask_at {
            let reply = ctx.address().send(next);
            ctx.spawn(async { reply.await.unwrap() }.into_actor(self));
        } else if left % 2 == 0 {
            ctx.notify(next);
        } else {
            ctx.address().do_send(next);
        }
    }
}

#[actix::test]
async fn a_chain_of_tells_is_cut_into_traces_that_are_linked() {
    let relay = Relay::<3>.start_traced();
    let trace = TestTrace::start("test");

    trace.run_now(|| relay.do_send(Pass { left: 7, ask_at: 0 }));

    assert_eq!(
        trace.tree(9).await,
        "notify Relay Pass INTERNAL -> tell Relay Pass
notify Relay Pass INTERNAL -> tell Relay Pass
  tell Relay Pass INTERNAL
    notify Relay Pass INTERNAL
      tell Relay Pass INTERNAL
test INTERNAL
  tell Relay Pass INTERNAL
    notify Relay Pass INTERNAL
      tell Relay Pass INTERNAL
"
    );
}

#[actix::test]
async fn an_ask_begins_the_count_anew() {
    let relay = Relay::<2>.start_traced();
    let trace = TestTrace::start("test");

    trace.run_now(|| relay.do_send(Pass { left: 4, ask_at: 3 }));

    assert_eq!(
        trace.tree(6).await,
        "test INTERNAL
  tell Relay Pass INTERNAL
    tell Relay Pass INTERNAL
      ask Relay Pass INTERNAL
        tell Relay Pass INTERNAL
          notify Relay Pass INTERNAL
"
    );
}

#[actix::test]
async fn by_default_a_chain_is_cut_after_sixteen_tells() {
    let relay = Relay::<DEFAULT_HOP_LIMIT>.start_traced();
    let trace = TestTrace::start("test");

    trace.run_now(|| relay.do_send(Pass { left: 16, ask_at: 0 }));

    let spans = trace.spans(18).await;
    let root = spans.iter().find(|span| span.name == "test").unwrap();
    let in_trace = spans.iter().filter(|span| span.trace_id == root.trace_id).count();
    assert_eq!(in_trace, 1 + 16, "the root and sixteen tells");
    let cut: Vec<_> = spans.iter().filter(|span| !span.links.is_empty()).collect();
    assert_eq!(cut.len(), 1);
    assert_eq!(cut[0].parent, None);
}

/// Hands out work to workers that ask for it.
struct Queue {
    left: u32,
    workers: Recipient<Work>,
}

/// Asks for the next piece of work when one is done.
struct Worker<const ROUND_LIMIT: u32> {
    queue: Option<Addr<Queue>>,
}

traced_actors!(Queue);
messages!(Pull => (), Work => ());

#[derive(Message)]
#[rtype(result = "()")]
struct Begin(Addr<Queue>);

impl<const ROUND_LIMIT: u32> Actor for Worker<ROUND_LIMIT> {
    type Context = TracedContext<Self>;
}

impl<const ROUND_LIMIT: u32> TracedActor for Worker<ROUND_LIMIT> {
    const NAME: &'static str = "Worker";
    const ROUND_LIMIT: u32 = ROUND_LIMIT;
}

impl Handler<Pull> for Queue {
    type Result = ();

    fn handle(&mut self, _: Pull, _: &mut Self::Context) {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            self.workers.do_send(Work);
        }
    }
}

impl<const ROUND_LIMIT: u32> Worker<ROUND_LIMIT> {
    fn pull(&self) -> ResponseFuture<()> {
        let pull = self.queue.as_ref().unwrap().send(Pull);
        Box::pin(async { pull.await.unwrap() })
    }
}

impl<const ROUND_LIMIT: u32> Handler<Begin> for Worker<ROUND_LIMIT> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, begin: Begin, _: &mut Self::Context) -> Self::Result {
        self.queue = Some(begin.0);
        self.pull()
    }
}

impl<const ROUND_LIMIT: u32> Handler<Work> for Worker<ROUND_LIMIT> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Work, _: &mut Self::Context) -> Self::Result {
        self.pull()
    }
}

/// Has a worker pull so many pieces of work.
async fn pull_all<const ROUND_LIMIT: u32>(trace: &TestTrace, left: u32) {
    let worker = Worker::<ROUND_LIMIT> { queue: None }.start_traced();
    let queue = Queue { left, workers: worker.clone().recipient() }.start_traced();
    trace.run(async { worker.send(Begin(queue)).await }).await.unwrap();
}

#[actix::test]
async fn a_chain_of_asks_and_tells_is_cut_too() {
    let trace = TestTrace::start("test");

    pull_all::<2>(&trace, 5).await;

    assert_eq!(
        trace.tree(13).await,
        "tell Worker Work INTERNAL -> ask Queue Pull
  ask Queue Pull INTERNAL
    tell Worker Work INTERNAL
      ask Queue Pull INTERNAL
        tell Worker Work INTERNAL
          ask Queue Pull INTERNAL
test INTERNAL
  ask Worker Begin INTERNAL
    ask Queue Pull INTERNAL
      tell Worker Work INTERNAL
        ask Queue Pull INTERNAL
          tell Worker Work INTERNAL
            ask Queue Pull INTERNAL
"
    );
}

#[actix::test]
async fn by_default_a_thousand_pulls_are_many_traces() {
    let trace = TestTrace::start("test");

    pull_all::<DEFAULT_ROUND_LIMIT>(&trace, 1000).await;

    let spans = trace.spans(2003).await;
    let mut traces = std::collections::HashMap::<_, usize>::new();
    for span in &spans {
        *traces.entry(&span.trace_id).or_default() += 1;
    }
    // The first trace has sixteen rounds; each of the others has the tell that began it and sixteen
    // more.
    assert_eq!(traces.len(), 1 + (1000 - 16_usize).div_ceil(17));
    assert!(traces.values().all(|count| *count <= 1 + 1 + 1 + 2 * 16), "{traces:?}");
}

#[actix::test]
async fn a_chain_can_be_left_whole() {
    let relay = Relay::<{ u32::MAX }>.start_traced();
    let trace = TestTrace::start("test");

    trace.run_now(|| relay.do_send(Pass { left: 40, ask_at: 0 }));

    let spans = trace.spans(42).await;
    assert!(spans.iter().all(|span| span.trace_id == spans[0].trace_id));
}
