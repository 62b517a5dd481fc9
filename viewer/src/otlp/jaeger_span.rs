//! A span in Jaeger's JSON, with its references, tags and logs.
//!
//! - The parent of a span is its first `CHILD_OF` reference into its own trace, or else its first
//!   reference, when that is a `FOLLOWS_FROM` into its own trace; this one is a link as well. All
//!   other references are links.
//! - Tags that stand for what OTLP has fields for become those fields: `span.kind`, `error`,
//!   `otel.status_code`, `otel.status_description`, `otel.scope.name`, `otel.scope.version`,
//!   `w3c.tracestate`. All others are attributes.
//! - A log is an event; its field `event` is the name.

use std::mem::size_of;
use std::sync::Arc;

use super::attributes::{name, sorted_from};
use super::json;
use super::limits;
use super::message::{Field, Id, Message, Reader, Source, Stopped, list, one};
use super::span::{EMPTY_SPAN_NAME, Ids, take_lists};
use crate::store::footprint::{Footprint, heap};
use crate::store::model::{
    Attribute, Double, Event, Extra, Kind, Link, Name, Resource, Scope, Span, SpanId, Status,
    TraceId, Value,
};

/// Tags of one span that become fields: so many more than attributes are read.
const FIELD_TAGS: usize = 7;

/// The bytes of a tag's text that are read: as many as the longest bytes have in base64.
const TEXT_BYTES: usize = limits::VALUE_BYTES.div_ceil(3) * 4;

/// The attribute in which a link says that it was a reference of the type `CHILD_OF`.
const REF_TYPE: &str = "opentracing.ref_type";

/// A span as far as it has been read. Its tags, logs and links grow at the ends of the reader's
/// lists.
pub(super) struct JaegerSpan {
    trace: Id<16>,
    id: Id<8>,
    /// What came before references.
    parent: Id<8>,
    name: Option<Name>,
    references: Vec<Reference>,
    /// Microseconds since the epoch.
    start: u64,
    /// Microseconds.
    duration: u64,
    flags: u32,
    process: Option<Name>,
    first_attribute: usize,
}

/// The ids of a span and the name of its process.
pub(super) type JaegerIds = (Ids, Name);

impl JaegerSpan {
    pub(super) fn new(reader: &Reader<'_>) -> Self {
        Self {
            trace: Id::Absent,
            id: Id::Absent,
            parent: Id::Absent,
            name: None,
            references: Vec::new(),
            start: 0,
            duration: 0,
            flags: 0,
            process: None,
            first_attribute: reader.attributes.len(),
        }
    }

    /// What the span must have, or what is wrong with it.
    pub(super) fn ids(&self) -> Result<JaegerIds, String> {
        let trace = self.trace.checked("traceID")?.and_then(|id| TraceId::from_bytes(id));
        let span = self.id.checked("spanID")?.and_then(|id| SpanId::from_bytes(id));
        let parent = self.parent.checked("parentSpanID")?.and_then(|id| SpanId::from_bytes(id));
        match (trace, span, &self.process) {
            (Some(trace), Some(span), Some(process)) => {
                Ok((Ids { trace, span, parent }, Arc::clone(process)))
            }
            (None, ..) => Err(String::from("traceID is missing or all zeroes")),
            (_, None, _) => Err(String::from("spanID is missing or all zeroes")),
            (.., None) => Err(String::from("processID is missing")),
        }
    }

    /// The span in its trace.
    pub(super) fn build(
        self,
        ids: Ids,
        resource: Arc<Resource>,
        last_scope: &mut Option<Arc<Scope>>,
        reader: &mut Reader<'_>,
    ) -> Result<(TraceId, Span), Stopped> {
        let mut tags = FieldTags { reader: &mut *reader, first: self.first_attribute };
        let scope_name = tags.take_first("otel.scope.name");
        let scope_version = tags.take_first("otel.scope.version");
        let kind = tags.kind();
        let status = tags.status();
        let mut extra = Extra {
            status_message: tags.take_last("otel.status_description"),
            trace_state: tags.take_last("w3c.tracestate"),
            ..Extra::default()
        };
        tags.cut_rest();
        let scope = Scope {
            name: reader.shorten(&scope_name, limits::NAME_BYTES).into(),
            version: reader.shorten(&scope_version, limits::NAME_BYTES).into(),
            ..Scope::default()
        };
        let scope = shared_scope(scope, last_scope, reader)?;
        let parent = links(&self.references, ids, &mut extra, reader)?;
        extra.cut = reader.cuts;
        let name = match self.name {
            Some(name) => name,
            None => reader.name(EMPTY_SPAN_NAME)?,
        };
        let (attributes, extra) = take_lists(extra, self.first_attribute, reader)?;
        let start = self.start.saturating_mul(1_000);
        let span = Span {
            id: ids.span,
            parent,
            name,
            kind,
            status,
            flags: self.flags,
            start,
            end: start.saturating_add(self.duration.saturating_mul(1_000)),
            resource,
            scope,
            attributes,
            extra,
        };
        Ok((ids.trace, span))
    }

    /// Lets go of what was read of a span that is not kept.
    pub(super) fn release(self, reader: &mut Reader<'_>) {
        reader.release_lists();
        for name in [self.name, self.process].into_iter().flatten() {
            reader.names.release(name);
        }
    }
}

impl Message for JaegerSpan {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(1, "traceID"),
                one(2, "spanID"),
                one(3, "parentSpanID"),
                one(4, "operationName"),
                list(5, "references"),
                one(6, "startTime"),
                one(7, "duration"),
                list(8, "tags"),
                list(9, "logs"),
                one(10, "processID"),
                one(11, "flags"),
            ]
        }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => self.trace = id(value, reader)?,
            2 => self.id = id(value, reader)?,
            3 => self.parent = id(value, reader)?,
            4 => self.name = name(value, reader)?,
            // One more than links: the parent is none.
            5 if self.references.len() > limits::LINKS => reader.cut(value)?,
            5 => {
                let mut reference = Reference::default();
                value.message(&mut reference, reader)?;
                reader.charge(2 * size_of::<Reference>())?;
                self.references.push(reference);
            }
            6 => self.start = value.fixed64(reader)?,
            7 => self.duration = value.fixed64(reader)?,
            8 => tag(self.first_attribute, limits::ATTRIBUTES + FIELD_TAGS, value, reader)?,
            9 => log(value, reader)?,
            10 => self.process = name(value, reader)?,
            11 => self.flags = value.uint32(reader)?,
            _ => value.skip(reader)?,
        }
        Ok(())
    }
}

/// The shared copy of `scope`, which the next span will probably have as well.
fn shared_scope(
    scope: Scope,
    last: &mut Option<Arc<Scope>>,
    reader: &mut Reader<'_>,
) -> Result<Arc<Scope>, Stopped> {
    if let Some(last) = last.as_ref().filter(|last| ***last == scope) {
        return Ok(Arc::clone(last));
    }
    reader.charge(scope.footprint())?;
    let scope = reader.names.scope(scope);
    if let Some(former) = last.replace(Arc::clone(&scope)) {
        reader.names.release_scope(former);
    }
    Ok(scope)
}

/// An id in hexadecimal, leading zeroes or not: a trace id of 64 bits is written with 16 digits.
fn id<'a, S: Source<'a>, const N: usize>(
    value: S,
    reader: &mut Reader<'a>,
) -> Result<Id<N>, Stopped> {
    value.text(reader, |text, _| {
        let is_hexadecimal =
            text.len() <= 2 * N && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        Ok(match u128::from_str_radix(text, 16) {
            Ok(id) if is_hexadecimal => Id::of(&id.to_be_bytes()[16 - N..]),
            _ if text.is_empty() => Id::Absent,
            _ => Id::Wrong(format!("{:?} is not {} hex digits", json::beginning(text), 2 * N)),
        })
    })
}

/// A pointer from a span to its parent or to another span.
#[derive(Default)]
struct Reference {
    is_child_of: bool,
    trace: Id<16>,
    span: Id<8>,
}

impl Reference {
    /// Where it points to, if its ids are valid.
    fn target(&self) -> Option<(TraceId, SpanId)> {
        let trace = self.trace.checked("").ok()?.and_then(|id| TraceId::from_bytes(id))?;
        let span = self.span.checked("").ok()?.and_then(|id| SpanId::from_bytes(id))?;
        Some((trace, span))
    }
}

impl Message for Reference {
    fn fields(&self) -> &'static [Field] {
        const { &[one(1, "refType"), one(2, "traceID"), one(3, "spanID")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => self.is_child_of = value.text(reader, |text, _| Ok(text == "CHILD_OF"))?,
            2 => self.trace = id(value, reader)?,
            3 => self.span = id(value, reader)?,
            _ => value.skip(reader)?,
        }
        Ok(())
    }
}

/// The parent that `references` tell. All others become links, and so does a parent that the span
/// follows from: else nothing would say that it is no ordinary parent.
fn links(
    references: &[Reference],
    ids: Ids,
    extra: &mut Extra,
    reader: &mut Reader<'_>,
) -> Result<Option<SpanId>, Stopped> {
    let is_own =
        |reference: &Reference| reference.target().is_some_and(|(trace, _)| trace == ids.trace);
    let child_of = references.iter().position(|one| one.is_child_of && is_own(one));
    let parent_at = child_of.or_else(|| references.first().filter(|one| is_own(one)).map(|_| 0));
    let parent = parent_at.and_then(|at| references[at].target()).map(|(_, span)| span);
    for (at, reference) in references.iter().enumerate() {
        if reference.is_child_of && Some(at) == parent_at {
            continue;
        }
        let Some((trace, span)) = reference.target() else {
            extra.invalid_links += 1;
            continue;
        };
        if reader.links.len() >= limits::LINKS {
            reader.cuts = reader.cuts.saturating_add(1);
            continue;
        }
        let mut attributes = Vec::new();
        if reference.is_child_of {
            reader.charge(heap(size_of::<Attribute>()) + heap("child_of".len()))?;
            let value = Value::String("child_of".into());
            attributes.push(Attribute { key: reader.name(REF_TYPE)?, value });
        }
        reader.links.push(Link {
            trace,
            span,
            trace_state: Box::default(),
            flags: 0,
            attributes: attributes.into_boxed_slice(),
            dropped_attributes: 0,
        });
    }
    Ok(parent.or(ids.parent))
}

/// The tags of a span among the reader's attributes, some of which become fields of the span.
///
/// Jaeger writes the scope's before the span's own attributes and the others after them. So where a
/// key occurs twice, it is known which of the two was an attribute.
struct FieldTags<'r, 'a> {
    reader: &'r mut Reader<'a>,
    first: usize,
}

impl FieldTags<'_, '_> {
    fn take_first(&mut self, key: &str) -> Box<str> {
        let tags = &self.reader.attributes[self.first..];
        let at = tags.iter().position(|tag| &*tag.key == key && is_text(&tag.value));
        self.take_text(at)
    }

    fn take_last(&mut self, key: &str) -> Box<str> {
        self.take_last_if(key, |_| true)
    }

    fn take_last_if(&mut self, key: &str, accept: impl Fn(&str) -> bool) -> Box<str> {
        let tags = &self.reader.attributes[self.first..];
        let at = tags.iter().rposition(|tag| {
            &*tag.key == key && matches!(&tag.value, Value::String(text) if accept(text))
        });
        self.take_text(at)
    }

    /// The text of the tag at that place; empty when there is none.
    fn take_text(&mut self, at: Option<usize>) -> Box<str> {
        match at.map(|at| self.take(at)) {
            Some(Value::String(text)) => text.into(),
            _ => Box::default(),
        }
    }

    fn take(&mut self, at: usize) -> Value {
        let Attribute { key, value } = self.reader.attributes.remove(self.first + at);
        self.reader.names.release(key);
        value
    }

    fn kind(&mut self) -> Kind {
        let is_kind = |name: &str| Kind::from_name(name) != Kind::Unspecified;
        Kind::from_name(&self.take_last_if("span.kind", is_kind))
    }

    /// The status. `error` is true beside a status of `ERROR`, and says the same alone: that is how
    /// OpenTracing has it.
    fn status(&mut self) -> Status {
        let is_code = |code: &str| matches!(code, "OK" | "ERROR");
        if &*self.take_last_if("otel.status_code", is_code) == "OK" {
            return Status::Ok;
        }
        let tags = &self.reader.attributes[self.first..];
        let is_error = |tag: &Attribute| &*tag.key == "error" && is_true(&tag.value);
        tags.iter().rposition(is_error).map_or(Status::Unset, |at| {
            self.take(at);
            Status::Error
        })
    }

    /// Cuts what is left to as many attributes as a span may have.
    fn cut_rest(&mut self) {
        let most = self.first + limits::ATTRIBUTES;
        let excess = self.reader.attributes.len().saturating_sub(most);
        self.reader.cuts =
            self.reader.cuts.saturating_add(u32::try_from(excess).unwrap_or(u32::MAX));
        let kept = self.reader.attributes.len() - excess;
        self.reader.names.release_attributes(self.reader.attributes.drain(kept..));
    }
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::String(_))
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => *truth,
        Value::String(text) => **text == *"true",
        _ => false,
    }
}

/// Reads a log, as an event, to the end of the reader's.
fn log<'a, S: Source<'a>>(value: S, reader: &mut Reader<'a>) -> Result<(), Stopped> {
    if reader.events.len() >= limits::EVENTS {
        return reader.cut(value);
    }
    let mut log = LogFields { timestamp: 0, first: reader.attributes.len() };
    value.message(&mut log, reader)?;
    let mut fields = FieldTags { reader: &mut *reader, first: log.first };
    let name = fields.take_first("event");
    fields.cut_rest();
    let name = reader.shorten(&name, limits::NAME_BYTES).to_owned();
    let name = reader.name(&name)?;
    reader.charge(heap((reader.attributes.len() - log.first) * size_of::<Attribute>()))?;
    let event = Event {
        time: log.timestamp.saturating_mul(1_000),
        name,
        attributes: sorted_from(log.first, reader),
        dropped_attributes: 0,
    };
    reader.events.push(event);
    Ok(())
}

struct LogFields {
    /// Microseconds since the epoch.
    timestamp: u64,
    /// Where its fields begin among the reader's attributes.
    first: usize,
}

impl Message for LogFields {
    fn fields(&self) -> &'static [Field] {
        const { &[one(1, "timestamp"), list(2, "fields")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => self.timestamp = value.fixed64(reader)?,
            // One more than attributes: the name is none.
            2 => tag(self.first, limits::ATTRIBUTES + 1, value, reader)?,
            _ => value.skip(reader)?,
        }
        Ok(())
    }
}

/// Reads a tag to the end of the reader's attributes, unless there are `most` since `first`.
pub(super) fn tag<'a, S: Source<'a>>(
    first: usize,
    most: usize,
    value: S,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    if reader.attributes.len() - first >= most {
        return reader.cut(value);
    }
    let step = value.step();
    let mut tag = Tag { key: None, value_type: TagType::Untold, value: Value::Empty };
    value.message(&mut tag, reader)?;
    let Tag { key, value_type, value } = tag;
    let key = match key {
        Some(key) => key,
        None => reader.name("")?,
    };
    let value = typed(value, value_type, reader).unwrap_or_else(|expected| {
        reader.note_fault(Some(step), format_args!("its value is not {expected}"));
        Value::Empty
    });
    reader.attributes.push(Attribute { key, value });
    Ok(())
}

struct Tag {
    key: Option<Name>,
    value_type: TagType,
    value: Value,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TagType {
    /// Then the value's own type in JSON tells.
    #[default]
    Untold,
    Bool,
    Int,
    Float,
    Binary,
}

impl Message for Tag {
    fn fields(&self) -> &'static [Field] {
        const { &[one(1, "key"), one(2, "type"), one(3, "value")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => self.key = name(value, reader)?,
            2 => {
                self.value_type = value.text(reader, |text, _| {
                    Ok(match text {
                        "bool" => TagType::Bool,
                        "int64" => TagType::Int,
                        "float64" => TagType::Float,
                        "binary" => TagType::Binary,
                        _ => TagType::Untold,
                    })
                })?;
            }
            3 => self.value = value.any(TEXT_BYTES, reader)?,
            _ => value.skip(reader)?,
        }
        Ok(())
    }
}

/// The value of a tag of that type, or what was expected. Numbers that JSON cannot hold are
/// strings.
fn typed(
    value: Value,
    value_type: TagType,
    reader: &mut Reader<'_>,
) -> Result<Value, &'static str> {
    let text = match (value_type, value) {
        (TagType::Float, Value::Int(number)) => return Ok(Value::Double(Double(number as f64))),
        (_, Value::String(text)) => Box::<str>::from(text),
        (_, other) => return Ok(other),
    };
    match value_type {
        TagType::Untold => Ok(Value::String(reader.shorten(&text, limits::VALUE_BYTES).into())),
        TagType::Bool => text.parse().map(Value::Bool).map_err(|_| "true or false"),
        TagType::Int => text.parse().map(Value::Int).map_err(|_| "a whole number of 64 bits"),
        TagType::Float => {
            json::double(&text).map(|number| Value::Double(Double(number))).ok_or("a number")
        }
        TagType::Binary => {
            let mut bytes = json::decode_base64(&text).ok_or("base64")?;
            bytes.truncate(limits::VALUE_BYTES);
            Ok(Value::Bytes(bytes.into_boxed_slice()))
        }
    }
}
