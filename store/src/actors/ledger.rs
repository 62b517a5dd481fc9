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

use super::{ActorError, faults::InjectedFaults};
use crate::{
    domain::{Delivery, NewOrder, OrderId, ProductId, StockLevel},
    storage::{RecordOutcome, Storage},
};

/// The ledger.
pub(crate) struct Ledger {
    storage: Storage,
    write_lock: WriteLock,
    waiting: Vec<QueuedOrder>,
    /// How many orders may wait.
    capacity: usize,
    is_writing: bool,
}

/// Record this order, unless it is too late by then.
#[derive(Message)]
#[rtype(result = "Result<Recorded, ActorError>")]
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
#[rtype(result = "Result<StockReading, ActorError>")]
pub(crate) struct ReadStock(pub(crate) Vec<ProductId>);

/// Write down this delivery.
#[derive(Message)]
#[rtype(result = "Result<StockReading, ActorError>")]
pub(crate) struct Deliver(pub(crate) Delivery);

/// What the database held after a batch.
#[derive(Debug)]
pub(crate) struct StockReading {
    pub(crate) levels: Vec<StockLevel>,
    pub(crate) as_of: BatchNumber,
}

/// Is there such an order?
#[derive(Message)]
#[rtype(result = "Result<Option<Receipt>, ActorError>")]
pub(crate) struct FindOrder(pub(crate) OrderId);

/// Does the database answer?
#[derive(Message)]
#[rtype(result = "Result<(), ActorError>")]
pub(crate) struct Ping;

impl Ledger {
    /// A ledger that writes to `storage` whenever the write lock is free.
    pub(super) fn new(storage: Storage, write_lock: WriteLock, capacity: usize) -> Self {
        Self { storage, write_lock, waiting: Vec::new(), capacity, is_writing: false }
    }

    /// Writes what is waiting as soon as the write lock is free, and then what has come meanwhile.
    fn write_next(&mut self, ctx: &mut TracedContext<Self>) {
        if self.waiting.is_empty() || std::mem::replace(&mut self.is_writing, true) {
            return;
        }
        // It goes on for other orders, so it is no part of the trace of this one.
        let _guard = Context::new().attach();
        let write_lock = Arc::clone(&self.write_lock).lock_owned();
        let written = write_lock.into_actor(self).then(|write_lock, ledger, _| {
            // A task of its own: a panic of the actor must not cut a transaction short.
            let batch = actix::spawn(ledger.write_batch(write_lock));
            batch.into_actor(ledger)
        });
        ctx.spawn(written.map(|_, ledger, ctx| {
            ledger.is_writing = false;
            ledger.write_next(ctx);
        }));
    }

    fn write_batch(
        &mut self,
        write_lock: OwnedMutexGuard<BatchNumber>,
    ) -> impl Future<Output = ()> + use<> {
        let orders = self.waiting.drain(..self.waiting.len().min(MAX_ORDERS));
        write(orders.collect(), self.storage.clone(), write_lock)
    }
}

impl Actor for Ledger {
    type Context = TracedContext<Self>;
}

impl TracedActor for Ledger {
    const NAME: &'static str = "Ledger";

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        if let Some(Ok(recorded)) = reply.get::<Result<Recorded, ActorError>>() {
            return match recorded.outcome {
                RecordOutcome::Recorded(_) | RecordOutcome::Replayed(_) => None,
                RecordOutcome::Short(_) => Some("OutOfStock".into()),
                RecordOutcome::KeyReused => Some("KeyReused".into()),
            };
        }
        ActorError::classify::<Recorded>(reply)
            .or_else(|| ActorError::classify::<StockReading>(reply))
            .or_else(|| ActorError::classify::<Option<Receipt>>(reply))
            .or_else(|| ActorError::classify::<()>(reply))
    }
}

impl Handler<Record> for Ledger {
    type Result = ResponseFuture<Result<Recorded, ActorError>>;

    fn handle(&mut self, record: Record, ctx: &mut Self::Context) -> Self::Result {
        let faults = InjectedFaults::of(FaultyActor::Ledger);
        faults.stall(self, ctx);
        if self.waiting.len() >= self.capacity {
            return Box::pin(async { Err(ActorError::Overloaded(Self::NAME)) });
        }
        if let Some(error) = faults.into_failure() {
            return Box::pin(async { Err(error) });
        }
        let (waiting, answer) = QueuedOrder::new(record);
        self.waiting.push(waiting);
        self.write_next(ctx);
        Box::pin(async { answer.await.unwrap_or(Err(ActorError::Stopped(Self::NAME))) })
    }
}

impl Handler<ReadStock> for Ledger {
    type Result = ResponseFuture<Result<StockReading, ActorError>>;

    fn handle(&mut self, message: ReadStock, _: &mut Self::Context) -> Self::Result {
        let (storage, write_lock) = (self.storage.clone(), Arc::clone(&self.write_lock));
        Box::pin(async move {
            let write_lock = write_lock.lock().await;
            Ok(StockReading { levels: storage.stock(&message.0).await?, as_of: *write_lock })
        })
    }
}

impl Handler<Deliver> for Ledger {
    type Result = ResponseFuture<Result<StockReading, ActorError>>;

    fn handle(&mut self, message: Deliver, _: &mut Self::Context) -> Self::Result {
        let (storage, write_lock) = (self.storage.clone(), Arc::clone(&self.write_lock));
        Box::pin(async move {
            let write_lock = write_lock.lock().await;
            Ok(StockReading { levels: storage.deliver(&[message.0]).await?, as_of: *write_lock })
        })
    }
}

impl Handler<FindOrder> for Ledger {
    type Result = ResponseFuture<Result<Option<Receipt>, ActorError>>;

    fn handle(&mut self, message: FindOrder, ctx: &mut Self::Context) -> Self::Result {
        let faults = InjectedFaults::of(FaultyActor::Ledger);
        faults.stall(self, ctx);
        let storage = self.storage.clone();
        Box::pin(async move {
            faults.endure().await?;
            Ok(storage.order(message.0).await?)
        })
    }
}

impl Handler<Ping> for Ledger {
    type Result = ResponseFuture<Result<(), ActorError>>;

    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> Self::Result {
        let storage = self.storage.clone();
        Box::pin(async move { Ok(storage.check().await?) })
    }
}

/// The most orders in one batch.
pub(super) const MAX_ORDERS: usize = 256;

/// The number of a batch, counted from 1; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchNumber(pub(super) u64);

/// Whoever holds it has the database to itself, as far as this process goes. In it is the number of
/// the last batch.
pub(crate) type WriteLock = Arc<Mutex<BatchNumber>>;

/// An order that waits for the next batch.
pub(super) struct QueuedOrder {
    record: Record,
    cx: Context,
    reply: oneshot::Sender<Answer>,
}

type Answer = Result<Recorded, ActorError>;

impl QueuedOrder {
    /// An order that came in the current context, and the end at which its answer comes out.
    pub(super) fn new(record: Record) -> (Self, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        (Self { record, cx: Context::current(), reply }, answer)
    }

    /// The order, unless its time is over: then nobody waits for it, and it must not be sold.
    fn unless_late(self) -> Option<Self> {
        if Instant::now() < self.record.deadline {
            return Some(self);
        }
        self.reply.send(Err(ActorError::DeadlineMissed(Ledger::NAME))).ok();
        None
    }
}

/// Records these orders in one transaction, in a span of its own that links to each, and answers
/// them.
pub(super) fn write(
    orders: Vec<QueuedOrder>,
    storage: Storage,
    write_lock: OwnedMutexGuard<BatchNumber>,
) -> impl Future<Output = ()> {
    let batch: Vec<_> = orders.into_iter().filter_map(QueuedOrder::unless_late).collect();
    let mut links = BatchLinks::new();
    for waiting in &batch {
        links.add(&waiting.cx);
    }
    // Without this the statements of a batch that nobody traces would be roots.
    let is_traced = batch.iter().any(|waiting| waiting.cx.span().is_recording());
    let cx = if is_traced { Context::new() } else { Context::new().with_telemetry_suppressed() };
    let _guard = cx.attach();
    links.process::<Ledger, _>(record(batch, storage, write_lock))
}

async fn record(
    batch: Vec<QueuedOrder>,
    storage: Storage,
    mut write_lock: OwnedMutexGuard<BatchNumber>,
) {
    if batch.is_empty() {
        return;
    }
    let (orders, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|waiting| (waiting.record.order, waiting.reply)).unzip();
    write_lock.0 += 1;
    let batch = *write_lock;
    let outcomes = storage.record(&orders).await;
    drop(write_lock);
    let answers: Vec<Answer> = match outcomes {
        Ok(outcomes) => {
            outcomes.into_iter().map(|outcome| Ok(Recorded { outcome, batch })).collect()
        }
        Err(error) => vec![Err(error.into()); orders.len()],
    };
    for (reply, answer) in replies.into_iter().zip(answers) {
        // Whoever has gone needs no answer.
        reply.send(answer).ok();
    }
}
