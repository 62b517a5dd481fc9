//! An `ExportTraceServiceRequest`, read straight into the spans that the store keeps.
//!
//! A span that cannot be read, or whose ids are none, is left out and the others are kept; the
//! sender is told by a partial success. So are all spans of a resource or a scope that cannot be
//! read.

use std::mem::{size_of, take};
use std::sync::Arc;

use super::attributes::{attribute_from, name, read_attribute, sorted, sorted_from, text};
use super::failure::Failure;
use super::limits::{self, shortened};
use super::message::{Field, Id, Message, Reader, Source, Stopped, list, one};
use crate::store::footprint::{ARC_COUNTS, Footprint, heap};
use crate::store::model::{
    Attribute, Event, Extra, Kind, Link, Name, Resource, Scope, Span, SpanId, Status, TraceId,
    Value,
};

/// What a span is called that came without a name, as Jaeger calls it.
const EMPTY_SPAN_NAME: &str = "empty-span-name";

/// So many spans that cannot be read, and none that can, and the request is not read to its end.
const UNREADABLE_SPANS: u64 = 1_000;

/// The attribute in which a resource names its service.
const SERVICE_NAME: &str = "service.name";

/// What a span takes beside its lists and texts: itself, and its place among those read.
const SPAN_BYTES: usize =
    heap(ARC_COUNTS + size_of::<Span>()) + 2 * size_of::<(TraceId, Arc<Span>)>();

/// A request and what became of its spans.
#[derive(Debug, Default)]
pub(super) struct Spans {
    pub(super) accepted: Vec<(TraceId, Arc<Span>)>,
    pub(super) rejected: u64,
    /// Why the first of those rejected was.
    pub(super) reason: Option<String>,
    /// Whether anything was no OTLP at all, rather than a span with bad ids.
    pub(super) unreadable: bool,
}

impl Spans {
    /// Rejects the spans accepted since there were `from`, for a fault in what is around them.
    fn reject_from(&mut self, from: usize, fault: String, reader: &mut Reader<'_>) {
        self.rejected += (self.accepted.len() - from) as u64;
        self.tell(fault, reader);
        self.unreadable = true;
        for (_, span) in self.accepted.drain(from..) {
            reader.names.release_span(span);
        }
    }

    /// The first fault is the one that the sender is told.
    fn tell(&mut self, fault: String, reader: &mut Reader<'_>) {
        self.reason.get_or_insert(fault);
        reader.is_told = true;
    }

    /// Ends the reading of what is no OTLP from end to end.
    fn go_on(&self, reader: &mut Reader<'_>) -> Result<(), Stopped> {
        let hopeless =
            self.unreadable && self.accepted.is_empty() && self.rejected >= UNREADABLE_SPANS;
        match &self.reason {
            Some(reason) if hopeless => Err(reader.stop(Failure::Malformed(reason.clone()))),
            _ => Ok(()),
        }
    }

    /// Lets go of everything.
    pub(super) fn release(self, reader: &mut Reader<'_>) {
        for (_, span) in self.accepted {
            reader.names.release_span(span);
        }
    }
}

impl Message for Spans {
    fn fields(&self) -> &'static [Field] {
        const { &[list(1, "resourceSpans", "resource_spans")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => {
                // What was wrong before belongs to none of the groups.
                if let Some(fault) = reader.take_fault() {
                    return Err(reader.stop(Failure::Malformed(fault)));
                }
                let mut group = ResourceSpans::new(self);
                value.message(&mut group, reader)?;
                group.finish(reader)
            }
            _ => value.skip(reader),
        }
    }
}

/// The spans of one resource. They are made with what is known of it before them, and get what
/// comes after them in the end: senders may write the fields of a message in any order.
struct ResourceSpans<'s> {
    spans: &'s mut Spans,
    /// Where in the request's spans those of this resource begin.
    first: usize,
    attributes: Vec<Attribute>,
    dropped_attributes: u32,
    schema_url: Box<str>,
    /// Made of the fields above, until one of them changes.
    resource: Option<Arc<Resource>>,
    cuts: u32,
    fault: Option<String>,
}

impl<'s> ResourceSpans<'s> {
    fn new(spans: &'s mut Spans) -> Self {
        Self {
            first: spans.accepted.len(),
            spans,
            attributes: Vec::new(),
            dropped_attributes: 0,
            schema_url: Box::default(),
            resource: None,
            cuts: 0,
            fault: None,
        }
    }

    /// Takes what was wrong outside of the scopes.
    fn take_fault(&mut self, reader: &mut Reader<'_>) {
        if let Some(fault) = reader.take_fault() {
            self.fault.get_or_insert(fault);
        }
    }

    fn resource(&mut self, reader: &mut Reader<'_>) -> Result<Arc<Resource>, Stopped> {
        if let Some(resource) = &self.resource {
            return Ok(Arc::clone(resource));
        }
        let (service, attributes) = self.with_service(reader)?;
        let resource = Resource {
            service,
            attributes,
            dropped_attributes: self.dropped_attributes,
            schema_url: self.schema_url.clone(),
        };
        reader.charge(resource.footprint())?;
        let resource = reader.names.resource(resource);
        self.resource = Some(Arc::clone(&resource));
        Ok(resource)
    }

    /// The service that the attributes name, and those with `service.name` saying the same; the
    /// stand-ins for one that is missing, empty or no text are Jaeger's.
    fn with_service(&self, reader: &mut Reader<'_>) -> Result<(Name, Box<[Attribute]>), Stopped> {
        let mut attributes = self.attributes.clone();
        let named = attributes.iter_mut().find(|attribute| &*attribute.key == SERVICE_NAME);
        let stand_in = match named.as_ref().map(|attribute| &attribute.value) {
            Some(Value::String(name)) if !name.is_empty() => {
                let service = reader.name(shortened(name, limits::NAME_BYTES))?;
                return Ok((service, sorted(attributes)));
            }
            None => "missing-service-name",
            Some(Value::String(_)) => "empty-service-name",
            Some(_) => "service-name-wrong-type",
        };
        let value = Value::String(stand_in.into());
        match named {
            Some(attribute) => attribute.value = value,
            None => attributes.push(Attribute { key: reader.name(SERVICE_NAME)?, value }),
        }
        Ok((reader.name(stand_in)?, sorted(attributes)))
    }

    /// Gives the spans the resource as it is in the end; rejects them when it cannot be read.
    fn finish(mut self, reader: &mut Reader<'_>) -> Result<(), Stopped> {
        self.take_fault(reader);
        if let Some(fault) = self.fault.take() {
            self.spans.reject_from(self.first, fault, reader);
        }
        if self.spans.accepted.len() > self.first {
            let resource = self.resource(reader)?;
            for (_, span) in &mut self.spans.accepted[self.first..] {
                if Arc::ptr_eq(&span.resource, &resource) {
                    continue;
                }
                if let Some(span) = Arc::get_mut(span) {
                    let former = std::mem::replace(&mut span.resource, Arc::clone(&resource));
                    reader.names.release_resource(former);
                }
            }
        }
        if let Some(resource) = self.resource {
            reader.names.release_resource(resource);
        }
        reader.names.release_attributes(self.attributes);
        Ok(())
    }
}

impl Message for ResourceSpans<'_> {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(1, "resource", "resource"),
                list(2, "scopeSpans", "scope_spans"),
                one(3, "schemaUrl", "schema_url"),
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
            1 => {
                self.resource = None;
                reader.cuts = 0;
                value.message(&mut ResourceFields(self), reader)?;
                self.cuts = self.cuts.saturating_add(reader.cuts);
                Ok(())
            }
            2 => {
                self.take_fault(reader);
                let resource = self.resource(reader)?;
                let mut group = ScopeSpans::new(self.spans, resource, self.cuts);
                value.message(&mut group, reader)?;
                group.finish(reader)
            }
            3 => {
                self.resource = None;
                self.schema_url = text(value, limits::NAME_BYTES, reader)?;
                Ok(())
            }
            _ => value.skip(reader),
        }
    }
}

struct ResourceFields<'r, 's>(&'r mut ResourceSpans<'s>);

impl Message for ResourceFields<'_, '_> {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                list(1, "attributes", "attributes"),
                one(2, "droppedAttributesCount", "dropped_attributes_count"),
            ]
        }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        // It is rejected anyway.
        if reader.has_fault() {
            return value.skip(reader);
        }
        match number {
            1 => {
                let held = self.0.attributes.len();
                read_attribute(value, reader)?;
                let Some(attribute) = reader.attributes.pop() else { return Ok(()) };
                // The service keeps its name even when it comes after too many attributes.
                let is_service = &*attribute.key == SERVICE_NAME;
                if held < limits::ATTRIBUTES || is_service && held == limits::ATTRIBUTES {
                    self.0.attributes.push(attribute);
                } else {
                    reader.cuts = reader.cuts.saturating_add(1);
                    reader.names.release_attributes([attribute]);
                }
                Ok(())
            }
            2 => {
                self.0.dropped_attributes = value.uint32(reader)?;
                Ok(())
            }
            _ => value.skip(reader),
        }
    }
}

/// The spans of one instrumentation scope of a resource.
struct ScopeSpans<'s> {
    spans: &'s mut Spans,
    /// Where in the request's spans those of this scope begin.
    first: usize,
    resource: Arc<Resource>,
    fields: Scope,
    /// Made of the fields above, until one of them changes.
    scope: Option<Arc<Scope>>,
    cuts: u32,
    fault: Option<String>,
}

impl<'s> ScopeSpans<'s> {
    fn new(spans: &'s mut Spans, resource: Arc<Resource>, cuts: u32) -> Self {
        Self {
            first: spans.accepted.len(),
            spans,
            resource,
            fields: Scope::default(),
            scope: None,
            cuts,
            fault: None,
        }
    }

    /// Takes what was wrong outside of the spans.
    fn take_fault(&mut self, reader: &mut Reader<'_>) {
        if let Some(fault) = reader.take_fault() {
            self.fault.get_or_insert(fault);
        }
    }

    fn scope(&mut self, reader: &mut Reader<'_>) -> Result<Arc<Scope>, Stopped> {
        if let Some(scope) = &self.scope {
            return Ok(Arc::clone(scope));
        }
        reader.charge(self.fields.footprint())?;
        let scope = reader.names.scope(self.fields.clone());
        self.scope = Some(Arc::clone(&scope));
        Ok(scope)
    }

    /// Gives the spans the scope as it is in the end; rejects them when it cannot be read.
    fn finish(mut self, reader: &mut Reader<'_>) -> Result<(), Stopped> {
        self.take_fault(reader);
        if let Some(fault) = self.fault.take() {
            self.spans.reject_from(self.first, fault, reader);
        }
        if self.spans.accepted.len() > self.first {
            let scope = self.scope(reader)?;
            for (_, span) in &mut self.spans.accepted[self.first..] {
                if Arc::ptr_eq(&span.scope, &scope) {
                    continue;
                }
                if let Some(span) = Arc::get_mut(span) {
                    let former = std::mem::replace(&mut span.scope, Arc::clone(&scope));
                    reader.names.release_scope(former);
                }
            }
        }
        if let Some(scope) = self.scope {
            reader.names.release_scope(scope);
        }
        reader.names.release_attributes(self.fields.attributes.into_vec());
        Ok(())
    }

    /// Keeps a span that has been read, or rejects it.
    fn take<'a>(
        &mut self,
        span: SpanFields,
        path: impl Fn(&Reader<'a>) -> String,
        before: usize,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        let fault = reader.take_fault();
        self.spans.unreadable |= fault.is_some();
        let ids = match fault {
            Some(fault) => Err(fault),
            None => span.ids().map_err(|fault| match reader.is_told {
                true => fault,
                false => format!("{}.{fault}", path(reader)),
            }),
        };
        match ids {
            Ok((trace, id, parent)) => {
                let (resource, scope) = (Arc::clone(&self.resource), self.scope(reader)?);
                let span = span.build(id, parent, resource, scope, self.cuts, reader)?;
                self.spans.accepted.push((trace, Arc::new(span)));
            }
            Err(fault) => {
                self.spans.rejected += 1;
                self.spans.tell(fault, reader);
                span.release(reader);
                reader.give_back_to(before);
                return self.spans.go_on(reader);
            }
        }
        Ok(())
    }
}

impl Message for ScopeSpans<'_> {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(1, "scope", "scope"),
                list(2, "spans", "spans"),
                one(3, "schemaUrl", "schema_url"),
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
            1 => {
                self.scope = None;
                reader.cuts = 0;
                value.message(&mut ScopeFields(&mut self.fields), reader)?;
                self.cuts = self.cuts.saturating_add(reader.cuts);
                Ok(())
            }
            2 => {
                self.take_fault(reader);
                let (step, before) = (value.step(), reader.taken());
                reader.cuts = 0;
                let mut span = SpanFields::new(reader);
                value.message(&mut span, reader)?;
                self.take(span, |reader| reader.path_to(Some(step)), before, reader)
            }
            3 => {
                self.scope = None;
                self.fields.schema_url = text(value, limits::NAME_BYTES, reader)?;
                Ok(())
            }
            _ => value.skip(reader),
        }
    }
}

struct ScopeFields<'s>(&'s mut Scope);

impl Message for ScopeFields<'_> {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(1, "name", "name"),
                one(2, "version", "version"),
                list(3, "attributes", "attributes"),
                one(4, "droppedAttributesCount", "dropped_attributes_count"),
            ]
        }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        // It is rejected anyway.
        if reader.has_fault() {
            return value.skip(reader);
        }
        match number {
            1 => self.0.name = text(value, limits::NAME_BYTES, reader)?,
            2 => self.0.version = text(value, limits::NAME_BYTES, reader)?,
            3 if self.0.attributes.len() >= limits::ATTRIBUTES => return reader.cut(value),
            3 => {
                let mut attributes = take(&mut self.0.attributes).into_vec();
                read_attribute(value, reader)?;
                attributes.extend(reader.attributes.pop());
                self.0.attributes = sorted(attributes);
            }
            4 => self.0.dropped_attributes = value.uint32(reader)?,
            _ => return value.skip(reader),
        }
        Ok(())
    }
}

/// A span as far as it has been read. Its lists grow at the ends of the reader's.
struct SpanFields {
    trace: Id<16>,
    id: Id<8>,
    parent: Id<8>,
    name: Option<Name>,
    kind: i32,
    status: i32,
    flags: u32,
    start: u64,
    end: u64,
    status_message: Box<str>,
    trace_state: Box<str>,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
    invalid_links: u32,
    first_attribute: usize,
}

impl SpanFields {
    fn new(reader: &Reader<'_>) -> Self {
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
            status_message: Box::default(),
            trace_state: Box::default(),
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            invalid_links: 0,
            first_attribute: reader.attributes.len(),
        }
    }

    /// Its ids and its parent's, or what is wrong with them.
    fn ids(&self) -> Result<(TraceId, SpanId, Option<SpanId>), String> {
        let trace = match &self.trace {
            Id::Valid(id) => TraceId::from_bytes(id),
            Id::Wrong(what) => return Err(format!("traceId {what}")),
            Id::Absent => None,
        };
        let id = match &self.id {
            Id::Valid(id) => SpanId::from_bytes(id),
            Id::Wrong(what) => return Err(format!("spanId {what}")),
            Id::Absent => None,
        };
        let parent = match &self.parent {
            Id::Valid(id) => SpanId::from_bytes(id),
            Id::Wrong(what) => return Err(format!("parentSpanId {what}")),
            Id::Absent => None,
        };
        match (trace, id) {
            (Some(trace), Some(id)) => Ok((trace, id, parent)),
            (None, _) => Err(String::from("traceId is missing or all zeroes")),
            (_, None) => Err(String::from("spanId is missing or all zeroes")),
        }
    }

    fn build(
        self,
        id: SpanId,
        parent: Option<SpanId>,
        resource: Arc<Resource>,
        scope: Arc<Scope>,
        cuts_around: u32,
        reader: &mut Reader<'_>,
    ) -> Result<Span, Stopped> {
        let attributes = reader.attributes.len() - self.first_attribute;
        reader.charge(SPAN_BYTES + heap(attributes * size_of::<Attribute>()))?;
        let name = match self.name {
            Some(name) => name,
            None => reader.name(EMPTY_SPAN_NAME)?,
        };
        let (events, links) = (reader.events.len(), reader.links.len());
        let extra = Extra {
            status_message: self.status_message,
            trace_state: self.trace_state,
            events: reader.events.drain(..).collect(),
            links: reader.links.drain(..).collect(),
            dropped_attributes: self.dropped_attributes,
            dropped_events: self.dropped_events,
            dropped_links: self.dropped_links,
            invalid_links: self.invalid_links,
            cut: reader.cuts.saturating_add(cuts_around),
        };
        let extra = (extra != Extra::default()).then(|| Box::new(extra));
        if extra.is_some() {
            reader.charge(
                heap(size_of::<Extra>())
                    + heap(events * size_of::<Event>())
                    + heap(links * size_of::<Link>()),
            )?;
        }
        Ok(Span {
            id,
            parent,
            name,
            kind: Kind::from_number(self.kind),
            status: Status::from_number(self.status),
            flags: self.flags,
            start: self.start,
            end: self.end,
            resource,
            scope,
            attributes: sorted_from(self.first_attribute, reader),
            extra,
        })
    }

    /// Lets go of what was read of a span that is not kept.
    fn release(self, reader: &mut Reader<'_>) {
        reader.release_lists();
        if let Some(name) = self.name {
            reader.names.release(name);
        }
    }
}

impl Message for SpanFields {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(1, "traceId", "trace_id"),
                one(2, "spanId", "span_id"),
                one(3, "traceState", "trace_state"),
                one(4, "parentSpanId", "parent_span_id"),
                one(5, "name", "name"),
                one(6, "kind", "kind"),
                one(7, "startTimeUnixNano", "start_time_unix_nano"),
                one(8, "endTimeUnixNano", "end_time_unix_nano"),
                list(9, "attributes", "attributes"),
                one(10, "droppedAttributesCount", "dropped_attributes_count"),
                list(11, "events", "events"),
                one(12, "droppedEventsCount", "dropped_events_count"),
                list(13, "links", "links"),
                one(14, "droppedLinksCount", "dropped_links_count"),
                one(15, "status", "status"),
                one(16, "flags", "flags"),
            ]
        }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        // It is rejected anyway.
        if reader.has_fault() {
            return value.skip(reader);
        }
        match number {
            1 => self.trace = value.id(reader)?,
            2 => self.id = value.id(reader)?,
            3 => self.trace_state = text(value, limits::VALUE_BYTES, reader)?,
            4 => self.parent = value.id(reader)?,
            5 => self.name = name(value, reader)?,
            6 => self.kind = value.enumeration(KINDS, reader)?,
            7 => self.start = value.fixed64(reader)?,
            8 => self.end = value.fixed64(reader)?,
            9 => return attribute_from(self.first_attribute, value, reader),
            10 => self.dropped_attributes = value.uint32(reader)?,
            11 if reader.events.len() >= limits::EVENTS => return reader.cut(value),
            11 => {
                let mut event =
                    EventFields { first_attribute: reader.attributes.len(), ..<_>::default() };
                value.message(&mut event, reader)?;
                let event = event.build(reader)?;
                reader.events.push(event);
            }
            12 => self.dropped_events = value.uint32(reader)?,
            13 if reader.links.len() + self.invalid_links as usize >= limits::LINKS => {
                return reader.cut(value);
            }
            13 => {
                let mut link = LinkFields::new(reader);
                value.message(&mut link, reader)?;
                match link.build(reader)? {
                    Some(link) => reader.links.push(link),
                    None => self.invalid_links += 1,
                }
            }
            14 => self.dropped_links = value.uint32(reader)?,
            15 => return value.message(&mut StatusFields(self), reader),
            16 => self.flags = value.fixed32(reader)?,
            _ => return value.skip(reader),
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

struct StatusFields<'s>(&'s mut SpanFields);

impl Message for StatusFields<'_> {
    fn fields(&self) -> &'static [Field] {
        const { &[one(2, "message", "message"), one(3, "code", "code")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            2 => self.0.status_message = text(value, limits::VALUE_BYTES, reader)?,
            3 => self.0.status = value.enumeration(STATUS_CODES, reader)?,
            _ => return value.skip(reader),
        }
        Ok(())
    }
}

#[derive(Default)]
struct EventFields {
    time: u64,
    name: Option<Name>,
    dropped_attributes: u32,
    first_attribute: usize,
}

impl EventFields {
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
                one(1, "timeUnixNano", "time_unix_nano"),
                one(2, "name", "name"),
                list(3, "attributes", "attributes"),
                one(4, "droppedAttributesCount", "dropped_attributes_count"),
            ]
        }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        // It is rejected anyway.
        if reader.has_fault() {
            return value.skip(reader);
        }
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
                one(1, "traceId", "trace_id"),
                one(2, "spanId", "span_id"),
                one(3, "traceState", "trace_state"),
                list(4, "attributes", "attributes"),
                one(5, "droppedAttributesCount", "dropped_attributes_count"),
                one(6, "flags", "flags"),
            ]
        }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        // It is rejected anyway.
        if reader.has_fault() {
            return value.skip(reader);
        }
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
