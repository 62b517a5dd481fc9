//! A batch of the ledger: the orders that were waiting together, in one transaction.

use std::sync::Arc;

use actix_opentelemetry::{BatchLinks, TracedActor as _};
use opentelemetry::{Context, trace::TraceContextExt as _};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, oneshot},
    time::Instant,
};

use super::{
    ActorError,
    ledger::{Ledger, Record, Recorded},
};
use crate::storage::Storage;

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
        Err(error) => {
            tracing::error!(orders = orders.len(), %error, "a batch of orders was not recorded");
            vec![Err(error.into()); orders.len()]
        }
    };
    for (reply, answer) in replies.into_iter().zip(answers) {
        // Whoever has gone needs no answer.
        reply.send(answer).ok();
    }
}
