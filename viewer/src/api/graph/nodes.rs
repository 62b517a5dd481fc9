//! The nodes of the actor graph, and which of them a span belongs to.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use crate::actor;
use crate::store::model::{Name, Span};
use crate::store::trace::Trace;

/// Nodes drawn; what more there are, strangers' inventions most likely, is one node together.
const NODES: usize = 500;
/// The service of that one.
const OTHERS: &str = "(others)";

/// A service, or one kind of actor in it.
#[derive(Debug, Serialize)]
pub(super) struct Node {
    id: usize,
    service: String,
    actor: Option<String>,
    spans: usize,
    errors: usize,
    rate: f64,
}

/// All nodes so far.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    ids: HashMap<(Name, Option<String>), usize>,
    list: Vec<Node>,
}

impl Nodes {
    /// The node of each span of `trace`. A span that names no actor belongs to its parent's node
    /// when both are of one service, otherwise to its service.
    pub(super) fn places(&mut self, trace: &Trace) -> Vec<usize> {
        let mut places: Vec<Option<usize>> = vec![None; trace.spans.len()];
        let mut chain = Vec::new();
        for start in 0..trace.spans.len() {
            // Up to the first span whose node is known, then down again: no recursion, however
            // deep the trace, and no going round in circles, however it lies.
            let (mut at, mut found) = (start, None);
            while found.is_none() {
                let span = &trace.spans[at];
                found = places[at].or_else(|| actor::name(span).map(|_| self.place_of(span)));
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
    pub(super) fn place_of(&mut self, span: &Span) -> usize {
        self.place(span.service(), actor::name(span))
    }

    /// Counts a span to its node.
    pub(super) fn count(&mut self, place: usize, span: &Span) {
        self.list[place].spans += 1;
        self.list[place].errors += usize::from(span.is_error());
    }

    /// All nodes, their rates over `window_s` seconds.
    pub(super) fn finish(mut self, window_s: u64) -> Vec<Node> {
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
