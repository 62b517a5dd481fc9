//! An export request of any signal, read straight into the items that the store keeps: spans, log records
//! or metrics.
//!
//! A request is a tree: resources have scopes, scopes have items, and senders may write the fields
//! of a message in any order. So an item is made with what is known of its resource and scope when
//! it comes, and [`finish`](OfResource::finish) gives it the rest:
//!
//! ```text
//! Items                       the request: the items accepted, and how many were rejected, and why
//!  └ OfResource               one resource: ResourceFields, and its scopes
//!     └ OfScope               one scope: ScopeFields, and its items
//!        └ Item::Fields       one item
//! ```
//!
//! An item that cannot be read, or whose ids are not valid, is rejected, and the others are kept:
//! the sender is told by a partial success. A resource or a scope that cannot be read takes all of
//! its items with it.

use std::mem::{replace, take};
use std::sync::Arc;

use super::attributes::{read_attribute, sorted, text};
use super::failure::Failure;
use super::limits::{self, shortened};
use super::message::{Field, Message, Reader, Source, Step, Stopped, list, one};
use crate::store::footprint::Footprint;
use crate::store::model::{Attribute, Name, Resource, Scope, Value};
use crate::store::names::Names;

/// When this many items were rejected as unreadable, and none was accepted, the rest of the request
/// is not read.
const UNREADABLE_ITEMS: u64 = 1_000;

/// The attribute in which a resource names its service.
pub(super) const SERVICE_NAME: &str = "service.name";

/// What a request holds of: a span, a log record or a metric, as the store keeps it.
pub(super) trait Item: Sized {
    /// The fields of a request.
    const REQUEST: &'static [Field];
    /// The fields of what a resource has: itself, its scopes, its schema.
    const OF_RESOURCE: &'static [Field];
    /// The fields of what a scope has: itself, its items, its schema.
    const OF_SCOPE: &'static [Field];

    /// An item as far as it has been read.
    type Fields: Message;
    type Ids;

    fn begin(reader: &Reader<'_>) -> Self::Fields;
    /// Its ids, or what is wrong with them.
    fn ids(fields: &Self::Fields) -> Result<Self::Ids, String>;
    /// The item. `cuts_around` is what was cut from its resource and scope.
    fn build(
        fields: Self::Fields,
        ids: Self::Ids,
        resource: Arc<Resource>,
        scope: Arc<Scope>,
        cuts_around: u32,
        reader: &mut Reader<'_>,
    ) -> Result<Self, Stopped>;
    /// Lets go of what was read of an item that is not kept.
    fn abandon(fields: Self::Fields, reader: &mut Reader<'_>);
    /// Lets go of an item.
    fn release(self, names: &mut Names);
    /// Its resource and its scope, which may be replaced while nothing else has the item.
    fn around(&mut self) -> Option<(&mut Arc<Resource>, &mut Arc<Scope>)>;

    /// What the sender is told of it. A metric counts as its data points.
    fn counts(&self) -> Counts {
        Counts { accepted: 1, rejected: 0, reason: None }
    }

    /// How many are rejected with an item that is not kept.
    fn count_of(_: &Self::Fields) -> u64 {
        1
    }
}

/// What was taken of an item, what was not, and why the first of it was not.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) reason: Option<String>,
}

/// The items of a request.
#[derive(Debug)]
pub(super) struct Items<T> {
    pub(super) accepted: Vec<T>,
    pub(super) rejected: u64,
    /// Why the first rejected item was rejected.
    pub(super) reason: Option<String>,
    /// Whether anything was not OTLP at all, rather than an item with bad ids.
    pub(super) unreadable: bool,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { accepted: Vec::new(), rejected: 0, reason: None, unreadable: false }
    }
}

impl<T: Item> Items<T> {
    /// Rejects an item, of which nothing is kept; ends the reading when nothing in the request is
    /// readable.
    pub(super) fn reject(&mut self, fault: String, reader: &mut Reader<'_>) -> Result<(), Stopped> {
        self.reject_all(1, fault, reader)
    }

    /// The same of an item that counts as several.
    fn reject_all(
        &mut self,
        count: u64,
        fault: String,
        reader: &mut Reader<'_>,
    ) -> Result<(), Stopped> {
        self.rejected += count;
        self.tell(fault, reader);
        let is_hopeless =
            self.unreadable && self.accepted.is_empty() && self.rejected >= UNREADABLE_ITEMS;
        match &self.reason {
            Some(reason) if is_hopeless => Err(reader.stop(Failure::Malformed(reason.clone()))),
            _ => Ok(()),
        }
    }

    /// Rejects the items accepted since there were `first`, for a fault in what is around them.
    pub(super) fn reject_from(&mut self, first: usize, fault: String, reader: &mut Reader<'_>) {
        self.tell(fault, reader);
        self.unreadable = true;
        for item in self.accepted.drain(first..) {
            let Counts { accepted, rejected, .. } = item.counts();
            self.rejected += accepted + rejected;
            item.release(reader.names);
        }
    }

    /// Keeps the first fault: the sender is told one.
    fn tell(&mut self, fault: String, reader: &mut Reader<'_>) {
        self.reason.get_or_insert(fault);
        reader.is_told = true;
    }

    /// Lets go of everything.
    pub(super) fn release(self, reader: &mut Reader<'_>) {
        for item in self.accepted {
            item.release(reader.names);
        }
    }
}

impl<T: Item> Message for Items<T> {
    const ALL_OR_NOTHING: bool = false;

    fn fields(&self) -> &'static [Field] {
        T::REQUEST
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
                let mut resource = OfResource::new(self);
                value.message(&mut resource, reader)?;
                resource.finish(reader)
            }
            _ => value.skip(reader),
        }
    }
}

/// What the items of a resource and those of a scope have in common: what is wrong with the
/// resource or scope itself, or was cut from it, is true of all of them.
pub(super) struct Group<'s, T> {
    pub(super) items: &'s mut Items<T>,
    /// Where in the request's items those of the group begin.
    pub(super) first: usize,
    cuts: u32,
    fault: Option<String>,
}

impl<'s, T: Item> Group<'s, T> {
    pub(super) fn new(items: &'s mut Items<T>, cuts: u32) -> Self {
        Self { first: items.accepted.len(), items, cuts, fault: None }
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

    /// What `check` says of an item at `step` that has been read; or the fault for which the item is
    /// rejected, with its path.
    pub(super) fn check<I>(
        &mut self,
        step: Step<'_>,
        check: impl FnOnce() -> Result<I, String>,
        reader: &mut Reader<'_>,
    ) -> Result<I, String> {
        if let Some(fault) = reader.take_fault() {
            self.items.unreadable = true;
            return Err(fault);
        }
        check().map_err(|fault| match reader.is_told {
            true => fault,
            false => format!("{}.{fault}", reader.path_to(Some(step))),
        })
    }

    /// Ends the group: rejects its items if it has a fault. Whether any are left.
    pub(super) fn has_items(&mut self, reader: &mut Reader<'_>) -> bool {
        self.take_fault(reader);
        if let Some(fault) = self.fault.take() {
            self.items.reject_from(self.first, fault, reader);
        }
        self.items.accepted.len() > self.first
    }

    /// The resources and scopes of the group's items.
    fn around(&mut self) -> impl Iterator<Item = (&mut Arc<Resource>, &mut Arc<Scope>)> {
        self.items.accepted[self.first..].iter_mut().filter_map(T::around)
    }
}

/// The items of one resource.
struct OfResource<'s, T> {
    group: Group<'s, T>,
    attributes: Vec<Attribute>,
    dropped_attributes: u32,
    schema_url: Box<str>,
    /// Made of the three fields above, until one of them changes.
    resource: Option<Arc<Resource>>,
}

impl<'s, T: Item> OfResource<'s, T> {
    fn new(items: &'s mut Items<T>) -> Self {
        Self {
            group: Group::new(items, 0),
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

    /// Gives the items the resource as it is in the end, or rejects them when it cannot be read.
    fn finish(mut self, reader: &mut Reader<'_>) -> Result<(), Stopped> {
        if self.group.has_items(reader) {
            let resource = self.resource(reader)?;
            for (former, _) in self.group.around() {
                if !Arc::ptr_eq(former, &resource) {
                    reader.names.release_resource(replace(former, Arc::clone(&resource)));
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

impl<T: Item> Message for OfResource<'_, T> {
    const ALL_OR_NOTHING: bool = false;

    fn fields(&self) -> &'static [Field] {
        T::OF_RESOURCE
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
                let group = Group::new(self.group.items, self.group.cuts);
                let mut scope = OfScope::new(group, resource);
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

/// The items of one instrumentation scope of a resource.
struct OfScope<'s, T> {
    group: Group<'s, T>,
    resource: Arc<Resource>,
    fields: Scope,
    /// Made of the fields above, until one of them changes.
    scope: Option<Arc<Scope>>,
}

impl<'s, T: Item> OfScope<'s, T> {
    fn new(group: Group<'s, T>, resource: Arc<Resource>) -> Self {
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

    /// Gives the items the scope as it is in the end, or rejects them when it cannot be read.
    fn finish(mut self, reader: &mut Reader<'_>) -> Result<(), Stopped> {
        if self.group.has_items(reader) {
            let scope = self.scope(reader)?;
            for (_, former) in self.group.around() {
                if !Arc::ptr_eq(former, &scope) {
                    reader.names.release_scope(replace(former, Arc::clone(&scope)));
                }
            }
        }
        if let Some(scope) = self.scope {
            reader.names.release_scope(scope);
        }
        reader.names.release_attributes(self.fields.attributes.into_vec());
        Ok(())
    }

    /// Reads an item, and keeps or rejects it.
    fn item<'a, S: Source<'a>>(
        &mut self,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        let (step, taken_before) = (value.step(), reader.taken());
        reader.cuts = 0;
        let mut fields = T::begin(reader);
        value.message(&mut fields, reader)?;
        match self.group.check(step, || T::ids(&fields), reader) {
            Ok(ids) => {
                let (resource, scope) = (Arc::clone(&self.resource), self.scope(reader)?);
                let item = T::build(fields, ids, resource, scope, self.group.cuts, reader)?;
                self.group.items.accepted.push(item);
                Ok(())
            }
            Err(fault) => {
                let count = T::count_of(&fields);
                T::abandon(fields, reader);
                reader.give_back_to(taken_before);
                self.group.items.reject_all(count, fault, reader)
            }
        }
    }
}

impl<T: Item> Message for OfScope<'_, T> {
    const ALL_OR_NOTHING: bool = false;

    fn fields(&self) -> &'static [Field] {
        T::OF_SCOPE
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
                self.item(value, reader)
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
