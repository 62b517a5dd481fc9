//! A trace as Jaeger's older pages and Grafana read it: a view of the adjusted trace, written span
//! by span. What this form has no field for becomes a tag, as in Jaeger's own translator.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::adjusted::{AdjustedSpan, AdjustedTrace};
use crate::render::{List, Members, PlainDouble, SAFE_INTEGER, Text, base64, text};
use crate::store::model::{
    Attribute, Event, Kind, Link, Resource, SpanId, Status, TraceId, Value, find,
};

/// An element of `data`.
pub(super) struct LegacyTrace(pub(super) AdjustedTrace);

/// A trace id, without its upper 64 bits when they are zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortId(pub(super) TraceId);

impl fmt::Display for ShortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u64::try_from(self.0.0) {
            Ok(low) => write!(f, "{low:016x}"),
            Err(_) => self.0.fmt(f),
        }
    }
}

impl Serialize for LegacyTrace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<L, M> {
            #[serde(rename = "traceID")]
            trace_id: Text<ShortId>,
            spans: L,
            processes: M,
            /// Always null. Jaeger has the field.
            warnings: Option<()>,
        }
        let id = self.0.trace.id;
        let processes = Processes::of(&self.0.spans);
        let spans = || {
            let spans = self.0.spans.iter().zip(&processes.of_spans);
            spans.map(|(span, &process)| OneSpan { trace: id, span, process })
        };
        let named = || {
            let distinct = (0..).zip(&processes.distinct);
            distinct.map(|(process, resource)| (ProcessId(process), Process(resource)))
        };
        Fields {
            trace_id: Text(ShortId(id)),
            spans: List(spans),
            processes: Members(named),
            warnings: None,
        }
        .serialize(serializer)
    }
}

/// The distinct resources of a trace's spans. This form calls them processes.
struct Processes<'a> {
    distinct: Vec<&'a Resource>,
    /// For each span the index of its resource in `distinct`.
    of_spans: Vec<u32>,
}

impl<'a> Processes<'a> {
    fn of(spans: &'a [AdjustedSpan]) -> Self {
        let (mut distinct, mut places) = (Vec::new(), HashMap::new());
        let of_spans = spans.iter().map(|span| {
            let resource = &*span.span.resource;
            let next = u32::try_from(distinct.len()).unwrap_or(u32::MAX);
            *places.entry((&resource.service, &resource.attributes)).or_insert_with(|| {
                distinct.push(resource);
                next
            })
        });
        let of_spans = of_spans.collect();
        Self { distinct, of_spans }
    }
}

/// The name of a process: `p1`, `p2`, …
struct ProcessId(u32);

impl Serialize for ProcessId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("p{}", self.0 + 1))
    }
}

struct Process<'a>(&'a Resource);

impl Serialize for Process<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields<'a, L> {
            service_name: &'a str,
            tags: L,
        }
        let tags = || {
            let attributes = self.0.attributes.iter();
            attributes.filter(|attribute| &*attribute.key != "service.name").map(Tag::of)
        };
        Fields { service_name: &self.0.service, tags: List(tags) }.serialize(serializer)
    }
}

struct OneSpan<'a> {
    trace: TraceId,
    span: &'a AdjustedSpan,
    process: u32,
}

impl Serialize for OneSpan<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields<'a, R, T, L> {
            #[serde(rename = "traceID")]
            trace_id: Text<ShortId>,
            #[serde(rename = "spanID")]
            span_id: Text<SpanId>,
            operation_name: &'a str,
            references: R,
            /// Microseconds since the epoch.
            start_time: u64,
            /// Microseconds.
            duration: u64,
            tags: T,
            logs: L,
            #[serde(rename = "processID")]
            process_id: ProcessId,
            warnings: Option<Vec<String>>,
        }
        let span = &*self.span.span;
        let mut events: Vec<&Event> = span.events().iter().collect();
        events.sort_by(|one, other| one.name.cmp(&other.name));
        Fields {
            trace_id: Text(ShortId(self.trace)),
            span_id: Text(self.span.id),
            operation_name: &span.name,
            references: List(|| references(self.trace, self.span)),
            start_time: span.start / 1_000,
            duration: self.span.duration() / 1_000,
            tags: SpanTags(self.span),
            logs: List(|| events.iter().map(|event| Log(event))),
            process_id: ProcessId(self.process),
            warnings: Some(self.span.remarks()).filter(|remarks| !remarks.is_empty()),
        }
        .serialize(serializer)
    }
}

/// A pointer to a parent (`CHILD_OF`) or a linked span (`FOLLOWS_FROM`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ref_type: &'static str,
    #[serde(rename = "traceID")]
    trace_id: Text<ShortId>,
    #[serde(rename = "spanID")]
    span_id: Text<SpanId>,
}

/// The parent comes first. A link to the parent is no reference of its own: it tells the type of
/// the parent's.
fn references(trace: TraceId, span: &AdjustedSpan) -> impl Iterator<Item = Reference> {
    let reference = |ref_type, trace, span| Reference {
        ref_type,
        trace_id: Text(ShortId(trace)),
        span_id: Text(span),
    };
    let is_to_parent = move |link: &&Link| link.trace == trace && Some(link.span) == span.parent;
    let links = span.span.links();
    let parent = span.parent.map(|parent| {
        let ref_type = links.iter().rfind(is_to_parent).map_or("CHILD_OF", ref_type);
        reference(ref_type, trace, parent)
    });
    let others = links.iter().filter(move |link| !is_to_parent(link));
    parent
        .into_iter()
        .chain(others.map(move |link| reference(ref_type(link), link.trace, link.span)))
}

fn ref_type(link: &Link) -> &'static str {
    let of_child = |value: &Value| text(value) == "child_of";
    let child = find(&link.attributes, "opentracing.ref_type").is_some_and(of_child);
    if child { "CHILD_OF" } else { "FOLLOWS_FROM" }
}

/// A tag.
#[derive(Serialize)]
struct Tag<'a> {
    key: &'a str,
    #[serde(rename = "type")]
    value_type: &'static str,
    value: TagValue<'a>,
}

/// The value of a tag.
#[derive(Serialize)]
#[serde(untagged)]
enum TagValue<'a> {
    Bool(bool),
    Int(i64),
    /// An integer that not every JSON reader keeps whole.
    LargeInt(Text<i64>),
    Double(PlainDouble),
    Text(Cow<'a, str>),
    Address(Text<Ipv4Addr>),
}

impl<'a> Tag<'a> {
    fn text(key: &'a str, text: &'a str) -> Self {
        Self { key, value_type: "string", value: TagValue::Text(text.into()) }
    }

    fn of(attribute: &'a Attribute) -> Self {
        let (value_type, value) = match (&*attribute.key, &attribute.value) {
            // Old clients send addresses as numbers.
            ("ip" | "peer.ipv4", Value::Int(number)) => {
                ("string", TagValue::Address(Text((*number as u32).into())))
            }
            ("ip" | "peer.ipv4", Value::Double(number)) => {
                ("string", TagValue::Address(Text((number.0 as u32).into())))
            }
            (_, Value::Bool(truth)) => ("bool", TagValue::Bool(*truth)),
            (_, Value::Int(number)) if -SAFE_INTEGER < *number && *number < SAFE_INTEGER => {
                ("int64", TagValue::Int(*number))
            }
            (_, Value::Int(number)) => ("int64", TagValue::LargeInt(Text(*number))),
            (_, Value::Double(number)) => ("float64", TagValue::Double(PlainDouble(number.0))),
            (_, Value::Bytes(bytes)) => ("binary", TagValue::Text(base64(bytes).into())),
            (_, other) => ("string", TagValue::Text(text(other))),
        };
        Self { key: &attribute.key, value_type, value }
    }
}

/// A span's attributes, and tags for what this form has no fields for.
struct SpanTags<'a>(&'a AdjustedSpan);

impl Serialize for SpanTags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let span = &*self.0.span;
        let mut tags = serializer.serialize_seq(None)?;
        text_tag(&mut tags, "otel.scope.name", &span.scope.name)?;
        text_tag(&mut tags, "otel.scope.version", &span.scope.version)?;
        for attribute in &span.attributes {
            tags.serialize_element(&Tag::of(attribute))?;
        }
        if span.kind != Kind::Unspecified {
            text_tag(&mut tags, "span.kind", span.kind.name())?;
        }
        match span.status {
            Status::Unset => {}
            Status::Ok => text_tag(&mut tags, "otel.status_code", "OK")?,
            Status::Error => {
                text_tag(&mut tags, "otel.status_code", "ERROR")?;
                let value = TagValue::Bool(true);
                tags.serialize_element(&Tag { key: "error", value_type: "bool", value })?;
            }
        }
        text_tag(&mut tags, "otel.status_description", span.status_message())?;
        text_tag(&mut tags, "w3c.tracestate", span.trace_state())?;
        tags.end()
    }
}

/// A tag that is a text, unless the text is empty.
fn text_tag<L: SerializeSeq>(tags: &mut L, key: &str, text: &str) -> Result<(), L::Error> {
    if text.is_empty() { Ok(()) } else { tags.serialize_element(&Tag::text(key, text)) }
}

/// An event.
struct Log<'a>(&'a Event);

impl Serialize for Log<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<L> {
            /// Microseconds since the epoch.
            timestamp: u64,
            fields: L,
        }
        let event = self.0;
        let has_own = event.name.is_empty() || find(&event.attributes, "event").is_some();
        let fields = || {
            let name = (!has_own).then(|| Tag::text("event", &event.name));
            name.into_iter().chain(event.attributes.iter().map(Tag::of))
        };
        Fields { timestamp: event.time / 1_000, fields: List(fields) }.serialize(serializer)
    }
}
