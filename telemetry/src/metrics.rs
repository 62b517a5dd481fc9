//! Metrics: the provider for the meters of the service and its libraries, and the accounting of
//! spans as metrics.

use crate::accounting::Accounting;
use crate::config::{Config, MetricExporterConfig};
use crate::console::MetricPrinter;
use crate::error::TelemetryError;
use crate::exporter::DeliverMetrics;
use crate::health::Health;
use crate::otlp::OtlpMetrics;
use crate::outcome::Outcome;
use crate::retry::{Closing, Retry};
use crate::streams::Console;
use futures_util::FutureExt as _;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{
    MeterProviderBuilder, PeriodicReader, SdkMeterProvider, Temporality,
};
use opentelemetry_semantic_conventions::attribute::{ERROR_TYPE, OTEL_COMPONENT_NAME};
use opentelemetry_semantic_conventions::metric::{
    OTEL_SDK_EXPORTER_SPAN_EXPORTED, OTEL_SDK_EXPORTER_SPAN_INFLIGHT,
    OTEL_SDK_PROCESSOR_SPAN_PROCESSED, OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE, OTEL_SDK_SPAN_STARTED,
};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// Builds the provider that `config` describes. There is none when metrics go nowhere, so that
/// measuring costs nothing.
pub(super) fn provider(
    config: &Config,
    resource: &Resource,
    accounting: &Accounting,
    console: &Console,
    closing: &Arc<Closing>,
) -> Result<Option<SdkMeterProvider>, TelemetryError> {
    if config.metrics.is_empty() {
        return Ok(None);
    }
    let mut builder = SdkMeterProvider::builder().with_resource(resource.clone());
    for exporter in &config.metrics {
        let interval = config.metric_interval;
        builder = match exporter {
            MetricExporterConfig::Console => {
                let console = SimpleExporter(MetricPrinter::new(console.clone()));
                let health = Arc::new(Health::new("console metrics"));
                with_reader(builder, console, health, interval)
            }
            MetricExporterConfig::Otlp { receiver, temporality } => {
                let health = Arc::new(Health::new("otlp metrics"));
                let retry = Retry {
                    back_off: config.back_off,
                    limit: config.metric_timeout,
                    closing: Arc::clone(closing),
                    health: Arc::clone(&health),
                };
                let otlp = OtlpMetrics::new(receiver, *temporality, retry)?;
                with_reader(builder, otlp, health, interval)
            }
        };
    }
    let provider = builder.build();
    let scope =
        InstrumentationScope::builder("telemetry").with_version(env!("CARGO_PKG_VERSION")).build();
    observe(&provider.meter_with_scope(scope), accounting);
    Ok(Some(provider))
}

fn with_reader(
    builder: MeterProviderBuilder,
    inner: impl DeliverMetrics,
    health: Arc<Health>,
    interval: Duration,
) -> MeterProviderBuilder {
    let exporter = QuietExporter { inner, health };
    builder.with_reader(PeriodicReader::builder(exporter).with_interval(interval).build())
}

/// An exporter that returns only success or failure: the console.
struct SimpleExporter<E>(E);

impl<E: PushMetricExporter> DeliverMetrics for SimpleExporter<E> {
    async fn deliver(&self, metrics: &ResourceMetrics) -> Outcome {
        Outcome::told(self.0.export(metrics).await, 1)
    }

    fn shutdown(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.0.temporality()
    }
}

/// Makes instruments that read the accounting, with the names that the semantic conventions have
/// for an SDK's own metrics: <https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/>
fn observe(meter: &Meter, accounting: &Accounting) {
    let name = |name: &'static str| KeyValue::new(OTEL_COMPONENT_NAME, name);
    let error = |of_type: &'static str| KeyValue::new(ERROR_TYPE, of_type);
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
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
            for of in view.snapshot().exporters {
                exported.observe(of.exported, &[name(of.name)]);
                exported.observe(of.rejected, &[name(of.name), error("rejected")]);
                let failed = of.failed - of.rejected;
                exported.observe(failed, &[name(of.name), error("export_failed")]);
            }
        })
        .build();
    let view = accounting.clone();
    meter
        .i64_observable_up_down_counter(OTEL_SDK_EXPORTER_SPAN_INFLIGHT)
        .with_unit("{span}")
        .with_description("Spans that are being exported.")
        .with_callback(move |inflight| {
            for of in view.snapshot().exporters {
                inflight.observe(signed(of.in_flight), &[name(of.name)]);
            }
        })
        .build();
    let view = accounting.clone();
    meter
        .u64_observable_counter(OTEL_SDK_PROCESSOR_SPAN_PROCESSED)
        .with_unit("{span}")
        .with_description("Spans that have left a queue, or with error.type found it full.")
        .with_callback(move |processed| {
            for of in view.snapshot().exporters {
                let handed_over = of.exported + of.failed + of.in_flight;
                processed.observe(handed_over, &[name(of.name)]);
                processed.observe(of.dropped, &[name(of.name), error("queue_full")]);
            }
        })
        .build();
    let view = accounting.clone();
    meter
        .i64_observable_up_down_counter(OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE)
        .with_unit("{span}")
        .with_description("Ended spans in a queue.")
        .with_callback(move |size| {
            for of in view.snapshot().exporters {
                size.observe(signed(of.queued - of.in_flight), &[name(of.name)]);
            }
        })
        .build();
}

/// Notes the outcome of each export for the log, and survives a panic in `inner`.
struct QuietExporter<D> {
    inner: D,
    health: Arc<Health>,
}

impl<D: DeliverMetrics> PushMetricExporter for QuietExporter<D> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let delivering = AssertUnwindSafe(self.inner.deliver(metrics)).catch_unwind();
        self.health.observe(&delivering.await.unwrap_or_else(|_| Outcome {
            failed: 1,
            rejected: 0,
            reason: "the exporter panicked".to_owned(),
        }));
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.health.close();
        self.inner.shutdown(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}
