//! One trace: its spans as they came, in whatever order, and the totals that lists show.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::Arc;

use super::footprint::{ARC_COUNTS, Footprint, heap};
use super::model::{Kind, Name, Span, SpanId, TraceId};

/// The spans that one trace may hold: past that, a trace that never ends would push out all others.
pub(crate) const SPANS: usize = 50_000;

/// A trace as far as it has come. It is shared with whoever reads it and copied when a span is
/// added meanwhile, so a reader sees one state and holds no lock.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) id: TraceId,
    /// In the order of their coming.
    pub(crate) spans: Vec<Arc<Span>>,
    positions: HashMap<(SpanId, Kind), u32>,
    /// Where the span without a parent is that starts first.
    root: Option<u32>,
    /// Nanoseconds since the epoch.
    pub(crate) start: u64,
    /// Nanoseconds since the epoch.
    pub(crate) end: u64,
    /// What each service has in the trace, by its name.
    pub(crate) services: HashMap<Name, ServiceTotal>,
    /// Spans that came when the trace was full.
    pub(crate) overflow: usize,
    /// An estimate, with its spans.
    pub(crate) bytes: usize,
}

/// What one service has in a trace.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServiceTotal {
    pub(crate) spans: usize,
    pub(crate) errors: usize,
}

/// What became of a span that was added.
#[derive(Debug)]
pub(crate) enum Added {
    New,
    /// The very same span again.
    Duplicate,
    /// The same span with other content, as some senders report it once more when it has ended:
    /// the later one holds. The former is handed back.
    Replaced(Arc<Span>),
    /// The trace is full.
    Overflow,
}

/// What tables that double when they are full take for each thing in them, at most.
const ROOM: usize = 2;
/// What a place in a hash map takes beside the entry.
const HASH_BYTES: usize = 1;
/// What a trace takes before its first span: itself, its entries in the store's map and queue, and
/// its own two maps, each with four places from the start.
const EMPTY_BYTES: usize = heap(ARC_COUNTS + size_of::<Trace>())
    + ROOM * (size_of::<(TraceId, Arc<Trace>)>() + HASH_BYTES + size_of::<TraceId>())
    + heap(4 * SERVICE_BYTES)
    + heap(4 * POSITION_BYTES);
/// A place in a trace's map of services.
const SERVICE_BYTES: usize = size_of::<(Name, ServiceTotal)>() + HASH_BYTES;
/// A place in a trace's map of spans.
const POSITION_BYTES: usize = size_of::<((SpanId, Kind), u32)>() + HASH_BYTES;
/// What a span takes beside itself: its places in the list and in the map.
const PER_SPAN_BYTES: usize = ROOM * (size_of::<Arc<Span>>() + POSITION_BYTES);
/// The kinds, the likeliest first.
const KINDS: [Kind; 6] =
    [Kind::Internal, Kind::Server, Kind::Client, Kind::Producer, Kind::Consumer, Kind::Unspecified];

impl Trace {
    pub(crate) fn new(id: TraceId) -> Self {
        Self {
            id,
            spans: Vec::new(),
            positions: HashMap::new(),
            root: None,
            start: u64::MAX,
            end: 0,
            services: HashMap::new(),
            overflow: 0,
            bytes: EMPTY_BYTES,
        }
    }

    /// Adds a span. Two spans of one id are kept both when their kinds differ: Zipkin's libraries
    /// give a call's two sides one id.
    pub(crate) fn add(&mut self, span: Arc<Span>, most: usize) -> Added {
        if let Some(&position) = self.positions.get(&(span.id, span.kind)) {
            return self.replace(position, span);
        }
        if self.spans.len() >= most.min(SPANS) {
            self.overflow += 1;
            return Added::Overflow;
        }
        let position = u32::try_from(self.spans.len()).unwrap_or(u32::MAX);
        self.positions.insert((span.id, span.kind), position);
        self.bytes += span.footprint() + PER_SPAN_BYTES;
        self.count(&span);
        self.consider(position, &span);
        self.spans.push(span);
        Added::New
    }

    /// The span of that id; of a call's two sides with one id, the serving one.
    pub(crate) fn span(&self, id: SpanId) -> Option<&Arc<Span>> {
        self.position(id).map(|position| &self.spans[position])
    }

    /// Where in [`spans`](Self::spans) the span of that id is.
    pub(crate) fn position(&self, id: SpanId) -> Option<usize> {
        KINDS
            .iter()
            .find_map(|&kind| self.positions.get(&(id, kind)))
            .map(|&position| position as usize)
    }

    /// The root: of several spans without a parent, the one that starts first.
    pub(crate) fn root(&self) -> Option<&Arc<Span>> {
        self.root.map(|position| &self.spans[position as usize])
    }

    /// Nanoseconds from the first start to the last end.
    pub(crate) fn duration(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    pub(crate) fn errors(&self) -> usize {
        self.services.values().map(|service| service.errors).sum()
    }

    pub(crate) fn links(&self) -> usize {
        self.spans.iter().map(|span| span.links().len()).sum()
    }

    pub(crate) fn has_service(&self, name: &str) -> bool {
        self.services.contains_key(name)
    }

    /// Puts `span` where an earlier report of it is. The times are only ever widened: a later
    /// report is a longer one.
    fn replace(&mut self, position: u32, span: Arc<Span>) -> Added {
        let held = &mut self.spans[position as usize];
        if *held == span {
            return Added::Duplicate;
        }
        self.bytes = self.bytes - held.footprint() + span.footprint();
        let former = std::mem::replace(held, Arc::clone(&span));
        self.discount(&former);
        self.count(&span);
        if self.root == Some(position) {
            self.root = None;
        }
        self.consider(position, &span);
        Added::Replaced(former)
    }

    fn discount(&mut self, span: &Span) {
        let Some(service) = self.services.get_mut(span.service()) else { return };
        service.spans -= 1;
        service.errors -= usize::from(span.is_error());
        if service.spans == 0 {
            self.services.remove(span.service());
            self.bytes -= ROOM * SERVICE_BYTES;
        }
    }

    fn count(&mut self, span: &Span) {
        self.start = self.start.min(span.start);
        self.end = self.end.max(span.end).max(span.start);
        if !self.services.contains_key(span.service()) {
            self.services.insert(Arc::clone(span.service()), ServiceTotal::default());
            self.bytes += ROOM * SERVICE_BYTES;
        }
        if let Some(service) = self.services.get_mut(span.service()) {
            service.spans += 1;
            service.errors += usize::from(span.is_error());
        }
    }

    fn consider(&mut self, position: u32, span: &Span) {
        let earlier = |root: u32| self.spans[root as usize].start <= span.start;
        if span.parent.is_none() && !self.root.is_some_and(earlier) {
            self.root = Some(position);
        }
    }
}
