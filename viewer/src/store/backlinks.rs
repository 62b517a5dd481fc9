//! Links read backwards: which spans point at a span. So an order's span leads to the batch that
//! wrote it, though only the batch's span says so.

use std::collections::HashMap;
use std::mem::size_of;

use foldhash::fast::RandomState;

use super::footprint::heap;
use super::model::{Span, SpanId, TraceId};

/// The spans named of those that link to one span; more are only counted.
pub(crate) const LISTED: usize = 256;

/// A span, wherever it is.
pub(crate) type Place = (TraceId, SpanId);

/// Who links to each span, held or not: the link often comes first.
#[derive(Debug, Default)]
pub(crate) struct Backlinks {
    targets: HashMap<Place, Sources, RandomState>,
}

/// Who links to one span.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// At most [`LISTED`] of them.
    pub(crate) listed: Vec<Place>,
    /// How many there are.
    pub(crate) count: usize,
}

/// What a link takes here at most, in bytes: an entry in a table that is a third full, as it is
/// while it grows, and a list of one.
pub(crate) const PER_LINK_BYTES: usize =
    3 * (size_of::<(Place, Sources)>() + 1) + heap(size_of::<Place>());

impl Backlinks {
    pub(crate) fn add(&mut self, trace: TraceId, span: &Span) {
        for link in span.links() {
            let sources = self.targets.entry((link.trace, link.span)).or_default();
            sources.count += 1;
            if sources.listed.len() < LISTED {
                if sources.listed.is_empty() {
                    // Most spans are linked to by one other, if by any.
                    sources.listed.reserve_exact(1);
                }
                sources.listed.push((trace, span.id));
            }
        }
    }

    pub(crate) fn remove(&mut self, trace: TraceId, span: &Span) {
        for link in span.links() {
            let target = (link.trace, link.span);
            let Some(sources) = self.targets.get_mut(&target) else { continue };
            sources.count = sources.count.saturating_sub(1);
            if let Some(at) = sources.listed.iter().position(|place| *place == (trace, span.id)) {
                sources.listed.swap_remove(at);
            }
            if sources.count == 0 {
                self.targets.remove(&target);
            }
        }
    }

    /// Who links to that span.
    pub(crate) fn to(&self, trace: TraceId, span: SpanId) -> Option<&Sources> {
        self.targets.get(&(trace, span))
    }
}
