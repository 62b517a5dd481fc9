//! What an exporter is in this crate: it delivers a batch, and returns what became of the batch.
//!
//! The SDK's own traits for exporters return only success or failure. [`Deliver`] returns an
//! [`Outcome`], which also counts the items that a backend rejected. [`AccountingExporter`] wraps
//! each exporter, so that the SDK can call it, and counts the outcomes. Both are the same for spans
//! and for log records, the two [`Signal`]s that are sent in batches.

use crate::accounting::ExporterCounters;
use crate::health::Health;
use crate::http::Post;
use crate::outcome::{Outcome, error_type};
use futures_util::FutureExt as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A signal whose items are sent in batches.
pub(crate) trait Signal: 'static {
    /// A batch as the SDK hands it over.
    type Batch<'a>: Send;

    /// How many items are in a batch.
    fn count(batch: &Self::Batch<'_>) -> u64;
}

/// A batch of the signal `S`. Implementations of [`Deliver`] need this form, by which the compiler
/// sees that the lifetime is the trait's.
pub(crate) type BatchOf<'a, S> = <S as Signal>::Batch<'a>;

/// The signal whose items are spans.
#[derive(Debug)]
pub(crate) struct Spans;

impl Signal for Spans {
    type Batch<'a> = Vec<SpanData>;

    fn count(batch: &Vec<SpanData>) -> u64 {
        batch.len() as u64
    }
}

/// The signal whose items are log records.
#[derive(Debug)]
pub(crate) struct Logs;

impl Signal for Logs {
    type Batch<'a> = LogBatch<'a>;

    fn count(batch: &LogBatch<'_>) -> u64 {
        batch.iter().count() as u64
    }
}

/// Delivers batches of a signal, and returns what became of each batch.
pub(crate) trait Deliver<S: Signal>: Debug + Send + Sync + 'static {
    /// Sends a batch.
    fn deliver(&self, batch: BatchOf<'_, S>) -> impl Future<Output = Outcome> + Send;

    /// Sets the resource: which process the items come from.
    fn set_resource(&mut self, resource: &Resource);
}

/// Delivers metrics, and returns what became of them.
pub(crate) trait DeliverMetrics: Send + Sync + 'static {
    /// Sends the metrics.
    fn deliver(&self, metrics: &ResourceMetrics) -> impl Future<Output = Outcome> + Send;

    /// Ends the exporter.
    fn shutdown(&self, timeout: Duration) -> OTelSdkResult;

    /// Whether counts are since the start or since the last export.
    fn temporality(&self) -> Temporality;
}

/// An exporter of another crate, which sends through a [`Post`]. The post knows what became of the
/// request.
#[derive(Debug)]
pub(crate) struct Posted<E> {
    exporter: E,
    post: Arc<Post>,
}

impl<E> Posted<E> {
    /// `exporter`, whose HTTP client is `post`.
    pub(crate) fn new(exporter: E, post: Arc<Post>) -> Self {
        Posted { exporter, post }
    }
}

impl<E> Posted<E> {
    /// What became of `items` items, for which the exporter has returned `told`.
    fn outcome(&self, told: OTelSdkResult, items: u64) -> Outcome {
        match self.post.outcome() {
            Some(outcome) => Outcome::of(outcome, items),
            // The exporter failed before it sent anything.
            None => Outcome::told(told, items),
        }
    }
}

impl<E: SpanExporter + 'static> Deliver<Spans> for Posted<E> {
    async fn deliver(&self, batch: BatchOf<'_, Spans>) -> Outcome {
        let spans = Spans::count(&batch);
        self.outcome(self.exporter.export(batch).await, spans)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: LogExporter + 'static> Deliver<Logs> for Posted<E> {
    async fn deliver(&self, batch: BatchOf<'_, Logs>) -> Outcome {
        let records = Logs::count(&batch);
        self.outcome(self.exporter.export(batch).await, records)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> DeliverMetrics for Posted<E> {
    async fn deliver(&self, metrics: &ResourceMetrics) -> Outcome {
        let told = self.exporter.export(metrics).await;
        match self.post.outcome() {
            Some(outcome) => Outcome::of_export(outcome),
            // The exporter failed before it sent anything.
            None => Outcome::told(told, 1),
        }
    }

    fn shutdown(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

/// Counts the outcome of each batch that it passes on to `inner`.
///
/// It always reports success to the batch processor, which would log every failed batch otherwise.
#[derive(Debug)]
pub(crate) struct AccountingExporter<D> {
    inner: D,
    counters: Arc<ExporterCounters>,
    health: Arc<Health>,
    /// Set when `inner` panicked: its state is unknown from then on.
    broken: AtomicBool,
}

impl<D> AccountingExporter<D> {
    pub(crate) fn new(inner: D, counters: Arc<ExporterCounters>, health: Arc<Health>) -> Self {
        AccountingExporter { inner, counters, health, broken: AtomicBool::new(false) }
    }

    /// Passes a batch on, and counts what became of it.
    pub(crate) async fn account<S: Signal>(&self, batch: BatchOf<'_, S>)
    where
        D: Deliver<S>,
    {
        let items = S::count(&batch);
        self.counters.waiting.sub(items);
        let start = Instant::now();
        let outcome = self.deliver(batch).await;
        let Outcome { failed, rejected, .. } = outcome;
        let took = start.elapsed();
        // It is said before it is counted: who sees from the counters that a batch is done finds in the
        // log what became of it.
        self.health.observe(&outcome);
        self.counters.exported.add(items - failed - rejected);
        self.counters.failed.add(failed);
        self.counters.rejected.add(rejected);
        self.counters.measured.note(&outcome, took);
    }

    /// Delivers through `inner`. A panic there becomes an error, because it would end the
    /// exporter's thread.
    async fn deliver<S: Signal>(&self, batch: BatchOf<'_, S>) -> Outcome
    where
        D: Deliver<S>,
    {
        let items = S::count(&batch);
        let failed = |reason: &str| Outcome::failed(items, reason.to_owned(), error_type::PANIC);
        if self.broken.load(Ordering::Relaxed) {
            return failed("the exporter has panicked before");
        }
        AssertUnwindSafe(self.inner.deliver(batch)).catch_unwind().await.unwrap_or_else(|_| {
            self.broken.store(true, Ordering::Relaxed);
            failed("the exporter panicked")
        })
    }
}

impl<D: Deliver<Spans>> SpanExporter for AccountingExporter<D> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.account::<Spans>(batch).await;
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<D: Deliver<Logs>> LogExporter for AccountingExporter<D> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        // A thread that emits a record cannot log: see `log_processor.rs`.
        if self.counters.dropped.get() > 0 {
            self.health.overflowed("log records");
        }
        self.account::<Logs>(batch).await;
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
