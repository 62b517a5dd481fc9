//! The traces that a backend received, as text, with the services.

use std::collections::BTreeMap;

use actix_opentelemetry::testing::{SpanRecord, SpanStatus, SpanTree};
use testing::span::{Link, Span};

/// The trees of all traces whose root has this name, in the order of their start.
pub(crate) fn of_roots(spans: &[Span], name: &str) -> Vec<String> {
    let mut traces: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        traces.entry(&span.trace_id).or_default().push(span);
    }
    let mut found: Vec<_> = traces
        .into_values()
        .filter_map(|trace| {
            let root = trace.iter().find(|span| span.parent_id.is_empty())?;
            (root.name == name).then(|| (root.start_us, tree(&trace)))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, tree)| tree).collect()
}

/// Every span whose parent was not received, or belongs to another trace.
pub(crate) fn orphans(spans: &[Span]) -> Vec<&Span> {
    let known: BTreeMap<&str, &str> =
        spans.iter().map(|span| (span.span_id.as_str(), span.trace_id.as_str())).collect();
    spans
        .iter()
        .filter(|span| !span.parent_id.is_empty())
        .filter(|span| known.get(span.parent_id.as_str()) != Some(&span.trace_id.as_str()))
        .collect()
}

/// The names of the spans that the spans of this name link to, sorted.
pub(crate) fn linked_from<'a>(spans: &'a [Span], name: &str) -> Vec<&'a str> {
    let linking = spans.iter().filter(|span| span.name == name);
    let target = |link: &Link| {
        let same = |span: &&Span| span.trace_id == link.trace_id && span.span_id == link.span_id;
        spans.iter().find(same).map_or("(elsewhere)", |span| span.name.as_str())
    };
    let mut names: Vec<_> = linking.flat_map(|span| span.links.iter().map(target)).collect();
    names.sort_unstable();
    names
}

fn tree(trace: &[&Span]) -> String {
    let records: Vec<_> = trace.iter().map(|span| record(span)).collect();
    SpanTree::new(&records).with_services().attributes(["grocery.aisle"]).render()
}

fn record(span: &Span) -> SpanRecord {
    let mut record = SpanRecord::default();
    record.trace_id = span.trace_id.clone();
    record.span_id = span.span_id.clone();
    record.parent = Some(span.parent_id.clone()).filter(|id| !id.is_empty());
    record.service = span.resource.get("service.name").cloned().unwrap_or_default();
    record.name = span.name.clone();
    record.kind = span.kind.to_uppercase();
    record.status = match span.status.as_str() {
        "unset" => SpanStatus::Unset,
        "ok" => SpanStatus::Ok,
        error => SpanStatus::Error(error.trim_start_matches("error: ").to_owned()),
    };
    record.links = span.links.iter().map(|l| (l.trace_id.clone(), l.span_id.clone())).collect();
    record.attributes = span.attributes.clone();
    record
}
