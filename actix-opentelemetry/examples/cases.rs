//! Every case that is recorded, in one small store, and the tree of spans that it leaves.
//!
//! ```text
//! cargo run -p actix-opentelemetry --features testing --example cases
//! ```
//!
//! It needs no backend: the spans are kept in the process and printed at the end.

use std::borrow::Cow;
use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::sync::{TracedSyncContext, start_traced};
use actix_opentelemetry::testing::{SpanTree, TestTrace};
use actix_opentelemetry::{
    AskError, BatchLinks, Reply, TracedActor, TracedContext, TracedStart, ask, spawn_traced,
};
use actix_rt::time::Instant;
use futures_util::{future, stream};
use opentelemetry::trace::Tracer;
use opentelemetry::{KeyValue, global};
use tokio::sync::oneshot;

/// Answers what is in stock by asking all its aisles at once.
struct Inventory {
    aisles: Vec<Addr<Aisle>>,
}

/// Holds some stock. Its spans say which aisle it is.
struct Aisle {
    name: &'static str,
    left: u32,
}

/// Gathers orders and writes them together.
#[derive(Default)]
struct Ledger {
    waiting: Vec<oneshot::Sender<()>>,
    orders: BatchLinks,
}

/// Orders deliveries, which come after a delay, at an interval and in a stream. It is supervised,
/// so it starts again when it stops.
struct Restocker;

/// Bakes on a thread of its own.
struct Oven;

/// Why an aisle cannot give what it is asked for.
#[derive(Debug)]
struct OutOfStock;

impl Actor for Inventory {
    type Context = TracedContext<Self>;
}

impl TracedActor for Inventory {
    const NAME: &'static str = "Inventory";
}

impl Actor for Aisle {
    type Context = TracedContext<Self>;
}

impl TracedActor for Aisle {
    const NAME: &'static str = "Aisle";

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [KeyValue::new("aisle", self.name)]
    }

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        reply.err::<u32, OutOfStock>().map(|_| "out_of_stock".into())
    }
}

impl Actor for Ledger {
    type Context = TracedContext<Self>;
}

impl TracedActor for Ledger {
    const NAME: &'static str = "Ledger";
}

impl Actor for Restocker {
    type Context = TracedContext<Self>;
}

impl TracedActor for Restocker {
    const NAME: &'static str = "Restocker";
}

impl Supervised for Restocker {}

impl Actor for Oven {
    type Context = TracedSyncContext<Self>;
}

impl TracedActor for Oven {
    const NAME: &'static str = "Oven";
}

#[derive(Message)]
#[rtype(result = "u32")]
struct WhatsInStore;

#[derive(Message)]
#[rtype(result = "u32")]
struct ListProducts;

#[derive(Message)]
#[rtype(result = "Result<u32, OutOfStock>")]
struct Reserve(u32);

#[derive(Message)]
#[rtype(result = "()")]
struct Tidy;

#[derive(Message)]
#[rtype(result = "()")]
struct Collapse;

#[derive(Message)]
#[rtype(result = "()")]
struct Record;

#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

#[derive(Message)]
#[rtype(result = "()")]
struct Low;

#[derive(Message)]
#[rtype(result = "()")]
struct Delivery;

#[derive(Message)]
#[rtype(result = "u32")]
struct Bake;

struct Crate;

impl Handler<WhatsInStore> for Inventory {
    type Result = ResponseFuture<u32>;

    fn handle(&mut self, _: WhatsInStore, _: &mut Self::Context) -> Self::Result {
        let lists = future::join_all(self.aisles.iter().map(|aisle| ask(aisle, ListProducts)));
        Box::pin(async move { lists.await.into_iter().flatten().sum() })
    }
}

impl Handler<ListProducts> for Aisle {
    type Result = u32;

    fn handle(&mut self, _: ListProducts, _: &mut Self::Context) -> u32 {
        self.left
    }
}

impl Handler<Reserve> for Aisle {
    type Result = Result<u32, OutOfStock>;

    fn handle(&mut self, reserve: Reserve, ctx: &mut Self::Context) -> Self::Result {
        self.left = self.left.checked_sub(reserve.0).ok_or(OutOfStock)?;
        ctx.notify(Tidy);
        Ok(self.left)
    }
}

impl Handler<Tidy> for Aisle {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Tidy, _: &mut Self::Context) -> Self::Result {
        Box::pin(async { global::tracer("store").in_span("sweep", |_| ()) }.into_actor(self))
    }
}

impl Handler<Collapse> for Aisle {
    type Result = ();

    fn handle(&mut self, _: Collapse, _: &mut Self::Context) {
        panic!("the shelf collapsed");
    }
}

impl Handler<Record> for Ledger {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Record, _: &mut Self::Context) -> Self::Result {
        let (written, answer) = oneshot::channel();
        self.waiting.push(written);
        self.orders.add_current();
        Box::pin(async { answer.await.unwrap_or_default() })
    }
}

impl Handler<Flush> for Ledger {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Self::Context) {
        let waiting = std::mem::take(&mut self.waiting);
        let orders = std::mem::take(&mut self.orders);
        drop(spawn_traced(orders.process::<Self, _>(async {
            global::tracer("store").in_span("INSERT orders", |_| ());
            for order in waiting {
                order.send(()).ok();
            }
        })));
    }
}

impl Handler<Low> for Restocker {
    type Result = ();

    fn handle(&mut self, _: Low, ctx: &mut Self::Context) {
        // The first tick is now, the second would be in an hour.
        ctx.run_interval_at(Instant::now(), Duration::from_secs(3600), |_, _| {});
        ctx.add_stream(stream::iter([Crate, Crate]));
        ctx.notify_later(Delivery, Duration::from_millis(1));
    }
}

impl Handler<Delivery> for Restocker {
    type Result = ();

    fn handle(&mut self, _: Delivery, ctx: &mut Self::Context) {
        // Its supervisor starts it again.
        ctx.stop();
    }
}

impl StreamHandler<Crate> for Restocker {
    fn handle(&mut self, _: Crate, _: &mut Self::Context) {}

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<Bake> for Oven {
    type Result = u32;

    fn handle(&mut self, _: Bake, _: &mut Self::Context) -> u32 {
        7
    }
}

/// One visit to the store: each case once, in order.
///
/// Returns the restocker's address. The restocker is still waiting for its delivery, and restarts
/// only while it has an address.
async fn visit() -> Result<Addr<Restocker>, AskError> {
    let aisle = |name, left| Aisle { name, left }.start_traced();
    let (dairy, produce) = (aisle("dairy", 3), aisle("produce", 10));
    let inventory = Inventory { aisles: vec![dairy.clone(), produce.clone()] }.start_traced();
    let ledger = Ledger::default().start_traced();
    let restocker = Restocker::supervise_traced(|_| Restocker);
    let oven = start_traced(1, || Oven);

    ask(&inventory, WhatsInStore).await?;
    let (short, enough) = future::join(ask(&dairy, Reserve(5)), ask(&produce, Reserve(5))).await;
    assert!(short?.is_err() && enough?.is_ok());
    let orders = future::join(ask(&ledger, Record), ask(&ledger, Record));
    ledger.do_send(Flush);
    orders.await.0?;
    ask(&oven, Bake).await?;
    ask(&restocker, Low).await?;
    // What goes wrong shows on the spans of the messages and on the caller's.
    ask(&dairy, Collapse).await.ok();
    Ok(restocker)
}

#[actix::main]
#[expect(clippy::print_stdout, reason = "the tree is what it is for")]
async fn main() -> Result<(), AskError> {
    let trace = TestTrace::start("visit");
    let restocker = trace.run(visit()).await?;
    let spans = trace.spans(21).await;
    print!("{}", SpanTree::new(&spans).attributes(["aisle", "actix.restart.count"]).with_events());
    drop(restocker);
    Ok(())
}
