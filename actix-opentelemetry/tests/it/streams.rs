//! Streams: each item is a trace of its own, linked to the span that added the stream.

use actix::prelude::*;
use actix_opentelemetry::TracedStart;
use actix_opentelemetry::testing::TestTrace;
use futures_util::stream;

use crate::fixture::{mark, messages, traced_actors};

struct Belt;

#[derive(Debug)]
struct Parcel;

traced_actors!(Belt);
messages!(Load => (), LoadMessages => (), Letter => ());

impl Handler<Load> for Belt {
    type Result = ();

    fn handle(&mut self, _: Load, ctx: &mut Self::Context) {
        ctx.add_stream(stream::iter([Parcel, Parcel]));
    }
}

impl StreamHandler<Parcel> for Belt {
    fn handle(&mut self, _: Parcel, _: &mut Self::Context) {
        mark("sort");
    }

    fn started(&mut self, _: &mut Self::Context) {
        mark("belt starts");
    }

    fn finished(&mut self, _: &mut Self::Context) {
        mark("belt stops");
    }
}

impl Handler<LoadMessages> for Belt {
    type Result = ();

    fn handle(&mut self, _: LoadMessages, ctx: &mut Self::Context) {
        ctx.add_message_stream(stream::iter([Letter, Letter]));
    }
}

impl Handler<Letter> for Belt {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Letter, _: &mut Self::Context) -> Self::Result {
        Box::pin(async { mark("sort") }.into_actor(self))
    }
}

#[actix::test]
async fn each_item_of_a_stream_is_a_trace_of_its_own_with_a_link() {
    let belt = Belt.start_traced();
    let trace = TestTrace::start("test");

    trace.run(async { belt.send(Load).await }).await.unwrap();

    assert_eq!(
        trace.tree(8).await,
        "stream Belt Parcel INTERNAL -> ask Belt Load
  sort INTERNAL
stream Belt Parcel INTERNAL -> ask Belt Load
  sort INTERNAL
test INTERNAL
  ask Belt Load INTERNAL
    belt starts INTERNAL
    belt stops INTERNAL
"
    );
}

#[actix::test]
async fn each_message_of_a_stream_is_a_trace_of_its_own_with_a_link() {
    let belt = Belt.start_traced();
    let trace = TestTrace::start("test");

    trace.run(async { belt.send(LoadMessages).await }).await.unwrap();

    assert_eq!(
        trace.tree(6).await,
        "stream Belt Letter INTERNAL -> ask Belt LoadMessages
  sort INTERNAL
stream Belt Letter INTERNAL -> ask Belt LoadMessages
  sort INTERNAL
test INTERNAL
  ask Belt LoadMessages INTERNAL
"
    );
}

messages!(LoadMany => ());

impl Handler<LoadMany> for Belt {
    type Result = ();

    fn handle(&mut self, _: LoadMany, ctx: &mut Self::Context) {
        ctx.add_stream(stream::iter((0..100).map(|_| Parcel)));
    }
}

#[actix::test]
async fn a_long_stream_is_handled_to_its_end() {
    let belt = Belt.start_traced();
    let trace = TestTrace::start("test");

    trace.run(async { belt.send(LoadMany).await }).await.unwrap();

    let spans = trace.spans(204).await;
    assert_eq!(spans.iter().filter(|span| span.name == "stream Belt Parcel").count(), 100);
}
