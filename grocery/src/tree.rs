//! Trees of spans as lines of text, and what differs between two of them.
//!
//! A line that is not indented is a root, or a span whose parent is not there; then it says so.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use serde::Serialize;
use store::lessons::CUSTOMER;

use crate::trace::{Span, Status};

const ERROR_TYPE: &str = "error.type";

/// The attribute that says which aisle's actor handled a message.
const AISLE: &str = "grocery.aisle";

/// All spans of a run as trees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) lines: Vec<Line>,
}

/// A span in a tree.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// How deep it is in its tree.
    pub(crate) depth: usize,
    /// The span in words, without its indentation.
    pub(crate) text: String,
    pub(crate) mark: Mark,
    /// How long it took.
    pub(crate) took: Duration,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    /// Its parent's place in the list of lines.
    parent: Option<usize>,
    /// What it is, whatever became of it: service, name and kind.
    identity: String,
}

/// How a span compares with its counterpart in another tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mark {
    /// There it is the same.
    #[default]
    Same,
    /// There it is elsewhere.
    Moved,
    /// There it is in the same place, with another status, customer or link.
    Changed,
    /// There it is not.
    Only,
}

impl Mark {
    /// All that say that something differs.
    pub(crate) const DIFFERENCES: [Self; 3] = [Self::Only, Self::Moved, Self::Changed];

    /// Its sign before a line.
    pub(crate) const fn sign(self) -> char {
        match self {
            Self::Same => ' ',
            Self::Moved => '>',
            Self::Changed => '~',
            Self::Only => '!',
        }
    }

    /// It in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Same => "the same in both",
            Self::Moved => "elsewhere in the other",
            Self::Changed => "differs in the other",
            Self::Only => "only here",
        }
    }
}

impl Tree {
    /// The trees of these spans, in the order of their starts.
    pub(crate) fn of(spans: &[Span]) -> Self {
        let places: HashMap<_, _> =
            spans.iter().enumerate().map(|(at, span)| (id(span), at)).collect();
        let parent_of = |span: &Span| {
            let parent = span.parent.as_deref()?;
            places.get(&(span.trace_id.as_str(), parent)).copied()
        };
        let mut children: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
        for (at, span) in spans.iter().enumerate() {
            children.entry(parent_of(span)).or_default().push(at);
        }
        for siblings in children.values_mut() {
            siblings.sort_by_key(|&at| (spans[at].start, &spans[at].name, &spans[at].span_id));
        }
        let services: BTreeSet<_> = spans.iter().map(|span| &span.service).collect();
        let words = Words { spans, places: &places, with_service: services.len() > 1 };

        let mut lines = Vec::with_capacity(spans.len());
        // Each with its depth and the line of its parent.
        let mut stack: Vec<_> = Vec::new();
        let push = |stack: &mut Vec<_>, parent, depth, line| {
            let siblings = children.get(&parent).into_iter().flatten().rev();
            stack.extend(siblings.map(|&at| (at, depth, line)));
        };
        push(&mut stack, None, 0, None);
        while let Some((at, depth, parent)) = stack.pop() {
            let span = &spans[at];
            push(&mut stack, Some(at), depth + 1, Some(lines.len()));
            lines.push(Line {
                depth,
                text: words.of(span),
                mark: Mark::Same,
                took: Duration::from_nanos(span.end.saturating_sub(span.start)),
                trace_id: span.trace_id.clone(),
                span_id: span.span_id.clone(),
                parent,
                identity: format!("{} {} {}", span.service, span.name, span.kind),
            });
        }
        Self { lines }
    }

    /// Marks what differs between two trees, in both.
    pub(crate) fn compare(one: &mut Self, other: &mut Self) {
        let paths = |tree: &Self| {
            let mut paths: Vec<String> = Vec::with_capacity(tree.lines.len());
            for line in &tree.lines {
                let above = line.parent.map_or("", |parent| paths[parent].as_str());
                paths.push(format!("{above}\n{}", line.text));
            }
            paths
        };
        let (paths_of_one, paths_of_other) = (paths(one), paths(other));
        let mut pairs = Pairs {
            one: vec![None; one.lines.len()],
            other: vec![None; other.lines.len()],
            parents: [&*one, &*other]
                .map(|tree| tree.lines.iter().map(|line| line.parent).collect()),
        };
        // First what is the same, place and all; then the same elsewhere; then what has changed.
        pairs.find(&paths_of_one, &paths_of_other);
        let texts =
            |tree: &Self| tree.lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>();
        pairs.find(&texts(one), &texts(other));
        let identities =
            |tree: &Self| tree.lines.iter().map(|line| line.identity.clone()).collect::<Vec<_>>();
        pairs.find(&identities(one), &identities(other));

        let marks_of_one = marks(one, other, &pairs.one);
        let marks_of_other = marks(other, one, &pairs.other);
        for (tree, marks) in [(one, marks_of_one), (other, marks_of_other)] {
            tree.lines.iter_mut().zip(marks).for_each(|(line, mark)| line.mark = mark);
        }
    }

    /// The ids of its traces, each once, in the order in which they occur.
    pub(crate) fn trace_ids(&self) -> Vec<&str> {
        let mut ids = Vec::new();
        for line in &self.lines {
            if !ids.contains(&line.trace_id.as_str()) {
                ids.push(line.trace_id.as_str());
            }
        }
        ids
    }
}

type Id<'a> = (&'a str, &'a str);

fn id(span: &Span) -> Id<'_> {
    (&span.trace_id, &span.span_id)
}

/// Which line of one tree is the counterpart of which of the other.
struct Pairs {
    one: Vec<Option<usize>>,
    other: Vec<Option<usize>>,
    /// The parents of the lines of both.
    parents: [Vec<Option<usize>>; 2],
}

impl Pairs {
    /// Pairs lines that have no counterpart yet and whose keys are equal. Where there are several, those
    /// go first whose parents are counterparts.
    fn find(&mut self, keys_of_one: &[String], keys_of_other: &[String]) {
        let mut open: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, key) in keys_of_other.iter().enumerate() {
            if self.other[at].is_none() {
                open.entry(key).or_default().push(at);
            }
        }
        for (at, key) in keys_of_one.iter().enumerate() {
            if self.one[at].is_some() {
                continue;
            }
            let Some(found) = open.get_mut(key.as_str()) else { continue };
            let parent = self.parents[0][at].map(|parent| self.one[parent]);
            let is_near = |candidate: &usize| match (parent, self.parents[1][*candidate]) {
                (None, None) => true,
                (Some(Some(counterpart)), Some(parent)) => counterpart == parent,
                _ => false,
            };
            let nearest = found.iter().position(is_near).unwrap_or(0);
            if nearest < found.len() {
                let counterpart = found.remove(nearest);
                self.one[at] = Some(counterpart);
                self.other[counterpart] = Some(at);
            }
        }
    }
}

/// The marks of the lines of `tree`, whose counterparts in `other` these are.
fn marks(tree: &Tree, other: &Tree, counterparts: &[Option<usize>]) -> Vec<Mark> {
    let mark = |(line, counterpart): (&Line, &Option<usize>)| {
        let Some(counterpart) = counterpart.map(|at| &other.lines[at]) else { return Mark::Only };
        let has_same_parent = match (line.parent, counterpart.parent) {
            (None, None) => true,
            (Some(one), Some(other)) => counterparts[one] == Some(other),
            _ => false,
        };
        match (has_same_parent, line.text == counterpart.text) {
            (false, _) => Mark::Moved,
            (true, false) => Mark::Changed,
            (true, true) => Mark::Same,
        }
    };
    tree.lines.iter().zip(counterparts).map(mark).collect()
}

/// Puts spans into words.
struct Words<'a> {
    spans: &'a [Span],
    places: &'a HashMap<Id<'a>, usize>,
    with_service: bool,
}

impl Words<'_> {
    fn of(&self, span: &Span) -> String {
        let mut text = String::new();
        if self.with_service {
            text += &format!("{}: ", span.service);
        }
        text += &format!("{} {}", span.name, span.kind);
        if let Some(aisle) = span.attributes.get(AISLE) {
            text += &format!(" ({aisle})");
        }
        if let Some(parent) = &span.parent
            && !self.places.contains_key(&(span.trace_id.as_str(), parent.as_str()))
        {
            text += " (parent elsewhere)";
        }
        let error_type = span.attributes.get(ERROR_TYPE).map(|kind| format!(" {kind}"));
        match &span.status {
            Status::Unset => text += &error_type.unwrap_or_default(),
            Status::Ok => text += " OK",
            Status::Error(description) => {
                text += &format!(" ERROR{}", error_type.unwrap_or_default());
                if !description.is_empty() {
                    text += &format!(" \"{description}\"");
                }
            }
        }
        if let Some(customer) = span.attributes.get(CUSTOMER) {
            text += &format!(" {{{CUSTOMER}={customer}}}");
        }
        text += &self.links(span);
        // What a span says is one line, whatever is in it.
        text.replace(|character: char| character.is_control(), " ")
    }

    fn links(&self, span: &Span) -> String {
        let mut targets: BTreeMap<&str, usize> = BTreeMap::new();
        for (trace_id, span_id) in &span.links {
            let place = self.places.get(&(trace_id.as_str(), span_id.as_str()));
            let name = place.map_or("(elsewhere)", |at| self.spans[*at].name.as_str());
            *targets.entry(name).or_default() += 1;
        }
        let targets = targets.into_iter().map(|(name, count)| match count {
            1 => name.to_owned(),
            _ => format!("{name} x{count}"),
        });
        let targets: Vec<_> = targets.collect();
        if targets.is_empty() { String::new() } else { format!(" -> {}", targets.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Kind;

    /// Spans from lines: each level is indented by two spaces, and `customer=` ends a line that has one.
    /// A line that begins with `?` has a parent that is not there.
    fn spans(text: &str) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut above: Vec<usize> = Vec::new();
        for (at, line) in text.lines().filter(|line| !line.trim().is_empty()).enumerate() {
            let depth = (line.len() - line.trim_start().len()) / 2;
            above.truncate(depth);
            let (name, customer) = match line.trim().split_once(" customer=") {
                Some((name, customer)) => (name, Some(customer)),
                None => (line.trim(), None),
            };
            let lost = name.strip_prefix('?');
            let parent = above.last().map(|&parent| spans[parent].clone());
            let root = at.to_string();
            spans.push(Span {
                trace_id: parent.as_ref().map_or(root, |parent| parent.trace_id.clone()),
                span_id: at.to_string(),
                parent: parent.map(|parent| parent.span_id).or(lost.map(|_| "lost".into())),
                name: lost.unwrap_or(name).into(),
                kind: Kind::Internal,
                attributes: customer
                    .map(|customer| (CUSTOMER.to_owned(), customer.to_owned()))
                    .into_iter()
                    .collect(),
                start: at as u64,
                ..Span::default()
            });
            above.push(at);
        }
        spans
    }

    fn rendered(tree: &Tree) -> Vec<String> {
        let line = |line: &Line| {
            let indent = "  ".repeat(line.depth);
            format!("{} {indent}{}", line.mark.sign(), line.text)
        };
        tree.lines.iter().map(line).collect()
    }

    fn compared(one: &str, other: &str) -> [Vec<String>; 2] {
        let [mut one, mut other] = [one, other].map(|text| Tree::of(&spans(text)));
        Tree::compare(&mut one, &mut other);
        [one, other].map(|tree| rendered(&tree))
    }

    #[test]
    fn only_the_top_of_what_has_moved_is_marked() {
        let cut = "request\n?stock\n  row\nlabel";
        let whole = "request\n  stock\n    row\n  label\n  bill";
        assert_eq!(
            compared(cut, whole),
            [
                vec![
                    "  request INTERNAL",
                    "> stock INTERNAL (parent elsewhere)",
                    "    row INTERNAL",
                    "> label INTERNAL",
                ],
                vec![
                    "  request INTERNAL",
                    ">   stock INTERNAL",
                    "      row INTERNAL",
                    ">   label INTERNAL",
                    "!   bill INTERNAL",
                ],
            ]
        );
    }

    #[test]
    fn a_span_in_the_same_place_for_another_customer_has_changed() {
        assert_eq!(
            compared(
                "request customer=alice\n  stock customer=bob\n  stock customer=alice",
                "request customer=alice\n  stock customer=alice\n  stock customer=carol"
            ),
            [
                vec![
                    "  request INTERNAL {customer=alice}",
                    "~   stock INTERNAL {customer=bob}",
                    "    stock INTERNAL {customer=alice}",
                ],
                vec![
                    "  request INTERNAL {customer=alice}",
                    "    stock INTERNAL {customer=alice}",
                    "~   stock INTERNAL {customer=carol}",
                ],
            ]
        );
    }

    #[test]
    fn a_line_says_the_status_the_links_and_the_service_where_there_are_several() {
        let mut spans = spans("request\n  pay");
        spans[0].service = "shopper".into();
        spans[0].attributes.insert(AISLE.into(), "produce".into());
        spans[1].status = Status::Error("a\nb".into());
        spans[1].attributes.insert(ERROR_TYPE.into(), "declined".into());
        spans[1].links =
            vec![("0".into(), "0".into()), ("0".into(), "0".into()), ("9".into(), "9".into())];
        assert_eq!(
            rendered(&Tree::of(&spans)),
            [
                "  shopper: request INTERNAL (produce)",
                "    : pay INTERNAL ERROR declined \"a b\" -> (elsewhere), request x2",
            ]
        );
        assert_eq!(Tree::of(&spans).trace_ids(), ["0"]);
        assert!(Tree::of(&[]).lines.is_empty());
    }

    #[test]
    fn a_span_that_is_its_own_parent_ends_nothing() {
        let mut spans = spans("request");
        spans[0].parent = Some("0".into());
        assert!(Tree::of(&spans).lines.is_empty());
    }
}
