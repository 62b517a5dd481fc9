//! Prints log records as text, or as JSON objects.
//!
//! These are the records as they are exported, with all that they have. The log lines for people are
//! on standard error, with any exporter.

use super::json;
use super::text::{Plain, failure, time, write_resource};
use crate::config::ConsoleFormat;
use crate::exporter::{BatchOf, Deliver, Logs};
use crate::outcome::Outcome;
use crate::streams::Console;
use opentelemetry::InstrumentationScope;
use opentelemetry::logs::AnyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLogRecord;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Writes log records to a stream, each in one piece.
#[derive(Debug)]
pub(crate) struct LogPrinter {
    console: Console,
    format: ConsoleFormat,
    resource: Resource,
    has_written_resource: AtomicBool,
}

impl LogPrinter {
    /// A printer to this stream.
    pub(crate) fn new(console: Console, format: ConsoleFormat) -> Self {
        let resource = Resource::builder_empty().build();
        LogPrinter { console, format, resource, has_written_resource: AtomicBool::new(false) }
    }

    fn heading(&self) -> Result<String, fmt::Error> {
        let mut text = "Logs\n".to_owned();
        if !self.has_written_resource.swap(true, Ordering::Relaxed) {
            write_resource(&mut text, &self.resource)?;
        }
        Ok(text)
    }
}

impl Deliver<Logs> for LogPrinter {
    async fn deliver(&self, batch: BatchOf<'_, Logs>) -> Outcome {
        let mut text = match self.format {
            // Writing to a `String` cannot fail.
            ConsoleFormat::Text => self.heading().unwrap_or_default(),
            ConsoleFormat::Json => String::new(),
        };
        let records: Vec<_> = batch.iter().collect();
        for (index, (record, scope)) in records.iter().enumerate() {
            match self.format {
                ConsoleFormat::Text => {
                    write_record(&mut text, index, record, scope).unwrap_or_default();
                }
                ConsoleFormat::Json => {
                    text.push_str(&json::record(&self.resource, record, scope));
                }
            }
            if let Err(error) = self.console.write(&text) {
                return Outcome::told(Err(failure(&error)), (records.len() - index) as u64);
            }
            text.clear();
        }
        Outcome::default()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.clone();
    }
}

/// The name of the event that a record is, if it has one.
pub(super) fn event_name(record: &SdkLogRecord) -> Option<&'static str> {
    record.event_name().filter(|name| !name.is_empty())
}

fn write_record(
    text: &mut String,
    index: usize,
    record: &SdkLogRecord,
    scope: &InstrumentationScope,
) -> fmt::Result {
    let name = record.target().map_or(scope.name(), |target| target);
    writeln!(text, "Log #{index}\n\tInstrumentation Scope")?;
    writeln!(text, "\t\tName         : {name:?}")?;
    if let Some(version) = scope.version() {
        writeln!(text, "\t\tVersion      : {version:?}")?;
    }
    writeln!(text)?;
    if let Some(name) = event_name(record) {
        writeln!(text, "\tEvent name   : {}", Plain(name))?;
    }
    if let Some(at) = record.timestamp() {
        writeln!(text, "\tTime         : {}", time(at))?;
    }
    if let Some(at) = record.observed_timestamp() {
        writeln!(text, "\tObserved     : {}", time(at))?;
    }
    let severity = record.severity_number().map_or("", |severity| severity.name());
    writeln!(text, "\tSeverity     : {severity}")?;
    if let Some(body) = record.body() {
        writeln!(text, "\tBody         : {}", Shown(body))?;
    }
    if let Some(of) = record.trace_context() {
        writeln!(text, "\tTraceId      : {}", of.trace_id)?;
        writeln!(text, "\tSpanId       : {}", of.span_id)?;
        let flags = of.trace_flags.unwrap_or_default().to_u8();
        writeln!(text, "\tTraceFlags   : {flags:02x}")?;
    }
    let mut attributes = record.attributes_iter().peekable();
    if attributes.peek().is_some() {
        writeln!(text, "\tAttributes:")?;
    }
    attributes.try_for_each(|(key, value)| {
        writeln!(text, "\t\t ->  {}: {}", Plain(key.as_str()), Shown(value))
    })
}

/// A value, with text in quotes.
struct Shown<'a>(&'a AnyValue);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            AnyValue::Int(value) => value.fmt(f),
            AnyValue::Double(value) => value.fmt(f),
            AnyValue::Boolean(value) => value.fmt(f),
            AnyValue::String(value) => write!(f, "{:?}", value.as_str()),
            other => write!(f, "{}", Plain(&format!("{other:?}"))),
        }
    }
}
