//! Makes a log record of each event of `tracing`, by opentelemetry-appender-tracing.
//!
//! The appender leaves out where in the code an event is. A new appender for each event, which costs
//! next to nothing, has a logger that knows its metadata and adds that.

use crate::record_logger::RecordLogger;
use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{LogRecord as _, Logger, LoggerProvider, Severity};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_semantic_conventions::attribute::{CODE_FILE_PATH, CODE_LINE_NUMBER};
use std::sync::Arc;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The layer that makes a record of each event.
#[derive(Debug)]
pub(crate) struct Records(Arc<RecordLogger>);

impl Records {
    /// A layer whose records go to `logger`.
    pub(crate) fn new(logger: RecordLogger) -> Self {
        Records(Arc::new(logger))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Records {
    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let logger = EventLogger { logger: Arc::clone(&self.0), metadata: event.metadata() };
        OpenTelemetryTracingBridge::new(&logger).on_event(event, cx);
    }
}

/// The logger of one event.
#[derive(Clone, Debug)]
struct EventLogger {
    logger: Arc<RecordLogger>,
    metadata: &'static Metadata<'static>,
}

impl LoggerProvider for EventLogger {
    type Logger = Self;

    fn logger_with_scope(&self, _: InstrumentationScope) -> Self {
        self.clone()
    }
}

impl Logger for EventLogger {
    type LogRecord = SdkLogRecord;

    fn create_log_record(&self) -> SdkLogRecord {
        self.logger.create_log_record()
    }

    fn emit(&self, mut record: SdkLogRecord) {
        // Events of the crate `log` have neither: they say it in fields.
        if let (Some(file), Some(line)) = (self.metadata.file(), self.metadata.line()) {
            record.add_attribute(CODE_FILE_PATH, file);
            record.add_attribute(CODE_LINE_NUMBER, line);
        }
        // `tracing` names an event that has no name of its own by its place. By the conventions that
        // is no name.
        if self.metadata.name().starts_with("event ") {
            record.set_event_name("");
        }
        self.logger.emit(record);
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.logger.event_enabled(level, target, name)
    }
}
