//! A search, and the traces that answer it.

use std::sync::Arc;

use super::tags::Tag;
use crate::store::Store;
use crate::store::model::Span;
use crate::store::trace::Trace;

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
}

impl Filter {
    /// Whether a span of `trace` is what is searched for.
    pub(crate) fn matches(&self, trace: &Trace) -> bool {
        self.may_match(trace) && trace.spans.iter().any(|span| self.matches_span(span))
    }

    /// What the trace's totals tell, before any span is looked at.
    fn may_match(&self, trace: &Trace) -> bool {
        self.service.as_deref().is_none_or(|service| trace.has_service(service))
            && self.start_max.is_none_or(|latest| trace.start <= latest)
            && self.start_min.is_none_or(|earliest| trace.end >= earliest)
            && self.duration_min.is_none_or(|least| trace.duration() >= least)
            && (!self.errors || trace.errors() > 0)
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

/// All traces held, the newest first, to search in without holding the store's lock.
pub(crate) fn all(store: &Store) -> Vec<Arc<Trace>> {
    store.newest_first().cloned().collect()
}
