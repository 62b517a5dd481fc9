//! Builds the tracer provider and the meter provider, with the exporters and the accounting.
//!
//! A [`Pipeline`] is a value and sets nothing global, so a test can have as many as it likes.

use crate::accounting::{Accounting, ExporterCounters, Totals};
use crate::component::Component;
use crate::config::{Config, JaegerConfig, OtlpConfig, Protocol, SpanExporterConfig};
use crate::console::SpanPrinter;
use crate::error::TelemetryError;
use crate::exporter::{AccountingExporter, Deliver};
use crate::health::Health;
use crate::metrics::Meters;
use crate::otlp::OtlpSpans;
use crate::processor::{AccountingProcessor, Queue};
use crate::prometheus::Page;
use crate::resource::Service;
use crate::retry::{Closing, Retry};
use crate::sampler::{CountingSampler, StartedSpans};
use crate::streams::{Console, Streams};
use crate::{metrics, resource, zipkin};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How long shutting down may take. All exporters flush at the same time.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A tracer provider with its exporters and their accounting, and a meter provider.
#[derive(Debug)]
pub struct Pipeline {
    tracers: SdkTracerProvider,
    meters: Option<Meters>,
    accounting: Accounting,
    /// Tells the exporters of spans, and those of metrics, that the process is ending.
    closing: [Arc<Closing>; 2],
}

impl Pipeline {
    /// Builds the pipeline that `config` describes. A disabled pipeline has no exporters and
    /// samples nothing.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::Exporter`] when an exporter cannot be set up.
    pub fn new(service: &Service, config: &Config) -> Result<Self, TelemetryError> {
        Self::with_console(service, config, &Streams::default().console())
    }

    /// Does the same as [`new`](Self::new), with this stream for the console exporters.
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
        let closing: [Arc<Closing>; 2] = Default::default();
        let queues = config
            .exporters
            .iter()
            .enumerate()
            .map(|(index, exporter)| {
                let processor = Component::new("batching_span_processor", index);
                build(exporter, processor, &resource, &config, console, &closing[0])
            })
            .collect::<Result<Vec<_>, _>>()?;
        let totals = Arc::new(Totals::new(queues.iter().map(Queue::counters).collect()));
        let accounting = Accounting(Arc::clone(&totals));
        let started = Arc::new(StartedSpans::default());
        let meters =
            metrics::provider(&config, &resource, &accounting, &started, console, &closing[1])?;
        let processor = AccountingProcessor::new(totals, queues)
            .with_baggage_attributes(service.baggage_attributes)
            .with_value_length_limit(config.value_length_limit);
        let tracers = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_limits(config.limits)
            .with_span_processor(processor);
        // Only metrics say what the sampler decided.
        let tracers = match &meters {
            Some(_) => tracers.with_sampler(CountingSampler::new(config.sampler, started)),
            None => tracers.with_sampler(config.sampler),
        };
        let tracers = tracers.build();
        Ok(Pipeline { tracers, meters, accounting, closing })
    }

    /// The provider of tracers.
    #[must_use]
    pub fn tracers(&self) -> &SdkTracerProvider {
        &self.tracers
    }

    /// The provider of meters, unless metrics go nowhere.
    #[must_use]
    pub fn meters(&self) -> Option<&SdkMeterProvider> {
        self.meters.as_ref().map(|meters| &meters.provider)
    }

    /// Where the page `/metrics` for Prometheus is, if there is one.
    #[must_use]
    pub fn prometheus_address(&self) -> Option<SocketAddr> {
        self.meters.as_ref()?.page.as_ref().map(Page::address)
    }

    /// A live view of where the spans went.
    #[must_use]
    pub fn accounting(&self) -> Accounting {
        self.accounting.clone()
    }

    /// Sends the spans that are waiting and stops, within [`SHUTDOWN_TIMEOUT`]. Spans that could
    /// not be sent by then are counted as dropped. Calling it again does nothing.
    pub fn shutdown(&self) {
        self.shutdown_within(SHUTDOWN_TIMEOUT);
    }

    /// Does the same as [`shutdown`](Self::shutdown), within `limit`.
    pub fn shutdown_within(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        // Spans go first, so that the last metrics have the final totals. A fifth of the time is
        // kept for the metrics.
        let for_spans = if self.meters.is_some() { limit * 4 / 5 } else { limit };
        // Exporters give up a little earlier, so that they can still report what failed.
        let [spans, metrics] = &self.closing;
        spans.begin(Instant::now() + for_spans * 3 / 4);
        metrics.begin(Instant::now() + limit * 9 / 10);
        // A failure has been logged by the exporter and is in the accounting.
        self.tracers.shutdown_with_timeout(for_spans).ok();
        let Some(Meters { provider, page }) = &self.meters else { return };
        if let Some(page) = page {
            page.close(deadline);
        }
        // Shutting down waits for the exporters without a limit. So it runs on a thread, which is
        // left behind when time is up.
        let meters = provider.clone();
        let (done, is_done) = mpsc::channel();
        let shutdown = move || done.send(meters.shutdown().is_ok());
        let thread = std::thread::Builder::new().name("telemetry-flush".to_owned());
        if thread.spawn(shutdown).is_ok() {
            let left = deadline.saturating_duration_since(Instant::now());
            is_done.recv_timeout(left).ok();
        }
    }
}

fn build(
    exporter: &SpanExporterConfig,
    processor: Component,
    resource: &Resource,
    config: &Config,
    console: &Console,
    closing: &Arc<Closing>,
) -> Result<Queue, TelemetryError> {
    let health = |name| Arc::new(Health::new(name));
    let retry = |health: &Arc<Health>| Retry {
        back_off: config.back_off,
        limit: config.batch.export_timeout,
        closing: Arc::clone(closing),
        health: Arc::clone(health),
    };
    let queue = |health, exporter| QueueParts { health, exporter, processor, config };
    Ok(match exporter {
        SpanExporterConfig::Console(format) => {
            let console = SpanPrinter::new(console.clone(), *format);
            let component = Component::new("telemetry::console::SpanPrinter", 0);
            queue(health("console"), component).build("console", console)
        }
        SpanExporterConfig::Otlp(receiver) => {
            let health = health("otlp");
            let exporter = OtlpSpans::new(receiver, retry(&health))?;
            queue(health, otlp_component(receiver)).build("otlp", exporter)
        }
        SpanExporterConfig::Zipkin(receiver) => {
            let health = health("zipkin");
            let service = resource::service_name(resource);
            let exporter = zipkin::spans(receiver, service, retry(&health))?;
            let component = Component::exporter_to("zipkin_http_span_exporter", &receiver.endpoint);
            queue(health, component).build("zipkin", exporter)
        }
        SpanExporterConfig::Jaeger(receiver) => {
            let health = health("jaeger");
            let retry = retry(&health);
            let kind = "telemetry::jaeger::JaegerExporter";
            let component = match receiver {
                JaegerConfig::Agent { host, port } => Component::exporter_at(kind, host, *port),
                JaegerConfig::Collector { endpoint, .. } => Component::exporter_to(kind, endpoint),
            };
            jaeger_queue(receiver, retry, queue(health, component))?
        }
    })
}

fn otlp_component(receiver: &OtlpConfig) -> Component {
    let kind = match receiver.protocol {
        Protocol::Grpc => "otlp_grpc_span_exporter",
        Protocol::HttpProtobuf => "otlp_http_span_exporter",
        Protocol::HttpJson => "otlp_http_json_span_exporter",
    };
    Component::exporter_to(kind, &receiver.endpoint)
}

#[cfg(feature = "jaeger")]
fn jaeger_queue(
    receiver: &JaegerConfig,
    retry: Retry,
    queue: QueueParts<'_>,
) -> Result<Queue, TelemetryError> {
    Ok(queue.build("jaeger", crate::jaeger::JaegerExporter::new(receiver, retry)?))
}

#[cfg(not(feature = "jaeger"))]
fn jaeger_queue(_: &JaegerConfig, _: Retry, _: QueueParts<'_>) -> Result<Queue, TelemetryError> {
    let reason = "this program was built without the feature jaeger".to_owned();
    Err(TelemetryError::Exporter { exporter: "jaeger", reason })
}

/// What the queue of an exporter is made of.
struct QueueParts<'a> {
    health: Arc<Health>,
    exporter: Component,
    processor: Component,
    config: &'a Config,
}

impl QueueParts<'_> {
    /// Gives `exporter` a queue and a thread of its own.
    fn build(self, name: &'static str, exporter: impl Deliver) -> Queue {
        let limits = self.config.batch;
        let counters =
            ExporterCounters::new(name, self.exporter, self.processor, limits.queue_size);
        let counters = Arc::new(counters);
        let batch = BatchConfigBuilder::default()
            .with_max_queue_size(limits.queue_size)
            .with_max_export_batch_size(limits.batch_size)
            .with_scheduled_delay(limits.schedule_delay)
            .build();
        let exporter =
            AccountingExporter::new(exporter, Arc::clone(&counters), Arc::clone(&self.health));
        Queue::new(counters, self.health, BatchSpanProcessor::new(exporter, batch))
    }
}
