//! Spans chosen at run time. This is a binary of its own with one test, because the selection
//! belongs to the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::opentelemetry::baggage::BaggageExt;
use actix_opentelemetry::opentelemetry::trace::FutureExt;
use actix_opentelemetry::opentelemetry::{Context, KeyValue};
use actix_opentelemetry::testing::{SpanTree, TestTrace, recorder};
use actix_opentelemetry::{
    RootPolicy, Selection, TracedActor, TracedContext, TracedStart, ask, set_selection,
};
use tokio::sync::oneshot;

/// Asks its aisle for each order.
struct Checkout {
    aisle: Addr<Aisle>,
}

/// Reads its stock again before each reservation.
struct Aisle {
    ledger: Addr<Ledger>,
}

struct Ledger;

/// Driven by a timer alone.
struct Restocker {
    ledger: Addr<Ledger>,
    ticked: Option<oneshot::Sender<()>>,
}

macro_rules! traced_actors {
    ($($actor:ident),+) => {$(
        impl Actor for $actor {
            type Context = TracedContext<Self>;
        }

        impl TracedActor for $actor {
            const NAME: &'static str = stringify!($actor);
        }
    )+};
}

macro_rules! messages {
    ($($message:ident => $result:literal),+) => {$(
        #[derive(Message)]
        #[rtype(result = $result)]
        struct $message;
    )+};
}

traced_actors!(Checkout, Aisle, Ledger);
messages!(PlaceOrder => "()", Reserve => "()", Reread => "()", Read => "Option<String>");

impl Handler<PlaceOrder> for Checkout {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: PlaceOrder, _: &mut Self::Context) -> Self::Result {
        let reserve = ask(&self.aisle, Reserve);
        Box::pin(async { reserve.await.unwrap() })
    }
}

impl Handler<Reserve> for Aisle {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Reserve, ctx: &mut Self::Context) -> Self::Result {
        let reread = ask(&ctx.address(), Reread);
        Box::pin(async { reread.await.unwrap() })
    }
}

impl Handler<Reread> for Aisle {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Reread, _: &mut Self::Context) -> Self::Result {
        let read = ask(&self.ledger, Read);
        Box::pin(async { assert_eq!(read.await, Ok(Some("42".to_owned()))) })
    }
}

impl Handler<Read> for Ledger {
    type Result = Option<String>;

    fn handle(&mut self, _: Read, _: &mut Self::Context) -> Self::Result {
        Context::map_current(|cx| cx.baggage().get("user.id").map(ToString::to_string))
    }
}

impl Actor for Restocker {
    type Context = TracedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_later(Duration::ZERO, |restocker, ctx| {
            let ticked = restocker.ticked.take();
            let (first, second) = (ask(&restocker.ledger, Read), ask(&restocker.ledger, Read));
            let reads = async {
                first.await.unwrap();
                second.await.unwrap();
                ticked.unwrap().send(()).unwrap();
            };
            ctx.spawn(reads.into_actor(restocker));
        });
    }
}

impl TracedActor for Restocker {
    const NAME: &'static str = "Restocker";
    const ROOT: RootPolicy = RootPolicy::Start;
}

/// The tree of an order.
async fn order(spans: usize) -> String {
    let ledger = Ledger.start_traced();
    let checkout = Checkout { aisle: Aisle { ledger }.start_traced() }.start_traced();
    let trace = TestTrace::start("test");
    let cx = trace.cx().with_baggage([KeyValue::new("user.id", "42")]);
    async { ask(&checkout, PlaceOrder).await.unwrap() }.with_context(cx).await;
    trace.tree(spans).await
}

/// The spans of a tick of the restocker, with those of the ledger that were recorded before.
async fn tick() -> String {
    let before = recorder().all_spans();
    let (tx, ticked) = oneshot::channel();
    let ledger = Ledger.start_traced();
    let _restocker = Restocker { ledger, ticked: Some(tx) }.start_traced();
    ticked.await.unwrap();
    let spans: Vec<_> =
        recorder().all_spans().into_iter().filter(|span| !before.contains(span)).collect();
    SpanTree::new(&spans).render()
}

#[actix::test]
async fn spans_are_chosen_while_actors_run_and_the_spans_below_them_are_kept() {
    let whole = "test INTERNAL
  ask Checkout PlaceOrder INTERNAL
    ask Aisle Reserve INTERNAL
      ask Aisle Reread INTERNAL
        ask Ledger Read INTERNAL
";
    let tick_whole = "delayed Restocker INTERNAL
  ask Ledger Read INTERNAL
  ask Ledger Read INTERNAL
";
    assert_eq!(order(5).await, whole);
    assert_eq!(tick().await, tick_whole);

    set_selection("Aisle::Reread=off,Restocker=off".parse().unwrap());
    assert_eq!(
        order(4).await,
        "test INTERNAL
  ask Checkout PlaceOrder INTERNAL
    ask Aisle Reserve INTERNAL
      ask Ledger Read INTERNAL
"
    );
    // The messages that a tick causes begin traces of their own, as the tick would have.
    assert_eq!(tick().await, "ask Ledger Read INTERNAL\nask Ledger Read INTERNAL\n");

    // The last rule that fits decides; types can be given with their path; a timer is `delayed`.
    set_selection("*=off,*::selection::Read=on,Restocker::delayed=on".parse().unwrap());
    assert_eq!(order(2).await, "test INTERNAL\n  ask Ledger Read INTERNAL\n");
    assert_eq!(tick().await, tick_whole);

    set_selection(Selection::new().off("*"));
    assert_eq!(order(1).await, "test INTERNAL\n");
    assert_eq!(tick().await, "");

    set_selection(Selection::new());
    assert_eq!(order(5).await, whole);
    assert_eq!(tick().await, tick_whole);
}
