//! The ledger: records orders, and is the only actor that talks to the database.
//!
//! A transaction costs about the same for one order as for many. So orders are recorded in batches:
//! when one batch is done, all orders that came meanwhile are the next, and those that the thread can
//! bring up at once. A batch is one transaction, in a span that links to every order in it.
//!
//! Stock is read and deliveries are recorded between two batches, never during one. So a reading
//! includes exactly the batches up to some number, and the aisles can count each sale once.
//!
//! Old orders are folded between two batches as well if the database has one writer, as SQLite has.
//! Otherwise they are folded beside the batches, and no sale waits for it.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix::{Actor, Handler, Message, ResponseFuture};
use actix_opentelemetry::{BatchLinks, Reply, TracedActor, TracedContext};
use opentelemetry::{Context, trace::TraceContextExt as _};
use shared::{fault::FaultyActor, wire::Receipt};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, oneshot},
    task::yield_now,
    time::Instant,
};

use super::{
    error::{ActorError, answers},
    metrics::ShopMetrics,
    serve::Serve,
};
use crate::{
    domain::{Delivery, NewOrder, OrderId, ProductId, StockLevel},
    storage::{Folded, RecordOutcome, Storage},
};

/// The most orders in one batch.
const MAX_ORDERS: usize = 256;

/// How often what else is ready on the ledger's thread goes first before a batch begins: requests that have
/// come already, and actors that are asked about them. What becomes an order meanwhile is in the batch
/// too. A store in which nothing else is ready waits microseconds for that.
const TURNS_BEFORE_BATCH: u32 = 8;

/// The ledger.
pub(crate) struct Ledger {
    queue: Rc<OrderQueue>,
    readings: Rc<RefCell<Vec<QueuedReading>>>,
    fold_lock: FoldLock,
}

/// The number of a batch. The first is 1; 0 stands for the time before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchNumber(pub(super) u64);

/// The lock that lets one task of this process write to the database at a time. It holds the number
/// of the last batch.
pub(crate) type WriteLock = Arc<Mutex<BatchNumber>>;

/// The lock that lets one task of this process fold orders at a time.
pub(crate) type FoldLock = Arc<Mutex<()>>;

/// Record this order, unless its deadline passes first.
#[derive(Message)]
#[rtype(result = "Result<Recorded, ActorError>")]
pub(crate) struct Record {
    pub(crate) order: NewOrder,
    pub(crate) deadline: Instant,
}

/// The outcome of an order, and the batch that it was in.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) outcome: RecordOutcome,
    pub(crate) batch: BatchNumber,
}

/// How many pieces of these products are on hand?
#[derive(Message)]
#[rtype(result = "Result<StockReading, ActorError>")]
pub(crate) struct ReadStock(pub(crate) Vec<ProductId>);

/// Record this delivery.
#[derive(Message)]
#[rtype(result = "Result<StockReading, ActorError>")]
pub(crate) struct Deliver(pub(crate) Delivery);

/// The stock in the database after a batch.
#[derive(Debug)]
pub(crate) struct StockReading {
    pub(crate) levels: Vec<StockLevel>,
    pub(crate) as_of: BatchNumber,
}

/// Is there such an order?
#[derive(Message)]
#[rtype(result = "Result<FoundOrder, ActorError>")]
pub(crate) struct FindOrder(pub(crate) OrderId);

/// What is known about an order.
#[derive(Debug)]
pub(crate) enum FoundOrder {
    /// Its receipt.
    Receipt(Receipt),
    /// Nothing: by its id it is of a time of which the orders have been folded.
    Folded,
    /// Nothing: there has never been such an order.
    Unknown,
}

/// Are there orders or deliveries of this time or before?
#[derive(Message)]
#[rtype(result = "Result<bool, ActorError>")]
pub(crate) struct HasOld(pub(crate) SystemTime);

/// Fold a batch of the oldest orders and deliveries of this time or before.
#[derive(Message)]
#[rtype(result = "Result<Folded, ActorError>")]
pub(crate) struct Fold(pub(crate) SystemTime);

/// Give back a part of the room that folded orders left, if it is worth it. The answer is whether
/// there may be more.
#[derive(Message)]
#[rtype(result = "Result<bool, ActorError>")]
pub(crate) struct GiveBackSpace;

/// Can the database do what a sale needs?
#[derive(Message)]
#[rtype(result = "Result<(), ActorError>")]
pub(crate) struct Ping;

answers!(Ledger: Recorded, StockReading, FoundOrder, Folded, bool, ());

impl Ledger {
    /// A ledger that writes to `storage` when it has the lock. At most `capacity` orders wait for
    /// it.
    pub(super) fn new(
        storage: Storage,
        write_lock: WriteLock,
        fold_lock: FoldLock,
        metrics: ShopMetrics,
        capacity: usize,
    ) -> Self {
        let queue = OrderQueue {
            orders: RefCell::default(),
            capacity,
            is_writing: Cell::new(false),
            storage,
            write_lock,
            metrics,
        };
        Self { queue: Rc::new(queue), readings: Rc::default(), fold_lock }
    }

    fn storage(&self) -> (Storage, WriteLock) {
        (self.queue.storage.clone(), Arc::clone(&self.queue.write_lock))
    }

    /// Waits for what work needs that no sale waits for.
    fn maintenance_locks(
        &self,
    ) -> impl Future<Output = (OwnedMutexGuard<()>, Option<OwnedMutexGuard<BatchNumber>>)> + use<>
    {
        let (storage, write_lock) = self.storage();
        let fold_lock = Arc::clone(&self.fold_lock);
        async move {
            let folding = fold_lock.lock_owned().await;
            let writing = match storage.has_one_writer() {
                true => Some(write_lock.lock_owned().await),
                false => None,
            };
            (folding, writing)
        }
    }
}

impl Actor for Ledger {
    type Context = TracedContext<Self>;
}

impl TracedActor for Ledger {
    const NAME: &'static str = "Ledger";

    /// The ledger answers an order that it could not sell with `Ok`, since it did its work. On the
    /// span it is an error nevertheless, because the order failed.
    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        match reply.get::<Result<Recorded, ActorError>>() {
            Some(Ok(recorded)) => match recorded.outcome {
                RecordOutcome::Recorded(_) | RecordOutcome::Replayed { .. } => None,
                RecordOutcome::Short(_) => Some("out_of_stock".into()),
                RecordOutcome::KeyReused => Some("key_reused".into()),
            },
            _ => Self::error_type(reply),
        }
    }
}

impl Serve for Ledger {
    const FAULTY: FaultyActor = FaultyActor::Ledger;
}

impl Handler<Record> for Ledger {
    type Result = ResponseFuture<Result<Recorded, ActorError>>;

    fn handle(&mut self, record: Record, ctx: &mut Self::Context) -> Self::Result {
        let queue = Rc::clone(&self.queue);
        self.serve(ctx, async move { queue.record(record).await })
    }
}

impl Handler<ReadStock> for Ledger {
    type Result = ResponseFuture<Result<StockReading, ActorError>>;

    /// Aisles read their stock at the same moments, so one statement reads it for all that are waiting. One that
    /// reads because of a request has a statement to itself, which is a span of the request's trace.
    fn handle(&mut self, message: ReadStock, _: &mut Self::Context) -> Self::Result {
        let (storage, write_lock) = self.storage();
        if Context::map_current(|cx| cx.span().is_recording()) {
            return Box::pin(async move {
                let last_batch = write_lock.lock().await;
                Ok(StockReading { levels: storage.stock(&message.0).await?, as_of: *last_batch })
            });
        }
        let (reply, answer) = oneshot::channel();
        let readings = Rc::clone(&self.readings);
        readings.borrow_mut().push(QueuedReading { products: message.0, reply });
        Box::pin(async move {
            let last_batch = write_lock.lock().await;
            // If there is none, the one who had the lock before has read for all.
            let queued = readings.take();
            if !queued.is_empty() {
                read_for_all(queued, &storage, *last_batch).await;
            }
            drop(last_batch);
            answer.await.unwrap_or(Err(ActorError::Stopped(Ledger::NAME)))
        })
    }
}

/// A reading of these products that is waited for.
struct QueuedReading {
    products: Vec<ProductId>,
    reply: oneshot::Sender<Result<StockReading, ActorError>>,
}

/// Reads the stock once for all who wait for it.
async fn read_for_all(queued: Vec<QueuedReading>, storage: &Storage, as_of: BatchNumber) {
    let products: Vec<_> = queued.iter().flat_map(|reading| &reading.products).copied().collect();
    let all = storage.stock(&products).await.map_err(ActorError::from);
    for QueuedReading { products, reply } in queued {
        let own = |all: &Vec<StockLevel>| {
            let levels = all.iter().filter(|level| products.contains(&level.product));
            StockReading { levels: levels.copied().collect(), as_of }
        };
        // It fails if the aisle has ended.
        reply.send(all.as_ref().map(own).map_err(ActorError::clone)).ok();
    }
}

impl Handler<Deliver> for Ledger {
    type Result = ResponseFuture<Result<StockReading, ActorError>>;

    fn handle(&mut self, message: Deliver, _: &mut Self::Context) -> Self::Result {
        let (storage, write_lock) = self.storage();
        let metrics = self.queue.metrics.clone();
        Box::pin(async move {
            let last_batch = write_lock.lock().await;
            let levels = storage.deliver(&[message.0]).await?;
            metrics.delivered(&message.0);
            Ok(StockReading { levels, as_of: *last_batch })
        })
    }
}

impl Handler<FindOrder> for Ledger {
    type Result = ResponseFuture<Result<FoundOrder, ActorError>>;

    fn handle(&mut self, message: FindOrder, ctx: &mut Self::Context) -> Self::Result {
        let (storage, _) = self.storage();
        self.serve(ctx, find_order(storage, message.0))
    }
}

/// How much later than its order an id may have been made.
const ID_DELAY: Duration = Duration::from_secs(1);

async fn find_order(storage: Storage, id: OrderId) -> Result<FoundOrder, ActorError> {
    if let Some(receipt) = storage.order(id).await? {
        return Ok(FoundOrder::Receipt(receipt));
    }
    // Only ids that the store gave say when they were made.
    let Some(placed_at) = id.time() else { return Ok(FoundOrder::Unknown) };
    let newest = storage.newest_folded().await?;
    let is_folded = newest.is_some_and(|newest| placed_at <= newest + ID_DELAY);
    Ok(if is_folded { FoundOrder::Folded } else { FoundOrder::Unknown })
}

impl Handler<HasOld> for Ledger {
    type Result = ResponseFuture<Result<bool, ActorError>>;

    fn handle(&mut self, message: HasOld, _: &mut Self::Context) -> Self::Result {
        let (storage, _) = self.storage();
        Box::pin(async move { Ok(storage.has_old(message.0).await?) })
    }
}

impl Handler<Fold> for Ledger {
    type Result = ResponseFuture<Result<Folded, ActorError>>;

    fn handle(&mut self, message: Fold, _: &mut Self::Context) -> Self::Result {
        let locks = self.maintenance_locks();
        let (storage, _) = self.storage();
        Box::pin(async move {
            let _locks = locks.await;
            Ok(storage.fold(message.0).await?)
        })
    }
}

impl Handler<GiveBackSpace> for Ledger {
    type Result = ResponseFuture<Result<bool, ActorError>>;

    fn handle(&mut self, _: GiveBackSpace, _: &mut Self::Context) -> Self::Result {
        let locks = self.maintenance_locks();
        let (storage, _) = self.storage();
        Box::pin(async move {
            let _locks = locks.await;
            Ok(storage.give_back_space().await?)
        })
    }
}

impl Handler<Ping> for Ledger {
    type Result = ResponseFuture<Result<(), ActorError>>;

    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> Self::Result {
        let (storage, _) = self.storage();
        Box::pin(async move { Ok(storage.check().await?) })
    }
}

/// The orders that wait for the next batch, and the task that writes them.
///
/// The task runs beside the actor, for two reasons. If the actor panics, the transaction under way
/// is not cut off. And if a fault makes the actor stuck, the lock is not affected: a stuck actor
/// that waits for the lock would be given it, could not use it, and would stop every other writer.
struct OrderQueue {
    orders: RefCell<VecDeque<QueuedOrder>>,
    /// How many orders may wait.
    capacity: usize,
    /// Whether the task is running.
    is_writing: Cell<bool>,
    storage: Storage,
    write_lock: WriteLock,
    metrics: ShopMetrics,
}

/// An order that waits for the next batch.
struct QueuedOrder {
    record: Record,
    /// The context of its request.
    cx: Context,
    /// When it was put in the queue.
    queued_at: Instant,
    reply: oneshot::Sender<Answer>,
}

type Answer = Result<Recorded, ActorError>;

impl OrderQueue {
    /// Puts an order in the queue, and waits until it is recorded.
    async fn record(self: Rc<Self>, record: Record) -> Answer {
        let (reply, answer) = oneshot::channel();
        {
            let mut orders = self.orders.borrow_mut();
            if orders.len() >= self.capacity {
                return Err(ActorError::Overloaded(Ledger::NAME));
            }
            let (cx, queued_at) = (Context::current(), Instant::now());
            orders.push_back(QueuedOrder { record, cx, queued_at, reply });
        }
        if !self.is_writing.replace(true) {
            // The task also writes orders that come later, so it does not run in this context.
            drop(actix::spawn(self.write_all()));
        }
        answer.await.unwrap_or(Err(ActorError::Stopped(Ledger::NAME)))
    }

    /// Writes batch after batch until nothing is waiting.
    async fn write_all(self: Rc<Self>) {
        while !self.orders.borrow().is_empty() {
            for _ in 0..TURNS_BEFORE_BATCH {
                yield_now().await;
            }
            let last_batch = Arc::clone(&self.write_lock).lock_owned().await;
            let orders: Vec<_> = {
                let mut orders = self.orders.borrow_mut();
                let count = orders.len().min(MAX_ORDERS);
                orders.drain(..count).collect()
            };
            let batch = write_batch(orders, self.storage.clone(), self.metrics.clone(), last_batch);
            // A separate task: if it panics, this loop goes on with the next batch. The orders of
            // the batch that panicked are answered with `Stopped`.
            actix::spawn(batch).await.ok();
        }
        self.is_writing.set(false);
    }
}

impl QueuedOrder {
    /// The order, unless its deadline has passed: its client was told so, so it must not be sold.
    fn unless_late(self) -> Option<Self> {
        if Instant::now() < self.record.deadline {
            return Some(self);
        }
        self.reply.send(Err(ActorError::DeadlineMissed(Ledger::NAME))).ok();
        None
    }
}

/// Records these orders in one transaction, in a span of its own that links to each of them, and
/// answers them.
fn write_batch(
    orders: Vec<QueuedOrder>,
    storage: Storage,
    metrics: ShopMetrics,
    last_batch: OwnedMutexGuard<BatchNumber>,
) -> impl Future<Output = ()> {
    let batch: Vec<_> = orders.into_iter().filter_map(QueuedOrder::unless_late).collect();
    let mut links = BatchLinks::new();
    for order in &batch {
        links.add(&order.cx);
    }
    // If no order in it is traced, the batch is not traced either. Its statements would otherwise
    // each be the root of a trace.
    let is_traced = batch.iter().any(|order| order.cx.span().is_recording());
    let cx = Context::new();
    let cx = if is_traced { cx } else { telemetry::without_spans(&cx) };
    let _guard = cx.attach();
    links.process::<Ledger, _>(record_batch(batch, storage, metrics, last_batch))
}

async fn record_batch(
    batch: Vec<QueuedOrder>,
    storage: Storage,
    metrics: ShopMetrics,
    mut last_batch: OwnedMutexGuard<BatchNumber>,
) {
    if batch.is_empty() {
        return;
    }
    metrics.batch_begins(batch.iter().map(|queued| queued.queued_at));
    let (orders, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|queued| (queued.record.order, queued.reply)).unzip();
    last_batch.0 += 1;
    let batch = *last_batch;
    let outcomes = storage.record(&orders).await;
    drop(last_batch);
    let answers: Vec<Answer> = match outcomes {
        Ok(outcomes) => {
            metrics.recorded(&outcomes);
            outcomes.into_iter().map(|outcome| Ok(Recorded { outcome, batch })).collect()
        }
        Err(error) => vec![Err(error.into()); orders.len()],
    };
    for (reply, answer) in replies.into_iter().zip(answers) {
        // It fails if the client has stopped waiting, and then the answer is not needed.
        reply.send(answer).ok();
    }
}
