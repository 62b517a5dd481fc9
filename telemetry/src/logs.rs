//! Logs: one line for each event, with the ids of the trace and the span that it belongs to.

mod repeats;

use crate::error::TelemetryError;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use std::fmt;
use std::io::IsTerminal as _;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields as _};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

pub(super) use repeats::Repeats;

/// Makes `tracing` write log lines to `stream`. `directives`, in the form of `RUST_LOG`, say which.
///
/// A warning or an error of a library that repeats itself is written once and then counted: see
/// [`Repeats`].
pub(super) fn init(directives: &str, stream: BoxMakeWriter) -> Result<Repeats, TelemetryError> {
    let filter = EnvFilter::builder().parse(directives).map_err(|_| TelemetryError::Invalid {
        variable: "RUST_LOG".into(),
        value: directives.to_owned(),
        expected: "directives such as info or warn,store=debug".into(),
    })?;
    let repeats = Repeats::default();
    let lines = tracing_subscriber::fmt::layer()
        .event_format(WithTrace)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(stream)
        .with_filter(filter.and(filter_fn(is_said_once)).and(repeats.clone()));
    Registry::default().with(lines).try_init()?;
    Ok(repeats)
}

/// False for what the exporters and the SDK log about every single batch that they could not
/// deliver. [`Health`](crate::health::Health) logs it once for a whole outage.
fn is_said_once(metadata: &Metadata<'_>) -> bool {
    let per_batch = metadata.target().starts_with("opentelemetry")
        && metadata.name().starts_with("Export.Failed");
    !per_batch
}

/// Formats a line as `TIME LEVEL target: message field=value trace_id=... span_id=...`.
struct WithTrace;

impl<S> FormatEvent<S, DefaultFields> for WithTrace
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, DefaultFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        let metadata = event.metadata();
        write!(writer, " {:>5} {}: ", metadata.level(), metadata.target())?;
        ctx.field_format().format_fields(writer.by_ref(), event)?;
        Context::map_current(|cx| {
            let span = cx.span();
            let span = span.span_context();
            if span.is_valid() {
                write!(writer, " trace_id={} span_id={}", span.trace_id(), span.span_id())?;
            }
            writeln!(writer)
        })
    }
}
