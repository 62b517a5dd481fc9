//! Metrics: the provider for the meters of the service and its libraries, with its exporters.
//!
//! - `metrics/views.rs`: which buckets histograms have;
//! - `metrics/sdk.rs`: the accounting of spans, log records and data points as metrics;
//! - `metrics/counters.rs`: the accounting of data points;
//! - `metrics/process.rs`: CPU time, memory and the like.

mod counters;
pub(crate) mod process;
mod sdk;
mod views;

use crate::accounting::Accounting;
use crate::component::Component;
use crate::config::{Config, HistogramBuckets, MetricExporterConfig, OtlpConfig, Protocol};
use crate::console::MetricPrinter;
use crate::error::TelemetryError;
use crate::exporter::DeliverMetrics;
use crate::health::Health;
use crate::otlp::OtlpMetrics;
use crate::outcome::{Outcome, error_type};
use crate::prometheus::{CollectionDuration, Page};
use crate::retry::{Closing, Retry};
use crate::sampler::StartedSpans;
use crate::scope::instrumentation_scope;
use crate::streams::Console;
use counters::MetricExporterCounters;
use futures_util::FutureExt as _;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{
    MeterProviderBuilder, PeriodicReader, SdkMeterProvider, Temporality,
};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The component type of the page for Prometheus.
const PROMETHEUS: &str = "prometheus_http_text_metric_exporter";

/// The provider of meters, and the page for Prometheus if there is one.
#[derive(Debug)]
pub(super) struct Meters {
    pub(super) provider: SdkMeterProvider,
    pub(super) page: Option<Page>,
}

/// Builds the provider that `config` describes. There is none when metrics go nowhere, so that
/// measuring costs nothing.
pub(super) fn provider(
    config: &Config,
    resource: &Resource,
    accounting: &Accounting,
    started: &Arc<StartedSpans>,
    console: &Console,
    closing: &Arc<Closing>,
) -> Result<Option<Meters>, TelemetryError> {
    if config.metrics.is_empty() {
        return Ok(None);
    }
    let buckets = config.metrics.iter().find_map(|exporter| match exporter {
        MetricExporterConfig::Otlp { histograms, .. } => Some(*histograms),
        _ => None,
    });
    let buckets = buckets.unwrap_or(HistogramBuckets::Explicit);
    let mut builder = SdkMeterProvider::builder()
        .with_resource(resource.clone())
        .with_view(move |instrument: &_| views::of(instrument, buckets));
    let mut exporters = Vec::new();
    let mut page = None;
    let interval = config.metric_interval;
    let mut counters_of = |component| {
        let counters = Arc::new(MetricExporterCounters::new(component));
        exporters.push(Arc::clone(&counters));
        counters
    };
    for exporter in &config.metrics {
        builder = match exporter {
            MetricExporterConfig::Console => {
                let console = SimpleExporter(MetricPrinter::new(console.clone()));
                let health = Arc::new(Health::new("console metrics"));
                let counters = counters_of(Component::new("telemetry::console::MetricPrinter", 0));
                with_reader(builder, console, health, counters, interval)
            }
            MetricExporterConfig::Otlp { receiver, temporality, .. } => {
                let health = Arc::new(Health::new("otlp metrics"));
                let retry = Retry {
                    back_off: config.back_off,
                    limit: config.metric_timeout,
                    closing: Arc::clone(closing),
                    health: Arc::clone(&health),
                };
                let otlp = OtlpMetrics::new(receiver, *temporality, retry)?;
                let counters = counters_of(otlp_component(receiver));
                with_reader(builder, otlp, health, counters, interval)
            }
            MetricExporterConfig::Prometheus(settings) => {
                let registry = ::prometheus::Registry::new();
                let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone());
                let reader = exporter
                    .build()
                    .map_err(|error| TelemetryError::exporter("prometheus", &error))?;
                page = Some(Page::serve(settings, registry)?);
                builder.with_reader(reader)
            }
        };
    }
    let provider = builder.build();
    let scope = instrumentation_scope("telemetry", env!("CARGO_PKG_VERSION"));
    let meter = provider.meter_with_scope(scope);
    sdk::observe_spans(&meter, accounting, started);
    sdk::observe_logs(&meter, accounting);
    sdk::observe_data_points(&meter, &exporters.clone().into());
    let durations = sdk::operation_duration(&meter);
    let of_logs = accounting.0.logs.iter().flat_map(|logs| &logs.exporters);
    let of_items = accounting.0.spans.exporters.iter().chain(of_logs).map(|of| &of.measured);
    let of_metrics = exporters.iter().map(|of| &of.measured);
    of_items.chain(of_metrics).for_each(|measured| measured.record_durations(&durations));
    if let Some(page) = &page {
        let histogram = sdk::collection_duration(&meter);
        let attributes = Component::new(PROMETHEUS, 0).attributes();
        page.measure(CollectionDuration { histogram, attributes });
    }
    process::observe(&meter);
    Ok(Some(Meters { provider, page }))
}

fn otlp_component(receiver: &OtlpConfig) -> Component {
    let kind = match receiver.protocol {
        Protocol::Grpc => "otlp_grpc_metric_exporter",
        Protocol::HttpProtobuf => "otlp_http_metric_exporter",
        Protocol::HttpJson => "otlp_http_json_metric_exporter",
    };
    Component::exporter_to(kind, &receiver.endpoint)
}

fn with_reader(
    builder: MeterProviderBuilder,
    inner: impl DeliverMetrics,
    health: Arc<Health>,
    counters: Arc<MetricExporterCounters>,
    interval: Duration,
) -> MeterProviderBuilder {
    let exporter = CountedExporter { inner, health, counters };
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

/// Counts the data points, notes the outcome of each export for the log, and survives a panic in
/// `inner`.
struct CountedExporter<D> {
    inner: D,
    health: Arc<Health>,
    counters: Arc<MetricExporterCounters>,
}

impl<D: DeliverMetrics> PushMetricExporter for CountedExporter<D> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let points = data_points(metrics);
        self.counters.in_flight.add(points);
        let start = Instant::now();
        let delivering = AssertUnwindSafe(self.inner.deliver(metrics)).catch_unwind();
        let outcome = delivering.await.unwrap_or_else(|_| {
            Outcome::failed(1, "the exporter panicked".to_owned(), error_type::PANIC)
        });
        self.health.observe(&outcome);
        // The health counts exports, and the metrics count data points.
        let failed = if outcome.failed > 0 { points } else { 0 };
        let rejected = outcome.rejected.min(points - failed);
        let outcome = Outcome { failed, rejected, ..outcome };
        self.counters.exported.add(points - failed - rejected);
        self.counters.rejected.add(rejected);
        self.counters.measured.note(&outcome, start.elapsed());
        self.counters.in_flight.sub(points);
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

/// How many data points there are in `metrics`.
fn data_points(metrics: &ResourceMetrics) -> u64 {
    fn of<T>(data: &MetricData<T>) -> usize {
        match data {
            MetricData::Gauge(gauge) => gauge.data_points().count(),
            MetricData::Sum(sum) => sum.data_points().count(),
            MetricData::Histogram(histogram) => histogram.data_points().count(),
            MetricData::ExponentialHistogram(histogram) => histogram.data_points().count(),
        }
    }
    let metrics = metrics.scope_metrics().flat_map(|scope| scope.metrics());
    let points = metrics.map(|metric| match metric.data() {
        AggregatedMetrics::F64(data) => of(data),
        AggregatedMetrics::U64(data) => of(data),
        AggregatedMetrics::I64(data) => of(data),
    });
    points.sum::<usize>() as u64
}
