//! The logger that all log records of a process go through: those of `tracing` and those of panics.
//!
//! It is the SDK's, but for contexts [without spans](crate::without_spans): the SDK makes no records
//! in them, so there it hands them to the processor itself.

use crate::log_processor::AccountingLogProcessor;
use crate::spanless::has_records_only;
use opentelemetry::logs::{LogRecord as _, Logger, LoggerProvider as _, Severity};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::logs::{LogProcessor as _, SdkLogRecord, SdkLogger, SdkLoggerProvider};
use std::time::SystemTime;

/// A logger whose records are also made where only spans are suppressed.
///
/// It makes no context current to get around the suppression: a panic or an event may come from code
/// that is looking at the current context, and changing that one would panic then.
#[derive(Clone, Debug)]
pub(crate) struct RecordLogger {
    sdk: SdkLogger,
    processor: AccountingLogProcessor,
    scope: InstrumentationScope,
}

impl RecordLogger {
    /// A logger of `provider`, whose processor is `processor`.
    pub(crate) fn new(
        provider: &SdkLoggerProvider,
        processor: AccountingLogProcessor,
        scope: InstrumentationScope,
    ) -> Self {
        RecordLogger { sdk: provider.logger_with_scope(scope.clone()), processor, scope }
    }
}

impl Logger for RecordLogger {
    type LogRecord = SdkLogRecord;

    fn create_log_record(&self) -> SdkLogRecord {
        self.sdk.create_log_record()
    }

    fn emit(&self, mut record: SdkLogRecord) {
        if !Context::map_current(has_records_only) {
            return self.sdk.emit(record);
        }
        record.set_observed_timestamp(SystemTime::now());
        Context::map_current(|cx| {
            let span = cx.span();
            let of = span.span_context();
            if of.is_valid() {
                record.set_trace_context(of.trace_id(), of.span_id(), Some(of.trace_flags()));
            }
        });
        self.processor.emit(&mut record, &self.scope);
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        Context::map_current(has_records_only) || self.sdk.event_enabled(level, target, name)
    }
}
