//! The way of a span from its end to the exporters, built as a value.
//!
//! Nothing global is touched here, so that tests can have as many pipelines as they like.

use super::accounting::{Accounting, Lane, Totals};
use super::config::{BatchLimits, Config, SpanExporterConfig};
use super::exporter::AccountingExporter;
use super::processor::{AccountingProcessor, Queue};
use super::{Service, TelemetryError, otlp, resource};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanExporter,
};
use std::sync::Arc;
use std::time::Duration;

/// Longest that shutting down may take, with all exporters flushing at the same time.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A tracer provider with its exporters and their accounting.
#[derive(Debug)]
pub struct Pipeline {
    provider: SdkTracerProvider,
    accounting: Accounting,
}

impl Pipeline {
    /// Builds the pipeline that `config` describes.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::Exporter`] when an exporter cannot be set up.
    pub fn new(service: &Service, config: &Config) -> Result<Self, TelemetryError> {
        let queues = config
            .exporters
            .iter()
            .map(|exporter| build(exporter, config.batch))
            .collect::<Result<_, _>>()?;
        Ok(Self::assemble(service, config, queues))
    }

    fn assemble(service: &Service, config: &Config, queues: Vec<Queue>) -> Self {
        let totals = Arc::new(Totals::new(queues.iter().map(Queue::lane).collect()));
        let baggage_keys = service.baggage_attributes.iter().map(|&key| key.into()).collect();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource::describe(service, config))
            .with_sampler(config.sampler.clone())
            .with_span_limits(config.limits)
            .with_span_processor(AccountingProcessor::new(
                Arc::clone(&totals),
                queues,
                baggage_keys,
            ))
            .build();
        Pipeline { provider, accounting: Accounting(totals) }
    }

    /// The provider that makes tracers for this pipeline.
    #[must_use]
    pub fn provider(&self) -> &SdkTracerProvider {
        &self.provider
    }

    /// A live view of where the spans went.
    #[must_use]
    pub fn accounting(&self) -> Accounting {
        self.accounting.clone()
    }

    /// Sends what is waiting and stops, within [`SHUTDOWN_TIMEOUT`]; what could not be sent by
    /// then is counted as dropped. Doing it again does nothing.
    pub fn shutdown(&self) {
        // What went wrong is in the accounting, and was said by the exporter.
        self.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT).ok();
    }
}

fn build(exporter: &SpanExporterConfig, limits: BatchLimits) -> Result<Queue, TelemetryError> {
    Ok(match exporter {
        SpanExporterConfig::Console => {
            queue("console", opentelemetry_stdout::SpanExporter::default(), limits)
        }
        SpanExporterConfig::Otlp(otlp) => queue("otlp", otlp::span_exporter(otlp)?, limits),
    })
}

/// Gives `exporter` a queue and a thread of its own.
fn queue<E: SpanExporter + 'static>(name: &'static str, exporter: E, limits: BatchLimits) -> Queue {
    let lane = Arc::new(Lane::new(name, limits.queue_size));
    let batch = BatchConfigBuilder::default()
        .with_max_queue_size(limits.queue_size)
        .with_max_export_batch_size(limits.batch_size)
        .with_scheduled_delay(limits.schedule_delay)
        .build();
    let exporter = AccountingExporter::new(exporter, Arc::clone(&lane));
    Queue::new(lane, BatchSpanProcessor::new(exporter, batch))
}
