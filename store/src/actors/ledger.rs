//! The ledger: records orders, and is the only actor that talks to the database.
//!
//! A transaction costs the same for one order as for many, so a batch is whatever is waiting when
//! the last one is done, in one transaction, in a span that links to every order in it. Stock is
//! read and delivered between batches, never during one, so that every reading has a place in the
//! order of things; the aisles need that to count each sale once.

use std::{borrow::Cow, sync::Arc};

use actix::{
    Actor, ActorFutureExt as _, AsyncContext as _, Handler, Message, ResponseFuture,
    WrapFuture as _,
};
use actix_opentelemetry::{BatchLinks, Reply, TracedActor, TracedContext};
use opentelemetry::{Context, trace::TraceContextExt as _};
use shared::{fault::FaultyActor, wire::Receipt};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, oneshot},
    time::Instant,
};

use super::{Failure, shelf::BatchNumber, trouble::Trouble};
use crate::{
    domain::{Delivery, NewOrder, OrderId, ProductId, StockLevel},
    storage::{RecordOutcome, Storage},
};

/// The most orders in one transaction.
const MAX_BATCH: usize = 256;

/// Whoever holds it has the database to itself, as far as this process goes. In it is the number of
/// the last batch.
pub(crate) type Book = Arc<Mutex<BatchNumber>>;

/// The ledger.
pub(crate) struct Ledger {
    storage: Storage,
    book: Book,
    waiting: Vec<Waiting>,
    /// How many orders may wait.
    capacity: usize,
    is_writing: bool,
}

/// Record this order, unless it is too late by then.
#[derive(Message)]
#[rtype(result = "Result<Recorded, Failure>")]
pub(crate) struct Record {
    pub(crate) order: NewOrder,
    pub(crate) deadline: Instant,
}

/// What became of an order, and in which batch.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) outcome: RecordOutcome,
    pub(crate) batch: BatchNumber,
}

/// What is on hand of these products?
#[derive(Message)]
#[rtype(result = "Result<Reading, Failure>")]
pub(crate) struct ReadStock(pub(crate) Vec<ProductId>);

/// Write down this delivery.
#[derive(Message)]
#[rtype(result = "Result<Reading, Failure>")]
pub(crate) struct Deliver(pub(crate) Delivery);

/// What the database held after a batch.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) levels: Vec<StockLevel>,
    pub(crate) as_of: BatchNumber,
}

/// Is there such an order?
#[derive(Message)]
#[rtype(result = "Result<Option<Receipt>, Failure>")]
pub(crate) struct FindOrder(pub(crate) OrderId);

/// Does the database answer?
#[derive(Message)]
#[rtype(result = "Result<(), Failure>")]
pub(crate) struct Ping;

/// An order that waits for the next batch.
struct Waiting {
    record: Record,
    cx: Context,
    reply: oneshot::Sender<Result<Recorded, Failure>>,
}

impl Ledger {
    /// A ledger that writes to `storage` whenever the book is free.
    pub(super) fn new(storage: Storage, book: Book, capacity: usize) -> Self {
        Self { storage, book, waiting: Vec::new(), capacity, is_writing: false }
    }

    /// Writes what is waiting as soon as the book is free, and then what has come meanwhile.
    fn write_next(&mut self, ctx: &mut TracedContext<Self>) {
        if self.waiting.is_empty() || std::mem::replace(&mut self.is_writing, true) {
            return;
        }
        // It goes on for other orders, so it is no part of the trace of this one.
        let _guard = Context::new().attach();
        let book = Arc::clone(&self.book).lock_owned();
        let written = book.into_actor(self).then(|book, ledger, _| {
            // A task of its own: a panic of the actor must not cut a transaction short.
            let batch = actix::spawn(ledger.write_batch(book));
            batch.into_actor(ledger)
        });
        ctx.spawn(written.map(|_, ledger, ctx| {
            ledger.is_writing = false;
            ledger.write_next(ctx);
        }));
    }

    fn write_batch(
        &mut self,
        book: OwnedMutexGuard<BatchNumber>,
    ) -> impl Future<Output = ()> + use<> {
        let batch = self.waiting.drain(..self.waiting.len().min(MAX_BATCH));
        let batch: Vec<_> = batch.filter_map(Waiting::unless_late).collect();
        let mut links = BatchLinks::new();
        for waiting in &batch {
            links.add(&waiting.cx);
        }
        // Without this the statements of a batch that nobody traces would be roots.
        let is_traced = batch.iter().any(|waiting| waiting.cx.span().is_recording());
        let cx =
            if is_traced { Context::new() } else { Context::new().with_telemetry_suppressed() };
        let _guard = cx.attach();
        links.process::<Self, _>(record(self.storage.clone(), book, batch))
    }
}

impl Waiting {
    /// The order, unless its time is over: then nobody waits for it, and it must not be sold.
    fn unless_late(self) -> Option<Self> {
        if Instant::now() < self.record.deadline {
            return Some(self);
        }
        self.reply.send(Err(Failure::DeadlineMissed(Ledger::NAME))).ok();
        None
    }
}

/// Records a batch in one transaction and answers each order.
async fn record(storage: Storage, mut book: OwnedMutexGuard<BatchNumber>, batch: Vec<Waiting>) {
    if batch.is_empty() {
        return;
    }
    let (orders, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|waiting| (waiting.record.order, waiting.reply)).unzip();
    *book = book.next();
    let batch = *book;
    let outcomes = storage.record(&orders).await;
    drop(book);
    // Whoever has gone needs no answer.
    match outcomes {
        Ok(outcomes) => replies.into_iter().zip(outcomes).for_each(|(reply, outcome)| {
            reply.send(Ok(Recorded { outcome, batch })).ok();
        }),
        Err(error) => {
            tracing::error!(orders = orders.len(), %error, "a batch of orders was not recorded");
            let failure = Failure::from(error);
            replies.into_iter().for_each(|reply| {
                reply.send(Err(failure.clone())).ok();
            });
        }
    }
}

impl Actor for Ledger {
    type Context = TracedContext<Self>;
}

impl TracedActor for Ledger {
    const NAME: &'static str = "Ledger";

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        if let Some(Ok(recorded)) = reply.get::<Result<Recorded, Failure>>() {
            return match recorded.outcome {
                RecordOutcome::Recorded(_) | RecordOutcome::Replayed(_) => None,
                RecordOutcome::Short(_) => Some("OutOfStock".into()),
                RecordOutcome::KeyReused => Some("KeyReused".into()),
            };
        }
        Failure::classify::<Recorded>(reply)
            .or_else(|| Failure::classify::<Reading>(reply))
            .or_else(|| Failure::classify::<Option<Receipt>>(reply))
            .or_else(|| Failure::classify::<()>(reply))
    }
}

impl Handler<Record> for Ledger {
    type Result = ResponseFuture<Result<Recorded, Failure>>;

    fn handle(&mut self, record: Record, ctx: &mut Self::Context) -> Self::Result {
        let trouble = Trouble::of(FaultyActor::Ledger);
        trouble.stall(self, ctx);
        if self.waiting.len() >= self.capacity {
            return Box::pin(async { Err(Failure::Overloaded(Self::NAME)) });
        }
        if let Some(failure) = trouble.into_failure() {
            return Box::pin(async { Err(failure) });
        }
        let (reply, answer) = oneshot::channel();
        self.waiting.push(Waiting { record, cx: Context::current(), reply });
        self.write_next(ctx);
        Box::pin(async { answer.await.unwrap_or(Err(Failure::Stopped(Self::NAME))) })
    }
}

impl Handler<ReadStock> for Ledger {
    type Result = ResponseFuture<Result<Reading, Failure>>;

    fn handle(&mut self, message: ReadStock, _: &mut Self::Context) -> Self::Result {
        let (storage, book) = (self.storage.clone(), Arc::clone(&self.book));
        Box::pin(async move {
            let book = book.lock().await;
            Ok(Reading { levels: storage.stock(&message.0).await?, as_of: *book })
        })
    }
}

impl Handler<Deliver> for Ledger {
    type Result = ResponseFuture<Result<Reading, Failure>>;

    fn handle(&mut self, message: Deliver, _: &mut Self::Context) -> Self::Result {
        let (storage, book) = (self.storage.clone(), Arc::clone(&self.book));
        Box::pin(async move {
            let book = book.lock().await;
            Ok(Reading { levels: storage.deliver(&[message.0]).await?, as_of: *book })
        })
    }
}

impl Handler<FindOrder> for Ledger {
    type Result = ResponseFuture<Result<Option<Receipt>, Failure>>;

    fn handle(&mut self, message: FindOrder, ctx: &mut Self::Context) -> Self::Result {
        let trouble = Trouble::of(FaultyActor::Ledger);
        trouble.stall(self, ctx);
        let storage = self.storage.clone();
        Box::pin(async move {
            trouble.endure().await?;
            Ok(storage.order(message.0).await?)
        })
    }
}

impl Handler<Ping> for Ledger {
    type Result = ResponseFuture<Result<(), Failure>>;

    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> Self::Result {
        let storage = self.storage.clone();
        Box::pin(async move { Ok(storage.ping().await?) })
    }
}
