//! The wrapper around every exporter that counts what became of its spans and says once that a
//! backend is gone, and once that it is back.

use super::accounting::Lane;
use futures_util::FutureExt as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Counts the outcome of each batch that it passes on to `inner`.
///
/// It reports success to the batch processor whatever happens, because the processor would log
/// every failed batch.
#[derive(Debug)]
pub(crate) struct AccountingExporter<E> {
    inner: E,
    lane: Arc<Lane>,
    outage: Outage,
    /// Set when `inner` panicked: its state is unknown from then on.
    broken: AtomicBool,
}

impl<E> AccountingExporter<E> {
    pub(crate) fn new(inner: E, lane: Arc<Lane>) -> Self {
        let outage = Outage::new(lane.name);
        AccountingExporter { inner, lane, outage, broken: AtomicBool::new(false) }
    }
}

impl<E: SpanExporter> AccountingExporter<E> {
    /// Exports through `inner`, with a panic there turned into an error: `println!` panics when
    /// stdout is closed, and the exporter's thread would be gone with it.
    async fn deliver(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        if self.broken.load(Ordering::Relaxed) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        AssertUnwindSafe(self.inner.export(batch)).catch_unwind().await.unwrap_or_else(|_| {
            self.broken.store(true, Ordering::Relaxed);
            Err(OTelSdkError::InternalFailure("the exporter panicked".to_owned()))
        })
    }
}

impl<E: SpanExporter> SpanExporter for AccountingExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        self.lane.waiting.sub(count);
        match self.deliver(batch).await {
            Ok(()) => {
                self.lane.exported.add(count);
                self.outage.over();
            }
            Err(error) => {
                self.lane.failed.add(count);
                self.outage.begin(&error);
            }
        }
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Whether a backend is away: one warning when it goes and one when it comes back.
#[derive(Debug)]
pub(crate) struct Outage {
    exporter: &'static str,
    away: AtomicBool,
}

impl Outage {
    pub(crate) fn new(exporter: &'static str) -> Self {
        Outage { exporter, away: AtomicBool::new(false) }
    }

    /// The backend did not take what it was sent.
    pub(crate) fn begin(&self, error: &OTelSdkError) {
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(exporter = self.exporter, %error, "telemetry backend is not taking data");
        }
    }

    /// The backend took what it was sent.
    pub(crate) fn over(&self) {
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::warn!(exporter = self.exporter, "telemetry backend is taking data again");
        }
    }
}
