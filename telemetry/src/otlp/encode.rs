//! Encodes spans as OTLP's protobuf, straight from the SDK's span data.
//!
//! opentelemetry-proto makes a tree of structs first, which copies every key and every text to the
//! heap, and walks that tree twice: once for the lengths and once for the bytes. Here each span is
//! written once, into one buffer. What comes out means the same: `tests/it/encoding.rs` decodes both.
//!
//! A message within a message starts with its length, which is known only when it has been written.
//! So [`message`] leaves as many bytes for it as it will probably take, and moves the message when it
//! takes more or fewer.
//!
//! The numbers of fields are those of
//! <https://github.com/open-telemetry/opentelemetry-proto/tree/v1.9.0/opentelemetry/proto>, and the
//! encoding is <https://protobuf.dev/programming-guides/encoding/>.

use foldhash::fast::RandomState;
use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Encodes spans of one resource.
///
/// ```
/// use opentelemetry_sdk::Resource;
/// use telemetry::SpanEncoder;
///
/// let encoder = SpanEncoder::new(&Resource::builder_empty().build());
/// let mut request = Vec::new();
/// encoder.encode(&[], &mut request);
/// // A `ResourceSpans` of an empty resource.
/// assert_eq!(request, [0x0a, 2, 0x0a, 0]);
/// ```
#[derive(Clone, Debug)]
pub struct SpanEncoder {
    /// The field `resource` of a `ResourceSpans`, encoded.
    resource: Vec<u8>,
    /// Its field `schema_url`, encoded.
    schema_url: Vec<u8>,
}

impl SpanEncoder {
    /// An encoder of spans of `resource`, which is encoded once, here.
    #[must_use]
    pub fn new(resource: &Resource) -> Self {
        let mut encoded = Vec::new();
        message(&mut encoded, 1, 2, |into| {
            for (key, value) in resource {
                attribute(into, 1, key.as_str(), value);
            }
        });
        let mut schema_url = Vec::new();
        text(&mut schema_url, 3, resource.schema_url().unwrap_or_default());
        SpanEncoder { resource: encoded, schema_url }
    }

    /// Appends `spans` to `into`, as an `ExportTraceServiceRequest`. Spans of one scope stand
    /// together, otherwise their order stays.
    pub fn encode(&self, spans: &[SpanData], into: &mut Vec<u8>) {
        message(into, 1, 3, |into| {
            into.extend_from_slice(&self.resource);
            for (scope, spans) in by_scope(spans) {
                message(into, 2, 3, |into| {
                    message(into, 1, 1, |into| write_scope(into, scope));
                    for one in spans {
                        message(into, 2, 2, |into| write_span(into, one));
                    }
                    text(into, 3, scope.schema_url().unwrap_or_default());
                });
            }
            into.extend_from_slice(&self.schema_url);
        });
    }
}

/// The spans of each scope, in the order in which the scopes come.
fn by_scope(spans: &[SpanData]) -> Vec<(&InstrumentationScope, Vec<&SpanData>)> {
    let mut groups: Vec<(&InstrumentationScope, Vec<&SpanData>)> = Vec::new();
    let mut indices: HashMap<&InstrumentationScope, usize, RandomState> = HashMap::default();
    let mut last = 0;
    for span in spans {
        let scope = &span.instrumentation_scope;
        // Mostly it is the scope of the span before.
        if groups.get(last).is_none_or(|(known, _)| *known != scope) {
            last = *indices.entry(scope).or_insert_with(|| {
                groups.push((scope, Vec::new()));
                groups.len() - 1
            });
        }
        groups[last].1.push(span);
    }
    groups
}

/// Writes the fields of an `InstrumentationScope`.
fn write_scope(into: &mut Vec<u8>, scope: &InstrumentationScope) {
    text(into, 1, scope.name());
    text(into, 2, scope.version().unwrap_or_default());
    attributes(into, 3, scope.attributes());
}

/// Writes the fields of a `Span`.
fn write_span(into: &mut Vec<u8>, span: &SpanData) {
    let SpanData { span_context, parent_span_id, span_kind, name, events, links, status, .. } =
        span;
    let kind = match span_kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    };
    // The fields that are always there have a fixed size, and are written in one piece.
    let mut fixed = [0; 54];
    fixed[..28].copy_from_slice(&ids(span_context));
    fixed[28] = tag(6, VARINT);
    fixed[29] = kind;
    fixed[30] = tag(7, FIXED64);
    fixed[31..39].copy_from_slice(&nanos(span.start_time));
    fixed[39] = tag(8, FIXED64);
    fixed[40..48].copy_from_slice(&nanos(span.end_time));
    // The tag of field 16 takes two bytes.
    fixed[48..50].copy_from_slice(&[0x85, 0x01]);
    fixed[50..].copy_from_slice(&flags(span_context, span.parent_span_is_remote));
    into.extend_from_slice(&fixed);
    if *parent_span_id != SpanId::INVALID {
        into.extend_from_slice(&[tag(4, LEN), 8]);
        into.extend_from_slice(&parent_span_id.to_bytes());
    }
    text(into, 3, &span_context.trace_state().header());
    text(into, 5, name);
    attributes(into, 9, &span.attributes);
    number(into, 10, span.dropped_attributes_count);
    for event in &events.events {
        message(into, 11, 1, |into| write_event(into, event));
    }
    number(into, 12, events.dropped_count);
    for link in &links.links {
        message(into, 13, 1, |into| write_link(into, link));
    }
    number(into, 14, links.dropped_count);
    match status {
        Status::Unset => into.extend_from_slice(&[tag(15, LEN), 0]),
        Status::Ok => into.extend_from_slice(&[tag(15, LEN), 2, tag(3, VARINT), 1]),
        Status::Error { description } => message(into, 15, 1, |into| {
            text(into, 2, description);
            number(into, 3, 2);
        }),
    }
}

/// Writes the fields of a `Span.Event`.
fn write_event(into: &mut Vec<u8>, event: &Event) {
    into.push(tag(1, FIXED64));
    into.extend_from_slice(&nanos(event.timestamp));
    text(into, 2, &event.name);
    attributes(into, 3, &event.attributes);
    number(into, 4, event.dropped_attributes_count);
}

/// Writes the fields of a `Span.Link`.
fn write_link(into: &mut Vec<u8>, link: &Link) {
    let context = &link.span_context;
    into.extend_from_slice(&ids(context));
    text(into, 3, &context.trace_state().header());
    attributes(into, 4, &link.attributes);
    number(into, 5, link.dropped_attributes_count);
    into.push(tag(6, FIXED32));
    into.extend_from_slice(&flags(context, context.is_remote()));
}

/// The fields 1 and 2 of a span and of a link: the ids of its trace and its span.
fn ids(context: &SpanContext) -> [u8; 28] {
    let mut ids = [0; 28];
    ids[..2].copy_from_slice(&[tag(1, LEN), 16]);
    ids[2..18].copy_from_slice(&context.trace_id().to_bytes());
    ids[18..20].copy_from_slice(&[tag(2, LEN), 8]);
    ids[20..].copy_from_slice(&context.span_id().to_bytes());
    ids
}

/// `SpanFlags`: those of W3C, and whether the parent, or what is linked to, is in another process.
fn flags(context: &SpanContext, is_remote: bool) -> [u8; 4] {
    const CONTEXT_HAS_IS_REMOTE: u32 = 0x100;
    const CONTEXT_IS_REMOTE: u32 = 0x200;
    let remote = if is_remote { CONTEXT_IS_REMOTE } else { 0 };
    (u32::from(context.trace_flags().to_u8()) | CONTEXT_HAS_IS_REMOTE | remote).to_le_bytes()
}

/// Nanoseconds since 1970. An earlier time counts as 1970.
fn nanos(time: SystemTime) -> [u8; 8] {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = since.as_secs().wrapping_mul(1_000_000_000);
    nanos.wrapping_add(u64::from(since.subsec_nanos())).to_le_bytes()
}

fn attributes<'a>(
    into: &mut Vec<u8>,
    field: u8,
    attributes: impl IntoIterator<Item = &'a KeyValue>,
) {
    for KeyValue { key, value, .. } in attributes {
        attribute(into, field, key.as_str(), value);
    }
}

/// Writes a `KeyValue`.
fn attribute(into: &mut Vec<u8>, field: u8, key: &str, value: &Value) {
    let Some(value_length) = scalar_length(value) else {
        return message(into, field, 1, |into| {
            text(into, 1, key);
            message(into, 2, 1, |into| write_value(into, value));
        });
    };
    let key_length = if key.is_empty() { 0 } else { nested_length(key.len()) };
    into.push(tag(field, LEN));
    varint(into, (key_length + nested_length(value_length)) as u64);
    text(into, 1, key);
    into.push(tag(2, LEN));
    varint(into, value_length as u64);
    write_value(into, value);
}

/// How many bytes the `AnyValue` of a value takes, unless it is an array.
fn scalar_length(value: &Value) -> Option<usize> {
    match value {
        Value::Bool(_) => Some(2),
        Value::I64(number) => Some(1 + varint_length(number.cast_unsigned())),
        Value::F64(_) => Some(9),
        Value::String(text) => Some(nested_length(text.as_str().len())),
        _ => None,
    }
}

/// Writes the fields of an `AnyValue`. It says which kind it is also by an empty field.
fn write_value(into: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(value) => write_bool(into, *value),
        Value::I64(value) => write_i64(into, *value),
        Value::F64(value) => write_f64(into, *value),
        Value::String(value) => bytes(into, 1, value.as_str()),
        Value::Array(array) => message(into, 5, 1, |into| write_array(into, array)),
        // A kind of a later release of the SDK. Its text is better than nothing.
        other => bytes(into, 1, &other.as_str()),
    }
}

fn write_bool(into: &mut Vec<u8>, value: bool) {
    into.extend_from_slice(&[tag(2, VARINT), u8::from(value)]);
}

fn write_i64(into: &mut Vec<u8>, value: i64) {
    into.push(tag(3, VARINT));
    varint(into, value.cast_unsigned());
}

fn write_f64(into: &mut Vec<u8>, value: f64) {
    into.push(tag(4, FIXED64));
    into.extend_from_slice(&value.to_le_bytes());
}

/// Writes the fields of an `ArrayValue`.
fn write_array(into: &mut Vec<u8>, array: &Array) {
    fn each<T>(into: &mut Vec<u8>, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
        for value in values {
            message(into, 1, 1, |into| write(into, value));
        }
    }
    match array {
        Array::Bool(values) => each(into, values, |into, value| write_bool(into, *value)),
        Array::I64(values) => each(into, values, |into, value| write_i64(into, *value)),
        Array::F64(values) => each(into, values, |into, value| write_f64(into, *value)),
        Array::String(values) => each(into, values, |into, value| bytes(into, 1, value.as_str())),
        // A kind of a later release of the SDK.
        other => each(into, &[other.to_string()], |into, value| bytes(into, 1, value)),
    }
}

/// The wire types.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LEN: u8 = 2;
const FIXED32: u8 = 5;

/// The tag of a field up to 15.
const fn tag(field: u8, wire_type: u8) -> u8 {
    field << 3 | wire_type
}

/// Writes a message, whose length probably takes `width` bytes.
fn message(into: &mut Vec<u8>, field: u8, width: usize, write: impl FnOnce(&mut Vec<u8>)) {
    into.push(tag(field, LEN));
    let start = into.len();
    into.resize(start + width, 0);
    write(into);
    let length = into.len() - start - width;
    let needed = varint_length(length as u64);
    if needed != width {
        let (from, to) = (start + width, start + needed);
        into.resize(into.len().max(to + length), 0);
        into.copy_within(from..from + length, to);
        into.truncate(to + length);
    }
    let mut left = length;
    for byte in &mut into[start..start + needed] {
        *byte = left as u8 | 0x80;
        left >>= 7;
    }
    into[start + needed - 1] &= 0x7f;
}

/// Writes a text, unless it is empty, which is the default.
fn text(into: &mut Vec<u8>, field: u8, text: &str) {
    if !text.is_empty() {
        bytes(into, field, text);
    }
}

/// Writes a text, also an empty one.
fn bytes(into: &mut Vec<u8>, field: u8, text: &str) {
    into.push(tag(field, LEN));
    varint(into, text.len() as u64);
    into.extend_from_slice(text.as_bytes());
}

/// Writes a number, unless it is 0, which is the default.
fn number(into: &mut Vec<u8>, field: u8, number: u32) {
    if number != 0 {
        into.push(tag(field, VARINT));
        varint(into, number.into());
    }
}

fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// How many bytes `value` takes as a varint, which has seven bits in each.
const fn varint_length(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// How many bytes a field takes whose content has `length` bytes.
const fn nested_length(length: usize) -> usize {
    1 + varint_length(length as u64) + length
}
