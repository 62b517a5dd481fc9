//! Spans and metrics as text on a stream: the exporter `console`.
//!
//! It writes what opentelemetry-stdout writes, which cannot be used: it prints by `println!`, so it
//! panics as soon as whoever reads has gone, and it can print to standard output only.

mod metrics;
mod spans;

pub(super) use metrics::MetricPrinter;
pub(super) use spans::SpanPrinter;

use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use std::fmt::{self, Display, Write as _};
use std::io;
use std::time::SystemTime;

/// What is said when a stream does not take what is written to it.
///
/// A reader that has gone takes nothing any more, as an exporter that is shut down: it was its own
/// wish, and there is nobody to warn of it.
fn failure(error: &io::Error) -> OTelSdkError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => OTelSdkError::AlreadyShutdown,
        _ => OTelSdkError::InternalFailure(error.to_string()),
    }
}

/// A time as `2026-02-21T09:30:00.123456Z`.
fn time(time: SystemTime) -> impl Display {
    humantime::format_rfc3339_micros(time)
}

fn write_resource(text: &mut String, resource: &Resource) -> fmt::Result {
    writeln!(text, "Resource")?;
    if let Some(schema_url) = resource.schema_url() {
        writeln!(text, "\tResource SchemaUrl: {schema_url:?}")?;
    }
    resource.iter().try_for_each(|(key, value)| {
        writeln!(text, "\t ->  {}={}", Plain(key.as_str()), Shown(value))
    })
}

fn write_attributes<'a>(
    text: &mut String,
    indent: &str,
    attributes: impl IntoIterator<Item = &'a KeyValue>,
) -> fmt::Result {
    attributes.into_iter().try_for_each(|KeyValue { key, value, .. }| {
        writeln!(text, "{indent} ->  {}: {}", Plain(key.as_str()), Shown(value))
    })
}

/// Text without quotes, but with control characters escaped: names and values come from strangers,
/// and a terminal would obey what they say.
struct Plain<'a>(&'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            _ if character.is_control() => write!(f, "{}", character.escape_default()),
            _ => f.write_char(character),
        })
    }
}

/// A value, with text in quotes.
struct Shown<'a>(&'a Value);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => write!(f, "{:?}", text.as_str()),
            other => write!(f, "{}", Plain(&other.as_str())),
        }
    }
}
