//! Metrics: the accounting as metrics, and a way out for what the middleware and the actors
//! measure.

use super::accounting::Accounting;
use super::config::{Config, MetricExporterConfig};
use super::console::MetricPrinter;
use super::exporter::Outage;
use super::streams::Console;
use super::{TelemetryError, otlp};
use futures_util::FutureExt as _;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{
    MeterProviderBuilder, PeriodicReader, SdkMeterProvider, Temporality,
};
use opentelemetry_semantic_conventions::attribute::{ERROR_TYPE, OTEL_COMPONENT_NAME};
use opentelemetry_semantic_conventions::metric::{
    OTEL_SDK_EXPORTER_SPAN_EXPORTED, OTEL_SDK_PROCESSOR_SPAN_PROCESSED,
    OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE, OTEL_SDK_SPAN_STARTED,
};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Builds the provider that `config` describes; none when metrics go nowhere, so that measuring
/// costs nothing.
pub(super) fn provider(
    config: &Config,
    resource: &Resource,
    accounting: &Accounting,
    console: &Console,
) -> Result<Option<SdkMeterProvider>, TelemetryError> {
    if config.metrics.is_empty() {
        return Ok(None);
    }
    let mut builder = SdkMeterProvider::builder().with_resource(resource.clone());
    for exporter in &config.metrics {
        let interval = config.metric_interval;
        builder = match exporter {
            MetricExporterConfig::Console => {
                let console = MetricPrinter::new(console.clone());
                with_reader(builder, "console metrics", console, interval)
            }
            MetricExporterConfig::Otlp { receiver, temporality } => {
                let otlp = otlp::metrics(receiver, *temporality)?;
                with_reader(builder, "otlp metrics", otlp, interval)
            }
        };
    }
    let provider = builder.build();
    observe(&provider.meter("telemetry"), accounting);
    Ok(Some(provider))
}

fn with_reader<E: PushMetricExporter>(
    builder: MeterProviderBuilder,
    name: &'static str,
    exporter: E,
    interval: Duration,
) -> MeterProviderBuilder {
    let exporter = QuietExporter { inner: exporter, outage: Outage::new(name) };
    builder.with_reader(PeriodicReader::builder(exporter).with_interval(interval).build())
}

/// Offers the accounting under the names that the conventions give to an SDK's own metrics:
/// <https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/>
fn observe(meter: &Meter, accounting: &Accounting) {
    let view = accounting.clone();
    meter
        .u64_observable_counter(OTEL_SDK_SPAN_STARTED)
        .with_unit("{span}")
        .with_description("Recording spans that were started.")
        .with_callback(move |started| started.observe(view.snapshot().started, &[]))
        .build();
    let view = accounting.clone();
    meter
        .u64_observable_counter(OTEL_SDK_EXPORTER_SPAN_EXPORTED)
        .with_unit("{span}")
        .with_description("Spans whose export has ended, with error.type when it failed.")
        .with_callback(move |exported| {
            for exporter in view.snapshot().exporters {
                let name = KeyValue::new(OTEL_COMPONENT_NAME, exporter.name);
                let failed = KeyValue::new(ERROR_TYPE, "export_failed");
                exported.observe(exporter.exported, std::slice::from_ref(&name));
                exported.observe(exporter.failed, &[name, failed]);
            }
        })
        .build();
    let view = accounting.clone();
    meter
        .u64_observable_counter(OTEL_SDK_PROCESSOR_SPAN_PROCESSED)
        .with_unit("{span}")
        .with_description("Spans taken by a queue, or with error.type those that it dropped.")
        .with_callback(move |processed| {
            for exporter in view.snapshot().exporters {
                let name = KeyValue::new(OTEL_COMPONENT_NAME, exporter.name);
                let dropped = KeyValue::new(ERROR_TYPE, "queue_full");
                let taken = exporter.exported + exporter.failed + exporter.queued;
                processed.observe(taken, std::slice::from_ref(&name));
                processed.observe(exporter.dropped, &[name, dropped]);
            }
        })
        .build();
    let view = accounting.clone();
    meter
        .i64_observable_up_down_counter(OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE)
        .with_unit("{span}")
        .with_description("Ended spans that are not exported yet.")
        .with_callback(move |size| {
            for exporter in view.snapshot().exporters {
                let name = KeyValue::new(OTEL_COMPONENT_NAME, exporter.name);
                size.observe(i64::try_from(exporter.queued).unwrap_or(i64::MAX), &[name]);
            }
        })
        .build();
}

/// Says once that a backend is gone and once that it is back, and survives a panic in `inner`.
struct QuietExporter<E> {
    inner: E,
    outage: Outage,
}

impl<E: PushMetricExporter> PushMetricExporter for QuietExporter<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let exporting = AssertUnwindSafe(self.inner.export(metrics)).catch_unwind();
        self.outage.observe(exporting.await.unwrap_or_else(|_| {
            Err(OTelSdkError::InternalFailure("the exporter panicked".to_owned()))
        }));
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}
