//! The actor graph: services and actors as nodes, the messages between them as edges, over the
//! last minute or so.

mod nodes;

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use self::nodes::Nodes;
use crate::actor;
use crate::ingest::SharedStore;
use crate::store::model::Span;
use crate::store::trace::Trace;

/// Spans looked at; of more, the newest.
const SPANS: usize = 200_000;

/// What happened in a window of time, between whom.
#[derive(Debug, Serialize)]
pub(super) struct Graph {
    window_s: u64,
    from_us: u64,
    to_us: u64,
    spans: usize,
    sampled: bool,
    nodes: Vec<nodes::Node>,
    edges: Vec<Edge>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum EdgeKind {
    /// From a span's parent to the span.
    Message,
    /// From the span that is linked to, to the one that links: as a batch follows its orders.
    Link,
}

/// All messages of one kind from one node to another.
#[derive(Debug, Serialize)]
struct Edge {
    from: usize,
    to: usize,
    kind: EdgeKind,
    count: usize,
    rate: f64,
    errors: usize,
    p50_ns: u64,
    p99_ns: u64,
    wait_p50_ns: Option<u64>,
    wait_p99_ns: Option<u64>,
}

#[derive(Debug, Default)]
struct Tally {
    durations: Vec<u64>,
    waits: Vec<u64>,
    errors: usize,
}

impl Tally {
    fn add(&mut self, span: &Span) {
        self.durations.push(span.duration());
        self.waits.extend(actor::wait(span));
        self.errors += usize::from(span.is_error());
    }
}

/// The graph of the last `window_s` seconds before `now` (nanoseconds since the epoch).
pub(super) fn graph(store: &SharedStore, window_s: u64, now: u64) -> Graph {
    let from = now.saturating_sub(window_s * 1_000_000_000);
    let recent = |trace: &&Arc<Trace>| trace.end >= from;
    let traces: Vec<Arc<Trace>> = store.read().newest_first().filter(recent).cloned().collect();
    let mut nodes = Nodes::default();
    let mut tallies: HashMap<(usize, usize, EdgeKind), Tally> = HashMap::new();
    let (mut spans, mut sampled) = (0, false);
    for trace in &traces {
        if spans >= SPANS {
            sampled = true;
            break;
        }
        let places = nodes.places(trace);
        for (at, span) in trace.spans.iter().enumerate().filter(|(_, span)| span.end >= from) {
            spans += 1;
            nodes.count(places[at], span);
            let parent = span.parent.and_then(|parent| trace.position(parent));
            let parent = parent.map(|parent| places[parent]);
            if let Some(from) = parent.filter(|&from| from != places[at] || actor::is_message(span))
            {
                tallies.entry((from, places[at], EdgeKind::Message)).or_default().add(span);
            }
            for source in linked(store, span) {
                let from = nodes.place_of(&source);
                tallies.entry((from, places[at], EdgeKind::Link)).or_default().add(span);
            }
        }
    }
    Graph {
        window_s,
        from_us: from / 1_000,
        to_us: now / 1_000,
        spans,
        sampled,
        edges: edges(tallies, window_s),
        nodes: nodes.finish(window_s),
    }
}

/// The spans that `span` links to, as far as they are held.
fn linked(store: &SharedStore, span: &Span) -> Vec<Arc<Span>> {
    if span.links().is_empty() {
        return Vec::new();
    }
    let store = store.read();
    let target =
        |link: &crate::store::model::Link| store.trace(link.trace)?.span(link.span).cloned();
    span.links().iter().filter_map(target).collect()
}

fn edges(tallies: HashMap<(usize, usize, EdgeKind), Tally>, window_s: u64) -> Vec<Edge> {
    let mut edges: Vec<Edge> = tallies
        .into_iter()
        .map(|((from, to, kind), mut tally)| {
            tally.durations.sort_unstable();
            tally.waits.sort_unstable();
            Edge {
                from,
                to,
                kind,
                count: tally.durations.len(),
                rate: tally.durations.len() as f64 / window_s as f64,
                errors: tally.errors,
                p50_ns: percentile(&tally.durations, 50).unwrap_or_default(),
                p99_ns: percentile(&tally.durations, 99).unwrap_or_default(),
                wait_p50_ns: percentile(&tally.waits, 50),
                wait_p99_ns: percentile(&tally.waits, 99),
            }
        })
        .collect();
    edges.sort_by_key(|edge| (edge.from, edge.to, edge.kind));
    edges
}

/// The nearest-rank percentile of `sorted`.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<u64> = (1..=200).collect();

        assert_eq!(percentile(&values, 50), Some(100));
        assert_eq!(percentile(&values, 99), Some(198));
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }
}
