//! A trace with everything, for the waterfall: spans in a flat list by start, resources and scopes
//! once each, links in both directions.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::attributes::{Attr, attrs};
use super::span::SpanDetail;
use super::summary::MAX_NUMBER;
use crate::ingest::SharedStore;
use crate::store::model::{Resource, Scope, Span, TraceId};
use crate::store::trace::Trace;
use crate::view::View;

/// A trace in full.
#[derive(Debug, Serialize)]
pub(super) struct Detail {
    trace_id: String,
    start_unix_ns: String,
    start_us: u64,
    duration_ns: u64,
    span_count: usize,
    error_count: usize,
    root_name: String,
    root_service: String,
    resources: Vec<ResourceDetail>,
    scopes: Vec<ScopeDetail>,
    spans: Vec<SpanDetail>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ResourceDetail {
    service: String,
    attributes: Vec<Attr>,
    dropped_attributes: u32,
}

#[derive(Debug, Serialize)]
struct ScopeDetail {
    name: String,
    version: String,
    attributes: Vec<Attr>,
}

/// The trace of that id, when it is held.
pub(super) fn detail(store: &SharedStore, id: TraceId) -> Option<Detail> {
    let trace = Arc::clone(store.read().trace(id)?);
    let view = View::with_unique_ids(Arc::clone(&trace));
    let (mut resources, mut scopes) = (Table::default(), Table::default());
    let mut spans: Vec<SpanDetail> = view
        .spans
        .iter()
        .map(|seen| {
            let resource = resources.place(&seen.span.resource);
            let scope = scopes.place(&seen.span.scope);
            let parent_held = seen.parent.is_some_and(|parent| view.holds(parent));
            SpanDetail::new(seen, trace.start, parent_held, (resource, scope))
        })
        .collect();
    for (spans, seen) in spans.iter_mut().zip(&view.spans) {
        // A lock for each span: a trace with very many links must not keep the writer waiting.
        spans.connect(&store.read(), id, trace.start, &seen.span);
    }
    spans.sort_by(SpanDetail::by_start);
    let top = trace.root().or_else(|| trace.spans.iter().min_by_key(|span| span.start));
    Some(Detail {
        trace_id: id.to_string(),
        start_unix_ns: trace.start.to_string(),
        start_us: trace.start / 1_000,
        duration_ns: trace.duration().min(MAX_NUMBER),
        span_count: trace.spans.len(),
        error_count: trace.errors(),
        root_name: top.map(|span| span.name.to_string()).unwrap_or_default(),
        root_service: top.map(|span| span.service().to_string()).unwrap_or_default(),
        resources: resources.list.iter().map(|resource| resource_detail(resource)).collect(),
        scopes: scopes.list.iter().map(|scope| scope_detail(scope)).collect(),
        warnings: warnings(&trace, &view),
        spans,
    })
}

/// Shared values, numbered in the order of their coming.
struct Table<T> {
    list: Vec<Arc<T>>,
    places: HashMap<*const T, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { list: Vec::new(), places: HashMap::new() }
    }
}

impl<T> Table<T> {
    fn place(&mut self, shared: &Arc<T>) -> usize {
        *self.places.entry(Arc::as_ptr(shared)).or_insert_with(|| {
            self.list.push(Arc::clone(shared));
            self.list.len() - 1
        })
    }
}

fn resource_detail(resource: &Resource) -> ResourceDetail {
    ResourceDetail {
        service: resource.service.to_string(),
        attributes: attrs(&resource.attributes),
        dropped_attributes: resource.dropped_attributes,
    }
}

fn scope_detail(scope: &Scope) -> ScopeDetail {
    ScopeDetail {
        name: scope.name.to_string(),
        version: scope.version.to_string(),
        attributes: attrs(&scope.attributes),
    }
}

/// What a reader of the trace should know before believing it.
fn warnings(trace: &Trace, view: &View) -> Vec<String> {
    let orphans = view
        .spans
        .iter()
        .filter(|seen| seen.parent.is_some_and(|parent| !view.holds(parent)))
        .count();
    let backwards = trace.spans.iter().filter(|span| span.end < span.start).count();
    let cut = |span: &Arc<Span>| span.extra.as_ref().is_some_and(|extra| extra.cut > 0);
    let cut = trace.spans.iter().filter(|span| cut(span)).count();
    [
        (orphans, "have a parent that is not held"),
        (backwards, "end before they start"),
        (cut, "were cut by the viewer's limits"),
        (trace.overflow, "came when the trace was full and are not held"),
    ]
    .into_iter()
    .filter(|(spans, _)| *spans > 0)
    .map(|(spans, what)| format!("{spans} spans {what}"))
    .collect()
}
