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
use actix_opentelemetry::{Reply, TracedActor, TracedContext};
use opentelemetry::Context;
use shared::{fault::FaultyActor, wire::Receipt};
use tokio::{sync::OwnedMutexGuard, time::Instant};

use super::{
    Failure,
    batch::{self, BatchNumber, Book, Waiting},
    trouble::Trouble,
};
use crate::{
    domain::{Delivery, NewOrder, OrderId, ProductId, StockLevel},
    storage::{RecordOutcome, Storage},
};

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
#[derive(Clone, Debug)]
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
        let orders = self.waiting.drain(..self.waiting.len().min(batch::MAX_ORDERS));
        batch::write(orders.collect(), self.storage.clone(), book)
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
        let (waiting, answer) = Waiting::new(record);
        self.waiting.push(waiting);
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
