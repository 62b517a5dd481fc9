//! The parts of the text that spans, log records and metrics have in common: times, names, values
//! and attributes.

use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use std::fmt::{self, Display, Write as _};
use std::io;
use std::time::SystemTime;

/// The error of an export that could not be written to the stream.
///
/// If the reader has gone, as `head` does, that was on purpose. It counts like an exporter that has
/// been shut down, of which no warning is given.
pub(super) fn failure(error: &io::Error) -> OTelSdkError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => OTelSdkError::AlreadyShutdown,
        _ => OTelSdkError::InternalFailure(error.to_string()),
    }
}

/// A time as `2026-02-21T09:30:00.123456Z`.
pub(super) fn time(time: SystemTime) -> impl Display {
    humantime::format_rfc3339_micros(time)
}

/// The attributes of a resource in the order of their names: it has no order of its own.
pub(super) fn attributes_of(resource: &Resource) -> Vec<(&Key, &Value)> {
    let mut attributes: Vec<_> = resource.iter().collect();
    attributes.sort_unstable_by_key(|(key, _)| *key);
    attributes
}

/// Writes the attributes of a resource.
pub(super) fn write_resource(text: &mut String, resource: &Resource) -> fmt::Result {
    writeln!(text, "Resource")?;
    if let Some(schema_url) = resource.schema_url() {
        writeln!(text, "\tResource SchemaUrl: {schema_url:?}")?;
    }
    attributes_of(resource).into_iter().try_for_each(|(key, value)| {
        writeln!(text, "\t ->  {}={}", Plain(key.as_str()), Shown(value))
    })
}

/// Writes attributes, one a line.
pub(super) fn write_attributes<'a>(
    text: &mut String,
    indent: &str,
    attributes: impl IntoIterator<Item = &'a KeyValue>,
) -> fmt::Result {
    attributes.into_iter().try_for_each(|KeyValue { key, value, .. }| {
        writeln!(text, "{indent} ->  {}: {}", Plain(key.as_str()), Shown(value))
    })
}

/// Text without quotes, but with control characters escaped. Names and values may come from a
/// client, and a terminal would obey the control characters in them.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attributes_of_a_resource_are_written_in_the_order_of_their_names() {
        let names = ["service.version", "host.arch", "service.name", "process.pid", "a", "z"];
        let attributes = names.map(|name| KeyValue::new(name, "of it"));
        let resource = Resource::builder_empty().with_attributes(attributes).build();
        let mut text = String::new();
        write_resource(&mut text, &resource).expect("a string takes everything");
        assert_eq!(
            text,
            "Resource
\t ->  a=\"of it\"
\t ->  host.arch=\"of it\"
\t ->  process.pid=\"of it\"
\t ->  service.name=\"of it\"
\t ->  service.version=\"of it\"
\t ->  z=\"of it\"
"
        );
    }
}
