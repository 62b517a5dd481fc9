//! How a log line looks, as text or as JSON.

use crate::config::LineFormat;
use crate::console::{Plain, escape_controls};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use serde_json::json;
use std::fmt;
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::fmt::format::{DefaultFields, Format, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields as _};
use tracing_subscriber::registry::LookupSpan;

/// Formats a line as
///
/// ```text
/// TIME LEVEL target: message field=value trace_id=... span_id=...
/// ```
///
/// or as the JSON of tracing-subscriber, with the fields that the specification has for a log line
/// that belongs to a span:
/// <https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/>
///
/// ```text
/// {"timestamp":"TIME","level":"LEVEL","fields":{"message":"...","field":1},"target":"target",
///  "trace_id":"...","span_id":"...","trace_flags":"01"}
/// ```
pub(super) struct Line(pub(super) LineFormat);

impl<S> FormatEvent<S, DefaultFields> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, DefaultFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.0 {
            LineFormat::Text => {
                SystemTime.format_time(&mut writer)?;
                // Events of the crate `log` have their real target in a field.
                let of_log = event.normalized_metadata();
                let metadata = of_log.as_ref().unwrap_or_else(|| event.metadata());
                write!(writer, " {:>5} {}: ", metadata.level(), metadata.target())?;
                ctx.field_format().format_fields(writer.by_ref(), event)?;
                write!(writer, "{}", Ids::of_current())?;
                writeln!(writer)
            }
            LineFormat::Json => {
                let format: Format<_, SystemTime> =
                    Format::default().json().with_current_span(false).with_span_list(false);
                let mut line = String::new();
                format.format_event(ctx, Writer::new(&mut line), event)?;
                // The formatter of tracing-subscriber knows nothing of OpenTelemetry's ids.
                let open = line.trim_end().strip_suffix('}').ok_or(fmt::Error)?;
                writeln!(writer, "{}{}}}", escape_controls(open), Ids::of_current().json())
            }
        }
    }
}

/// The ids of a span, as the end of a line; nothing if there is no span.
struct Ids(SpanContext);

impl Ids {
    fn of_current() -> Self {
        Context::map_current(|cx| Ids(cx.span().span_context().clone()))
    }

    /// The ids as further members of a JSON object.
    fn json(&self) -> String {
        if !self.0.is_valid() {
            return String::new();
        }
        let (trace_id, span_id) = (self.0.trace_id(), self.0.span_id());
        let flags = self.0.trace_flags().to_u8();
        format!(r#","trace_id":"{trace_id}","span_id":"{span_id}","trace_flags":"{flags:02x}""#)
    }
}

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_valid() {
            return Ok(());
        }
        write!(f, " trace_id={} span_id={}", self.0.trace_id(), self.0.span_id())
    }
}

/// The line of a panic. It is not an event of `tracing`: a panic may come in the middle of one.
pub(crate) struct PanicLine<'a> {
    /// `ERROR`, or `FATAL`, which `tracing` does not have.
    pub(crate) level: &'static str,
    pub(crate) target: &'static str,
    /// Which thread panicked where, and why.
    pub(crate) message: &'a str,
    /// The back-trace, if `RUST_BACKTRACE` asks for one.
    pub(crate) backtrace: Option<&'a str>,
}

impl PanicLine<'_> {
    /// The line, with a line break at its end. As text it is followed by the lines of the
    /// back-trace.
    pub(crate) fn format(&self, format: LineFormat) -> String {
        let mut time = String::new();
        // Writing to a `String` cannot fail.
        SystemTime.format_time(&mut Writer::new(&mut time)).unwrap_or_default();
        let Self { level, target, message, backtrace } = self;
        let ids = Ids::of_current();
        match format {
            LineFormat::Text => {
                let backtrace = backtrace.unwrap_or_default();
                format!("{time} {level:>5} {target}: {}{ids}\n{backtrace}", Plain(message))
            }
            LineFormat::Json => {
                let mut fields = json!({ "message": message });
                if let Some(backtrace) = backtrace {
                    fields["exception.stacktrace"] = json!(backtrace);
                }
                let line = json!({
                    "timestamp": time, "level": level, "fields": fields, "target": target,
                });
                let line = line.to_string();
                let open = line.strip_suffix('}').unwrap_or_default();
                format!("{}{}}}\n", escape_controls(open), ids.json())
            }
        }
    }
}
