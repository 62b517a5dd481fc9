//! A span with only what every format has, so that the formats can be compared, and trees of such
//! spans as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Names and values, with values as text.
pub type Attributes = BTreeMap<String, String>;

/// A span as every format has it: times in whole microseconds, values as text.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Span {
    /// The trace, in hex.
    pub trace_id: String,
    /// When it started, in microseconds since 1970.
    pub start_us: u64,
    /// The span, in hex.
    pub span_id: String,
    /// Empty for a root.
    pub parent_id: String,
    /// Its name.
    pub name: String,
    /// `internal`, `server`, `client`, `producer` or `consumer`.
    pub kind: &'static str,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// `unset`, `ok` or `error: ...`.
    pub status: String,
    /// Name and version of the instrumentation scope.
    pub scope: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its events.
    pub events: Vec<Event>,
    /// Its links.
    pub links: Vec<Link>,
    /// Attributes of the resource, `service.name` among them.
    pub resource: Attributes,
}

/// Something that happened within a span.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Event {
    /// When it happened, in microseconds since 1970.
    pub at_us: u64,
    /// Its name.
    pub name: String,
    /// Its attributes.
    pub attributes: Attributes,
}

/// A link of a span to another span.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Link {
    /// The trace, in hex.
    pub trace_id: String,
    /// The span, in hex.
    pub span_id: String,
    /// Its attributes.
    pub attributes: Attributes,
}

/// The trees that `spans` form, as text, in the order of their start. Times are microseconds since
/// the first span's start. Ids are left out, except those of spans that are not in `spans`.
pub fn tree(spans: &[Span]) -> String {
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
pub fn sorted(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort();
    spans
}
