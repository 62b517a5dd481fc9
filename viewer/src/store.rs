//! What is held, in memory: the traces, bounded by spans and by bytes, and the [log records](logs),
//! with bounds of their own. The oldest trace goes first, and it goes whole: a part of a trace would
//! mislead its reader.
//!
//! One writer adds spans (see [`ingest`](crate::ingest)); readers take what they want under a
//! short lock and work on it afterwards, so a slow search never holds up a sender.

pub(crate) mod actor;
pub(crate) mod backlinks;
pub(crate) mod catalog;
pub(crate) mod footprint;
pub(crate) mod instruments;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod model;
pub(crate) mod monitor;
pub(crate) mod names;
pub(crate) mod trace;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;

use self::backlinks::{Backlinks, PER_LINK_BYTES};
use self::catalog::Catalog;
use self::model::{Span, TraceId, now};
use self::monitor::{Monitor, SeriesBounds};
use self::names::Names;
use self::trace::{Added, Trace};

/// How much may be held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) spans: usize,
    pub(crate) bytes: usize,
    pub(crate) monitor: SeriesBounds,
}

/// What has happened to spans since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) evicted_traces: u64,
    pub(crate) evicted_spans: u64,
    /// Spans that came again, changed or not.
    pub(crate) duplicates: u64,
    /// Spans that came when their trace was full.
    pub(crate) overflow: u64,
    /// Parts of spans cut by the viewer's limits.
    pub(crate) cut: u64,
}

/// How many changed traces are remembered between two calls of [`Store::take_changes`].
const CHANGES: usize = 4_096;

/// The traces held, and what finds them.
#[derive(Debug)]
pub(crate) struct Store {
    bounds: Bounds,
    traces: HashMap<TraceId, Arc<Trace>, RandomState>,
    /// The oldest first.
    order: VecDeque<TraceId>,
    pub(crate) catalog: Catalog,
    pub(crate) backlinks: Backlinks,
    pub(crate) totals: Totals,
    /// The figures of the last hour, also of spans that are no longer held.
    pub(crate) monitor: Monitor,
    spans: usize,
    /// The latest start of a trace that was evicted, in nanoseconds since the epoch: what is younger
    /// is held whole.
    evicted_until: u64,
    /// Evicted traces that a reader still has: they still take memory.
    leaving: Vec<Arc<Trace>>,
    /// What those held and those leaving take.
    trace_bytes: usize,
    /// What the names take that spans share.
    name_bytes: usize,
    changes: Option<Changes>,
}

/// Traces that have changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) traces: HashSet<TraceId>,
    /// Changes not remembered, because there were too many.
    pub(crate) skipped: usize,
}

impl Store {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            traces: HashMap::default(),
            order: VecDeque::new(),
            catalog: Catalog::default(),
            backlinks: Backlinks::default(),
            totals: Totals::default(),
            monitor: Monitor::new(bounds.monitor, now()),
            spans: 0,
            evicted_until: 0,
            leaving: Vec::new(),
            trace_bytes: 0,
            name_bytes: 0,
            changes: None,
        }
    }

    /// Adds spans and evicts what no longer fits. Their names, and those of what is evicted, are
    /// among `names`.
    pub(crate) fn add(
        &mut self,
        spans: impl IntoIterator<Item = (TraceId, Arc<Span>)>,
        names: &mut Names,
    ) {
        self.let_go(names);
        self.name_bytes = names.bytes();
        let now = now();
        self.monitor.advance(now);
        for (trace, span) in spans {
            self.add_span(trace, span, names);
            self.evict(now, names);
        }
    }

    /// The trace of that id.
    pub(crate) fn trace(&self, id: TraceId) -> Option<&Arc<Trace>> {
        self.traces.get(&id)
    }

    /// All traces, the newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Arc<Trace>> {
        self.order.iter().rev().filter_map(|id| self.traces.get(id))
    }

    /// The trace that goes next.
    pub(crate) fn oldest(&self) -> Option<&Arc<Trace>> {
        self.order.front().and_then(|id| self.traces.get(id))
    }

    /// Since when everything is held that came, in nanoseconds since the epoch; 0 when nothing has
    /// been evicted.
    pub(crate) fn evicted_until(&self) -> u64 {
        self.evicted_until
    }

    pub(crate) fn span_count(&self) -> usize {
        self.spans
    }

    pub(crate) fn trace_count(&self) -> usize {
        self.traces.len()
    }

    /// An estimate of the memory that everything held takes.
    pub(crate) fn bytes(&self) -> usize {
        self.trace_bytes + self.name_bytes
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Remembers changes from now on, until [`forget_changes`](Self::forget_changes).
    pub(crate) fn watch_changes(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// The traces that changed since the last call, if they are remembered.
    pub(crate) fn take_changes(&mut self) -> Changes {
        self.changes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Notes that log records of these traces have come, if changes are remembered.
    pub(crate) fn note_logged(&mut self, traces: impl IntoIterator<Item = TraceId>) {
        if self.changes.is_none() {
            return;
        }
        for id in traces {
            if self.traces.contains_key(&id) {
                self.note_change(id);
            }
        }
    }

    /// Stops remembering changes.
    pub(crate) fn forget_changes(&mut self) {
        self.changes = None;
    }

    fn add_span(&mut self, id: TraceId, span: Arc<Span>, names: &mut Names) {
        let entry = self.traces.entry(id).or_insert_with(|| {
            self.order.push_back(id);
            let trace = Trace::new(id);
            self.trace_bytes += trace.bytes;
            Arc::new(trace)
        });
        let trace = Arc::make_mut(entry);
        let before = trace.bytes;
        let added = trace.add(Arc::clone(&span), self.bounds.spans);
        self.trace_bytes = self.trace_bytes + trace.bytes - before;
        self.totals.cut += span.extra.as_ref().map_or(0, |extra| u64::from(extra.cut));
        match added {
            Added::New => {
                self.spans += 1;
                self.index(id, &span);
                self.monitor.count(&span);
            }
            Added::Replaced(former) => {
                self.totals.duplicates += 1;
                self.unindex(id, &former);
                self.index(id, &span);
                self.monitor.uncount(&former);
                self.monitor.count(&span);
                names.release_span(former);
            }
            Added::Duplicate => {
                self.totals.duplicates += 1;
                names.release_span(span);
            }
            Added::Overflow => {
                self.totals.overflow += 1;
                self.monitor.count(&span);
                names.release_span(span);
            }
        }
        self.note_change(id);
    }

    fn index(&mut self, trace: TraceId, span: &Span) {
        self.catalog.add(span);
        self.backlinks.add(trace, span);
        self.trace_bytes += span.links().len() * PER_LINK_BYTES;
    }

    fn unindex(&mut self, trace: TraceId, span: &Span) {
        self.catalog.remove(span);
        self.backlinks.remove(trace, span);
        self.trace_bytes -= span.links().len() * PER_LINK_BYTES;
    }

    fn note_change(&mut self, id: TraceId) {
        if let Some(changes) = &mut self.changes {
            if changes.traces.len() < CHANGES {
                changes.traces.insert(id);
            } else if !changes.traces.contains(&id) {
                changes.skipped += 1;
            }
        }
    }

    fn evict(&mut self, now: u64, names: &mut Names) {
        while !self.fits() {
            if self.spans <= self.bounds.spans && names.may_be_swept() {
                names.sweep();
                self.name_bytes = names.bytes();
                continue;
            }
            // What a reader has left may make room.
            if !self.leaving.is_empty() {
                self.let_go(names);
                self.name_bytes = names.bytes();
                if self.fits() {
                    return;
                }
            }
            let Some(oldest) = self.order.pop_front() else { return };
            let Some(trace) = self.traces.remove(&oldest) else { continue };
            for span in &trace.spans {
                self.unindex(oldest, span);
            }
            // A trace that is dated in the future says nothing about when it came.
            if trace.start <= now {
                self.evicted_until = self.evicted_until.max(trace.start);
            }
            self.spans -= trace.spans.len();
            self.totals.evicted_traces += 1;
            self.totals.evicted_spans += trace.spans.len() as u64;
            if Arc::strong_count(&trace) == 1 {
                self.trace_bytes -= trace.bytes;
                names.release_trace(trace);
                self.name_bytes = names.bytes();
            } else {
                self.leaving.push(trace);
            }
        }
    }

    fn fits(&self) -> bool {
        self.spans <= self.bounds.spans && self.bytes() <= self.bounds.bytes
    }

    /// Lets go of the evicted traces that have no reader any more.
    fn let_go(&mut self, names: &mut Names) {
        for trace in self.leaving.extract_if(.., |trace| Arc::strong_count(trace) == 1) {
            self.trace_bytes -= trace.bytes;
            names.release_trace(trace);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::model::{Kind, Resource, Scope, SpanId, Status};
    use super::*;

    /// A span of a name that no other has.
    fn span(names: &mut Names, name: &str) -> Arc<Span> {
        let service = names.get(b"store").unwrap_or_else(|| names.add("store"));
        let resource = Resource {
            service,
            attributes: Box::default(),
            dropped_attributes: 0,
            schema_url: Box::default(),
        };
        Arc::new(Span {
            id: SpanId(NonZeroU64::MIN),
            parent: None,
            name: names.add(name),
            kind: Kind::Internal,
            status: Status::Unset,
            flags: 0,
            start: 0,
            end: 1,
            resource: names.resource(resource),
            scope: names.scope(Scope::default()),
            attributes: Box::default(),
            extra: None,
        })
    }

    #[test]
    fn a_trace_that_is_read_counts_until_its_reader_has_gone() {
        let mut names = Names::default();
        let mut store = Store::new(Bounds {
            spans: 1,
            bytes: usize::MAX,
            monitor: SeriesBounds { series: 10, bytes: 1 << 20 },
        });
        let mut add = |store: &mut Store, id, name| {
            let span = span(&mut names, name);
            store.add([(TraceId(id), span)], &mut names);
            names.get(b"first").is_some()
        };
        add(&mut store, 1, "first");
        let alone = store.bytes();
        let reader = store.trace(TraceId(1)).cloned();

        let is_named = add(&mut store, 2, "second");

        assert!(store.trace(TraceId(1)).is_none());
        assert_eq!((store.trace_count(), store.totals.evicted_traces), (1, 1));
        assert!(is_named && store.bytes() > alone, "{} of {alone}", store.bytes());

        drop(reader);
        let is_named = add(&mut store, 3, "third");

        assert!(!is_named, "its name has gone with it");
        assert_eq!(store.bytes(), alone, "and what it took");
    }
}
