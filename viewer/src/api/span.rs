//! A span with everything, for the waterfall.

use std::cmp::Ordering;

use serde::Serialize;

use super::attributes::{Attr, attrs};
use super::summary::MAX_NUMBER;
use crate::actor;
use crate::store::Store;
use crate::store::model::{Event, Link, Span, SpanId, TraceId};
use crate::view::Seen;

/// A span in full.
#[derive(Debug, Serialize)]
pub(super) struct SpanDetail {
    id: String,
    parent: Option<String>,
    parent_held: bool,
    resource: usize,
    scope: usize,
    name: String,
    kind: &'static str,
    start_ns: u64,
    duration_ns: u64,
    status: &'static str,
    status_message: String,
    error_type: Option<String>,
    actor: Option<String>,
    wait_ns: Option<u64>,
    attributes: Vec<Attr>,
    events: Vec<EventDetail>,
    links: Vec<LinkDetail>,
    backlinks: Vec<PlaceDetail>,
    backlink_count: usize,
    trace_state: String,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
    cut: u32,
}

#[derive(Debug, Serialize)]
struct EventDetail {
    name: String,
    at_ns: i64,
    attributes: Vec<Attr>,
    dropped_attributes: u32,
}

#[derive(Debug, Serialize)]
struct LinkDetail {
    #[serde(flatten)]
    target: PlaceDetail,
    trace_held: bool,
    span_held: bool,
    attributes: Vec<Attr>,
}

/// A span elsewhere; what it is and when it was (from the start of the trace shown), when it is
/// held.
#[derive(Debug, Serialize)]
struct PlaceDetail {
    trace_id: String,
    span_id: String,
    name: Option<String>,
    service: Option<String>,
    start_ns: Option<i64>,
    duration_ns: Option<u64>,
}

impl SpanDetail {
    /// The span, without its links. `trace_start` is what its times count from; `tables` are the
    /// places of its resource and scope.
    pub(super) fn new(
        seen: &Seen,
        trace_start: u64,
        parent_held: bool,
        (resource, scope): (usize, usize),
    ) -> Self {
        let span = &seen.span;
        let extra = span.extra.as_deref().cloned().unwrap_or_default();
        Self {
            id: seen.id.to_string(),
            parent: seen.parent.map(|parent| parent.to_string()),
            parent_held,
            resource,
            scope,
            name: span.name.to_string(),
            kind: span.kind.name(),
            start_ns: span.start.saturating_sub(trace_start).min(MAX_NUMBER),
            duration_ns: span.duration().min(MAX_NUMBER),
            status: span.status.name(),
            status_message: extra.status_message.into(),
            error_type: actor::text(span, "error.type").map(str::to_owned),
            actor: actor::name(span).map(str::to_owned),
            wait_ns: actor::wait(span).map(|wait| wait.min(MAX_NUMBER)),
            attributes: attrs(&span.attributes),
            events: extra.events.iter().map(|event| EventDetail::new(event, trace_start)).collect(),
            links: Vec::new(),
            backlinks: Vec::new(),
            backlink_count: 0,
            trace_state: extra.trace_state.into(),
            dropped_attributes: extra.dropped_attributes,
            dropped_events: extra.dropped_events,
            dropped_links: extra.dropped_links,
            cut: extra.cut,
        }
    }

    /// Adds the links of `span` and those to it, with what the store knows of their other ends.
    pub(super) fn connect(&mut self, store: &Store, trace: TraceId, trace_start: u64, span: &Span) {
        self.links =
            span.links().iter().map(|link| LinkDetail::new(link, trace_start, store)).collect();
        if let Some(sources) = store.backlinks.to(trace, span.id) {
            self.backlink_count = sources.count;
            self.backlinks = sources
                .listed
                .iter()
                .map(|&(trace, id)| PlaceDetail::new(trace, id, trace_start, store))
                .collect();
        }
    }

    /// The order of the list: by start, then by id.
    pub(super) fn by_start(one: &Self, other: &Self) -> Ordering {
        one.start_ns.cmp(&other.start_ns).then_with(|| one.id.cmp(&other.id))
    }
}

impl EventDetail {
    fn new(event: &Event, trace_start: u64) -> Self {
        Self {
            name: event.name.to_string(),
            at_ns: offset(event.time, trace_start),
            attributes: attrs(&event.attributes),
            dropped_attributes: event.dropped_attributes,
        }
    }
}

impl LinkDetail {
    fn new(link: &Link, trace_start: u64, store: &Store) -> Self {
        let target = PlaceDetail::new(link.trace, link.span, trace_start, store);
        Self {
            trace_held: store.trace(link.trace).is_some(),
            span_held: target.name.is_some(),
            attributes: attrs(&link.attributes),
            target,
        }
    }
}

impl PlaceDetail {
    fn new(trace: TraceId, id: SpanId, trace_start: u64, store: &Store) -> Self {
        let span = store.trace(trace).and_then(|trace| trace.span(id));
        Self {
            trace_id: trace.to_string(),
            span_id: id.to_string(),
            name: span.map(|span| span.name.to_string()),
            service: span.map(|span| span.service().to_string()),
            start_ns: span.map(|span| offset(span.start, trace_start)),
            duration_ns: span.map(|span| span.duration().min(MAX_NUMBER)),
        }
    }
}

/// A time from the start of the trace, in nanoseconds; before it, if it is another trace's.
fn offset(time: u64, trace_start: u64) -> i64 {
    let most = i128::from(MAX_NUMBER);
    let offset = i128::from(time) - i128::from(trace_start);
    i64::try_from(offset.clamp(-most, most)).unwrap_or_default()
}
