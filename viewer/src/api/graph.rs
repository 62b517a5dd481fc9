//! The actor graph: services, actors and databases as nodes, the messages between them as edges,
//! over everything that is held or over a stretch of time.
//!
//! Spans tell of actors and databases by their attributes, which any sender may set; spans without
//! them are their service's. A span counts when it has ended within the stretch. One that ends in
//! the future, by this machine's clock, counts in none.
//!
//! The store lets the oldest traces go, so of a stretch perhaps only its last part is held whole.
//! Rates are over that part: at 6,000 spans a second 200,000 spans are 33 seconds, and dividing what
//! is left of a minute by 60 would halve every rate.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use crate::answer::{Answer, Failure};
use crate::ingest::SharedStore;
use crate::query::filter::newest_first;
use crate::render;
use crate::store::actor::ActorSpan;
use crate::store::model::{Kind, Link, Name, Span, Value};
use crate::store::trace::Trace;

/// Spans looked at; of more, the newest.
const SPANS: usize = 200_000;
/// Messages and links looked at, about; of more, the newest.
const MESSAGES: usize = 400_000;
/// What a span takes while the graph is made, a message or link, and an edge of its own; in bytes.
const SPAN_BYTES: usize = 24;
const MESSAGE_BYTES: usize = 48;
const EDGE_BYTES: usize = 256;

/// The time that a graph is about, in nanoseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// When it begins; `None` for the first span that is held.
    pub(super) from: Option<u64>,
    /// When it ends; `None` for the last span that is held.
    pub(super) to: Option<u64>,
    /// What is in the future.
    pub(super) now: u64,
    /// Since when this viewer has been receiving.
    pub(super) since: u64,
}

/// What happened in a stretch of time, between whom.
#[derive(Debug, Serialize)]
struct Graph {
    from_us: u64,
    to_us: u64,
    /// Since when the stretch is held whole: rates are over the time from here on.
    whole_from_us: u64,
    /// That time; 0 when none of the stretch is held whole.
    whole_s: f64,
    spans: usize,
    /// Spans left out because they end in the future.
    future: usize,
    /// Whether there were more spans than are looked at.
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
    /// From the caller to a database: what a client's span of a database tells.
    Query,
}

/// All messages of one kind from one node to another.
#[derive(Debug, Serialize)]
struct Edge {
    from: usize,
    to: usize,
    kind: EdgeKind,
    count: usize,
    rate: Option<f64>,
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
    /// How many ended in the part of the stretch that is held whole.
    whole: usize,
}

impl Tally {
    fn add(&mut self, span: &Span, is_whole: bool) {
        self.durations.push(span.duration());
        self.waits.extend(ActorSpan::of(span).wait());
        self.errors += usize::from(span.is_error());
        self.whole += usize::from(is_whole);
    }
}

/// Writes the graph of a stretch of time.
pub(super) fn write(
    answer: &mut Answer,
    store: &SharedStore,
    stretch: Stretch,
) -> Result<(), Failure> {
    let Stretch { now, since, .. } = stretch;
    let from = stretch.from.unwrap_or(0);
    let to = stretch.to.unwrap_or(now).min(now);
    let mut whole_from = store.read().evicted_until();
    let mut nodes = Nodes::default();
    let mut tallies: HashMap<(usize, usize, EdgeKind), Tally> = HashMap::new();
    let (mut spans, mut messages, mut future, mut sampled) = (0, 0, 0, false);
    let (mut first, mut last) = (u64::MAX, 0);
    // In a time that is over, nobody misses what is still to come.
    let ends_now = stretch.to.is_none_or(|to| to > now);
    let is_meant = |trace: &Arc<Trace>| {
        trace.end >= from && (trace.start <= to || ends_now && trace.end > now)
    };
    for trace in newest_first(store).filter(is_meant) {
        if spans >= SPANS || messages >= MESSAGES {
            // What is older than this trace is not looked at.
            whole_from = whole_from.max(trace.start);
            sampled = true;
            break;
        }
        let new_spans = spans + trace.spans.len();
        answer.hold(
            new_spans * SPAN_BYTES
                + (messages + 2 * trace.spans.len() + trace.links()) * MESSAGE_BYTES
                + (tallies.len() + 2 * trace.spans.len()) * EDGE_BYTES,
        )?;
        let places = nodes.places(&trace);
        for (at, span) in trace.spans.iter().enumerate() {
            future += usize::from(ends_now && span.end > now);
            if span.end < from || span.end > to {
                continue;
            }
            let is_whole = span.end >= whole_from;
            spans += 1;
            if span.start > 0 {
                // Zero is what OTLP sends for a start that nobody has set.
                first = first.min(span.start);
            }
            last = last.max(span.end);
            nodes.count(places[at], span, is_whole);
            let mut tally = |from, to, kind| {
                tallies.entry((from, to, kind)).or_default().add(span, is_whole);
                messages += 1;
            };
            let parent = span.parent.and_then(|parent| trace.position(parent));
            let parent = parent.map(|parent| places[parent]);
            let is_told = |from: &usize| *from != places[at] || ActorSpan::of(span).is_message();
            if let Some(from) = parent.filter(is_told) {
                tally(from, places[at], EdgeKind::Message);
            }
            for source in linked(store, span) {
                tally(nodes.place_of(&source), places[at], EdgeKind::Link);
            }
            if let Some((database, system_key)) = Database::of(span) {
                let database = nodes.place(NodeKey::Database(database));
                nodes.list[database].system_key.get_or_insert(system_key);
                nodes.count(database, span, is_whole);
                tally(places[at], database, EdgeKind::Query);
            }
        }
    }
    // Everything begins with the first span and ends with the last.
    let from = stretch.from.unwrap_or(first).min(to);
    let to = if stretch.from.or(stretch.to).is_none() && spans > 0 { last } else { to };
    // Before the first span there was nothing, or else this viewer was not there yet.
    let whole_from = whole_from.max(from).max(since.min(first)).min(to);
    let whole_s = (to - whole_from) as f64 / 1e9;
    let mut edges = edges(tallies, whole_s);
    let nodes = nodes.finish(whole_s, &mut edges);
    answer.json(&Graph {
        from_us: from / 1_000,
        to_us: to / 1_000,
        whole_from_us: whole_from / 1_000,
        whole_s,
        spans,
        future,
        sampled,
        nodes,
        edges,
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

fn edges(tallies: HashMap<(usize, usize, EdgeKind), Tally>, whole_s: f64) -> Vec<Edge> {
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
                rate: rate(tally.whole, whole_s),
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

/// How many a second, over one second at least: one trip of 20 ms is not 50 a second. `None` when
/// there is no time to tell it from.
fn rate(count: usize, seconds: f64) -> Option<f64> {
    (seconds > 0.0).then(|| count as f64 / seconds.max(1.0))
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

/// What a node stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum NodeKey {
    Service(Name),
    /// One kind of actor in a service.
    Actor(Name, String),
    Database(Database),
}

/// A database, as its clients know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
struct Database {
    system: String,
    namespace: Option<String>,
    /// With its port, if it has one.
    server: Option<String>,
}

/// A node, and how many spans it has; a database has those of its clients.
#[derive(Debug, Serialize)]
struct Node {
    id: usize,
    /// Of services and actors.
    service: Option<String>,
    actor: Option<String>,
    database: Option<Database>,
    /// The attribute that names the database's system: `db.system.name`, or `db.system` as of old.
    system_key: Option<&'static str>,
    spans: usize,
    errors: usize,
    rate: Option<f64>,
    /// How many ended in the part of the stretch that is held whole.
    #[serde(skip)]
    whole: usize,
}

/// All nodes so far.
#[derive(Debug, Default)]
struct Nodes {
    ids: HashMap<NodeKey, usize>,
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
                found =
                    places[at].or_else(|| ActorSpan::of(span).actor().map(|_| self.place_of(span)));
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
        let service = Name::clone(span.service());
        self.place(match ActorSpan::of(span).actor() {
            Some(actor) => NodeKey::Actor(service, actor.to_owned()),
            None => NodeKey::Service(service),
        })
    }

    /// Counts a span to its node.
    fn count(&mut self, place: usize, span: &Span, is_whole: bool) {
        let node = &mut self.list[place];
        node.spans += 1;
        node.errors += usize::from(span.is_error());
        node.whole += usize::from(is_whole);
    }

    /// The nodes that have a span or an edge in the stretch, numbered anew, and their rates over
    /// `whole_s` seconds.
    fn finish(self, whole_s: f64, edges: &mut [Edge]) -> Vec<Node> {
        let mut is_drawn: Vec<bool> = self.list.iter().map(|node| node.spans > 0).collect();
        for edge in &*edges {
            is_drawn[edge.from] = true;
            is_drawn[edge.to] = true;
        }
        let mut ids = vec![0; self.list.len()];
        let mut drawn = Vec::with_capacity(self.list.len());
        for mut node in self.list.into_iter().filter(|node| is_drawn[node.id]) {
            ids[node.id] = drawn.len();
            node.id = drawn.len();
            node.rate = rate(node.whole, whole_s);
            drawn.push(node);
        }
        for edge in edges {
            edge.from = ids[edge.from];
            edge.to = ids[edge.to];
        }
        drawn
    }

    fn service(&mut self, span: &Span) -> usize {
        self.place(NodeKey::Service(Name::clone(span.service())))
    }

    fn place(&mut self, mut key: NodeKey) -> usize {
        if self.list.len() >= NODES && !self.ids.contains_key(&key) {
            key = NodeKey::Service(OTHERS.into());
        }
        if let Some(&id) = self.ids.get(&key) {
            return id;
        }
        let id = self.list.len();
        let (service, actor, database) = match key.clone() {
            NodeKey::Service(service) => (Some(service.to_string()), None, None),
            NodeKey::Actor(service, actor) => (Some(service.to_string()), Some(actor), None),
            NodeKey::Database(database) => (None, None, Some(database)),
        };
        let node = Node {
            id,
            service,
            actor,
            database,
            system_key: None,
            spans: 0,
            errors: 0,
            rate: None,
            whole: 0,
        };
        self.list.push(node);
        self.ids.insert(key, id);
        id
    }
}

impl Database {
    /// The database that `span` is a call of, and the attribute that names its system: a client's
    /// span with `db.*` attributes, by the conventions of today or of before
    /// <https://opentelemetry.io/docs/specs/semconv/db/>.
    fn of(span: &Span) -> Option<(Self, &'static str)> {
        if span.kind != Kind::Client {
            return None;
        }
        let text = |key| match span.attribute(key)? {
            Value::String(text) if !text.is_empty() => Some(text.to_string()),
            _ => None,
        };
        let port = || {
            let port = span.attribute("server.port").or_else(|| span.attribute("net.peer.port"))?;
            Some(render::text(port))
        };
        let named = |key| text(key).map(|system| (system, key));
        let (system, key) = named("db.system.name").or_else(|| named("db.system"))?;
        let namespace = text("db.namespace").or_else(|| text("db.name"));
        let address = text("server.address").or_else(|| text("net.peer.name"));
        let server = address.map(|address| match port() {
            Some(port) => format!("{address}:{port}"),
            None => address,
        });
        Some((Self { system, namespace, server }, key))
    }
}

#[cfg(test)]
mod tests {
    use super::{percentile, rate};

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<u64> = (1..=200).collect();

        assert_eq!(percentile(&values, 50), Some(100));
        assert_eq!(percentile(&values, 99), Some(198));
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn a_rate_is_over_a_second_at_least_and_over_no_time_there_is_none() {
        assert_eq!(rate(66, 33.0), Some(2.0));
        assert_eq!(rate(3, 0.02), Some(3.0));
        assert_eq!(rate(3, 0.0), None);
    }
}
