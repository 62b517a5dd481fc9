//! How much memory a value takes. The bound on bytes is counted with it.

use std::mem::size_of;

use super::model::{Attribute, Event, Extra, Link, LogRecord, Resource, Scope, Span, Value};

/// What the allocator needs in each block for itself, in bytes. This and the two below are of
/// glibc's malloc on 64 bits: <https://sourceware.org/glibc/wiki/MallocInternals>.
const BLOCK_HEADER: usize = 8;
/// What blocks are multiples of, in bytes.
const BLOCK_UNIT: usize = 16;
/// The smallest block, in bytes.
const SMALLEST_BLOCK: usize = 32;

/// The two counts of an `Arc`, in bytes.
pub(crate) const ARC_COUNTS: usize = 2 * size_of::<usize>();

/// An estimate of the memory behind a value, without what it shares with others.
pub(crate) trait Footprint {
    /// Bytes.
    fn footprint(&self) -> usize;
}

/// What an allocation of `bytes` takes.
pub(crate) const fn heap(bytes: usize) -> usize {
    if bytes == 0 {
        return 0;
    }
    let block = (bytes + BLOCK_HEADER).next_multiple_of(BLOCK_UNIT);
    if block < SMALLEST_BLOCK { SMALLEST_BLOCK } else { block }
}

/// In its `Arc`.
impl Footprint for Span {
    fn footprint(&self) -> usize {
        let extra = self.extra.as_ref().map_or(0, |extra| extra.footprint());
        heap(ARC_COUNTS + size_of::<Self>()) + attributes(&self.attributes) + extra
    }
}

/// In its `Arc`.
impl Footprint for LogRecord {
    fn footprint(&self) -> usize {
        heap(ARC_COUNTS + size_of::<Self>()) + attributes(&self.attributes) + behind(&self.body)
    }
}

/// In its `Box`.
impl Footprint for Extra {
    fn footprint(&self) -> usize {
        heap(size_of::<Self>())
            + heap(self.status_message.len())
            + heap(self.trace_state.len())
            + heap(size_of_val(&*self.events))
            + self.events.iter().map(behind_event).sum::<usize>()
            + heap(size_of_val(&*self.links))
            + self.links.iter().map(behind_link).sum::<usize>()
    }
}

/// Without itself.
impl Footprint for Resource {
    fn footprint(&self) -> usize {
        attributes(&self.attributes) + heap(self.schema_url.len())
    }
}

/// Without itself.
impl Footprint for Scope {
    fn footprint(&self) -> usize {
        heap(self.name.len())
            + heap(self.version.len())
            + attributes(&self.attributes)
            + heap(self.schema_url.len())
    }
}

fn behind_event(event: &Event) -> usize {
    attributes(&event.attributes)
}

fn behind_link(link: &Link) -> usize {
    heap(link.trace_state.len()) + attributes(&link.attributes)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_takes_whole_blocks() {
        assert_eq!([0, 1, 24, 25, 40, 41, 320].map(heap), [0, 32, 32, 48, 48, 64, 336]);
    }

    #[test]
    fn a_value_counts_with_all_that_is_in_it() {
        let text = || Value::String("thirty bytes of text, or so...".into());
        let list = Value::Array(Box::new([text(), Value::Int(1), text()]));

        assert_eq!(behind(&text()), heap(30));
        assert_eq!(behind(&list), heap(3 * size_of::<Value>()) + 2 * heap(30));
    }
}
