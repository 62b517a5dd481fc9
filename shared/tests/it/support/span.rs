//! A span as every format can tell it, so that formats can be compared and trees be read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Names and values, with values as text.
pub(crate) type Attributes = BTreeMap<String, String>;

/// What is left of a span in every format: times in whole microseconds, values as text.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) start_us: u64,
    pub(crate) span_id: String,
    /// Empty for a root.
    pub(crate) parent_id: String,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) duration_us: u64,
    /// `unset`, `ok` or `error: ...`.
    pub(crate) status: String,
    pub(crate) scope: String,
    pub(crate) attributes: Attributes,
    pub(crate) events: Vec<Event>,
    pub(crate) links: Vec<Link>,
    pub(crate) resource: Attributes,
}

/// Something that happened within a span.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Event {
    pub(crate) at_us: u64,
    pub(crate) name: String,
    pub(crate) attributes: Attributes,
}

/// Another span that a span refers to.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Link {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) attributes: Attributes,
}

/// Draws the trees that `spans` form, in the order of their start. Times are microseconds since
/// the first span's start, identifiers are left out, but for those of spans that are elsewhere.
pub(crate) fn tree(spans: &[Span]) -> String {
    let mut spans = spans.to_vec();
    spans.sort_by_key(|span| (span.start_us, span.name.clone()));
    let first = spans.first().map_or(0, |span| span.start_us);
    let known = |id: &str| spans.iter().any(|span| span.span_id == id);
    let mut text = String::new();
    for root in spans.iter().filter(|span| !known(&span.parent_id)) {
        draw(&mut text, root, &spans, first, 0);
    }
    text
}

fn draw(text: &mut String, span: &Span, spans: &[Span], first: u64, depth: usize) {
    let Span { name, kind, status, scope, duration_us, .. } = span;
    let indent = "  ".repeat(depth);
    let at = span.start_us - first;
    write!(text, "{indent}{name} {kind} {at}+{duration_us} {status} [{scope}]").unwrap();
    if depth == 0 && !span.parent_id.is_empty() {
        write!(text, " child of {}", span.parent_id).unwrap();
    }
    writeln!(text).unwrap();
    for (key, value) in &span.attributes {
        writeln!(text, "{indent}  . {key}={value}").unwrap();
    }
    for event in &span.events {
        let at = event.at_us - first;
        writeln!(text, "{indent}  ! {at} {} {:?}", event.name, event.attributes).unwrap();
    }
    for link in &span.links {
        let Link { trace_id, span_id, attributes } = link;
        writeln!(text, "{indent}  > {trace_id} {span_id} {attributes:?}").unwrap();
    }
    for child in spans.iter().filter(|child| child.parent_id == span.span_id) {
        draw(text, child, spans, first, depth + 1);
    }
}

/// `spans` in an order that does not depend on how they were sent.
pub(crate) fn sorted(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort();
    spans
}
