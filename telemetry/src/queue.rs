//! The queue of each exporter, for spans and for log records.
//!
//! Each exporter has a bounded queue and a thread to itself, so an exporter that hangs slows neither
//! the others nor the service. For spans these are [`SpanBatches`], for log records the SDK's batch
//! processor. What waits is counted, and so is what the queue has no room for:
//!
//! ```text
//! item ──▶ queue ──▶ thread ──▶ AccountingExporter ──▶ exported, failed
//!            │
//!            └─ full ──▶ dropped
//! ```
//!
//! The SDK's processor silently drops records for which its queue has no room. So [`Queue::admit`]
//! admits no more than it holds.

use crate::accounting::ExporterCounters;
use crate::batches::{Refused, SpanBatches};
use crate::health::Health;
use crate::otlp::encode::EncodedSpans;
use crate::quiet;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{BatchLogProcessor, LogProcessor as _};
use opentelemetry_sdk::trace::SpanData;
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How long flushing may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// A queue and the thread that exports what is in it.
pub(super) trait Batches: Debug + Send + Sync + 'static {
    /// Has everything exported that waits.
    fn flush(&self) -> OTelSdkResult;

    /// Has everything exported that waits, and ends.
    fn end(&self, timeout: Duration) -> OTelSdkResult;
}

/// The spans that wait for one exporter, in the form in which it takes them.
#[derive(Debug)]
pub(super) enum WaitingSpans {
    /// As the SDK has them.
    Whole(SpanBatches),
    /// Encoded for OTLP.
    Encoded(SpanBatches<EncodedSpans>),
}

impl Batches for WaitingSpans {
    fn flush(&self) -> OTelSdkResult {
        match self {
            WaitingSpans::Whole(batches) => batches.flush(FLUSH_TIMEOUT),
            WaitingSpans::Encoded(batches) => batches.flush(FLUSH_TIMEOUT),
        }
    }

    fn end(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            WaitingSpans::Whole(batches) => batches.end(timeout),
            WaitingSpans::Encoded(batches) => batches.end(timeout),
        }
    }
}

impl Batches for BatchLogProcessor {
    fn flush(&self) -> OTelSdkResult {
        self.force_flush()
    }

    fn end(&self, timeout: Duration) -> OTelSdkResult {
        self.shutdown_with_timeout(timeout)
    }
}

/// The queue of one exporter.
#[derive(Debug)]
pub(super) struct Queue<B> {
    counters: Arc<ExporterCounters>,
    health: Arc<Health>,
    batches: Arc<B>,
}

impl<B: Batches> Queue<B> {
    /// The queue of `batches`, which holds `counters.capacity` items.
    pub(super) fn new(counters: Arc<ExporterCounters>, health: Arc<Health>, batches: B) -> Self {
        Queue { counters, health, batches: Arc::new(batches) }
    }

    /// The counters of this queue's exporter.
    pub(super) fn counters(&self) -> Arc<ExporterCounters> {
        Arc::clone(&self.counters)
    }

    /// Says that the exporter did not end in time, if it has not been said that its backend is away.
    fn is_given_up(&self) {
        let reason = match self.counters.measured.exporter().server() {
            Some(server) => format!("no answer from {server} until the process ended"),
            None => "the last export did not end before the process".to_owned(),
        };
        self.health.is_asked_again(&reason);
    }
}

impl Queue<WaitingSpans> {
    /// Whether spans wait here as they are, and not encoded.
    pub(super) fn takes_whole_spans(&self) -> bool {
        matches!(*self.batches, WaitingSpans::Whole(_))
    }

    /// Puts a span into the queue. If there is no room, it is counted as dropped, and that is logged
    /// once.
    pub(super) fn put(&self, span: Cow<'_, SpanData>) {
        let Queue { counters, health, batches } = self;
        let admitted = || {
            counters.waiting.add(1);
        };
        let put = match &**batches {
            WaitingSpans::Whole(batches) => batches.put(span.into_owned(), admitted),
            WaitingSpans::Encoded(batches) => batches.put(&span, admitted),
        };
        if let Err(refused) = put {
            counters.dropped.add(1);
            if refused == Refused::Full {
                health.overflowed("spans");
            }
        }
    }
}

impl Queue<BatchLogProcessor> {
    /// The batch processor. It takes only what was [admitted](Self::admit).
    pub(super) fn batches(&self) -> &BatchLogProcessor {
        &self.batches
    }

    /// Reserves a place for one record in the queue; false if the queue is full.
    pub(super) fn admit(&self) -> bool {
        if self.counters.waiting.add(1) < self.counters.capacity {
            return true;
        }
        self.counters.waiting.sub(1);
        self.counters.dropped.add(1);
        false
    }
}

/// The queues of all exporters of one signal.
#[derive(Debug)]
pub(super) struct Queues<B>(pub(super) Vec<Queue<B>>);

impl<B: Batches> Queues<B> {
    /// The counters of each.
    pub(super) fn counters(&self) -> Vec<Arc<ExporterCounters>> {
        self.0.iter().map(Queue::counters).collect()
    }

    /// Has everything exported that waits, by all at the same time.
    pub(super) fn flush(&self, timeout: Duration) -> OTelSdkResult {
        self.for_all(timeout, |batches, _| batches.flush())?.into_iter().collect()
    }

    /// Has everything exported that waits, by all at the same time, and ends them. What is not
    /// delivered by then counts as dropped.
    pub(super) fn end(&self, timeout: Duration) -> OTelSdkResult {
        let results = self.for_all(timeout, B::end);
        for (index, queue) in self.0.iter().enumerate() {
            let result = results.as_ref().ok().and_then(|results| results.get(index));
            if matches!(result, Some(Err(OTelSdkError::Timeout(_)))) {
                queue.is_given_up();
            }
            queue.health.close();
            queue.counters.closed.store(true, Ordering::Release);
        }
        results?.into_iter().collect()
    }

    /// Runs `work` for all queues at the same time, each on a thread of its own, and waits for them
    /// no longer than `timeout`. The thread of an exporter that hangs is left behind.
    fn for_all(
        &self,
        timeout: Duration,
        work: fn(&B, Duration) -> OTelSdkResult,
    ) -> Result<Vec<OTelSdkResult>, OTelSdkError> {
        let deadline = Instant::now() + timeout;
        // A little less, so that the SDK's own warning of a timeout comes before the accounting
        // line.
        let timeout = timeout.mul_f32(0.95);
        let (done, done_with) = mpsc::channel();
        for (index, queue) in self.0.iter().enumerate() {
            let (batches, done) = (Arc::clone(&queue.batches), done.clone());
            std::thread::Builder::new()
                .name("telemetry-flush".to_owned())
                .spawn(move || {
                    quiet::this_thread();
                    done.send((index, work(&batches, timeout)))
                })
                .map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?;
        }
        drop(done);
        let mut results: Vec<_> =
            self.0.iter().map(|_| Err(OTelSdkError::Timeout(timeout))).collect();
        for _ in &self.0 {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((index, result)) = done_with.recv_timeout(left) else { break };
            results[index] = result;
        }
        Ok(results)
    }
}

impl Queues<BatchLogProcessor> {
    /// Sets the resource.
    pub(super) fn describe(&mut self, resource: &Resource) {
        for queue in &mut self.0 {
            // Only the threads that shut it down share the processor, and there are none yet.
            if let Some(batches) = Arc::get_mut(&mut queue.batches) {
                batches.set_resource(resource);
            }
        }
    }
}
