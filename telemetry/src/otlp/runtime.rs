//! A runtime for an exporter that needs one, on a thread of its own.

use crate::TelemetryError;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// An exporter with the runtime that does its input and output, if it needs one.
///
/// The batch processor drives an exporter from a plain thread. The exporter's connection lives on
/// the runtime, and its timers find the runtime because it is entered at each poll.
#[derive(Debug)]
pub(crate) struct OnRuntime<E> {
    exporter: E,
    runtime: Option<Runtime>,
}

impl<E> OnRuntime<E> {
    /// An exporter that needs no runtime.
    pub(super) fn none(exporter: E) -> Self {
        OnRuntime { exporter, runtime: None }
    }

    /// Builds an exporter inside a runtime of its own.
    pub(super) fn new(
        build: impl FnOnce() -> Result<E, TelemetryError>,
    ) -> Result<Self, TelemetryError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry-grpc")
            .enable_all()
            .build()
            .map_err(|error| TelemetryError::exporter("otlp", &error))?;
        let exporter = {
            let _entered = runtime.enter();
            build()
        };
        // Taken apart only here: on an error the runtime must not be waited for, either.
        match exporter {
            Ok(exporter) => Ok(OnRuntime { exporter, runtime: Some(runtime) }),
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Awaits `work` with the runtime entered at each poll.
    async fn enter<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let _entered = self.runtime.as_ref().map(Runtime::enter);
            work.as_mut().poll(cx)
        })
        .await
    }
}

impl<E> Drop for OnRuntime<E> {
    fn drop(&mut self) {
        // Waiting for a look-up of a name, say, could take as long as the network likes.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl<E: SpanExporter> SpanExporter for OnRuntime<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.enter(self.exporter.export(batch)).await
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for OnRuntime<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.enter(self.exporter.export(metrics)).await
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
