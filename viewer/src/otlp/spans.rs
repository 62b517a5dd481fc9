//! An `ExportTraceServiceRequest`, read straight into the spans that the store keeps.
//!
//! A request is a tree: resources have scopes, scopes have spans, and senders may write the fields
//! of a message in any order. So a span is made with what is known of its resource and scope when
//! it comes, and [`finish`](ResourceSpans::finish) gives it the rest:
//!
//! ```text
//! Spans                       the request: the spans accepted, and how many were rejected, and why
//!  └ ResourceSpans            one resource: ResourceFields, and its scopes
//!     └ ScopeSpans            one scope: ScopeFields, and its spans
//!        └ SpanFields         one span
//! ```
//!
//! A span that cannot be read, or whose ids are not valid, is rejected, and the others are kept:
//! the sender is told by a partial success. A resource or a scope that cannot be read takes all of
//! its spans with it.

use std::mem::{replace, take};
use std::sync::Arc;

use super::attributes::{read_attribute, sorted, text};
use super::failure::Failure;
use super::limits::{self, shortened};
use super::message::{Field, Message, Reader, Source, Step, Stopped, list, one};
use super::span::SpanFields;
use crate::store::footprint::Footprint;
use crate::store::model::{Attribute, Name, Resource, Scope, Span, TraceId, Value};

/// When this many spans were rejected as unreadable, and none was accepted, the rest of the request
/// is not read.
const UNREADABLE_SPANS: u64 = 1_000;

/// The attribute in which a resource names its service.
pub(super) const SERVICE_NAME: &str = "service.name";

/// The spans of a request.
#[derive(Debug, Default)]
pub(super) struct Spans {
    pub(super) accepted: Vec<(TraceId, Arc<Span>)>,
    pub(super) rejected: u64,
    /// Why the first rejected span was rejected.
    pub(super) reason: Option<String>,
    /// Whether anything was not OTLP at all, rather than a span with bad ids.
    pub(super) unreadable: bool,
}

impl Spans {
    /// Rejects a span, of which nothing is kept; ends the reading when nothing in the request is
    /// readable.
    pub(super) fn reject(&mut self, fault: String, reader: &mut Reader<'_>) -> Result<(), Stopped> {
        self.rejected += 1;
        self.tell(fault, reader);
        let is_hopeless =
            self.unreadable && self.accepted.is_empty() && self.rejected >= UNREADABLE_SPANS;
        match &self.reason {
            Some(reason) if is_hopeless => Err(reader.stop(Failure::Malformed(reason.clone()))),
            _ => Ok(()),
        }
    }

    /// Rejects the spans accepted since there were `first`, for a fault in what is around them.
    pub(super) fn reject_from(&mut self, first: usize, fault: String, reader: &mut Reader<'_>) {
        self.rejected += (self.accepted.len() - first) as u64;
        self.tell(fault, reader);
        self.unreadable = true;
        for (_, span) in self.accepted.drain(first..) {
            reader.names.release_span(span);
        }
    }

    /// Keeps the first fault: the sender is told one.
    fn tell(&mut self, fault: String, reader: &mut Reader<'_>) {
        self.reason.get_or_insert(fault);
        reader.is_told = true;
    }

    /// Lets go of everything.
    pub(super) fn release(self, reader: &mut Reader<'_>) {
        for (_, span) in self.accepted {
            reader.names.release_span(span);
        }
    }
}

impl Message for Spans {
    const ALL_OR_NOTHING: bool = false;

    fn fields(&self) -> &'static [Field] {
        const { &[list(1, "resourceSpans")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => {
                reader.refuse_fault()?;
                let mut resource = ResourceSpans::new(self);
                value.message(&mut resource, reader)?;
                resource.finish(reader)
            }
            _ => value.skip(reader),
        }
    }
}

/// What the spans of a resource and those of a scope have in common: what is wrong with the
/// resource or scope itself, or was cut from it, is true of all of them.
pub(super) struct Group<'s> {
    pub(super) spans: &'s mut Spans,
    /// Where in the request's spans those of the group begin.
    pub(super) first: usize,
    cuts: u32,
    fault: Option<String>,
}

impl<'s> Group<'s> {
    pub(super) fn new(spans: &'s mut Spans, cuts: u32) -> Self {
        Self { first: spans.accepted.len(), spans, cuts, fault: None }
    }

    /// Reads the resource or scope itself.
    fn read_own<'a, S: Source<'a>>(
        &mut self,
        value: S,
        message: &mut impl Message,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        reader.cuts = 0;
        value.message(message, reader)?;
        self.cuts = self.cuts.saturating_add(reader.cuts);
        Ok(())
    }

    /// Takes a fault from outside of the group's members for the group's own. It is called before
    /// each member and at the end.
    pub(super) fn take_fault(&mut self, reader: &mut Reader<'_>) {
        if let Some(fault) = reader.take_fault() {
            self.fault.get_or_insert(fault);
        }
    }

    /// What `check` says of a span at `step` that has been read; or the fault for which the span is
    /// rejected, with its path.
    pub(super) fn check<T>(
        &mut self,
        step: Step<'_>,
        check: impl FnOnce() -> Result<T, String>,
        reader: &mut Reader<'_>,
    ) -> Result<T, String> {
        if let Some(fault) = reader.take_fault() {
            self.spans.unreadable = true;
            return Err(fault);
        }
        check().map_err(|fault| match reader.is_told {
            true => fault,
            false => format!("{}.{fault}", reader.path_to(Some(step))),
        })
    }

    /// Ends the group: rejects its spans if it has a fault. Whether any are left.
    pub(super) fn has_spans(&mut self, reader: &mut Reader<'_>) -> bool {
        self.take_fault(reader);
        if let Some(fault) = self.fault.take() {
            self.spans.reject_from(self.first, fault, reader);
        }
        self.spans.accepted.len() > self.first
    }

    /// The spans of the group for which `is_stale` holds. Nothing else has them yet.
    fn stale_spans(&mut self, is_stale: impl Fn(&Span) -> bool) -> impl Iterator<Item = &mut Span> {
        let spans = self.spans.accepted[self.first..].iter_mut();
        spans.filter(move |(_, span)| is_stale(span)).filter_map(|(_, span)| Arc::get_mut(span))
    }
}

/// The spans of one resource.
struct ResourceSpans<'s> {
    group: Group<'s>,
    attributes: Vec<Attribute>,
    dropped_attributes: u32,
    schema_url: Box<str>,
    /// Made of the three fields above, until one of them changes.
    resource: Option<Arc<Resource>>,
}

impl<'s> ResourceSpans<'s> {
    fn new(spans: &'s mut Spans) -> Self {
        Self {
            group: Group::new(spans, 0),
            attributes: Vec::new(),
            dropped_attributes: 0,
            schema_url: Box::default(),
            resource: None,
        }
    }

    /// The resource as far as it has been read.
    fn resource(&mut self, reader: &mut Reader<'_>) -> Result<Arc<Resource>, Stopped> {
        if let Some(resource) = &self.resource {
            return Ok(Arc::clone(resource));
        }
        let (service, attributes) = with_service(self.attributes.clone(), reader)?;
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

    /// Gives the spans the resource as it is in the end, or rejects them when it cannot be read.
    fn finish(mut self, reader: &mut Reader<'_>) -> Result<(), Stopped> {
        if self.group.has_spans(reader) {
            let resource = self.resource(reader)?;
            for span in self.group.stale_spans(|span| !Arc::ptr_eq(&span.resource, &resource)) {
                let former = replace(&mut span.resource, Arc::clone(&resource));
                reader.names.release_resource(former);
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
    const ALL_OR_NOTHING: bool = false;

    fn fields(&self) -> &'static [Field] {
        const { &[one(1, "resource"), list(2, "scopeSpans"), one(3, "schemaUrl")] }
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
                let (attributes, dropped_attributes) =
                    (&mut self.attributes, &mut self.dropped_attributes);
                let mut fields = ResourceFields { attributes, dropped_attributes };
                self.group.read_own(value, &mut fields, reader)
            }
            2 => {
                self.group.take_fault(reader);
                let resource = self.resource(reader)?;
                let group = Group::new(self.group.spans, self.group.cuts);
                let mut scope = ScopeSpans::new(group, resource);
                value.message(&mut scope, reader)?;
                scope.finish(reader)
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

/// A resource itself.
struct ResourceFields<'r> {
    attributes: &'r mut Vec<Attribute>,
    dropped_attributes: &'r mut u32,
}

impl Message for ResourceFields<'_> {
    fn fields(&self) -> &'static [Field] {
        const { &[list(1, "attributes"), one(2, "droppedAttributesCount")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => resource_attribute(self.attributes, value, reader),
            2 => {
                *self.dropped_attributes = value.uint32(reader)?;
                Ok(())
            }
            _ => value.skip(reader),
        }
    }
}

/// Reads an attribute of a resource. The service's name is kept even when it comes after as many
/// attributes as a resource may have.
fn resource_attribute<'a, S: Source<'a>>(
    attributes: &mut Vec<Attribute>,
    value: S,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    read_attribute(value, reader)?;
    let Some(attribute) = reader.attributes.pop() else { return Ok(()) };
    let is_service = &*attribute.key == SERVICE_NAME;
    if attributes.len() < limits::ATTRIBUTES || is_service && attributes.len() == limits::ATTRIBUTES
    {
        attributes.push(attribute);
    } else {
        reader.cuts = reader.cuts.saturating_add(1);
        reader.names.release_attributes([attribute]);
    }
    Ok(())
}

/// The service that a resource's `attributes` name, and the attributes, sorted, with `service.name`
/// saying the same. A name that is missing, empty or not a text gets Jaeger's stand-in for it.
pub(super) fn with_service(
    mut attributes: Vec<Attribute>,
    reader: &mut Reader<'_>,
) -> Result<(Name, Box<[Attribute]>), Stopped> {
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

/// The spans of one instrumentation scope of a resource.
struct ScopeSpans<'s> {
    group: Group<'s>,
    resource: Arc<Resource>,
    fields: Scope,
    /// Made of the fields above, until one of them changes.
    scope: Option<Arc<Scope>>,
}

impl<'s> ScopeSpans<'s> {
    fn new(group: Group<'s>, resource: Arc<Resource>) -> Self {
        Self { group, resource, fields: Scope::default(), scope: None }
    }

    /// The scope as far as it has been read.
    fn scope(&mut self, reader: &mut Reader<'_>) -> Result<Arc<Scope>, Stopped> {
        if let Some(scope) = &self.scope {
            return Ok(Arc::clone(scope));
        }
        reader.charge(self.fields.footprint())?;
        let scope = reader.names.scope(self.fields.clone());
        self.scope = Some(Arc::clone(&scope));
        Ok(scope)
    }

    /// Gives the spans the scope as it is in the end, or rejects them when it cannot be read.
    fn finish(mut self, reader: &mut Reader<'_>) -> Result<(), Stopped> {
        if self.group.has_spans(reader) {
            let scope = self.scope(reader)?;
            for span in self.group.stale_spans(|span| !Arc::ptr_eq(&span.scope, &scope)) {
                let former = replace(&mut span.scope, Arc::clone(&scope));
                reader.names.release_scope(former);
            }
        }
        if let Some(scope) = self.scope {
            reader.names.release_scope(scope);
        }
        reader.names.release_attributes(self.fields.attributes.into_vec());
        Ok(())
    }

    /// Reads a span, and keeps or rejects it.
    fn span<'a, S: Source<'a>>(
        &mut self,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        let (step, taken_before) = (value.step(), reader.taken());
        reader.cuts = 0;
        let mut span = SpanFields::new(reader);
        value.message(&mut span, reader)?;
        match self.group.check(step, || span.ids(), reader) {
            Ok(ids) => {
                let (resource, scope) = (Arc::clone(&self.resource), self.scope(reader)?);
                let span = span.build(ids, resource, scope, self.group.cuts, reader)?;
                self.group.spans.accepted.push((ids.trace, Arc::new(span)));
                Ok(())
            }
            Err(fault) => {
                span.release(reader);
                reader.give_back_to(taken_before);
                self.group.spans.reject(fault, reader)
            }
        }
    }
}

impl Message for ScopeSpans<'_> {
    const ALL_OR_NOTHING: bool = false;

    fn fields(&self) -> &'static [Field] {
        const { &[one(1, "scope"), list(2, "spans"), one(3, "schemaUrl")] }
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
                self.group.read_own(value, &mut ScopeFields(&mut self.fields), reader)
            }
            2 => {
                self.group.take_fault(reader);
                self.span(value, reader)
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

/// A scope itself.
struct ScopeFields<'s>(&'s mut Scope);

impl Message for ScopeFields<'_> {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(1, "name"),
                one(2, "version"),
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
