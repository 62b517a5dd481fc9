//! One span of a request, with its events, links and status. Its attributes, events and links grow
//! at the ends of the reader's own lists and are taken from there when the span is complete.

use std::mem::size_of;
use std::sync::Arc;

use super::attributes::{attribute_from, name, sorted_from, text};
use super::items::{Item, Items};
use super::limits;
use super::message::{Field, Id, Message, Reader, Source, Stopped, list, one};
use crate::store::footprint::{ARC_COUNTS, heap};
use crate::store::model::{
    Attribute, Event, Extra, Kind, Link, Name, Resource, Scope, Span, SpanId, Status, TraceId,
};
use crate::store::names::Names;

/// The spans of a request, each with its trace.
pub(super) type Spans = Items<(TraceId, Arc<Span>)>;

impl Item for (TraceId, Arc<Span>) {
    const REQUEST: &'static [Field] = &[list(1, "resourceSpans")];
    const OF_RESOURCE: &'static [Field] =
        &[one(1, "resource"), list(2, "scopeSpans"), one(3, "schemaUrl")];
    const OF_SCOPE: &'static [Field] = &[one(1, "scope"), list(2, "spans"), one(3, "schemaUrl")];

    type Fields = SpanFields;
    type Ids = Ids;

    fn begin(reader: &Reader<'_>) -> SpanFields {
        SpanFields::new(reader)
    }

    fn ids(fields: &SpanFields) -> Result<Ids, String> {
        fields.ids()
    }

    fn build(
        fields: SpanFields,
        ids: Ids,
        resource: Arc<Resource>,
        scope: Arc<Scope>,
        cuts_around: u32,
        reader: &mut Reader<'_>,
    ) -> Result<Self, Stopped> {
        let span = fields.build(ids, resource, scope, cuts_around, reader)?;
        Ok((ids.trace, Arc::new(span)))
    }

    fn abandon(fields: SpanFields, reader: &mut Reader<'_>) {
        fields.release(reader);
    }

    fn release(self, names: &mut Names) {
        names.release_span(self.1);
    }

    fn around(&mut self) -> Option<(&mut Arc<Resource>, &mut Arc<Scope>)> {
        let span = Arc::get_mut(&mut self.1)?;
        Some((&mut span.resource, &mut span.scope))
    }
}

/// The name of a span that came without one, as Jaeger has it.
pub(super) const EMPTY_SPAN_NAME: &str = "empty-span-name";

/// What a span takes beside its lists and texts: itself, and its place among those read.
const SPAN_BYTES: usize =
    heap(ARC_COUNTS + size_of::<Span>()) + 2 * size_of::<(TraceId, Arc<Span>)>();

/// The ids of a span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) parent: Option<SpanId>,
}

/// A span as far as it has been read.
pub(super) struct SpanFields {
    trace: Id<16>,
    id: Id<8>,
    parent: Id<8>,
    name: Option<Name>,
    kind: i32,
    status: i32,
    flags: u32,
    start: u64,
    end: u64,
    /// What most spans do not have. Its events and links are still in the reader's lists.
    extra: Extra,
    /// Where its attributes begin among the reader's.
    first_attribute: usize,
}

impl SpanFields {
    pub(super) fn new(reader: &Reader<'_>) -> Self {
        Self {
            trace: Id::Absent,
            id: Id::Absent,
            parent: Id::Absent,
            name: None,
            kind: 0,
            status: 0,
            flags: 0,
            start: 0,
            end: 0,
            extra: Extra::default(),
            first_attribute: reader.attributes.len(),
        }
    }

    /// Its ids and its parent's, or what is wrong with them.
    fn ids(&self) -> Result<Ids, String> {
        let trace = self.trace.checked("traceId")?.and_then(|id| TraceId::from_bytes(id));
        let span = self.id.checked("spanId")?.and_then(|id| SpanId::from_bytes(id));
        let parent = self.parent.checked("parentSpanId")?.and_then(|id| SpanId::from_bytes(id));
        match (trace, span) {
            (Some(trace), Some(span)) => Ok(Ids { trace, span, parent }),
            (None, _) => Err(String::from("traceId is missing or all zeroes")),
            (_, None) => Err(String::from("spanId is missing or all zeroes")),
        }
    }

    /// The span. `cuts_around` is what was cut from its resource and scope.
    pub(super) fn build(
        self,
        ids: Ids,
        resource: Arc<Resource>,
        scope: Arc<Scope>,
        cuts_around: u32,
        reader: &mut Reader<'_>,
    ) -> Result<Span, Stopped> {
        let name = match self.name {
            Some(name) => name,
            None => reader.name(EMPTY_SPAN_NAME)?,
        };
        let cut = reader.cuts.saturating_add(cuts_around);
        let (attributes, extra) =
            take_lists(Extra { cut, ..self.extra }, self.first_attribute, reader)?;
        Ok(Span {
            id: ids.span,
            parent: ids.parent,
            name,
            kind: Kind::from_number(self.kind),
            status: Status::from_number(self.status),
            flags: self.flags,
            start: self.start,
            end: self.end,
            resource,
            scope,
            attributes,
            extra,
        })
    }

    /// Lets go of what was read of a span that is not kept.
    pub(super) fn release(self, reader: &mut Reader<'_>) {
        reader.release_lists();
        if let Some(name) = self.name {
            reader.names.release(name);
        }
    }
}

/// A span's attributes, and what else most spans do not have.
type Lists = (Box<[Attribute]>, Option<Box<Extra>>);

/// Takes a complete span's attributes, events and links out of the reader's lists, and charges for
/// the span. `extra` has everything else that most spans do not have; it is none when it is empty.
pub(super) fn take_lists(
    extra: Extra,
    first_attribute: usize,
    reader: &mut Reader<'_>,
) -> Result<Lists, Stopped> {
    let attributes = reader.attributes.len() - first_attribute;
    reader.charge(SPAN_BYTES + heap(attributes * size_of::<Attribute>()))?;
    let (events, links) = (reader.events.len(), reader.links.len());
    let lists_bytes = heap(events * size_of::<Event>()) + heap(links * size_of::<Link>());
    let extra = Extra {
        events: reader.events.drain(..).collect(),
        links: reader.links.drain(..).collect(),
        ..extra
    };
    let extra = (extra != Extra::default()).then(|| Box::new(extra));
    if extra.is_some() {
        reader.charge(heap(size_of::<Extra>()) + lists_bytes)?;
    }
    Ok((sorted_from(first_attribute, reader), extra))
}

impl Message for SpanFields {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(1, "traceId"),
                one(2, "spanId"),
                one(3, "traceState"),
                one(4, "parentSpanId"),
                one(5, "name"),
                one(6, "kind"),
                one(7, "startTimeUnixNano"),
                one(8, "endTimeUnixNano"),
                list(9, "attributes"),
                one(10, "droppedAttributesCount"),
                list(11, "events"),
                one(12, "droppedEventsCount"),
                list(13, "links"),
                one(14, "droppedLinksCount"),
                one(15, "status"),
                one(16, "flags"),
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
            1 => self.trace = value.id(reader)?,
            2 => self.id = value.id(reader)?,
            3 => self.extra.trace_state = text(value, limits::VALUE_BYTES, reader)?,
            4 => self.parent = value.id(reader)?,
            5 => self.name = name(value, reader)?,
            6 => self.kind = value.enumeration(KINDS, reader)?,
            7 => self.start = value.fixed64(reader)?,
            8 => self.end = value.fixed64(reader)?,
            9 => attribute_from(self.first_attribute, value, reader)?,
            10 => self.extra.dropped_attributes = value.uint32(reader)?,
            11 => event(value, reader)?,
            12 => self.extra.dropped_events = value.uint32(reader)?,
            13 => self.link(value, reader)?,
            14 => self.extra.dropped_links = value.uint32(reader)?,
            15 => value.message(&mut StatusFields(self), reader)?,
            16 => self.flags = value.fixed32(reader)?,
            _ => value.skip(reader)?,
        }
        Ok(())
    }
}

impl SpanFields {
    fn link<'a, S: Source<'a>>(
        &mut self,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        if reader.links.len() + self.extra.invalid_links as usize >= limits::LINKS {
            return reader.cut(value);
        }
        let mut link = LinkFields::new(reader);
        value.message(&mut link, reader)?;
        match link.build(reader)? {
            Some(link) => reader.links.push(link),
            None => self.extra.invalid_links += 1,
        }
        Ok(())
    }
}

/// The names of span kinds in JSON.
const KINDS: &[(&str, i32)] = &[
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
];

/// The names of status codes in JSON.
const STATUS_CODES: &[(&str, i32)] =
    &[("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)];

/// A span's status.
struct StatusFields<'s>(&'s mut SpanFields);

impl Message for StatusFields<'_> {
    fn fields(&self) -> &'static [Field] {
        const { &[one(2, "message"), one(3, "code")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            2 => self.0.extra.status_message = text(value, limits::VALUE_BYTES, reader)?,
            3 => self.0.status = value.enumeration(STATUS_CODES, reader)?,
            _ => return value.skip(reader),
        }
        Ok(())
    }
}

/// Reads an event to the end of the reader's.
fn event<'a, S: Source<'a>>(value: S, reader: &mut Reader<'a>) -> Result<(), Stopped> {
    if reader.events.len() >= limits::EVENTS {
        return reader.cut(value);
    }
    let mut event = EventFields::new(reader);
    value.message(&mut event, reader)?;
    let event = event.build(reader)?;
    reader.events.push(event);
    Ok(())
}

/// An event as far as it has been read.
struct EventFields {
    time: u64,
    name: Option<Name>,
    dropped_attributes: u32,
    first_attribute: usize,
}

impl EventFields {
    fn new(reader: &Reader<'_>) -> Self {
        let first_attribute = reader.attributes.len();
        Self { time: 0, name: None, dropped_attributes: 0, first_attribute }
    }

    fn build(self, reader: &mut Reader<'_>) -> Result<Event, Stopped> {
        let attributes = reader.attributes.len() - self.first_attribute;
        reader.charge(heap(attributes * size_of::<Attribute>()))?;
        Ok(Event {
            time: self.time,
            name: match self.name {
                Some(name) => name,
                None => reader.name("")?,
            },
            attributes: sorted_from(self.first_attribute, reader),
            dropped_attributes: self.dropped_attributes,
        })
    }
}

impl Message for EventFields {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(1, "timeUnixNano"),
                one(2, "name"),
                list(3, "attributes"),
                one(4, "droppedAttributesCount"),
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
            1 => self.time = value.fixed64(reader)?,
            2 => self.name = name(value, reader)?,
            3 => return attribute_from(self.first_attribute, value, reader),
            4 => self.dropped_attributes = value.uint32(reader)?,
            _ => return value.skip(reader),
        }
        Ok(())
    }
}

/// A link as far as it has been read.
struct LinkFields {
    trace: Id<16>,
    span: Id<8>,
    trace_state: Box<str>,
    flags: u32,
    dropped_attributes: u32,
    first_attribute: usize,
}

impl LinkFields {
    fn new(reader: &Reader<'_>) -> Self {
        Self {
            trace: Id::Absent,
            span: Id::Absent,
            trace_state: Box::default(),
            flags: 0,
            dropped_attributes: 0,
            first_attribute: reader.attributes.len(),
        }
    }

    /// The link; none when its ids are none.
    fn build(self, reader: &mut Reader<'_>) -> Result<Option<Link>, Stopped> {
        let (Id::Valid(trace), Id::Valid(span)) = (&self.trace, &self.span) else {
            return Ok(None);
        };
        let (Some(trace), Some(span)) = (TraceId::from_bytes(trace), SpanId::from_bytes(span))
        else {
            return Ok(None);
        };
        let attributes = reader.attributes.len() - self.first_attribute;
        reader.charge(heap(attributes * size_of::<Attribute>()))?;
        Ok(Some(Link {
            trace,
            span,
            trace_state: self.trace_state,
            flags: self.flags,
            attributes: sorted_from(self.first_attribute, reader),
            dropped_attributes: self.dropped_attributes,
        }))
    }
}

impl Message for LinkFields {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(1, "traceId"),
                one(2, "spanId"),
                one(3, "traceState"),
                list(4, "attributes"),
                one(5, "droppedAttributesCount"),
                one(6, "flags"),
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
            1 => self.trace = value.id(reader)?,
            2 => self.span = value.id(reader)?,
            3 => self.trace_state = text(value, limits::VALUE_BYTES, reader)?,
            4 => return attribute_from(self.first_attribute, value, reader),
            5 => self.dropped_attributes = value.uint32(reader)?,
            6 => self.flags = value.fixed32(reader)?,
            _ => return value.skip(reader),
        }
        Ok(())
    }
}
