//! Builds the providers of tracers, loggers and meters, with the exporters and the accounting.
//!
//! A [`Pipeline`] is a value and sets nothing global, so a test can have as many as it likes.

use crate::accounting::{Accounting, ExporterCounters, Items, Totals};
use crate::batches::{Batch, Export, SpanBatches};
use crate::component::Component;
use crate::config::{
    BatchLimits, Config, JaegerConfig, LogExporterConfig, OtlpConfig, Protocol, SpanExporterConfig,
};
use crate::console::{LogPrinter, SpanPrinter};
use crate::error::TelemetryError;
use crate::exporter::{AccountingExporter, Deliver, Logs, Signal};
use crate::health::Health;
use crate::log_processor::AccountingLogProcessor;
use crate::logs::Records;
use crate::metrics::Meters;
use crate::otlp::{OtlpLogs, OtlpSpans, json_spans};
use crate::processor::AccountingProcessor;
use crate::prometheus::Page;
use crate::queue::{Queue, Queues, WaitingSpans};
use crate::record_logger::RecordLogger;
use crate::resource::Service;
use crate::retry::{Closing, Retry};
use crate::sampler::{CountingSampler, StartedSpans};
use crate::scope::OwnScopes;
use crate::streams::{Console, Streams};
use crate::{metrics, quiet, resource, zipkin};
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{self, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

/// How long shutting down may take. All exporters flush at the same time.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A tracer provider and a logger provider with their exporters and the accounting, and a meter
/// provider.
#[derive(Debug)]
pub struct Pipeline {
    tracers: SdkTracerProvider,
    loggers: Option<Loggers>,
    meters: Option<Meters>,
    accounting: Accounting,
    /// Tells the exporters that the process is ending.
    closing: ClosingSignals,
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
            config.logs.clear();
            config.sampler = Sampler::AlwaysOff;
        }
        let resource = resource::describe(service, &config);
        let closing = ClosingSignals::default();
        let build = Build { resource: &resource, config: &config, console, closing: &closing };
        let spans = build.span_queues()?;
        let logs = build.log_queues()?;
        let log_totals = logs.as_ref().map(|logs| Arc::new(Items::new(logs.counters())));
        let totals = Arc::new(Totals::new(spans.counters(), log_totals.clone()));
        let accounting = Accounting(Arc::clone(&totals));
        let started = Arc::new(StartedSpans::default());
        let closing_metrics = &closing.metrics;
        let meters =
            metrics::provider(&config, &resource, &accounting, &started, console, closing_metrics)?;
        let loggers = logs.zip(log_totals).map(|(queues, totals)| {
            let (limits, scopes) =
                (config.log_limits, OwnScopes::new(service.crates, service.version));
            let processor = AccountingLogProcessor::new(totals, queues, limits, scopes, &resource);
            let provider = SdkLoggerProvider::builder()
                .with_resource(resource.clone())
                .with_log_processor(processor.clone())
                .build();
            Loggers { provider, processor }
        });
        let processor = AccountingProcessor::new(totals, spans)
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
        Ok(Pipeline { tracers, loggers, meters, accounting, closing })
    }

    /// The provider of tracers.
    #[must_use]
    pub fn tracers(&self) -> &SdkTracerProvider {
        &self.tracers
    }

    /// The logger of this scope, unless log records go nowhere.
    pub(crate) fn logger(&self, scope: InstrumentationScope) -> Option<RecordLogger> {
        let Loggers { provider, processor } = self.loggers.as_ref()?;
        Some(RecordLogger::new(provider, processor.clone(), scope))
    }

    /// A layer for `tracing` that makes a log record of each event, unless log records go nowhere.
    #[must_use]
    pub fn log_layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.records()
    }

    /// The layer of [`log_layer`](Self::log_layer).
    pub(crate) fn records(&self) -> Option<Records> {
        // The target of an event is the name of its scope.
        self.logger(InstrumentationScope::default()).map(Records::new)
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

    /// A live view of where the spans and log records went.
    #[must_use]
    pub fn accounting(&self) -> Accounting {
        self.accounting.clone()
    }

    /// Sends what is waiting and stops, within [`SHUTDOWN_TIMEOUT`]. Spans and log records that
    /// could not be sent by then are counted as dropped. Calling it again does nothing.
    pub fn shutdown(&self) {
        self.shutdown_within(SHUTDOWN_TIMEOUT);
    }

    /// Does the same as [`shutdown`](Self::shutdown), within `limit`.
    ///
    /// ```text
    /// spans     send and end ────────────▶│
    /// logs      send what there is ──────▶│ send the last and end ─▶│
    /// metrics                             │                         │ the final totals ─▶│
    ///           0                        3/5                       4/5                 limit
    /// ```
    ///
    /// What is done earlier leaves its time to the others. Log records that are written while spans
    /// are being sent go with the last.
    pub fn shutdown_within(&self, limit: Duration) {
        // What the SDK logs about its end is of no use to a backend.
        let _quiet = quiet::for_now();
        let start = Instant::now();
        let for_logs = if self.meters.is_some() { limit * 4 / 5 } else { limit };
        let for_spans = if self.loggers.is_some() { for_logs * 3 / 4 } else { for_logs };
        // Exporters give up a little earlier, so that they can still report what failed.
        self.closing.spans.begin(start + for_spans * 3 / 4);
        self.closing.logs.begin(start + for_logs * 3 / 4);
        self.closing.metrics.begin(start + limit * 9 / 10);
        let left = |share: Duration| (start + share).saturating_duration_since(Instant::now());
        let loggers = self.loggers.as_ref().map(|loggers| &loggers.provider);
        let flushed = loggers.cloned().map(|loggers| {
            in_background(move || {
                loggers.force_flush().ok();
            })
        });
        // A failure has been logged by the exporter and is in the accounting.
        self.tracers.shutdown_with_timeout(for_spans).ok();
        if let Some(flushed) = flushed {
            flushed.recv_timeout(left(for_spans)).ok();
        }
        if let Some(loggers) = loggers {
            loggers.shutdown_with_timeout(left(for_logs)).ok();
        }
        let Some(Meters { provider, page }) = &self.meters else { return };
        if let Some(page) = page {
            page.close(start + limit);
        }
        // Shutting down waits for the exporters without a limit.
        let meters = provider.clone();
        let ended = in_background(move || {
            meters.shutdown().ok();
        });
        ended.recv_timeout(left(limit)).ok();
    }
}

/// The provider of loggers, and its processor.
#[derive(Debug)]
struct Loggers {
    provider: SdkLoggerProvider,
    processor: AccountingLogProcessor,
}

/// The end of the process, as the exporters of each signal are told of it.
#[derive(Debug, Default)]
struct ClosingSignals {
    spans: Arc<Closing>,
    logs: Arc<Closing>,
    metrics: Arc<Closing>,
}

/// Runs `work` on a thread, which is left behind if nobody waits until it is done.
fn in_background(work: impl FnOnce() + Send + 'static) -> mpsc::Receiver<()> {
    let (done, is_done) = mpsc::channel();
    let thread = std::thread::Builder::new().name("telemetry-flush".to_owned());
    // Without a thread the sender is dropped, and so nobody waits.
    let started = thread.spawn(move || {
        quiet::this_thread();
        work();
        done.send(()).ok();
    });
    started.map(drop).unwrap_or(());
    is_done
}

/// What exporters are built of.
struct Build<'a> {
    resource: &'a Resource,
    config: &'a Config,
    console: &'a Console,
    closing: &'a ClosingSignals,
}

impl Build<'_> {
    /// The queues of the exporters of spans.
    fn span_queues(&self) -> Result<Queues<WaitingSpans>, TelemetryError> {
        let exporters = self.config.exporters.iter().enumerate();
        let queues = exporters.map(|(index, exporter)| self.span_queue(index, exporter));
        queues.collect::<Result<_, _>>().map(Queues)
    }

    /// The queues of the exporters of log records, if there is an exporter.
    fn log_queues(&self) -> Result<Option<Queues<BatchLogProcessor>>, TelemetryError> {
        if self.config.logs.is_empty() {
            return Ok(None);
        }
        let exporters = self.config.logs.iter().enumerate();
        let queues = exporters.map(|(index, exporter)| self.log_queue(index, exporter));
        queues.collect::<Result<_, _>>().map(Queues).map(Some)
    }

    fn span_queue(
        &self,
        index: usize,
        exporter: &SpanExporterConfig,
    ) -> Result<Queue<WaitingSpans>, TelemetryError> {
        let limits = self.config.batch;
        let processor = Component::new("batching_span_processor", index);
        let health = |name| Arc::new(Health::new(name));
        let retry = |health: &Arc<Health>| self.retry(&self.closing.spans, limits, health);
        let resource = self.resource;
        let queue = |health, exporter| QueueParts { health, exporter, processor, limits, resource };
        Ok(match exporter {
            SpanExporterConfig::Console(format) => {
                let console = SpanPrinter::new(self.console.clone(), *format);
                let component = Component::new("telemetry::console::SpanPrinter", 0);
                queue(health("console"), component).of_spans(
                    "console",
                    console,
                    WaitingSpans::Whole,
                )?
            }
            SpanExporterConfig::Otlp(receiver) => {
                let health = health("otlp");
                let retry = retry(&health);
                let kinds = [
                    "otlp_grpc_span_exporter",
                    "otlp_http_span_exporter",
                    "otlp_http_json_span_exporter",
                ];
                let queue = queue(health, otlp_component(receiver, kinds));
                if receiver.protocol == Protocol::HttpJson {
                    queue.of_spans("otlp", json_spans(receiver, retry)?, WaitingSpans::Whole)?
                } else {
                    let exporter = OtlpSpans::new(receiver, retry)?;
                    queue.of_spans("otlp", exporter, WaitingSpans::Encoded)?
                }
            }
            SpanExporterConfig::Zipkin(receiver) => {
                let health = health("zipkin");
                let service = resource::service_name(self.resource);
                let exporter = zipkin::spans(receiver, service, retry(&health))?;
                let kind = "zipkin_http_span_exporter";
                let component = Component::exporter_to(kind, &receiver.endpoint);
                queue(health, component).of_spans("zipkin", exporter, WaitingSpans::Whole)?
            }
            SpanExporterConfig::Jaeger(receiver) => {
                let health = health("jaeger");
                let retry = retry(&health);
                let kind = "telemetry::jaeger::JaegerExporter";
                let component = match receiver {
                    JaegerConfig::Agent { host, port } => Component::exporter_at(kind, host, *port),
                    JaegerConfig::Collector { endpoint, .. } => {
                        Component::exporter_to(kind, endpoint)
                    }
                };
                jaeger_queue(receiver, retry, queue(health, component))?
            }
        })
    }

    fn log_queue(
        &self,
        index: usize,
        exporter: &LogExporterConfig,
    ) -> Result<Queue<BatchLogProcessor>, TelemetryError> {
        let limits = self.config.log_batch;
        let processor = Component::new("batching_log_processor", index);
        let resource = self.resource;
        let queue = |health, exporter| QueueParts { health, exporter, processor, limits, resource };
        Ok(match exporter {
            LogExporterConfig::Console(format) => {
                let console = LogPrinter::new(self.console.clone(), *format);
                let component = Component::new("telemetry::console::LogPrinter", 0);
                queue(Arc::new(Health::new("console logs")), component).of_logs("console", console)
            }
            LogExporterConfig::Otlp(receiver) => {
                let health = Arc::new(Health::new("otlp logs"));
                let retry = self.retry(&self.closing.logs, limits, &health);
                let exporter = OtlpLogs::new(receiver, retry)?;
                let kinds = [
                    "otlp_grpc_log_exporter",
                    "otlp_http_log_exporter",
                    "otlp_http_json_log_exporter",
                ];
                queue(health, otlp_component(receiver, kinds)).of_logs("otlp", exporter)
            }
        })
    }

    fn retry(&self, closing: &Arc<Closing>, limits: BatchLimits, health: &Arc<Health>) -> Retry {
        Retry {
            back_off: self.config.back_off,
            limit: limits.export_timeout,
            closing: Arc::clone(closing),
            health: Arc::clone(health),
        }
    }
}

/// The OTLP exporter that sends to `receiver`. Its type is one of `kinds`: for gRPC, for protobuf over
/// HTTP, and for JSON.
fn otlp_component(receiver: &OtlpConfig, kinds: [&'static str; 3]) -> Component {
    let [grpc, protobuf, json] = kinds;
    let kind = match receiver.protocol {
        Protocol::Grpc => grpc,
        Protocol::HttpProtobuf => protobuf,
        Protocol::HttpJson => json,
    };
    Component::exporter_to(kind, &receiver.endpoint)
}

#[cfg(feature = "jaeger")]
fn jaeger_queue(
    receiver: &JaegerConfig,
    retry: Retry,
    queue: QueueParts<'_>,
) -> Result<Queue<WaitingSpans>, TelemetryError> {
    let exporter = crate::jaeger::JaegerExporter::new(receiver, retry)?;
    queue.of_spans("jaeger", exporter, WaitingSpans::Whole)
}

#[cfg(not(feature = "jaeger"))]
fn jaeger_queue(
    _: &JaegerConfig,
    _: Retry,
    _: QueueParts<'_>,
) -> Result<Queue<WaitingSpans>, TelemetryError> {
    let reason = "this program was built without the feature jaeger".to_owned();
    Err(TelemetryError::Exporter { exporter: "jaeger", reason })
}

/// What the queue of an exporter is made of.
struct QueueParts<'a> {
    health: Arc<Health>,
    exporter: Component,
    processor: Component,
    limits: BatchLimits,
    resource: &'a Resource,
}

impl QueueParts<'_> {
    /// Gives an exporter of spans a queue and a thread of its own. Spans wait for it in the form of `B`.
    fn of_spans<S: Signal, B: Batch, D: Deliver<S>>(
        self,
        name: &'static str,
        mut exporter: D,
        waiting: fn(SpanBatches<B>) -> WaitingSpans,
    ) -> Result<Queue<WaitingSpans>, TelemetryError>
    where
        AccountingExporter<D>: Export<B>,
    {
        exporter.set_resource(self.resource);
        let limits = self.limits;
        let (counters, health, exporter) = self.counted(name, exporter);
        let batches = SpanBatches::start(exporter, limits)
            .map_err(|error| TelemetryError::exporter(name, &error))?;
        Ok(Queue::new(counters, health, waiting(batches)))
    }

    /// Gives an exporter of log records a queue and a thread of its own.
    fn of_logs(self, name: &'static str, exporter: impl Deliver<Logs>) -> Queue<BatchLogProcessor> {
        let limits = self.limits;
        let batch = logs::BatchConfigBuilder::default()
            .with_max_queue_size(limits.queue_size)
            .with_max_export_batch_size(limits.batch_size)
            .with_scheduled_delay(limits.schedule_delay)
            .build();
        let (counters, health, exporter) = self.counted(name, exporter);
        let processor = BatchLogProcessor::builder(exporter).with_batch_config(batch).build();
        Queue::new(counters, health, processor)
    }

    /// The counters of `exporter`, and the exporter that counts into them.
    fn counted<D>(self, name: &'static str, exporter: D) -> Counted<D> {
        let capacity = self.limits.queue_size;
        let counters = ExporterCounters::new(name, self.exporter, self.processor, capacity);
        let counters = Arc::new(counters);
        let exporter =
            AccountingExporter::new(exporter, Arc::clone(&counters), Arc::clone(&self.health));
        (counters, self.health, exporter)
    }
}

/// An exporter with its counters.
type Counted<D> = (Arc<ExporterCounters>, Arc<Health>, AccountingExporter<D>);
