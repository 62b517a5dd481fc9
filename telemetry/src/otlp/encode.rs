//! Encodes spans as OTLP's protobuf, straight from the SDK's span data.
//!
//! opentelemetry-proto makes a tree of structs first, which copies every key and every text to the
//! heap, and walks that tree twice: once for the lengths and once for the bytes. Here each span is
//! written once, by the thread that ends it ([`with_encoded`]), which has it in its caches, and what it
//! was made of is given back there. The bytes wait in an [`EncodedSpans`], and a request has these very
//! bytes, with the resource and the scope before them as pieces of their own. What comes out means the
//! same: `tests/it/encoding.rs` decodes both.
//!
//! A message within a message starts with its length, which is known only when it has been written.
//! So [`message`] leaves as many bytes for it as it will probably take, and moves the message when it
//! takes more or fewer.
//!
//! The numbers of fields are those of
//! <https://github.com/open-telemetry/opentelemetry-proto/tree/v1.9.0/opentelemetry/proto>, and the
//! encoding is <https://protobuf.dev/programming-guides/encoding/>.

use crate::chunks::Chunks;
use crate::exporter::Signal;
use bytes::{Buf as _, Bytes};
use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use std::cell::Cell;
use std::ops::Range;
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
        let encoded = EncodedSpans::from(spans).complete();
        for piece in self.request(&encoded, 0..spans.len()).pieces() {
            into.extend_from_slice(piece);
        }
    }

    /// An `ExportTraceServiceRequest` of the spans in this range.
    pub(super) fn request(&self, spans: &CompleteSpans, range: Range<usize>) -> Chunks {
        let scopes = spans.scopes_of(range);
        let of_scopes: usize = scopes.iter().map(|scope| nested_length(scope.length())).sum();
        let length = self.resource.len() + of_scopes + self.schema_url.len();
        let mut request = Chunks::default();
        // What stands before the next spans.
        let mut before = Vec::with_capacity(self.resource.len() + 128);
        before.push(tag(1, LEN));
        varint(&mut before, length as u64);
        before.extend_from_slice(&self.resource);
        for part in scopes {
            before.push(tag(2, LEN));
            varint(&mut before, part.length() as u64);
            before.extend_from_slice(&part.of.head);
            request.push(std::mem::take(&mut before).into());
            request.push(part.spans);
            before.extend_from_slice(&part.of.schema_url);
        }
        before.extend_from_slice(&self.schema_url);
        request.push(before.into());
        request
    }
}

thread_local! {
    /// Where a thread writes each of its spans.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The largest buffer that a thread keeps, in bytes. Few spans take more.
const KEPT_BUFFER: usize = 16 << 10;

/// Encodes a span as a field of a `ScopeSpans`, and calls `then` with it.
pub(crate) fn with_encoded<R>(span: &SpanData, then: impl FnOnce(&[u8]) -> R) -> R {
    // While a thread ends, its own buffer may be gone.
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    message(&mut buffer, 2, 2, |into| write_span(into, span));
    let result = then(&buffer);
    if buffer.capacity() <= KEPT_BUFFER {
        BUFFER.try_with(|kept| kept.set(buffer)).ok();
    }
    result
}

/// Spans that have been encoded one after another, to be sent together. Those of one scope stand
/// together, as OTLP has them.
#[derive(Debug, Default)]
pub(crate) struct EncodedSpans {
    /// There are few: a program has one for each library that makes spans.
    scopes: Vec<ScopeSpans>,
    /// The scope of the span that came last, which is mostly that of the next one too.
    last: usize,
    count: usize,
    bytes: usize,
}

/// The spans of one scope.
#[derive(Debug)]
struct ScopeSpans {
    scope: InstrumentationScope,
    /// The field `scope`, encoded.
    head: Vec<u8>,
    /// The field `schema_url`, encoded.
    schema_url: Vec<u8>,
    /// The fields `spans`, encoded.
    spans: Vec<u8>,
    count: usize,
}

/// Encoded spans to which none is added any more, so that requests can have parts of their bytes.
#[derive(Debug)]
pub(super) struct CompleteSpans {
    /// Without the bytes of their spans.
    spans: EncodedSpans,
    /// Those bytes, of each scope.
    encoded: Vec<Bytes>,
}

/// Spans of one scope in a request.
struct ScopePart<'a> {
    of: &'a ScopeSpans,
    spans: Bytes,
}

impl EncodedSpans {
    /// Adds a span of this scope, which [`with_encoded`] has encoded.
    pub(crate) fn add(&mut self, scope: &InstrumentationScope, span: &[u8]) {
        let is_it = |known: &ScopeSpans| is_same(&known.scope, scope);
        if !self.scopes.get(self.last).is_some_and(is_it) {
            let known = self.scopes.iter().position(is_it);
            self.last = known.unwrap_or_else(|| {
                self.scopes.push(ScopeSpans::new(scope));
                self.scopes.len() - 1
            });
        }
        let of_scope = &mut self.scopes[self.last];
        of_scope.spans.extend_from_slice(span);
        of_scope.count += 1;
        self.count += 1;
        self.bytes += span.len();
    }

    /// How many spans there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// How many bytes their encoding takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// An empty one with room for as many spans as are here. The memory is taken as it is filled.
    pub(crate) fn as_large(&self) -> Self {
        let filled = self.scopes.iter().filter(|of_scope| of_scope.count > 0);
        let scopes = filled.map(|of_scope| ScopeSpans {
            scope: of_scope.scope.clone(),
            head: of_scope.head.clone(),
            schema_url: of_scope.schema_url.clone(),
            spans: Vec::with_capacity(of_scope.spans.len()),
            count: 0,
        });
        EncodedSpans { scopes: scopes.collect(), ..EncodedSpans::default() }
    }

    /// Removes all spans, and keeps the memory of the scopes that had some.
    pub(crate) fn clear(&mut self) {
        if self.count == 0 {
            return;
        }
        self.scopes.retain(|of_scope| of_scope.count > 0);
        for of_scope in &mut self.scopes {
            of_scope.spans.clear();
            of_scope.count = 0;
        }
        (self.last, self.count, self.bytes) = (0, 0, 0);
    }

    /// How many bytes of memory it takes, whatever is in it.
    pub(crate) fn capacity(&self) -> usize {
        self.scopes.iter().map(|of_scope| of_scope.spans.capacity()).sum()
    }

    /// The same, to be sent.
    pub(super) fn complete(mut self) -> CompleteSpans {
        let take = |of: &mut ScopeSpans| Bytes::from(std::mem::take(&mut of.spans));
        let encoded = self.scopes.iter_mut().map(take).collect();
        CompleteSpans { spans: self, encoded }
    }
}

impl CompleteSpans {
    /// How many spans there are.
    pub(super) fn len(&self) -> usize {
        self.spans.count
    }

    /// The spans of this range, by scope. They are counted in the order in which a request has them.
    fn scopes_of(&self, range: Range<usize>) -> Vec<ScopePart<'_>> {
        let mut first = 0;
        let parts = self.spans.scopes.iter().zip(&self.encoded).filter_map(|(of, encoded)| {
            let begin = range.start.saturating_sub(first).min(of.count);
            let end = range.end.saturating_sub(first).min(of.count);
            first += of.count;
            (begin < end).then(|| ScopePart { of, spans: of.part(encoded, begin..end) })
        });
        parts.collect()
    }

    /// The memory of the spans, without them, to be filled again. If a request still holds it, there is
    /// other memory.
    pub(super) fn emptied(self) -> EncodedSpans {
        let CompleteSpans { mut spans, encoded } = self;
        for (of, mut encoded) in spans.scopes.iter_mut().zip(encoded) {
            let length = encoded.len();
            of.spans = if encoded.is_unique() {
                // The conversion copies what has not been read, even to where it is.
                encoded.advance(length);
                encoded.into()
            } else {
                Vec::with_capacity(length)
            };
        }
        spans.clear();
        spans
    }
}

impl Signal for EncodedSpans {
    type Batch<'a> = &'a mut EncodedSpans;

    fn count(batch: &&mut EncodedSpans) -> u64 {
        batch.len() as u64
    }
}

impl From<&[SpanData]> for EncodedSpans {
    fn from(spans: &[SpanData]) -> Self {
        let mut encoded = EncodedSpans::default();
        for span in spans {
            with_encoded(span, |bytes| encoded.add(&span.instrumentation_scope, bytes));
        }
        encoded
    }
}

impl ScopeSpans {
    fn new(scope: &InstrumentationScope) -> Self {
        let (mut head, mut schema_url) = (Vec::new(), Vec::new());
        message(&mut head, 1, 1, |into| write_scope(into, scope));
        text(&mut schema_url, 3, scope.schema_url().unwrap_or_default());
        ScopeSpans { scope: scope.clone(), head, schema_url, spans: Vec::new(), count: 0 }
    }

    /// The bytes of the spans in this range, of all that were `encoded`.
    fn part(&self, encoded: &Bytes, range: Range<usize>) -> Bytes {
        if range == (0..self.count) {
            return encoded.clone();
        }
        let begin = after(encoded, range.start);
        let length = after(&encoded[begin..], range.len());
        encoded.slice(begin..begin + length)
    }
}

impl ScopePart<'_> {
    fn length(&self) -> usize {
        self.of.head.len() + self.spans.len() + self.of.schema_url.len()
    }
}

/// Whether two scopes are equal. Mostly they are clones of one, whose texts are static.
fn is_same(one: &InstrumentationScope, other: &InstrumentationScope) -> bool {
    let is_at_one_place = |a: Option<&str>, b: Option<&str>| match (a, b) {
        (Some(a), Some(b)) => std::ptr::eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    let is_clone = is_at_one_place(Some(one.name()), Some(other.name()))
        && is_at_one_place(one.version(), other.version())
        && is_at_one_place(one.schema_url(), other.schema_url())
        && one.attributes().next().is_none()
        && other.attributes().next().is_none();
    is_clone || one == other
}

/// Where the first `count` messages in `fields` end, of which each has a tag of one byte.
fn after(fields: &[u8], count: usize) -> usize {
    let mut at = 0;
    for _ in 0..count {
        let (mut length, mut shift) = (0, 0);
        loop {
            at += 1;
            length |= usize::from(fields[at] & 0x7f) << shift;
            shift += 7;
            if fields[at] < 0x80 {
                break;
            }
        }
        at += 1 + length;
    }
    at
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
///
/// Most have a key and a text that are short, or a number. All that is around these is written in two
/// pieces, which takes a third of the time of writing each field by itself.
fn attribute(into: &mut Vec<u8>, field: u8, key: &str, value: &Value) {
    /// The longest key and text together whose lengths take a byte each, also that of the whole.
    const SHORT: usize = 127 - 6;
    match value {
        Value::String(text) if !key.is_empty() && key.len() + text.as_str().len() <= SHORT => {
            let text = text.as_str();
            // These are at most 127.
            let (key_length, text_length) = (key.len() as u8, text.len() as u8);
            let length = key_length + text_length + 6;
            into.extend_from_slice(&[tag(field, LEN), length, tag(1, LEN), key_length]);
            into.extend_from_slice(key.as_bytes());
            let of_value = [tag(2, LEN), text_length + 2, tag(1, LEN), text_length];
            into.extend_from_slice(&of_value);
            into.extend_from_slice(text.as_bytes());
        }
        Value::String(text) => {
            let length = nested_length(text.as_str().len());
            start_attribute(into, field, key, length);
            bytes(into, 1, text.as_str());
        }
        Value::Bool(value) => {
            start_attribute(into, field, key, 2);
            write_bool(into, *value);
        }
        Value::I64(value) => {
            start_attribute(into, field, key, 1 + varint_length(value.cast_unsigned()));
            write_i64(into, *value);
        }
        Value::F64(value) => {
            start_attribute(into, field, key, 9);
            write_f64(into, *value);
        }
        _ => message(into, field, 1, |into| {
            text(into, 1, key);
            message(into, 2, 1, |into| match value {
                Value::Array(array) => message(into, 5, 1, |into| write_array(into, array)),
                // A kind of a later release of the SDK. Its text is better than nothing.
                other => bytes(into, 1, &other.as_str()),
            });
        }),
    }
}

/// Writes a `KeyValue` up to its value, whose `AnyValue` has `value_length` bytes. It says which kind
/// it is also by an empty field.
fn start_attribute(into: &mut Vec<u8>, field: u8, key: &str, value_length: usize) {
    let key_length = if key.is_empty() { 0 } else { nested_length(key.len()) };
    into.push(tag(field, LEN));
    varint(into, (key_length + nested_length(value_length)) as u64);
    text(into, 1, key);
    into.push(tag(2, LEN));
    varint(into, value_length as u64);
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
