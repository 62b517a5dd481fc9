//! A span or a log record as a JSON object, in the form of the console exporters of OpenTelemetry for
//! Python:
//! <https://github.com/open-telemetry/opentelemetry-python/blob/v1.0.0/opentelemetry-sdk/src/opentelemetry/sdk/trace/__init__.py>.
//!
//! Its instrumentation scope is there too.

use super::text::{attributes_of, time};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use opentelemetry::logs::AnyValue;
use opentelemetry::trace::{Event, Link, SpanContext, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, SpanId, TraceFlags, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::SpanData;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::PrettyFormatter;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::SystemTime;

/// The object, over several lines, with a line break at its end.
pub(super) fn span(resource: &Resource, span: &SpanData) -> String {
    pretty(&Object { resource, span })
}

/// The object, over several lines, with a line break at its end.
pub(super) fn record(
    resource: &Resource,
    record: &SdkLogRecord,
    scope: &InstrumentationScope,
) -> String {
    pretty(&RecordObject { resource, record, scope })
}

fn pretty(object: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let pretty = PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, pretty);
    // Neither writing to memory nor what is written can fail.
    object.serialize(&mut serializer).ok();
    let mut text = escape_controls(&String::from_utf8_lossy(&bytes));
    text.push('\n');
    text
}

/// JSON allows some characters in texts that a terminal would obey.
pub(crate) fn escape_controls(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            _ if character == '\n' || !character.is_control() => text.push(character),
            _ => write!(text, "\\u{:04x}", u32::from(character)).unwrap_or_default(),
        }
    }
    text
}

struct Object<'a> {
    resource: &'a Resource,
    span: &'a SpanData,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { resource, span } = self;
        let parent = span.parent_span_id;
        let parent = (parent != SpanId::INVALID).then(|| format!("0x{parent}"));
        let events: Vec<_> = span.events.iter().map(EventObject).collect();
        let links: Vec<_> = span.links.iter().map(LinkObject).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &span.name)?;
        map.serialize_entry("context", &ContextObject(&span.span_context))?;
        map.serialize_entry("kind", kind(&span.span_kind))?;
        map.serialize_entry("parent_id", &parent)?;
        map.serialize_entry("start_time", &moment(span.start_time))?;
        map.serialize_entry("end_time", &moment(span.end_time))?;
        map.serialize_entry("status", &StatusObject(&span.status))?;
        map.serialize_entry("attributes", &Attributes::of(&span.attributes))?;
        map.serialize_entry("events", &events)?;
        map.serialize_entry("links", &links)?;
        let scope = &span.instrumentation_scope;
        map.serialize_entry("scope", &ScopeObject { name: scope.name(), scope })?;
        map.serialize_entry("resource", &Attributes(attributes_of(resource)))?;
        map.end()
    }
}

struct RecordObject<'a> {
    resource: &'a Resource,
    record: &'a SdkLogRecord,
    scope: &'a InstrumentationScope,
}

impl Serialize for RecordObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { resource, record, scope } = self;
        let of = record.trace_context();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("body", &record.body().map(AnyObject))?;
        map.serialize_entry("event_name", &super::logs::event_name(record))?;
        map.serialize_entry("severity_number", &record.severity_number().map(|n| n as u8))?;
        map.serialize_entry("severity_text", &record.severity_text())?;
        map.serialize_entry("attributes", &RecordAttributes(record))?;
        map.serialize_entry("timestamp", &record.timestamp().map(moment))?;
        map.serialize_entry("observed_timestamp", &record.observed_timestamp().map(moment))?;
        map.serialize_entry("trace_id", &of.map(|of| format!("0x{}", of.trace_id)))?;
        map.serialize_entry("span_id", &of.map(|of| format!("0x{}", of.span_id)))?;
        let flags = of.and_then(|of| of.trace_flags).map(TraceFlags::to_u8);
        map.serialize_entry("trace_flags", &flags)?;
        let name = record.target().map_or(scope.name(), |target| target);
        map.serialize_entry("scope", &ScopeObject { name, scope })?;
        map.serialize_entry("resource", &Attributes(attributes_of(resource)))?;
        map.end()
    }
}

struct RecordAttributes<'a>(&'a SdkLogRecord);

impl Serialize for RecordAttributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // One that was set again counts as it was set last: an object has each name once.
        let attributes = self.0.attributes_iter();
        let attributes: BTreeMap<_, _> =
            attributes.map(|(key, value)| (key.as_str(), AnyObject(value))).collect();
        serializer.collect_map(attributes)
    }
}

/// A value of a log record.
struct AnyObject<'a>(&'a AnyValue);

impl Serialize for AnyObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            AnyValue::Boolean(value) => serializer.serialize_bool(*value),
            AnyValue::Int(value) => serializer.serialize_i64(*value),
            AnyValue::Double(value) => Number(*value).serialize(serializer),
            AnyValue::String(value) => serializer.serialize_str(value.as_str()),
            AnyValue::Bytes(bytes) => serializer.serialize_str(&BASE64_STANDARD.encode(&**bytes)),
            AnyValue::ListAny(values) => serializer.collect_seq(values.iter().map(AnyObject)),
            AnyValue::Map(values) => serializer
                .collect_map(values.iter().map(|(key, value)| (key.as_str(), AnyObject(value)))),
            other => serializer.serialize_str(&format!("{other:?}")),
        }
    }
}

fn moment(at: SystemTime) -> String {
    time(at).to_string()
}

fn kind(kind: &SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "SpanKind.INTERNAL",
        SpanKind::Server => "SpanKind.SERVER",
        SpanKind::Client => "SpanKind.CLIENT",
        SpanKind::Producer => "SpanKind.PRODUCER",
        SpanKind::Consumer => "SpanKind.CONSUMER",
    }
}

struct ContextObject<'a>(&'a SpanContext);

impl Serialize for ContextObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("trace_id", &format!("0x{}", self.0.trace_id()))?;
        map.serialize_entry("span_id", &format!("0x{}", self.0.span_id()))?;
        map.serialize_entry("trace_state", &format!("[{}]", self.0.trace_state().header()))?;
        map.end()
    }
}

struct StatusObject<'a>(&'a Status);

impl Serialize for StatusObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Status::Unset => map.serialize_entry("status_code", "UNSET")?,
            Status::Ok => map.serialize_entry("status_code", "OK")?,
            Status::Error { description } => {
                map.serialize_entry("status_code", "ERROR")?;
                map.serialize_entry("description", description)?;
            }
        }
        map.end()
    }
}

struct EventObject<'a>(&'a Event);

impl Serialize for EventObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.0.name)?;
        map.serialize_entry("timestamp", &moment(self.0.timestamp))?;
        map.serialize_entry("attributes", &Attributes::of(&self.0.attributes))?;
        map.end()
    }
}

struct LinkObject<'a>(&'a Link);

impl Serialize for LinkObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("context", &ContextObject(&self.0.span_context))?;
        map.serialize_entry("attributes", &Attributes::of(&self.0.attributes))?;
        map.end()
    }
}

struct ScopeObject<'a> {
    name: &'a str,
    scope: &'a InstrumentationScope,
}

impl Serialize for ScopeObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", self.name)?;
        if let Some(version) = self.scope.version() {
            map.serialize_entry("version", version)?;
        }
        map.end()
    }
}

struct Attributes<'a>(Vec<(&'a Key, &'a Value)>);

impl<'a> Attributes<'a> {
    fn of(attributes: &'a [KeyValue]) -> Self {
        Self(attributes.iter().map(|attribute| (&attribute.key, &attribute.value)).collect())
    }
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (index, (key, value)) in self.0.iter().enumerate() {
            // One that was set again counts as it was set last: an object has each name once.
            if self.0[index + 1..].iter().all(|(later, _)| later != key) {
                map.serialize_entry(key.as_str(), &AttributeValue(value))?;
            }
        }
        map.end()
    }
}

struct AttributeValue<'a>(&'a Value);

impl Serialize for AttributeValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I64(value) => serializer.serialize_i64(*value),
            Value::F64(value) => Number(*value).serialize(serializer),
            Value::String(value) => serializer.serialize_str(value.as_str()),
            Value::Array(Array::Bool(values)) => serializer.collect_seq(values),
            Value::Array(Array::I64(values)) => serializer.collect_seq(values),
            Value::Array(Array::F64(values)) => {
                serializer.collect_seq(values.iter().copied().map(Number))
            }
            Value::Array(Array::String(values)) => {
                serializer.collect_seq(values.iter().map(|value| value.as_str()))
            }
            other => serializer.serialize_str(&other.as_str()),
        }
    }
}

/// A number, as text where JSON has none for it.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else {
            serializer.collect_str(&self.0)
        }
    }
}
