//! The queue of requests for the store, which is bounded, and the one thread that empties it.
//!
//! That thread takes one request after the other: it decompresses and decodes it, answers its
//! sender, and adds its spans to the store. So only one decoded request is in memory at a time
//! beside the bodies that wait, a large request does not hold up the threads that serve
//! connections, and memory that lives long is allocated by one thread, which keeps the heap from
//! fragmenting.
//!
//! When more bodies wait than the [`Budget`](crate::budget::Budget) allows, requests are refused at
//! once, and their senders wait and try again. So no thread blocks and the queue cannot grow; the
//! statistics count what was refused.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::otlp::decode::{Decoded, Decoder};
use crate::otlp::{Encoding, Failure, Request, Taken};
use crate::stats::Stats;
use crate::store::Store;
use crate::store::instruments::Instruments;
use crate::store::logs::{Logs, traces_of};
use crate::store::metrics::Metric;
use crate::store::model::now;

/// Spans or log records added under one lock, so that readers get their turn.
const ITEMS_A_LOCK: usize = 512;

/// The store, shared between its writer and its readers. Traces, log records and instruments have a
/// lock each: a search in one does not hold up the others.
#[derive(Clone, Debug)]
pub(crate) struct SharedStore {
    traces: Arc<RwLock<Store>>,
    logs: Arc<RwLock<Logs>>,
    instruments: Arc<RwLock<Instruments>>,
}

impl SharedStore {
    pub(crate) fn new(traces: Store, logs: Logs, instruments: Instruments) -> Self {
        Self {
            traces: Arc::new(RwLock::new(traces)),
            logs: Arc::new(RwLock::new(logs)),
            instruments: Arc::new(RwLock::new(instruments)),
        }
    }

    /// Locks the instruments to read. Keep it short, and lock nothing else meanwhile.
    pub(crate) fn instruments(&self) -> RwLockReadGuard<'_, Instruments> {
        self.instruments.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the data points of `metrics`. How many there was no room for.
    fn add_metrics(&self, metrics: &[Metric]) -> u64 {
        let mut instruments = self.instruments.write().unwrap_or_else(PoisonError::into_inner);
        instruments.add(metrics, now())
    }

    /// Locks the store to read. Keep it short: the writer waits.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Store> {
        // If a thread panicked with the lock, the totals may be wrong; the spans are not.
        self.traces.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.traces.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the log records to read. Keep it short, and do not lock the traces meanwhile.
    pub(crate) fn logs(&self) -> RwLockReadGuard<'_, Logs> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_logs(&self) -> RwLockWriteGuard<'_, Logs> {
        self.logs.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on its way to the store, and where its answer goes.
#[derive(Debug)]
struct Job {
    request: Request,
    answer: oneshot::Sender<Result<Taken, Failure>>,
}

/// Takes requests for the store.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: Sender<Job>,
}

impl Queue {
    /// Starts the thread that decodes requests and writes `store`. It ends when the last clone of
    /// the queue is gone.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(
        decoder: Decoder,
        store: SharedStore,
        stats: Arc<Stats>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, jobs) = channel();
        let writer = std::thread::Builder::new()
            .name(String::from("store-writer"))
            .spawn(move || write(&jobs, decoder, &store, &stats))?;
        Ok((Self { sender }, writer))
    }

    /// Has a request decoded and stored; resolves when it has been decoded. The queue is bounded by
    /// what requests have reserved for their bodies.
    pub(crate) async fn push(&self, request: Request) -> Result<Taken, Failure> {
        let (answer, answered) = oneshot::channel();
        // The writer is gone only at shutdown.
        self.sender.send(Job { request, answer }).map_err(|_| Failure::Overloaded)?;
        answered.await.map_err(|_| Failure::Overloaded)?
    }
}

/// Decodes and stores what is queued, until the last clone of the queue is gone.
fn write(jobs: &Receiver<Job>, mut decoder: Decoder, store: &SharedStore, stats: &Stats) {
    while let Ok(Job { request, answer }) = jobs.recv() {
        let (signal, is_file) = (request.signal, request.encoding == Encoding::File);
        let Decoded { spans, records, metrics, mut taken } = match decoder.decode(request) {
            Ok(decoded) => decoded,
            Err(failure) => {
                // If the sender has gone, the answer is not needed.
                drop(answer.send(Err(failure)));
                continue;
            }
        };
        if !metrics.is_empty() {
            // Before the answer, which says how many there was no room for.
            let rejected = store.add_metrics(&metrics);
            decoder.release(metrics);
            if rejected > 0 {
                taken.rejected += rejected;
                taken.reason.get_or_insert_with(|| {
                    let bounds = store.instruments().bounds();
                    format!(
                        "no room for more series: the viewer keeps {} of them in {} bytes \
                         (--max-metric-series, --max-metric-bytes)",
                        bounds.series, bounds.bytes
                    )
                });
            }
        }
        stats.of(signal).count(&taken);
        let add = || {
            let mut spans = spans.into_iter();
            while spans.len() > 0 {
                store.write().add(spans.by_ref().take(ITEMS_A_LOCK), &mut decoder.names);
            }
            let logged = traces_of(&records);
            let mut records = records.into_iter();
            while records.len() > 0 {
                let some = records.by_ref().take(ITEMS_A_LOCK);
                store.write_logs().add(some, &mut decoder.log_names);
            }
            if !logged.is_empty() {
                store.write().note_logged(logged);
            }
        };
        if is_file {
            // The page looks for the traces as soon as it has the answer.
            add();
            drop(answer.send(Ok(taken)));
        } else {
            drop(answer.send(Ok(taken)));
            add();
        }
    }
}
