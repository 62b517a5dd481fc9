//! How much memory a value takes. The bound on bytes is counted with it.

use std::mem::size_of;

use super::model::{Attribute, Event, Extra, Link, LogRecord, Resource, Scope, Span, Text, Value};

/// What small blocks are multiples of, in bytes. This and the two below are of mimalloc on 64 bits
/// (`mi_bin` in its `page-queue.c`), which puts blocks of one size together and needs nothing in a block
/// for itself; the blocks of the GNU C library take about the same: <https://www.microsoft.com/en-us/research/publication/mimalloc-free-list-sharding-in-action/>.
const BLOCK_UNIT: usize = 16;
/// Up to here blocks are small, in bytes.
const SMALL_BLOCKS: usize = 64;
/// Sizes of larger blocks between one power of two and the next.
const SIZES: usize = 4;
/// One part in so many is added for the blocks that lie free between others: traces come and go, and a
/// page goes back only when all of its blocks are free. `tests/it/footprint.rs` holds the sum against
/// the memory of the process.
const FREE_BETWEEN: usize = 8;

/// The two counts of an `Arc`, in bytes.
pub(crate) const ARC_COUNTS: usize = 2 * size_of::<usize>();

/// An estimate of the memory behind a value, without what it shares with others.
pub(crate) trait Footprint {
    /// Bytes.
    fn footprint(&self) -> usize;
}

/// What an allocation of `bytes` takes.
pub(crate) const fn heap(bytes: usize) -> usize {
    let block = if bytes <= SMALL_BLOCKS {
        bytes.next_multiple_of(BLOCK_UNIT)
    } else {
        let power = 1 << (bytes - 1).ilog2();
        bytes.next_multiple_of(power / SIZES)
    };
    block + block / FREE_BETWEEN
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
        // Shared texts count among the names.
        Value::Empty | Value::Bool(_) | Value::Int(_) | Value::Double(_) => 0,
        Value::String(Text::Shared(_)) => 0,
        Value::String(Text::Own(text)) => heap(text.len()),
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
    fn an_allocation_takes_whole_blocks_and_an_eighth_for_those_that_lie_free() {
        let sizes = [0, 1, 24, 33, 64, 65, 81, 128, 129, 320, 321, 520, 4_096, 5_000];
        let blocks = [0, 16, 32, 48, 64, 80, 96, 128, 160, 320, 384, 640, 4_096, 5_120];
        assert_eq!(sizes.map(heap), blocks.map(|block| block + block / 8));
    }

    #[test]
    fn a_value_counts_with_all_that_is_in_it() {
        let text = || Value::String("thirty bytes of text, or so...".into());
        let list = Value::Array(Box::new([text(), Value::Int(1), text()]));

        assert_eq!(behind(&text()), heap(30));
        assert_eq!(behind(&list), heap(3 * size_of::<Value>()) + 2 * heap(30));
    }
}
