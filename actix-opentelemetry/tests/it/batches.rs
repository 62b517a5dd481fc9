//! Batches: one piece of work for many messages, with a link to each.

use actix::prelude::*;
use actix_opentelemetry::opentelemetry::Context;
use actix_opentelemetry::opentelemetry::KeyValue;
use actix_opentelemetry::opentelemetry::baggage::BaggageExt;
use actix_opentelemetry::opentelemetry::trace::{FutureExt, TraceContextExt};
use actix_opentelemetry::testing::{SpanTree, TestTrace};
use actix_opentelemetry::{BatchLinks, BatchPolicy, TracedActor, TracedContext, TracedStart};
use futures_util::future::join_all;
use tokio::sync::oneshot;

use crate::fixture::{Cleanup, mark, messages, traced_actors, unsampled};

/// Gathers orders until it is told to write them.
#[derive(Default)]
struct Ledger {
    waiting: Vec<oneshot::Sender<usize>>,
    links: BatchLinks,
}

traced_actors!(Ledger);
messages!(Record => usize, Flush => (), Lose => ());

impl Handler<Record> for Ledger {
    type Result = ResponseFuture<usize>;

    fn handle(&mut self, _: Record, _: &mut Self::Context) -> Self::Result {
        let (tx, rx) = oneshot::channel();
        self.waiting.push(tx);
        self.links.add_current();
        Box::pin(async move { rx.await.unwrap_or_default() })
    }
}

impl Handler<Flush> for Ledger {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut TracedContext<Self>) {
        let waiting = std::mem::take(&mut self.waiting);
        let links = std::mem::take(&mut self.links);
        actix_rt::spawn(links.process::<Self, _>(async move {
            actix_rt::task::yield_now().await;
            mark("INSERT");
            for order in waiting.into_iter().enumerate() {
                order.1.send(order.0).unwrap();
            }
        }));
    }
}

impl Handler<Lose> for Ledger {
    type Result = ();

    fn handle(&mut self, _: Lose, _: &mut TracedContext<Self>) {
        let cleanup = Cleanup;
        drop(std::mem::take(&mut self.links).process::<Self, _>(async move {
            let _cleanup = cleanup;
            std::future::pending::<()>().await
        }));
        self.waiting.clear();
    }
}

#[actix::test]
async fn a_batch_is_a_root_with_a_link_to_each_message_of_each_trace() {
    let ledger = Ledger::default().start_traced();
    let (first, second) = (TestTrace::start("first"), TestTrace::start("second"));

    let orders = first.run_now(|| [ledger.send(Record), ledger.send(Record)]);
    let order = second.run_now(|| ledger.send(Record));
    ledger.send(Flush).await.unwrap();

    assert_eq!(join_all(orders).await, [Ok(0), Ok(1)]);
    assert_eq!(order.await, Ok(2));
    assert_eq!(
        SpanTree::new(&first.spans(5).await).attributes(["actix.batch.message_count"]).render(),
        "first INTERNAL
  ask Ledger Record INTERNAL -> process Ledger batch
  ask Ledger Record INTERNAL -> process Ledger batch
process Ledger batch INTERNAL {actix.batch.message_count=3} -> (elsewhere), ask Ledger Record x2
  INSERT INTERNAL
"
    );
    assert_eq!(
        second.tree(4).await,
        "process Ledger batch INTERNAL -> (elsewhere) x2, ask Ledger Record
  INSERT INTERNAL
second INTERNAL
  ask Ledger Record INTERNAL -> process Ledger batch
"
    );
}

#[actix::test]
async fn a_batch_links_to_no_more_than_a_span_can_hold_but_counts_all() {
    let ledger = Ledger::create_traced(|ctx| {
        ctx.set_mailbox_capacity(0);
        Ledger::default()
    });
    let trace = TestTrace::start("test");

    let orders: Vec<_> = trace.run_now(|| (0..200).map(|_| ledger.send(Record)).collect());
    ledger.send(Flush).await.unwrap();
    join_all(orders).await;

    let spans = trace.spans(203).await;
    let batch = spans.iter().find(|span| span.name == "process Ledger batch").unwrap();
    assert_eq!(batch.links.len(), 128);
    assert_eq!(batch.attribute("actix.batch.message_count"), Some("200"));
    let to_batch = (batch.trace_id.clone(), batch.span_id.clone());
    let messages = spans.iter().filter(|span| span.name == "ask Ledger Record");
    assert_eq!(messages.filter(|span| span.links == [to_batch.clone()]).count(), 200);
}

#[actix::test]
async fn a_batch_that_is_dropped_is_abandoned() {
    let ledger = Ledger::default().start_traced();
    let trace = TestTrace::start("test");

    let order = trace.run_now(|| ledger.send(Record));
    ledger.send(Lose).await.unwrap();

    assert_eq!(order.await, Ok(0));
    assert_eq!(
        trace.tree(4).await,
        "process Ledger batch INTERNAL ERROR abandoned -> ask Ledger Record
  clean up INTERNAL
test INTERNAL
  ask Ledger Record INTERNAL -> process Ledger batch
"
    );
}

#[actix::test]
async fn a_batch_of_messages_that_are_not_recorded_is_not_recorded() {
    let ledger = Ledger::default().start_traced();
    let outside = ledger.send(Record);
    let refused = async { ledger.send(Record).await }.with_context(unsampled());
    let flush = TestTrace::start("test");

    let flushed = async {
        while ledger.send(Flush).await.is_ok() {
            actix_rt::task::yield_now().await;
        }
    };
    let replies = async { (outside.await, refused.await) };
    tokio::pin!(flushed, replies);
    match futures_util::future::select(replies, flushed).await {
        futures_util::future::Either::Left((replies, _)) => {
            assert!(replies.0.is_ok() && replies.1.is_ok());
        }
        futures_util::future::Either::Right(_) => unreachable!("the ledger does not stop"),
    }

    assert_eq!(flush.tree(1).await, "test INTERNAL\n");
}

#[test]
fn a_batch_keeps_the_baggage_that_all_its_messages_have() {
    let message = |pairs: &[(&'static str, &'static str)]| {
        Context::new().with_baggage(pairs.iter().map(|(key, value)| KeyValue::new(*key, *value)))
    };
    let mut links = BatchLinks::new();
    links.add(&message(&[("day", "monday"), ("shopper", "ada")]));
    links.add(&message(&[("day", "monday"), ("shopper", "ben")]));
    links.add(&message(&[("day", "monday")]));
    assert_eq!(links.len(), 3);

    let kept = links.process_blocking::<Ledger, _>(|| {
        Context::map_current(|cx| {
            let pairs = cx.baggage().iter();
            pairs.map(|(key, (value, _))| format!("{key}={value}")).collect::<Vec<_>>()
        })
    });

    assert_eq!(kept, ["day=monday"]);
}

#[actix::test]
async fn blocking_work_can_be_a_batch_too() {
    let trace = TestTrace::start("test");
    let mut links = BatchLinks::new();
    links.add(trace.cx());

    let output = links.process_blocking::<Ledger, _>(|| {
        mark("INSERT");
        assert!(Context::map_current(|cx| cx.span().span_context().is_sampled()));
        7
    });

    assert_eq!(output, 7);
    assert_eq!(
        trace.tree(3).await,
        "process Ledger batch INTERNAL -> test
  INSERT INTERNAL
test INTERNAL -> process Ledger batch
"
    );
}

/// An actor whose batches are linked one way only.
struct Archive;

impl Actor for Archive {
    type Context = TracedContext<Self>;
}

impl TracedActor for Archive {
    const NAME: &'static str = "Archive";
    const BATCHES: BatchPolicy = BatchPolicy::ToMessages;
}

#[actix::test]
async fn a_batch_can_be_linked_one_way_only() {
    let trace = TestTrace::start("test");
    let mut links = BatchLinks::new();
    links.add(trace.cx());

    links.process_blocking::<Archive, _>(|| ());

    assert_eq!(
        trace.tree(2).await,
        "process Archive batch INTERNAL -> test
test INTERNAL
"
    );
}

#[actix::test]
async fn a_message_that_has_ended_is_linked_from_its_batch_alone() {
    let trace = TestTrace::start("test");
    let mut links = BatchLinks::new();
    links.add(trace.cx());
    trace.cx().span().end();

    links.process_blocking::<Ledger, _>(|| ());

    assert_eq!(
        trace.tree(2).await,
        "process Ledger batch INTERNAL -> test
test INTERNAL
"
    );
}
