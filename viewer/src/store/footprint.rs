//! How much memory a value takes: what the bound on bytes counts in.

use std::mem::size_of;

use super::model::{Attribute, Event, Extra, Link, Resource, Scope, Span, Value};

/// What the allocator adds to each allocation, about.
const PER_ALLOCATION: usize = 16;

/// An estimate of the memory behind a value, without what it shares with others.
pub(crate) trait Footprint {
    /// Bytes, the value itself included.
    fn footprint(&self) -> usize;
}

impl Footprint for str {
    fn footprint(&self) -> usize {
        heap(self.len())
    }
}

impl Footprint for Span {
    fn footprint(&self) -> usize {
        let extra = self.extra.as_ref().map_or(0, |extra| PER_ALLOCATION + extra.footprint());
        PER_ALLOCATION + size_of::<Self>() + attributes(&self.attributes) + extra
    }
}

impl Footprint for Extra {
    fn footprint(&self) -> usize {
        size_of::<Self>()
            + heap(self.status_message.len())
            + heap(self.trace_state.len())
            + self.events.iter().map(Event::footprint).sum::<usize>()
            + self.links.iter().map(Link::footprint).sum::<usize>()
    }
}

impl Footprint for Event {
    fn footprint(&self) -> usize {
        size_of::<Self>() + attributes(&self.attributes)
    }
}

impl Footprint for Link {
    fn footprint(&self) -> usize {
        size_of::<Self>() + heap(self.trace_state.len()) + attributes(&self.attributes)
    }
}

impl Footprint for Resource {
    fn footprint(&self) -> usize {
        size_of::<Self>() + attributes(&self.attributes) + heap(self.schema_url.len())
    }
}

impl Footprint for Scope {
    fn footprint(&self) -> usize {
        size_of::<Self>()
            + heap(self.name.len())
            + heap(self.version.len())
            + attributes(&self.attributes)
            + heap(self.schema_url.len())
    }
}

fn attributes(attributes: &[Attribute]) -> usize {
    heap(size_of_val(attributes))
        + attributes.iter().map(|attribute| behind(&attribute.value)).sum::<usize>()
}

/// What a value has on the heap.
fn behind(value: &Value) -> usize {
    match value {
        Value::Empty | Value::Bool(_) | Value::Int(_) | Value::Double(_) => 0,
        Value::String(text) => heap(text.len()),
        Value::Bytes(bytes) => heap(bytes.len()),
        Value::Array(values) => {
            heap(size_of_val(&**values)) + values.iter().map(behind).sum::<usize>()
        }
        Value::Map(entries) => attributes(entries),
    }
}

fn heap(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes + PER_ALLOCATION }
}
