//! A panic is a line on standard error and a log record, both with the trace and the span in which
//! it happened.
//!
//! Rust runs the hook on the thread that panics, before it unwinds. So the context that an actor or
//! a handler has attached is still current.
//!
//! The hook goes around `tracing`: the panic may come from code that is in the middle of an event,
//! and a panic is reported whatever `RUST_LOG` says. A panic within the hook would end the process at
//! once, so the hook runs no code of others: it takes no lock that they can hold, and it formats
//! nothing of theirs. On a thread that exports telemetry the panic is a line only, for there the SDK
//! makes no records.
//!
//! A panic that repeats itself, because requests cause it, is one line and a count. Each is a record.
//!
//! <https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-logs/>

use crate::config::LineFormat;
use crate::logs::{PanicLine, Repeats};
use crate::record_logger::RecordLogger;
use crate::scope::instrumentation_scope;
use crate::streams::PlainLines;
use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{LogRecord as _, Logger as _, Severity};
use opentelemetry_semantic_conventions::attribute::{
    CODE_COLUMN_NUMBER, CODE_FILE_PATH, CODE_LINE_NUMBER, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE,
    EXCEPTION_TYPE, THREAD_NAME,
};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::time::SystemTime;

/// The scope of the records, and the target of the lines.
const TARGET: &str = "telemetry::panics";

/// The name that the conventions give an exception that nobody handles.
const EVENT_NAME: &str = "exception";

/// A panic has no type of its own.
const TYPE: &str = "panic";

/// How much of a message is kept, in bytes.
const MAX_MESSAGE_BYTES: usize = 4 * 1024;

/// How much of a back-trace is kept, in bytes.
const MAX_BACKTRACE_BYTES: usize = 16 * 1024;

/// The scope of the records of panics.
pub(super) fn scope() -> InstrumentationScope {
    instrumentation_scope(TARGET, env!("CARGO_PKG_VERSION"))
}

/// Replaces the panic hook of the process by one that reports panics in this way. The records go to
/// `logger`.
pub(super) fn report(
    lines: Arc<PlainLines>,
    format: LineFormat,
    repeats: Repeats,
    logger: Option<RecordLogger>,
) {
    panic::set_hook(Box::new(move |info| {
        let report = Report::of(info);
        if report.is_fatal || repeats.is_first_panic(TARGET, &report.at(), &report.message) {
            lines.write(&report.line().format(format));
        }
        if let Some(logger) = &logger {
            report.emit(logger);
        }
        if report.is_fatal {
            // The process is about to end, and may not wait for its lines to be written.
            shared::output::finish();
        }
    }));
}

/// What is reported of a panic.
struct Report {
    /// Whether the process most likely ends because of it: it is on the main thread.
    is_fatal: bool,
    thread: String,
    /// The message of the panic alone.
    message: String,
    /// The file, the line and the column.
    place: Option<(String, u32, u32)>,
    /// What Rust's own hook would print: the thread, the place and the message.
    summary: String,
    backtrace: Option<String>,
}

impl Report {
    fn of(info: &PanicHookInfo<'_>) -> Self {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("<unnamed>").to_owned();
        let message =
            first_bytes(info.payload_as_str().unwrap_or("Box<dyn Any>"), MAX_MESSAGE_BYTES);
        let place = info.location().map(|at| (at.file().to_owned(), at.line(), at.column()));
        let at = info.location().map_or(String::new(), |at| format!(" at {at}"));
        let backtrace = Backtrace::capture();
        let is_captured = backtrace.status() == BacktraceStatus::Captured;
        Report {
            is_fatal: thread == "main",
            summary: format!("thread '{thread}' panicked{at}: {message}"),
            thread,
            message: message.to_owned(),
            place,
            backtrace: is_captured
                .then(|| first_bytes(&backtrace.to_string(), MAX_BACKTRACE_BYTES).to_owned()),
        }
    }

    /// The place as text.
    fn at(&self) -> String {
        let place = self.place.as_ref();
        place.map_or(String::new(), |(file, line, column)| format!("{file}:{line}:{column}"))
    }

    fn severity(&self) -> (Severity, &'static str) {
        if self.is_fatal { (Severity::Fatal, "FATAL") } else { (Severity::Error, "ERROR") }
    }

    fn line(&self) -> PanicLine<'_> {
        let (_, level) = self.severity();
        let backtrace = self.backtrace.as_deref();
        PanicLine { level, target: TARGET, message: &self.summary, backtrace }
    }

    fn emit(&self, logger: &RecordLogger) {
        let (severity, text) = self.severity();
        let mut record = logger.create_log_record();
        record.set_timestamp(SystemTime::now());
        record.set_event_name(EVENT_NAME);
        record.set_severity_number(severity);
        record.set_severity_text(text);
        record.set_body(self.summary.clone().into());
        record.add_attribute(EXCEPTION_TYPE, TYPE);
        record.add_attribute(EXCEPTION_MESSAGE, self.message.clone());
        let backtrace = self.backtrace.as_ref();
        let stack = backtrace.map(|backtrace| format!("\nstack backtrace:\n{backtrace}"));
        let stacktrace = self.summary.clone() + &stack.unwrap_or_default();
        record.add_attribute(EXCEPTION_STACKTRACE, stacktrace);
        record.add_attribute(THREAD_NAME, self.thread.clone());
        if let Some((file, line, column)) = &self.place {
            record.add_attribute(CODE_FILE_PATH, file.clone());
            record.add_attribute(CODE_LINE_NUMBER, *line);
            record.add_attribute(CODE_COLUMN_NUMBER, *column);
        }
        logger.emit(record);
    }
}

/// As much of `text` as is no longer than `bytes`.
fn first_bytes(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
