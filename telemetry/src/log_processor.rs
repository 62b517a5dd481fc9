//! The log processor: it completes each record, cuts it to its limits, counts it, and puts it into
//! the queue of each exporter.
//!
//! A record comes from an event of `tracing` through opentelemetry-appender-tracing (`logs/records.rs`),
//! or from a panic (`panics.rs`). It has the trace and the span that are current, with their flags.
//!
//! Nothing here may log: the thread is in the middle of an event already, and the filters of
//! `tracing` do not support another one within it. So a full queue is logged by the exporter's
//! thread.

use crate::accounting::Items;
use crate::config::LogLimits;
use crate::processor::first_characters;
use crate::queue::Queues;
use crate::scope::OwnScopes;
use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchLogProcessor, LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider,
};
use opentelemetry_semantic_conventions::attribute::{CODE_FILE_PATH, CODE_LINE_NUMBER};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The most bytes of text in the body and the attributes of one record. With it a batch of 512
/// records is at most 16 MiB, and collectors take 20 MiB over HTTP.
pub(super) const MAX_RECORD_BYTES: usize = 32 * 1024;

/// Completes, limits and counts records, and puts them into the queues. Clones are the same processor.
#[derive(Clone, Debug)]
pub(super) struct AccountingLogProcessor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    totals: Arc<Items>,
    queues: Queues<BatchLogProcessor>,
    limits: LogLimits,
    own_scopes: OwnScopes,
    /// Makes empty records.
    blank: SdkLogger,
    /// Set at the end. Records that come later are not counted.
    ended: AtomicBool,
}

impl AccountingLogProcessor {
    /// A processor that feeds `queues` and counts into `totals`.
    pub(super) fn new(
        totals: Arc<Items>,
        mut queues: Queues<BatchLogProcessor>,
        limits: LogLimits,
        own_scopes: OwnScopes,
        resource: &Resource,
    ) -> Self {
        queues.describe(resource);
        let blank = SdkLoggerProvider::builder().build().logger("telemetry");
        let ended = AtomicBool::new(false);
        let shared = Shared { totals, queues, limits, own_scopes, blank, ended };
        AccountingLogProcessor(Arc::new(shared))
    }
}

impl LogProcessor for AccountingLogProcessor {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        let Shared { totals, queues, limits, own_scopes, blank, ended } = &*self.0;
        if ended.load(Ordering::Acquire) {
            return;
        }
        if record.target().is_some_and(|target| target == LOG_CRATE) {
            *record = from_log_crate(record, blank.create_log_record());
        }
        // The appender leaves out the time of the event: it is the time at which it was observed.
        if let (None, Some(observed)) = (record.timestamp(), record.observed_timestamp()) {
            record.set_timestamp(observed);
        }
        if exceeds(record, limits) {
            *record = cut(record, blank.create_log_record(), limits);
        }
        // Exporters send the target as the name of the scope.
        let own = record.target().and_then(|target| own_scopes.of(target));
        let scope = own.unwrap_or(scope);
        totals.all.add(1);
        for queue in &queues.0 {
            if queue.admit() {
                queue.batches().emit(record, scope);
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.queues.flush(Duration::from_secs(5))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.ended.store(true, Ordering::Release);
        self.0.queues.end(timeout)
    }
}

/// The target of events that libraries log through the crate `log`. tracing-log, which passes them
/// on to `tracing`, puts the real target and the place into fields.
const LOG_CRATE: &str = "log";

/// An event of the crate `log`, with its target and its place where those of others are.
fn from_log_crate(record: &SdkLogRecord, mut into: SdkLogRecord) -> SdkLogRecord {
    copy_head(record, &mut into);
    into.set_event_name("");
    if let Some(body) = record.body() {
        into.set_body(body.clone());
    }
    for (key, value) in record.attributes_iter() {
        match (key.as_str(), value) {
            ("log.target", AnyValue::String(target)) => into.set_target(target.to_string()),
            ("log.file", _) => into.add_attribute(CODE_FILE_PATH, value.clone()),
            ("log.line", _) => into.add_attribute(CODE_LINE_NUMBER, value.clone()),
            ("log.module_path", _) => {}
            _ => into.add_attribute(key.clone(), value.clone()),
        }
    }
    into
}

/// Whether the record is larger than its limits allow.
fn exceeds(record: &SdkLogRecord, limits: &LogLimits) -> bool {
    let (mut count, mut bytes) = (0, record.body().map_or(0, size));
    for (_, value) in record.attributes_iter() {
        count += 1;
        bytes += size(value);
        if let (AnyValue::String(text), Some(limit)) = (value, limits.value_length)
            && first_characters(text.as_str(), limit).is_some()
        {
            return true;
        }
    }
    count > limits.attributes || bytes > MAX_RECORD_BYTES
}

/// Fills `into` with as much of `record` as its limits allow: of the body first, and then of the
/// attributes in their order.
fn cut(record: &SdkLogRecord, mut into: SdkLogRecord, limits: &LogLimits) -> SdkLogRecord {
    copy_head(record, &mut into);
    let mut room = MAX_RECORD_BYTES;
    if let Some(body) = record.body().and_then(|body| fitting(body, None, &mut room)) {
        into.set_body(body);
    }
    for (key, value) in record.attributes_iter().take(limits.attributes) {
        if let Some(value) = fitting(value, limits.value_length, &mut room) {
            into.add_attribute(key.clone(), value);
        }
    }
    into
}

/// Copies all but the body and the attributes.
fn copy_head(record: &SdkLogRecord, into: &mut SdkLogRecord) {
    if let Some(name) = record.event_name() {
        into.set_event_name(name);
    }
    if let Some(target) = record.target() {
        into.set_target(target.clone());
    }
    if let Some(time) = record.timestamp() {
        into.set_timestamp(time);
    }
    if let Some(time) = record.observed_timestamp() {
        into.set_observed_timestamp(time);
    }
    if let Some(text) = record.severity_text() {
        into.set_severity_text(text);
    }
    if let Some(number) = record.severity_number() {
        into.set_severity_number(number);
    }
    if let Some(of) = record.trace_context() {
        into.set_trace_context(of.trace_id, of.span_id, of.trace_flags);
    }
}

/// As much of `value` as there is room for; `None` if it cannot be cut and does not fit.
fn fitting(value: &AnyValue, length: Option<usize>, room: &mut usize) -> Option<AnyValue> {
    let value = match value {
        AnyValue::String(text) => {
            let text = text.as_str();
            let text = length.and_then(|length| first_characters(text, length)).unwrap_or(text);
            AnyValue::from(text[..text.floor_char_boundary(*room)].to_owned())
        }
        AnyValue::Bytes(bytes) => AnyValue::from(&bytes[..bytes.len().min(*room)]),
        other => other.clone(),
    };
    *room = room.checked_sub(size(&value))?;
    Some(value)
}

/// The bytes of the text in a value.
fn size(value: &AnyValue) -> usize {
    match value {
        AnyValue::String(text) => text.as_str().len(),
        AnyValue::Bytes(bytes) => bytes.len(),
        AnyValue::ListAny(values) => values.iter().map(size).sum(),
        AnyValue::Map(values) => {
            values.iter().map(|(key, value)| key.as_str().len() + size(value)).sum()
        }
        _ => 0,
    }
}
