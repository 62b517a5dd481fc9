//! Prints spans as indented text.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use super::record::{SpanRecord, SpanStatus};
use crate::attribute;

/// Spans as indented text, each under its parent.
///
/// The text does not depend on the ids of the spans or on their order: siblings are sorted by their
/// text, unless [`in_start_order`](Self::in_start_order) is asked for. Several traces are printed
/// one after the other.
#[derive(Debug, Clone)]
pub struct SpanTree<'a> {
    spans: Vec<&'a SpanRecord>,
    attributes: Vec<String>,
    baggage: Vec<String>,
    with_services: bool,
    with_events: bool,
    in_start_order: bool,
}

impl<'a> SpanTree<'a> {
    /// A tree of these spans, printed without attributes other than `error.type`.
    pub fn new(spans: impl IntoIterator<Item = &'a SpanRecord>) -> Self {
        Self {
            spans: spans.into_iter().collect(),
            attributes: Vec::new(),
            baggage: Vec::new(),
            with_services: false,
            with_events: false,
            in_start_order: false,
        }
    }

    /// Prints these attributes too, for the spans that have them.
    pub fn attributes<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.attributes.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Prints these entries of the baggage with which each span started, after its attributes.
    pub fn baggage<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.baggage.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Prints each span's service before its name.
    pub fn with_services(mut self) -> Self {
        self.with_services = true;
        self
    }

    /// Prints the names of each span's events.
    pub fn with_events(mut self) -> Self {
        self.with_events = true;
        self
    }

    /// Prints siblings in the order in which they started. Use it only for spans that follow one
    /// another: the order of concurrent ones differs from run to run.
    pub fn in_start_order(mut self) -> Self {
        self.in_start_order = true;
        self
    }

    /// The text: one line a span, two spaces a level, a newline at the end of each line.
    ///
    /// From the hundredth level on, a line begins with the number of its level instead of more
    /// spaces.
    pub fn render(&self) -> String {
        let spans = self.without_repetitions();
        let places: HashMap<_, _> =
            spans.iter().enumerate().map(|(at, span)| (id(span), at)).collect();
        let mut children = vec![Vec::new(); spans.len()];
        let mut roots = Vec::new();
        for (at, span) in spans.iter().enumerate() {
            let parent = span.parent.as_deref().map(|parent| (span.trace_id.as_str(), parent));
            match parent.and_then(|parent| places.get(&parent)) {
                Some(parent) => children[*parent].push(at),
                None => roots.push(at),
            }
        }
        // The spans with their depth, each after its parent.
        let mut order: Vec<_> = roots.iter().map(|root| (*root, 0)).collect();
        let mut next = 0;
        while let Some((at, depth)) = order.get(next).copied() {
            order.extend(children[at].iter().map(|child| (*child, depth + 1)));
            next += 1;
        }
        let printer = Printer { tree: self, spans: &spans, places };
        let mut lines = vec![String::new(); spans.len()];
        for (at, depth) in &order {
            lines[*at] = printer.line(spans[*at], *depth);
        }
        let by_text = |one: &usize, other: &usize, children: &[Vec<usize>]| {
            let start = |at: &usize| {
                let span = spans[*at];
                self.in_start_order.then_some((span.start_unix_nano, span.start_order))
            };
            start(one).cmp(&start(other)).then_with(|| {
                let (one, other) = (subtree(*one, children), subtree(*other, children));
                one.map(|at| &lines[at]).cmp(other.map(|at| &lines[at]))
            })
        };
        // The deepest first, so that a subtree is sorted before it is compared with others.
        for (at, _) in order.iter().rev() {
            let mut siblings = std::mem::take(&mut children[*at]);
            siblings.sort_by(|one, other| by_text(one, other, &children));
            children[*at] = siblings;
        }
        roots.sort_by(|one, other| by_text(one, other, &children));
        roots
            .iter()
            .flat_map(|root| subtree(*root, &children))
            .map(|at| lines[at].as_str())
            .collect()
    }

    /// The spans without those that occur twice, as records from a backend may.
    fn without_repetitions(&self) -> Vec<&'a SpanRecord> {
        let mut seen = HashSet::new();
        self.spans.iter().copied().filter(|span| seen.insert(id(span))).collect()
    }
}

/// A span and all spans below it, in the order in which they are printed.
fn subtree(root: usize, children: &[Vec<usize>]) -> impl Iterator<Item = usize> {
    let mut stack = vec![root];
    std::iter::from_fn(move || {
        let at = stack.pop()?;
        stack.extend(children[at].iter().rev());
        Some(at)
    })
}

impl fmt::Display for SpanTree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render())
    }
}

type Id<'a> = (&'a str, &'a str);

fn id(span: &SpanRecord) -> Id<'_> {
    (&span.trace_id, &span.span_id)
}

/// The deepest level that is shown by indentation. Beyond it a line would be mostly spaces.
const MAX_INDENTED: usize = 100;

struct Printer<'a> {
    tree: &'a SpanTree<'a>,
    spans: &'a [&'a SpanRecord],
    places: HashMap<Id<'a>, usize>,
}

impl Printer<'_> {
    /// The line of a span, with its indentation and the newline at its end, as it is printed.
    fn line(&self, span: &SpanRecord, depth: usize) -> String {
        let mut line = match depth {
            0..MAX_INDENTED => "  ".repeat(depth),
            _ => format!("{}[{depth}] ", "  ".repeat(MAX_INDENTED)),
        };
        if self.tree.with_services {
            line += &format!("{}: ", span.service);
        }
        line += &format!("{} {}", span.name, span.kind);
        if let Some(parent) = &span.parent
            && !self.places.contains_key(&(span.trace_id.as_str(), parent.as_str()))
        {
            line += " (parent elsewhere)";
        }
        line += &status(span);
        line += &self.attributes(span);
        if self.tree.with_events && !span.events.is_empty() {
            line += &format!(" ({})", span.events.join(", "));
        }
        line += &self.links(span);
        line.push('\n');
        line
    }

    fn attributes(&self, span: &SpanRecord) -> String {
        let attributes = self.tree.attributes.iter().map(|key| (key, span.attribute(key)));
        let baggage = self.tree.baggage.iter();
        let baggage = baggage.map(|key| (key, span.baggage.get(key).map(String::as_str)));
        let pairs: Vec<_> = (attributes.chain(baggage))
            .filter_map(|(key, value)| value.map(|value| format!("{key}={value}")))
            .collect();
        if pairs.is_empty() { String::new() } else { format!(" {{{}}}", pairs.join(" ")) }
    }

    fn links(&self, span: &SpanRecord) -> String {
        let mut targets: BTreeMap<&str, usize> = BTreeMap::new();
        for (trace_id, span_id) in &span.links {
            let place = self.places.get(&(trace_id.as_str(), span_id.as_str()));
            let name = place.map_or("(elsewhere)", |at| self.spans[*at].name.as_str());
            *targets.entry(name).or_default() += 1;
        }
        let targets: Vec<_> = (targets.into_iter())
            .map(|(name, count)| match count {
                1 => name.to_owned(),
                _ => format!("{name} x{count}"),
            })
            .collect();
        if targets.is_empty() { String::new() } else { format!(" -> {}", targets.join(", ")) }
    }
}

fn status(span: &SpanRecord) -> String {
    let error_type = span.attribute(attribute::ERROR_TYPE).map(|word| format!(" {word}"));
    match &span.status {
        SpanStatus::Unset => error_type.unwrap_or_default(),
        SpanStatus::Ok => " OK".to_owned(),
        SpanStatus::Error(description) => {
            let mut text = format!(" ERROR{}", error_type.unwrap_or_default());
            if !description.is_empty() {
                text += &format!(" \"{description}\"");
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: &str, parent: Option<&str>, name: &str) -> SpanRecord {
        SpanRecord {
            trace_id: "t".to_owned(),
            span_id: id.to_owned(),
            parent: parent.map(str::to_owned),
            service: "store".to_owned(),
            name: name.to_owned(),
            kind: "INTERNAL".to_owned(),
            ..SpanRecord::default()
        }
    }

    #[test]
    fn spans_are_printed_under_their_parents_in_the_order_of_their_text() {
        let mut failed = span("3", Some("1"), "b");
        failed.status = SpanStatus::Error("no potatoes".to_owned());
        failed.attributes = [("error.type", "out_of_stock"), ("aisle", "produce"), ("n", "1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        failed.events = vec!["a shelf fell".to_owned()];
        failed.baggage = [("customer", "alice"), ("till", "3")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let mut linked = span("4", None, "z");
        linked.links =
            [("t", "3"), ("t", "3"), ("u", "9")].map(|(t, s)| (t.to_owned(), s.to_owned())).into();
        let spans = [
            linked,
            failed,
            span("2", Some("1"), "c"),
            span("1", None, "a"),
            span("5", Some("8"), "o"),
        ];

        let tree = SpanTree::new(&spans)
            .attributes(["aisle"])
            .baggage(["customer"])
            .with_events()
            .with_services();

        assert_eq!(
            tree.render(),
            "store: a INTERNAL
  store: b INTERNAL ERROR out_of_stock \"no potatoes\" {aisle=produce customer=alice} (a shelf fell)
  store: c INTERNAL
store: o INTERNAL (parent elsewhere)
store: z INTERNAL -> (elsewhere), b x2
"
        );
    }

    #[test]
    fn the_order_of_starting_can_be_asked_for() {
        let (mut first, mut second) = (span("1", None, "b"), span("2", None, "a"));
        first.start_unix_nano = 1;
        second.start_unix_nano = 2;
        let mut same_tick = [second.clone(), first.clone()];
        let spans = [second, first];
        assert_eq!(SpanTree::new(&spans).render(), "a INTERNAL\nb INTERNAL\n");
        assert_eq!(SpanTree::new(&spans).in_start_order().render(), "b INTERNAL\na INTERNAL\n");
        for (span, order) in same_tick.iter_mut().zip([5, 4]) {
            (span.start_unix_nano, span.start_order) = (7, order);
        }
        let tree = SpanTree::new(&same_tick).in_start_order();
        assert_eq!(tree.render(), "b INTERNAL\na INTERNAL\n");
    }

    #[test]
    fn a_tree_can_be_far_deeper_than_a_stack() {
        const DEPTH: usize = 20_000;
        let ids: Vec<_> = (0..DEPTH).map(|depth| depth.to_string()).collect();
        let parents = std::iter::once(None).chain(ids.iter().map(|id| Some(id.as_str())));
        let spans: Vec<_> =
            ids.iter().zip(parents).map(|(id, parent)| span(id, parent, "a")).collect();

        let text = SpanTree::new(&spans).render();

        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), DEPTH);
        assert_eq!(lines[99], format!("{}a INTERNAL", "  ".repeat(99)));
        assert_eq!(lines[100], format!("{}[100] a INTERNAL", "  ".repeat(100)));
        assert_eq!(lines[DEPTH - 1], format!("{}[19999] a INTERNAL", "  ".repeat(100)));
    }

    #[test]
    fn siblings_of_one_name_are_in_the_order_of_what_is_below_them() {
        let spans = [
            span("1", None, "a"),
            span("2", None, "a"),
            span("3", Some("1"), "z"),
            span("4", Some("2"), "b"),
            span("5", Some("2"), "z"),
            span("6", None, "a"),
            span("4", Some("2"), "b"),
        ];
        assert_eq!(
            SpanTree::new(&spans).render(),
            "a INTERNAL
a INTERNAL
  b INTERNAL
  z INTERNAL
a INTERNAL
  z INTERNAL
"
        );
    }

    #[test]
    fn spans_that_are_each_others_parents_end_the_printing() {
        let spans = [span("1", Some("2"), "a"), span("2", Some("1"), "b")];
        assert_eq!(SpanTree::new(&spans).render(), "");
    }
}
