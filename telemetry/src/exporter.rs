//! What an exporter is in this crate: it delivers a batch, and returns what became of the batch.
//!
//! The SDK's own trait for exporters returns only success or failure. [`Deliver`] returns an
//! [`Outcome`], which also counts the spans that a backend rejected. [`AccountingExporter`] wraps
//! each exporter, so that the SDK can call it, and counts the outcomes.

use crate::accounting::ExporterCounters;
use crate::health::Health;
use crate::http::Post;
use crate::outcome::{Outcome, error_type};
use futures_util::FutureExt as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Delivers batches of spans, and returns what became of each batch.
pub(crate) trait Deliver: Debug + Send + Sync + 'static {
    /// Sends a batch.
    fn deliver(&self, batch: Vec<SpanData>) -> impl Future<Output = Outcome> + Send;

    /// Sets the resource: which process the spans come from.
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

impl<E: SpanExporter + 'static> Deliver for Posted<E> {
    async fn deliver(&self, batch: Vec<SpanData>) -> Outcome {
        let spans = batch.len() as u64;
        let told = self.exporter.export(batch).await;
        match self.post.outcome() {
            Some(outcome) => Outcome::of(outcome, spans),
            // The exporter failed before it sent anything.
            None => Outcome::told(told, spans),
        }
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

impl<D: Deliver> AccountingExporter<D> {
    pub(crate) fn new(inner: D, counters: Arc<ExporterCounters>, health: Arc<Health>) -> Self {
        AccountingExporter { inner, counters, health, broken: AtomicBool::new(false) }
    }

    /// Delivers through `inner`. A panic there becomes an error, because it would end the
    /// exporter's thread.
    async fn deliver(&self, batch: Vec<SpanData>) -> Outcome {
        let spans = batch.len() as u64;
        let failed = |reason: &str| Outcome::failed(spans, reason.to_owned(), error_type::PANIC);
        if self.broken.load(Ordering::Relaxed) {
            return failed("the exporter has panicked before");
        }
        AssertUnwindSafe(self.inner.deliver(batch)).catch_unwind().await.unwrap_or_else(|_| {
            self.broken.store(true, Ordering::Relaxed);
            failed("the exporter panicked")
        })
    }
}

impl<D: Deliver> SpanExporter for AccountingExporter<D> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        self.counters.waiting.sub(spans);
        let start = Instant::now();
        let outcome = self.deliver(batch).await;
        let Outcome { failed, rejected, .. } = outcome;
        self.counters.exported.add(spans - failed - rejected);
        self.counters.failed.add(failed);
        self.counters.rejected.add(rejected);
        self.counters.measured.note(&outcome, start.elapsed());
        self.health.observe(&outcome);
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
