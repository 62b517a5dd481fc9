//! One trace: its spans as they came, in whatever order, and the totals that lists show.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::footprint::{ARC_COUNTS, Footprint, heap};
use super::model::{Kind, Name, Span, SpanId, TraceId};

/// The spans that one trace may hold: past that, a trace that never ends would push out all others.
pub(crate) const SPANS: usize = 50_000;

/// A trace as far as it has come. Readers share it, and it is copied when a span is added while one
/// of them has it. So a reader sees one state and needs no lock.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) id: TraceId,
    /// In the order of their coming.
    pub(crate) spans: Vec<Arc<Span>>,
    /// Where in [`spans`](Self::spans) each span is; empty while there are few.
    positions: HashMap<(SpanId, Kind), u32, RandomState>,
    /// Where the span without a parent is that starts first.
    root: Option<u32>,
    /// Nanoseconds since the epoch.
    pub(crate) start: u64,
    /// Nanoseconds since the epoch.
    pub(crate) end: u64,
    /// What each service has in the trace, by its name.
    pub(crate) services: HashMap<Name, ServiceTotal, RandomState>,
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

/// A table that doubles when it is full has at most this many places for each entry.
const ROOM: usize = 2;
/// What a place in a hash map takes beside the entry.
const HASH_BYTES: usize = 1;
/// What a trace takes before its first span: itself, its entries in the store's map and queue, and
/// its own map of services with four places from the start.
const EMPTY_BYTES: usize = heap(ARC_COUNTS + size_of::<Trace>())
    + ROOM * (size_of::<(TraceId, Arc<Trace>)>() + HASH_BYTES + size_of::<TraceId>())
    + heap(4 * SERVICE_BYTES);
/// A place in a trace's map of services.
const SERVICE_BYTES: usize = size_of::<(Name, ServiceTotal)>() + HASH_BYTES;
/// A place in a trace's map of spans.
const POSITION_BYTES: usize = size_of::<((SpanId, Kind), u32)>() + HASH_BYTES;
/// Up to this many spans a trace has no map of them: searching so few takes no longer.
const FEW: usize = 16;
/// The kinds, the likeliest first.
const KINDS: [Kind; 6] =
    [Kind::Internal, Kind::Server, Kind::Client, Kind::Producer, Kind::Consumer, Kind::Unspecified];

impl Trace {
    pub(crate) fn new(id: TraceId) -> Self {
        Self {
            id,
            spans: Vec::new(),
            positions: HashMap::default(),
            root: None,
            start: u64::MAX,
            end: 0,
            services: HashMap::default(),
            overflow: 0,
            bytes: EMPTY_BYTES,
        }
    }

    /// The trace of a file, which is only written out again: it has the spans as they are, and no
    /// totals.
    pub(crate) fn of_file(id: TraceId, spans: Vec<Arc<Span>>) -> Self {
        Self { spans, ..Self::new(id) }
    }

    /// Adds a span. Two spans of one id are kept both when their kinds differ: Zipkin's libraries
    /// give a call's two sides one id.
    pub(crate) fn add(&mut self, span: Arc<Span>, most: usize) -> Added {
        if let Some(position) = self.find(span.id, span.kind) {
            return self.replace(position, span);
        }
        if self.spans.len() >= most.min(SPANS) {
            self.overflow += 1;
            return Added::Overflow;
        }
        let position = u32::try_from(self.spans.len()).unwrap_or(u32::MAX);
        self.note_position(position, &span);
        self.bytes += span.footprint() + ROOM * size_of::<Arc<Span>>();
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
        KINDS.iter().find_map(|&kind| self.find(id, kind)).map(|position| position as usize)
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

    fn find(&self, id: SpanId, kind: Kind) -> Option<u32> {
        if self.spans.len() > FEW {
            return self.positions.get(&(id, kind)).copied();
        }
        let position = self.spans.iter().position(|span| span.id == id && span.kind == kind);
        position.and_then(|position| u32::try_from(position).ok())
    }

    /// Notes where `span` is about to be put.
    fn note_position(&mut self, position: u32, span: &Span) {
        match self.spans.len() {
            ..FEW => return,
            FEW => {
                let held = self.spans.iter().map(|span| (span.id, span.kind));
                self.positions = held.zip(0..).collect();
                self.bytes += FEW * ROOM * POSITION_BYTES;
            }
            _ => {}
        }
        self.positions.insert((span.id, span.kind), position);
        self.bytes += ROOM * POSITION_BYTES;
    }

    /// Puts `span` in the place of an earlier report of it. The trace's times are only widened,
    /// because a later report of a span is a longer one.
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
        let errors = usize::from(span.is_error());
        if let Some(service) = self.services.get_mut(span.service()) {
            service.spans += 1;
            service.errors += errors;
        } else {
            self.services.insert(Arc::clone(span.service()), ServiceTotal { spans: 1, errors });
            self.bytes += ROOM * SERVICE_BYTES;
        }
    }

    fn consider(&mut self, position: u32, span: &Span) {
        let earlier = |root: u32| self.spans[root as usize].start <= span.start;
        if span.parent.is_none() && !self.root.is_some_and(earlier) {
            self.root = Some(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn span(id: u64, kind: Kind) -> Arc<Span> {
        let number = SpanId(NonZeroU64::new(id).expect("an id"));
        Arc::new(Span { id: number, kind, start: id, end: id, ..Span::named("store", "work") })
    }

    #[test]
    fn spans_are_found_whether_there_are_few_or_many() {
        let mut trace = Trace::new(TraceId(1));

        for id in 1..=3 * FEW as u64 {
            let added = trace.add(span(id, Kind::Client), usize::MAX);
            assert!(matches!(added, Added::New), "{id}");
            for id in 1..=id {
                let again = trace.add(span(id, Kind::Client), usize::MAX);
                assert!(matches!(again, Added::Duplicate), "{id}");
                assert_eq!(trace.span(span(id, Kind::Client).id).map(|span| span.start), Some(id));
            }
        }
        assert!(matches!(trace.add(span(1, Kind::Server), usize::MAX), Added::New));
        assert_eq!(trace.span(span(1, Kind::Server).id).map(|span| span.kind), Some(Kind::Server));
    }
}
