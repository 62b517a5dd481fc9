//! The way of a span from its end to the exporters, built as a value.
//!
//! Nothing global is touched here, so that tests can have as many pipelines as they like.

use super::accounting::{Accounting, Lane, Totals};
use super::config::{BatchLimits, Config, JaegerConfig, SpanExporterConfig};
use super::console::SpanPrinter;
use super::exporter::{AccountingExporter, Deliver};
use super::processor::{AccountingProcessor, Queue};
use super::streams::{Console, Streams};
use super::{Service, TelemetryError, metrics, otlp, resource, zipkin};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest that shutting down may take, with all exporters flushing at the same time.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A tracer provider with its exporters and their accounting, and a meter provider.
#[derive(Debug)]
pub struct Pipeline {
    tracers: SdkTracerProvider,
    meters: Option<SdkMeterProvider>,
    accounting: Accounting,
}

impl Pipeline {
    /// Builds the pipeline that `config` describes. A disabled one has no exporters and samples
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::Exporter`] when an exporter cannot be set up.
    pub fn new(service: &Service, config: &Config) -> Result<Self, TelemetryError> {
        Self::with_console(service, config, &Streams::default().console())
    }

    /// Does the same, with the stream that the console exporters write to.
    pub(super) fn with_console(
        service: &Service,
        config: &Config,
        console: &Console,
    ) -> Result<Self, TelemetryError> {
        let mut config = config.clone();
        if config.disabled {
            config.exporters.clear();
            config.metrics.clear();
            config.sampler = Sampler::AlwaysOff;
        }
        let resource = resource::describe(service, &config);
        let queues = config
            .exporters
            .iter()
            .map(|exporter| build(exporter, &resource, config.batch, console))
            .collect::<Result<Vec<_>, _>>()?;
        let totals = Arc::new(Totals::new(queues.iter().map(Queue::lane).collect()));
        let accounting = Accounting(Arc::clone(&totals));
        let meters = metrics::provider(&config, &resource, &accounting, console)?;
        let processor = AccountingProcessor::new(totals, queues)
            .with_baggage_attributes(service.baggage_attributes)
            .with_value_length_limit(config.value_length_limit);
        let tracers = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(config.sampler)
            .with_span_limits(config.limits)
            .with_span_processor(processor)
            .build();
        Ok(Pipeline { tracers, meters, accounting })
    }

    /// The provider that makes tracers for this pipeline.
    #[must_use]
    pub fn tracers(&self) -> &SdkTracerProvider {
        &self.tracers
    }

    /// The provider that makes meters, unless metrics go nowhere.
    #[must_use]
    pub fn meters(&self) -> Option<&SdkMeterProvider> {
        self.meters.as_ref()
    }

    /// A live view of where the spans went.
    #[must_use]
    pub fn accounting(&self) -> Accounting {
        self.accounting.clone()
    }

    /// Sends what is waiting and stops, within [`SHUTDOWN_TIMEOUT`]; what could not be sent by
    /// then is counted as dropped. Doing it again does nothing.
    pub fn shutdown(&self) {
        self.shutdown_within(SHUTDOWN_TIMEOUT);
    }

    /// Does the same within `timeout`.
    pub fn shutdown_within(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        // Spans first, so that the last metrics hold their final totals; but some of the time is
        // kept for the metrics.
        let for_spans = if self.meters.is_some() { timeout * 4 / 5 } else { timeout };
        // What went wrong is in the accounting, and was said by the exporter.
        self.tracers.shutdown_with_timeout(for_spans).ok();
        if let Some(meters) = &self.meters {
            let left = deadline.saturating_duration_since(Instant::now());
            meters.shutdown_with_timeout(left).ok();
        }
    }
}

fn build(
    exporter: &SpanExporterConfig,
    resource: &Resource,
    limits: BatchLimits,
    console: &Console,
) -> Result<Queue, TelemetryError> {
    Ok(match exporter {
        SpanExporterConfig::Console => queue("console", SpanPrinter::new(console.clone()), limits),
        SpanExporterConfig::Otlp(config) => {
            let mut config = config.clone();
            config.timeout = config.timeout.min(limits.export_timeout);
            queue("otlp", otlp::spans(&config)?, limits)
        }
        SpanExporterConfig::Zipkin(config) => {
            let mut config = config.clone();
            config.timeout = config.timeout.min(limits.export_timeout);
            let service = resource::service_name(resource);
            queue("zipkin", zipkin::spans(&config, service)?, limits)
        }
        SpanExporterConfig::Jaeger(config) => jaeger_queue(config, limits)?,
    })
}

#[cfg(feature = "jaeger")]
fn jaeger_queue(config: &JaegerConfig, limits: BatchLimits) -> Result<Queue, TelemetryError> {
    let mut config = config.clone();
    if let JaegerConfig::Collector { timeout, .. } = &mut config {
        *timeout = limits.export_timeout.min(*timeout);
    }
    Ok(queue("jaeger", super::jaeger::JaegerExporter::new(&config)?, limits))
}

#[cfg(not(feature = "jaeger"))]
fn jaeger_queue(_: &JaegerConfig, _: BatchLimits) -> Result<Queue, TelemetryError> {
    let reason = "this program was built without the feature jaeger".to_owned();
    Err(TelemetryError::Exporter { exporter: "jaeger", reason })
}

/// Gives `exporter` a queue and a thread of its own.
fn queue(name: &'static str, exporter: impl Deliver, limits: BatchLimits) -> Queue {
    let lane = Arc::new(Lane::new(name, limits.queue_size));
    let batch = BatchConfigBuilder::default()
        .with_max_queue_size(limits.queue_size)
        .with_max_export_batch_size(limits.batch_size)
        .with_scheduled_delay(limits.schedule_delay)
        .build();
    let exporter = AccountingExporter::new(exporter, Arc::clone(&lane));
    Queue::new(lane, BatchSpanProcessor::new(exporter, batch))
}
