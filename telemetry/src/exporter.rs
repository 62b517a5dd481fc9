//! The wrapper around every exporter that counts what became of its spans and says once that a
//! backend is gone, and once that it is back.

use super::accounting::Lane;
use futures_util::FutureExt as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Delivers batches of spans, and tells how many of one it could not deliver.
///
/// Most exporters send a batch whole or not at all: every [`SpanExporter`] is one of these.
pub(super) trait Deliver: Debug + Send + Sync + 'static {
    /// Sends a batch.
    fn deliver(&self, batch: Vec<SpanData>)
    -> impl Future<Output = Result<(), Undelivered>> + Send;

    /// Says which process the spans come from.
    fn set_resource(&mut self, resource: &Resource);
}

/// The part of a batch that was not delivered.
#[derive(Debug)]
pub(super) struct Undelivered {
    pub(super) spans: usize,
    pub(super) error: OTelSdkError,
}

impl<E: SpanExporter + 'static> Deliver for E {
    async fn deliver(&self, batch: Vec<SpanData>) -> Result<(), Undelivered> {
        let spans = batch.len();
        self.export(batch).await.map_err(|error| Undelivered { spans, error })
    }

    fn set_resource(&mut self, resource: &Resource) {
        SpanExporter::set_resource(self, resource);
    }
}

/// Counts the outcome of each batch that it passes on to `inner`.
///
/// It reports success to the batch processor whatever happens, because the processor would log
/// every failed batch.
#[derive(Debug)]
pub(super) struct AccountingExporter<D> {
    inner: D,
    lane: Arc<Lane>,
    outage: Outage,
    /// Set when `inner` panicked: its state is unknown from then on.
    broken: AtomicBool,
}

impl<D: Deliver> AccountingExporter<D> {
    pub(super) fn new(inner: D, lane: Arc<Lane>) -> Self {
        let outage = Outage::new(lane.name);
        AccountingExporter { inner, lane, outage, broken: AtomicBool::new(false) }
    }

    /// Delivers through `inner`, with a panic there turned into an error: `println!` panics when
    /// stdout is closed, and the exporter's thread would be gone with it.
    async fn deliver(&self, batch: Vec<SpanData>) -> Result<(), Undelivered> {
        let spans = batch.len();
        let failed = |reason: &str| {
            Err(Undelivered { spans, error: OTelSdkError::InternalFailure(reason.to_owned()) })
        };
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
        let spans = batch.len();
        self.lane.waiting.sub(spans as u64);
        let outcome = self.deliver(batch).await;
        let failed = outcome.as_ref().err().map_or(0, |undelivered| undelivered.spans);
        self.lane.exported.add((spans - failed) as u64);
        self.lane.failed.add(failed as u64);
        // After the accounting line nothing more is said.
        if !self.lane.closed.load(Ordering::Acquire) {
            self.outage.observe(outcome.map_err(|undelivered| undelivered.error));
        }
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Whether a backend is away: one warning when it goes and one when it comes back.
#[derive(Debug)]
pub(super) struct Outage {
    exporter: &'static str,
    away: AtomicBool,
}

impl Outage {
    pub(super) fn new(exporter: &'static str) -> Self {
        Outage { exporter, away: AtomicBool::new(false) }
    }

    /// Notes whether the backend took what it was sent, and warns when that has changed.
    pub(super) fn observe(&self, outcome: OTelSdkResult) {
        if matches!(outcome, Err(OTelSdkError::AlreadyShutdown)) {
            // It takes nothing any more because it was told so: there is nothing to warn of.
            return;
        }
        let was_away = self.away.swap(outcome.is_err(), Ordering::Relaxed);
        let exporter = self.exporter;
        match outcome {
            Err(error) if !was_away => {
                tracing::warn!(exporter, %error, "telemetry backend does not take what it is sent");
            }
            Ok(()) if was_away => {
                tracing::warn!(exporter, "telemetry backend takes what it is sent again");
            }
            _ => {}
        }
    }
}
