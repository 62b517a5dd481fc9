//! The wrapper around every exporter, which counts what became of its spans.

use crate::accounting::ExporterCounters;
use crate::delivery::{Accepted, Failure};
use crate::health::Health;
use crate::http::Post;
use futures_util::FutureExt as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Spans that were not delivered.
    pub(crate) failed: u64,
    /// Spans that were delivered, and that the backend did not take.
    pub(crate) rejected: u64,
    /// Why, or what the backend said of its success; empty when there is nothing to say.
    pub(crate) reason: String,
}

impl Outcome {
    /// What became of `spans` that were sent.
    pub(crate) fn of(sent: Result<Accepted, Failure>, spans: u64) -> Self {
        let mut outcome = Self::of_export(sent);
        // What a stranger counts is not trusted further than it can be true.
        outcome.rejected = outcome.rejected.min(spans);
        outcome.failed *= spans;
        outcome
    }

    /// What became of something that counts as one.
    pub(crate) fn of_export(sent: Result<Accepted, Failure>) -> Self {
        match sent {
            Ok(Accepted { rejected, message }) => Outcome { failed: 0, rejected, reason: message },
            Err(failure) => Outcome { failed: 1, rejected: 0, reason: failure.reason },
        }
    }

    /// What became of `spans` at an exporter that only says whether all went well.
    pub(crate) fn told(told: OTelSdkResult, spans: u64) -> Self {
        match told {
            Ok(()) => Outcome::default(),
            // Who reads a stream has gone, which was their own wish: there is nothing to say.
            Err(OTelSdkError::AlreadyShutdown) => Outcome { failed: spans, ..Outcome::default() },
            Err(error) => Outcome { failed: spans, rejected: 0, reason: error.to_string() },
        }
    }
}

/// Delivers batches of spans, and tells what became of each.
pub(crate) trait Deliver: Debug + Send + Sync + 'static {
    /// Sends a batch.
    fn deliver(&self, batch: Vec<SpanData>) -> impl Future<Output = Outcome> + Send;

    /// Says which process the spans come from.
    fn set_resource(&mut self, resource: &Resource);
}

/// An exporter that sends through a [`Post`], which knows what became of the batch.
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
            // It did not come to sending anything.
            None => Outcome::told(told, spans),
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Counts the outcome of each batch that it passes on to `inner`.
///
/// It reports success to the batch processor whatever happens, because the processor would log
/// every failed batch.
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

    /// Delivers through `inner`, with a panic there turned into an error: the exporter's thread
    /// would be gone with it.
    async fn deliver(&self, batch: Vec<SpanData>) -> Outcome {
        let spans = batch.len() as u64;
        let failed =
            |reason: &str| Outcome { failed: spans, rejected: 0, reason: reason.to_owned() };
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
        let outcome = self.deliver(batch).await;
        let Outcome { failed, rejected, .. } = outcome;
        self.counters.exported.add(spans - failed - rejected);
        self.counters.failed.add(failed);
        self.counters.rejected.add(rejected);
        self.health.observe(&outcome);
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
