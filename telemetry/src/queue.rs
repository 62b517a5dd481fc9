//! The queue of each exporter, for spans and for log records.
//!
//! Each exporter has one batch processor of the SDK (a bounded queue and a thread) to itself, so an
//! exporter that hangs slows neither the others nor the service. The SDK's processor silently drops
//! items for which its queue has no room. So [`Queue::admit`] counts the items that wait, admits no
//! more than the queue holds, and counts those that it turns away:
//!
//! ```text
//! item ──▶ admit ──▶ queue ──▶ thread ──▶ AccountingExporter ──▶ exported, failed
//!            │
//!            └─ full ──▶ dropped
//! ```

use crate::accounting::ExporterCounters;
use crate::health::Health;
use crate::quiet;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{BatchLogProcessor, LogProcessor as _};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanProcessor as _};
use std::fmt::Debug;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// A batch processor of the SDK.
pub(super) trait Batches: Debug + Send + Sync + 'static {
    /// Has everything exported that waits.
    fn flush(&self) -> OTelSdkResult;

    /// Has everything exported that waits, and ends.
    fn end(&self, timeout: Duration) -> OTelSdkResult;

    /// Sets the resource.
    fn describe(&mut self, resource: &Resource);
}

impl Batches for BatchSpanProcessor {
    fn flush(&self) -> OTelSdkResult {
        self.force_flush()
    }

    fn end(&self, timeout: Duration) -> OTelSdkResult {
        self.shutdown_with_timeout(timeout)
    }

    fn describe(&mut self, resource: &Resource) {
        self.set_resource(resource);
    }
}

impl Batches for BatchLogProcessor {
    fn flush(&self) -> OTelSdkResult {
        self.force_flush()
    }

    fn end(&self, timeout: Duration) -> OTelSdkResult {
        self.shutdown_with_timeout(timeout)
    }

    fn describe(&mut self, resource: &Resource) {
        self.set_resource(resource);
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

    /// The health of this queue's exporter.
    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// The batch processor. It takes only what was [admitted](Self::admit).
    pub(super) fn batches(&self) -> &B {
        &self.batches
    }

    /// Reserves a place for one item in the queue; false if the queue is full.
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
        self.for_all(timeout, |batches, _| batches.flush())
    }

    /// Has everything exported that waits, by all at the same time, and ends them. What is not
    /// delivered by then counts as dropped.
    pub(super) fn end(&self, timeout: Duration) -> OTelSdkResult {
        let result = self.for_all(timeout, B::end);
        for queue in &self.0 {
            queue.health.close();
            queue.counters.closed.store(true, Ordering::Release);
        }
        result
    }

    /// Sets the resource.
    pub(super) fn describe(&mut self, resource: &Resource) {
        for queue in &mut self.0 {
            // Only the threads that shut it down share the processor, and there are none yet.
            if let Some(batches) = Arc::get_mut(&mut queue.batches) {
                batches.describe(resource);
            }
        }
    }

    /// Runs `work` for all queues at the same time, each on a thread of its own, and waits for them
    /// no longer than `timeout`. The thread of an exporter that hangs is left behind.
    fn for_all(&self, timeout: Duration, work: fn(&B, Duration) -> OTelSdkResult) -> OTelSdkResult {
        let deadline = Instant::now() + timeout;
        // A little less, so that the SDK's own warning of a timeout comes before the accounting
        // line.
        let timeout = timeout.mul_f32(0.95);
        let (done, results) = mpsc::channel();
        for queue in &self.0 {
            let (batches, done) = (Arc::clone(&queue.batches), done.clone());
            std::thread::Builder::new()
                .name("telemetry-flush".to_owned())
                .spawn(move || {
                    quiet::this_thread();
                    done.send(work(&batches, timeout))
                })
                .map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?;
        }
        drop(done);
        let mut outcome = Ok(());
        for _ in &self.0 {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(result) = results.recv_timeout(left) else {
                return Err(OTelSdkError::Timeout(timeout));
            };
            outcome = outcome.and(result);
        }
        outcome
    }
}
