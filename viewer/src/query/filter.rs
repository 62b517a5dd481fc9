//! A search, and the traces that answer it.

use std::sync::Arc;

use super::tags::Tag;
use crate::ingest::SharedStore;
use crate::store::model::{Span, TraceId};
use crate::store::trace::Trace;

/// How many traces a search takes out of the store under one lock. While it has them, they cannot
/// be let go.
const AT_ONCE: usize = 256;

/// What a search takes for each trace held, in bytes.
pub(crate) const TRACE_BYTES: usize = 64;

/// What one span of a trace must be for the trace to be found. Times are nanoseconds since the
/// epoch, durations nanoseconds; everything left out does not matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) service: Option<String>,
    pub(crate) operation: Option<String>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) start_min: Option<u64>,
    pub(crate) start_max: Option<u64>,
    pub(crate) duration_min: Option<u64>,
    pub(crate) duration_max: Option<u64>,
    /// Only traces with an error, in any span.
    pub(crate) errors: bool,
    /// Only these traces, if any are named.
    pub(crate) ids: Vec<TraceId>,
}

impl Filter {
    /// Whether a span of `trace` is what is searched for.
    pub(crate) fn matches(&self, trace: &Trace) -> bool {
        self.may_match(trace) && trace.spans.iter().any(|span| self.matches_span(span))
    }

    /// Whether it may be found, going by the trace's totals only.
    fn may_match(&self, trace: &Trace) -> bool {
        self.service.as_deref().is_none_or(|service| trace.has_service(service))
            && self.start_max.is_none_or(|latest| trace.start <= latest)
            && self.start_min.is_none_or(|earliest| trace.end >= earliest)
            && self.duration_min.is_none_or(|least| trace.duration() >= least)
            && (!self.errors || trace.errors() > 0)
            && (self.ids.is_empty() || self.ids.contains(&trace.id))
    }

    fn matches_span(&self, span: &Span) -> bool {
        self.service.as_deref().is_none_or(|service| service == &**span.service())
            && self.operation.as_deref().is_none_or(|operation| operation == &*span.name)
            && self.start_min.is_none_or(|earliest| span.start >= earliest)
            && self.start_max.is_none_or(|latest| span.start <= latest)
            && self.duration_min.is_none_or(|least| span.duration() >= least)
            && self.duration_max.is_none_or(|most| span.duration() <= most)
            && self.tags.iter().all(|tag| tag.matches(span))
    }
}

/// All traces held, those that came last first. They are taken out of the store a few at a time, so
/// that a search holds no lock while it looks at them and delays the letting go of only a few.
pub(crate) fn newest_first(store: &SharedStore) -> impl Iterator<Item = Arc<Trace>> {
    let ids: Vec<TraceId> = store.read().newest_first().map(|trace| trace.id).collect();
    let mut rest = ids.into_iter();
    std::iter::from_fn(move || {
        let store = store.read();
        let some: Vec<_> = rest.by_ref().take(AT_ONCE).map(|id| store.trace(id).cloned()).collect();
        (!some.is_empty()).then_some(some)
    })
    .flatten()
    .flatten()
}

/// The ids of the traces that `filter` finds, those that came last first, `most` at most.
pub(crate) fn find(store: &SharedStore, filter: &Filter, most: usize) -> Vec<TraceId> {
    let found = newest_first(store).filter(|trace| filter.matches(trace));
    found.take(most).map(|trace| trace.id).collect()
}
