//! The span processor: it counts each span that ends, and puts it into the queue of each exporter.
//!
//! Each exporter has one batch processor of the SDK (a bounded queue and a thread) to itself, so an
//! exporter that hangs slows neither the others nor the service. The SDK's processor silently drops
//! spans for which its queue has no room. So [`Queue::admit`] counts the spans that wait, admits no
//! more than the queue holds, and counts those that it turns away:
//!
//! ```text
//! span ends ──▶ admit ──▶ queue ──▶ thread ──▶ AccountingExporter ──▶ exported, failed
//!                 │
//!                 └─ full ──▶ dropped
//! ```

use crate::accounting::{ExporterCounters, Totals};
use crate::health::Health;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::Span as _;
use opentelemetry::{Array, Context, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// The queue of one exporter.
#[derive(Debug)]
pub(super) struct Queue {
    counters: Arc<ExporterCounters>,
    health: Arc<Health>,
    batch: Arc<BatchSpanProcessor>,
    overflowed: AtomicBool,
}

impl Queue {
    /// The queue of `batch`, which holds `counters.capacity` spans.
    pub(super) fn new(
        counters: Arc<ExporterCounters>,
        health: Arc<Health>,
        batch: BatchSpanProcessor,
    ) -> Self {
        Queue { counters, health, batch: Arc::new(batch), overflowed: AtomicBool::new(false) }
    }

    /// The counters of this queue's exporter.
    pub(super) fn counters(&self) -> Arc<ExporterCounters> {
        Arc::clone(&self.counters)
    }

    /// Reserves a place for one span in the queue; false if the queue is full.
    fn admit(&self) -> bool {
        if self.counters.waiting.add(1) < self.counters.capacity {
            return true;
        }
        self.counters.waiting.sub(1);
        self.counters.dropped.add(1);
        if !self.overflowed.load(Ordering::Relaxed)
            && !self.overflowed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                exporter = self.counters.name,
                capacity = self.counters.capacity,
                "span queue is full: spans are being dropped, see the accounting for how many"
            );
        }
        false
    }
}

/// Counts spans, copies chosen baggage onto them, and puts them into the queues.
#[derive(Debug)]
pub(super) struct AccountingProcessor {
    totals: Arc<Totals>,
    queues: Vec<Queue>,
    baggage_keys: Vec<Key>,
    value_length_limit: Option<usize>,
}

impl AccountingProcessor {
    /// A processor that feeds `queues` and counts into `totals`.
    pub(super) fn new(totals: Arc<Totals>, queues: Vec<Queue>) -> Self {
        AccountingProcessor { totals, queues, baggage_keys: Vec::new(), value_length_limit: None }
    }

    /// Copies the baggage entries with these keys onto every span at its start.
    pub(super) fn with_baggage_attributes(mut self, keys: &[&'static str]) -> Self {
        self.baggage_keys = keys.iter().map(|&key| key.into()).collect();
        self
    }

    /// Cuts texts in attributes to `limit` characters, which the SDK does not do.
    pub(super) fn with_value_length_limit(mut self, limit: Option<usize>) -> Self {
        self.value_length_limit = limit;
        self
    }

    /// Runs `work` for all queues at the same time, each on a thread of its own, and waits for them
    /// no longer than `timeout`. The thread of an exporter that hangs is left behind.
    fn for_all(
        &self,
        timeout: Duration,
        work: fn(&BatchSpanProcessor, Duration) -> OTelSdkResult,
    ) -> OTelSdkResult {
        let deadline = Instant::now() + timeout;
        // A little less, so that the SDK's own warning of a timeout comes before the accounting
        // line.
        let timeout = timeout.mul_f32(0.95);
        let (done, results) = mpsc::channel();
        for queue in &self.queues {
            let (batch, done) = (Arc::clone(&queue.batch), done.clone());
            std::thread::Builder::new()
                .name("telemetry-flush".to_owned())
                .spawn(move || done.send(work(&batch, timeout)))
                .map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?;
        }
        drop(done);
        let mut outcome = Ok(());
        for _ in &self.queues {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(result) = results.recv_timeout(left) else {
                return Err(OTelSdkError::Timeout(timeout));
            };
            outcome = outcome.and(result);
        }
        outcome
    }
}

impl SpanProcessor for AccountingProcessor {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.totals.started.add(1);
        for key in &self.baggage_keys {
            if let Some(value) = cx.baggage().get(key) {
                span.set_attribute(KeyValue::new(key.clone(), value.clone()));
            }
        }
    }

    fn on_end(&self, mut span: SpanData) {
        if !span.span_context.is_sampled() {
            self.totals.ended_unsampled.add(1);
            return;
        }
        self.totals.ended.add(1);
        if let Some(limit) = self.value_length_limit {
            truncate(&mut span, limit);
        }
        let Some((last, others)) = self.queues.split_last() else { return };
        for queue in others {
            if queue.admit() {
                queue.batch.on_end(span.clone());
            }
        }
        if last.admit() {
            last.batch.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.for_all(Duration::from_secs(5), |batch, _| batch.force_flush())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let result = self.for_all(timeout, BatchSpanProcessor::shutdown_with_timeout);
        for queue in &self.queues {
            queue.health.close();
            queue.counters.closed.store(true, Ordering::Release);
        }
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        for queue in &mut self.queues {
            // Only the threads that shut it down share the processor, and there are none yet.
            if let Some(batch) = Arc::get_mut(&mut queue.batch) {
                batch.set_resource(resource);
            }
        }
    }
}

/// Cuts every text in the attributes of `span`, its events and its links to `limit` characters:
/// <https://opentelemetry.io/docs/specs/otel/common/#attribute-limits>
fn truncate(span: &mut SpanData, limit: usize) {
    let of_events = span.events.events.iter_mut().flat_map(|event| &mut event.attributes);
    let of_links = span.links.links.iter_mut().flat_map(|link| &mut link.attributes);
    for KeyValue { value, .. } in span.attributes.iter_mut().chain(of_events).chain(of_links) {
        match value {
            Value::String(text) => truncate_text(text, limit),
            Value::Array(Array::String(texts)) => {
                texts.iter_mut().for_each(|text| truncate_text(text, limit));
            }
            _ => {}
        }
    }
}

fn truncate_text(text: &mut StringValue, limit: usize) {
    if let Some((end, _)) = text.as_str().char_indices().nth(limit) {
        *text = text.as_str()[..end].to_owned().into();
    }
}
