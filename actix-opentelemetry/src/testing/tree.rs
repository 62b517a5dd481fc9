//! Prints spans as indented text.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use super::record::{SpanRecord, SpanStatus};
use crate::attribute;

/// Spans as indented text, each under its parent.
///
/// The same spans give the same text, whatever their ids and in whatever order they come: siblings
/// are in the order of their text, unless [`in_start_order`](Self::in_start_order) is asked for.
/// All the spans' traces are printed, one after the other.
#[derive(Debug, Clone)]
pub struct SpanTree<'a> {
    spans: Vec<&'a SpanRecord>,
    attributes: Vec<String>,
    with_services: bool,
    with_events: bool,
    in_start_order: bool,
}

impl<'a> SpanTree<'a> {
    /// A tree of these spans, printed with no attributes but `error.type`.
    pub fn new(spans: impl IntoIterator<Item = &'a SpanRecord>) -> Self {
        Self {
            spans: spans.into_iter().collect(),
            attributes: Vec::new(),
            with_services: false,
            with_events: false,
            in_start_order: false,
        }
    }

    /// Prints these attributes too, of the spans that have them.
    pub fn attributes<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.attributes.extend(keys.into_iter().map(Into::into));
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

    /// Prints siblings in the order in which they started. Only for spans that follow one another:
    /// the order of concurrent ones differs from run to run.
    pub fn in_start_order(mut self) -> Self {
        self.in_start_order = true;
        self
    }

    /// The text: one line a span, two spaces a level, a newline at the end of each line.
    pub fn render(&self) -> String {
        let names: HashMap<_, _> =
            self.spans.iter().map(|span| (id(span), span.name.as_str())).collect();
        let mut children: HashMap<_, Vec<_>> = HashMap::new();
        let mut roots = Vec::new();
        for span in &self.spans {
            let parent = span.parent.as_deref().map(|parent| (span.trace_id.as_str(), parent));
            match parent.filter(|parent| names.contains_key(parent)) {
                Some(parent) => children.entry(parent).or_default().push(*span),
                None => roots.push(*span),
            }
        }
        let printer = Printer { tree: self, names, children };
        let mut text = String::new();
        printer.print_level(&roots, 0, &mut HashSet::new(), &mut text);
        text
    }
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

struct Printer<'a> {
    tree: &'a SpanTree<'a>,
    names: HashMap<Id<'a>, &'a str>,
    children: HashMap<Id<'a>, Vec<&'a SpanRecord>>,
}

impl<'a> Printer<'a> {
    fn print_level(
        &self,
        siblings: &[&'a SpanRecord],
        depth: usize,
        seen: &mut HashSet<Id<'a>>,
        text: &mut String,
    ) {
        let mut printed = Vec::with_capacity(siblings.len());
        for span in siblings {
            // Records from elsewhere may hold a span twice, or even a cycle.
            if !seen.insert(id(span)) {
                continue;
            }
            let mut subtree = format!("{}{}\n", "  ".repeat(depth), self.line(span));
            let children = self.children.get(&id(span)).map_or(&[][..], Vec::as_slice);
            self.print_level(children, depth + 1, seen, &mut subtree);
            let start = if self.tree.in_start_order { span.start_unix_nano } else { 0 };
            printed.push((start, subtree));
        }
        printed.sort();
        text.extend(printed.into_iter().map(|(_, subtree)| subtree));
    }

    fn line(&self, span: &SpanRecord) -> String {
        let mut line = String::new();
        if self.tree.with_services {
            line = format!("{}: ", span.service);
        }
        line += &format!("{} {}", span.name, span.kind);
        if let Some(parent) = &span.parent
            && !self.names.contains_key(&(span.trace_id.as_str(), parent.as_str()))
        {
            line += " (parent elsewhere)";
        }
        line += &status(span);
        line += &self.attributes(span);
        if self.tree.with_events && !span.events.is_empty() {
            line += &format!(" ({})", span.events.join(", "));
        }
        line + &self.links(span)
    }

    fn attributes(&self, span: &SpanRecord) -> String {
        let pairs: Vec<_> = (self.tree.attributes.iter())
            .filter_map(|key| span.attribute(key).map(|value| format!("{key}={value}")))
            .collect();
        if pairs.is_empty() { String::new() } else { format!(" {{{}}}", pairs.join(" ")) }
    }

    fn links(&self, span: &SpanRecord) -> String {
        let mut targets: BTreeMap<&str, usize> = BTreeMap::new();
        for (trace_id, span_id) in &span.links {
            let name = self.names.get(&(trace_id.as_str(), span_id.as_str()));
            *targets.entry(name.copied().unwrap_or("(elsewhere)")).or_default() += 1;
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
        failed.attributes = [("error.type", "OutOfStock"), ("aisle", "produce"), ("n", "1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        failed.events = vec!["a shelf fell".to_owned()];
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

        let tree = SpanTree::new(&spans).attributes(["aisle"]).with_events().with_services();

        assert_eq!(
            tree.render(),
            "store: a INTERNAL
  store: b INTERNAL ERROR OutOfStock \"no potatoes\" {aisle=produce} (a shelf fell)
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
        let spans = [second, first];
        assert_eq!(SpanTree::new(&spans).render(), "a INTERNAL\nb INTERNAL\n");
        assert_eq!(SpanTree::new(&spans).in_start_order().render(), "b INTERNAL\na INTERNAL\n");
    }

    #[test]
    fn a_span_that_is_its_own_ancestor_does_not_go_on_for_ever() {
        let spans = [span("1", Some("2"), "a"), span("2", Some("1"), "b")];
        assert_eq!(SpanTree::new(&spans).render(), "");
    }
}
