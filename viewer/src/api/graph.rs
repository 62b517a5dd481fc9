//! The actor graph: services and actors as nodes, the messages between them as edges, over the
//! last minute or so. Spans tell of actors by their attributes, which any sender may set; spans
//! without them are their service's.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use crate::answer::{Answer, Failure};
use crate::ingest::SharedStore;
use crate::query::filter::newest_first;
use crate::store::model::{Link, Name, Span, Value};
use crate::store::trace::Trace;

/// Spans looked at; of more, the newest.
const SPANS: usize = 200_000;
/// Messages and links looked at, about; of more, the newest.
const MESSAGES: usize = 400_000;
/// What a span takes while the graph is made, a message or link, and an edge of its own; in bytes.
const SPAN_BYTES: usize = 24;
const MESSAGE_BYTES: usize = 48;
const EDGE_BYTES: usize = 256;

/// What happened in a window of time, between whom.
#[derive(Debug, Serialize)]
struct Graph {
    window_s: u64,
    from_us: u64,
    to_us: u64,
    spans: usize,
    sampled: bool,
    nodes: Vec<Node>,
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
        self.waits.extend(wait(span));
        self.errors += usize::from(span.is_error());
    }
}

/// Writes the graph of the last `window_s` seconds before `now` (nanoseconds since the epoch).
pub(super) fn write(
    answer: &mut Answer,
    store: &SharedStore,
    window_s: u64,
    now: u64,
) -> Result<(), Failure> {
    let from = now.saturating_sub(window_s * 1_000_000_000);
    let mut nodes = Nodes::default();
    let mut tallies: HashMap<(usize, usize, EdgeKind), Tally> = HashMap::new();
    let (mut spans, mut messages, mut sampled) = (0, 0, false);
    for trace in newest_first(store).filter(|trace| trace.end >= from) {
        if spans >= SPANS || messages >= MESSAGES {
            sampled = true;
            break;
        }
        let new_spans = spans + trace.spans.len();
        answer.hold(
            new_spans * SPAN_BYTES
                + (messages + trace.spans.len() + trace.links()) * MESSAGE_BYTES
                + (tallies.len() + trace.spans.len()) * EDGE_BYTES,
        )?;
        let places = nodes.places(&trace);
        for (at, span) in trace.spans.iter().enumerate().filter(|(_, span)| span.end >= from) {
            spans += 1;
            nodes.count(places[at], span);
            let parent = span.parent.and_then(|parent| trace.position(parent));
            let parent = parent.map(|parent| places[parent]);
            let is_told = |from: &usize| *from != places[at] || is_message(span);
            if let Some(from) = parent.filter(is_told) {
                tallies.entry((from, places[at], EdgeKind::Message)).or_default().add(span);
                messages += 1;
            }
            for source in linked(store, span) {
                let from = nodes.place_of(&source);
                tallies.entry((from, places[at], EdgeKind::Link)).or_default().add(span);
                messages += 1;
            }
        }
    }
    answer.json(&Graph {
        window_s,
        from_us: from / 1_000,
        to_us: now / 1_000,
        spans,
        sampled,
        edges: edges(tallies, window_s),
        nodes: nodes.finish(window_s),
    })
}

/// The spans that `span` links to, as far as they are held.
fn linked(store: &SharedStore, span: &Span) -> Vec<Arc<Span>> {
    if span.links().is_empty() {
        return Vec::new();
    }
    let store = store.read();
    let target = |link: &Link| store.trace(link.trace)?.span(link.span).cloned();
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

/// Nodes drawn; what more there are, strangers' inventions most likely, is one node together.
const NODES: usize = 500;
/// The service of that one.
const OTHERS: &str = "(others)";

/// A service, or one kind of actor in it.
#[derive(Debug, Serialize)]
struct Node {
    id: usize,
    service: String,
    actor: Option<String>,
    spans: usize,
    errors: usize,
    rate: f64,
}

/// All nodes so far.
#[derive(Debug, Default)]
struct Nodes {
    ids: HashMap<(Name, Option<String>), usize>,
    list: Vec<Node>,
}

impl Nodes {
    /// The node of each span of `trace`. A span that names no actor belongs to its parent's node
    /// when both are of one service, otherwise to its service.
    fn places(&mut self, trace: &Trace) -> Vec<usize> {
        let mut places: Vec<Option<usize>> = vec![None; trace.spans.len()];
        let mut chain = Vec::new();
        for start in 0..trace.spans.len() {
            // Up to the first span whose node is known, then down again: no recursion, however
            // deep the trace, and an end even where parents go round in a circle.
            let (mut at, mut found) = (start, None);
            while found.is_none() {
                let span = &trace.spans[at];
                found = places[at].or_else(|| actor_of(span).map(|_| self.place_of(span)));
                chain.push(at);
                let parent = span.parent.and_then(|parent| trace.position(parent));
                match parent {
                    Some(parent)
                        if found.is_none()
                            && trace.spans[parent].service() == span.service()
                            && chain.len() <= trace.spans.len() =>
                    {
                        at = parent;
                    }
                    _ => found = found.or_else(|| Some(self.service(span))),
                }
            }
            for at in chain.drain(..) {
                places[at] = found;
            }
        }
        places.into_iter().flatten().collect()
    }

    /// The node of a span by its own word: its actor's, or its service's.
    fn place_of(&mut self, span: &Span) -> usize {
        self.place(span.service(), actor_of(span))
    }

    /// Counts a span to its node.
    fn count(&mut self, place: usize, span: &Span) {
        self.list[place].spans += 1;
        self.list[place].errors += usize::from(span.is_error());
    }

    /// All nodes, their rates over `window_s` seconds.
    fn finish(mut self, window_s: u64) -> Vec<Node> {
        for node in &mut self.list {
            node.rate = node.spans as f64 / window_s as f64;
        }
        self.list
    }

    fn service(&mut self, span: &Span) -> usize {
        self.place(span.service(), None)
    }

    fn place(&mut self, service: &Name, actor: Option<&str>) -> usize {
        let mut key = (Arc::clone(service), actor.map(str::to_owned));
        if self.list.len() >= NODES && !self.ids.contains_key(&key) {
            key = (OTHERS.into(), None);
        }
        let (service, actor) = (key.0.to_string(), key.1.clone());
        *self.ids.entry(key).or_insert_with(|| {
            let id = self.list.len();
            self.list.push(Node { id, service, actor, spans: 0, errors: 0, rate: 0.0 });
            id
        })
    }
}

/// The actor that a span's message went to.
const NAME: &str = "actix.actor.name";
/// How a message was sent: what makes a span an actor's message.
const KIND: &str = "actix.message.kind";
/// Seconds that a message waited in the mailbox.
const WAIT: &str = "actix.mailbox.wait";

/// The actor of `span`.
fn actor_of(span: &Span) -> Option<&str> {
    match span.attribute(NAME)? {
        Value::String(name) => Some(name),
        _ => None,
    }
}

/// Whether `span` is a message to an actor.
fn is_message(span: &Span) -> bool {
    span.attribute(KIND).is_some()
}

/// Nanoseconds that the message of `span` waited in the mailbox.
fn wait(span: &Span) -> Option<u64> {
    let seconds = match span.attribute(WAIT)? {
        Value::Double(seconds) => seconds.0,
        Value::Int(seconds) => *seconds as f64,
        _ => return None,
    };
    // The conversion saturates. NaN and negative numbers are not times.
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1e9).round() as u64)
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
