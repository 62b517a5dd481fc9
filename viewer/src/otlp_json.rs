//! Traces, and [log records](logs), in OTLP's JSON: the one form in which both `/api/v3` and the viewer's own page get them.
//!
//! It is written span by span from what the store holds, in the shape that the specification gives
//! it (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>): ids in hexadecimal, 64
//! bits as strings, defaults left out, NaN and the infinities by name. The page gets some fields
//! more, which readers of OTLP ignore as they must:
//!
//! - of a link, `traceHeld`, and as `target` the span that it points to, when that is held:
//!   `{"name":"…","serviceName":"…","startTimeUnixNano":"…","endTimeUnixNano":"…"}`, with those of
//!   its `attributes` that say how its message came and how many messages it serves;
//! - of a span, `linkedFrom`, the same of those that link to it, `linkedFromCount`, how many there
//!   are, `cut`, how many of its parts the viewer's limits shortened or left out,
//!   `hasDuplicateId`, `invalidLinkCount`, and `clockDeltaNano`, by how much its host's clock seems
//!   to be behind that of its parent's (see [`AdjustedSpan::clock_delta`]).

pub(crate) mod logs;

use std::sync::Arc;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::adjusted::{AdjustedSpan, AdjustedTrace, AdjustedTraces};
use crate::ingest::SharedStore;
use crate::render::{List, Text, base64, is_default, not_finite};
use crate::store::backlinks::Place;
use crate::store::model::{self, Attribute, Event, Link, Span, SpanId, TraceId, Value};

/// The attribute in which Jaeger hands on its remarks on a span.
const REMARKS: &str = "@jaeger@warnings";
/// What the page wants to know of a span at the other end of a link: whether anybody waits for it,
/// and whether it is a batch.
const TOLD_ELSEWHERE: [&str; 2] = ["actix.message.kind", "actix.batch.message_count"];

/// The spans of several traces: `{"resourceSpans":[…]}`.
#[derive(Debug)]
pub(crate) struct TracesData<'a>(pub(crate) AdjustedTraces<'a>);

impl Serialize for TracesData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut data = serializer.serialize_map(Some(1))?;
        data.serialize_entry("resourceSpans", &AllResourceSpans(&self.0))?;
        data.end()
    }
}

struct AllResourceSpans<'a>(&'a AdjustedTraces<'a>);

impl Serialize for AllResourceSpans<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for trace in self.0.iter() {
            for group in resource_spans(&trace, None) {
                list.serialize_element(&group)?;
            }
        }
        list.end()
    }
}

/// The elements of `resourceSpans` for a trace, grouped as its spans came. With `linked`, the store
/// that knows the other ends of links, they have what only the page gets.
pub(crate) fn resource_spans<'a>(
    trace: &'a AdjustedTrace,
    linked: Option<&'a SharedStore>,
) -> impl Iterator<Item = impl Serialize + use<'a>> {
    let id = trace.trace.id;
    let same_resource = |one: &AdjustedSpan, other: &AdjustedSpan| {
        Arc::ptr_eq(&one.span.resource, &other.span.resource)
    };
    trace.spans.chunk_by(same_resource).map(move |spans| {
        let resource = &spans[0].span.resource;
        ResourceSpans {
            resource: Resource::of(resource),
            scope_spans: List(move || scope_spans(id, spans, linked)),
            schema_url: &resource.schema_url,
        }
    })
}

fn scope_spans<'a>(
    id: TraceId,
    spans: &'a [AdjustedSpan],
    linked: Option<&'a SharedStore>,
) -> impl Iterator<Item = impl Serialize + use<'a>> {
    let same_scope =
        |one: &AdjustedSpan, other: &AdjustedSpan| Arc::ptr_eq(&one.span.scope, &other.span.scope);
    spans.chunk_by(same_scope).map(move |spans| {
        let scope = &spans[0].span.scope;
        ScopeSpans {
            scope: Scope::of(scope),
            spans: List(move || {
                spans.iter().map(move |adjusted| OneSpan {
                    id,
                    adjusted,
                    ends: linked.map(|store| Ends::of(id, &adjusted.span, store)),
                })
            }),
            schema_url: &scope.schema_url,
        }
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a, L> {
    resource: Resource<'a>,
    scope_spans: L,
    #[serde(skip_serializing_if = "str::is_empty")]
    schema_url: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource<'a> {
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    attributes: Attributes<'a>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_attributes_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeSpans<'a, L> {
    scope: Scope<'a>,
    spans: L,
    #[serde(skip_serializing_if = "str::is_empty")]
    schema_url: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Scope<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    attributes: Attributes<'a>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_attributes_count: u32,
}

impl<'a> Resource<'a> {
    fn of(resource: &'a model::Resource) -> Self {
        Self {
            attributes: Attributes(&resource.attributes),
            dropped_attributes_count: resource.dropped_attributes,
        }
    }
}

impl<'a> Scope<'a> {
    fn of(scope: &'a model::Scope) -> Self {
        Self {
            name: &scope.name,
            version: &scope.version,
            attributes: Attributes(&scope.attributes),
            dropped_attributes_count: scope.dropped_attributes,
        }
    }
}

/// A span of the trace `id`, with the other ends of its links if they are wanted.
struct OneSpan<'a> {
    id: TraceId,
    adjusted: &'a AdjustedSpan,
    ends: Option<Ends>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanFields<'a, A, E, L, B> {
    trace_id: Text<TraceId>,
    span_id: Text<SpanId>,
    #[serde(skip_serializing_if = "str::is_empty")]
    trace_state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<Text<SpanId>>,
    #[serde(skip_serializing_if = "is_default")]
    flags: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    kind: u8,
    #[serde(skip_serializing_if = "is_default")]
    start_time_unix_nano: Text<u64>,
    #[serde(skip_serializing_if = "is_default")]
    end_time_unix_nano: Text<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<A>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<E>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_events_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<L>,
    #[serde(skip_serializing_if = "is_default")]
    dropped_links_count: u32,
    status: Status<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linked_from: Option<B>,
    #[serde(skip_serializing_if = "is_default")]
    linked_from_count: usize,
    #[serde(skip_serializing_if = "is_default")]
    cut: u32,
    #[serde(skip_serializing_if = "is_default")]
    has_duplicate_id: bool,
    #[serde(skip_serializing_if = "is_default")]
    invalid_link_count: u32,
    #[serde(skip_serializing_if = "is_default")]
    clock_delta_nano: Text<i64>,
}

#[derive(Serialize)]
struct Status<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    code: u8,
}

impl Serialize for OneSpan<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (span, ends) = (&*self.adjusted.span, self.ends.as_ref());
        let extra = span.extra.as_deref();
        let has_attributes = !span.attributes.is_empty() || self.adjusted.has_remarks();
        let links = || {
            let targets = ends.into_iter().flat_map(|ends| ends.targets.iter().map(Some));
            span.links().iter().zip(targets.chain(std::iter::repeat(None))).map(link)
        };
        let sources = ends.map(|ends| &*ends.sources).filter(|sources| !sources.is_empty());
        SpanFields {
            trace_id: Text(self.id),
            span_id: Text(self.adjusted.id),
            trace_state: span.trace_state(),
            parent_span_id: self.adjusted.parent.map(Text),
            flags: span.flags,
            name: &span.name,
            kind: span.kind as u8,
            start_time_unix_nano: Text(span.start),
            end_time_unix_nano: Text(self.adjusted.end),
            attributes: has_attributes.then_some(SpanAttributes(self.adjusted)),
            dropped_attributes_count: extra.map_or(0, |extra| extra.dropped_attributes),
            events: (!span.events().is_empty()).then_some(List(|| span.events().iter().map(event))),
            dropped_events_count: extra.map_or(0, |extra| extra.dropped_events),
            links: (!span.links().is_empty()).then_some(List(links)),
            dropped_links_count: extra.map_or(0, |extra| extra.dropped_links),
            status: Status { message: span.status_message(), code: span.status as u8 },
            linked_from: sources.map(|sources| List(move || sources.iter().map(Source::of))),
            linked_from_count: ends.map_or(0, |ends| ends.sources_in_all),
            cut: ends.and(extra).map_or(0, |extra| extra.cut),
            has_duplicate_id: ends.is_some() && self.adjusted.has_duplicate_id,
            invalid_link_count: ends.and(extra).map_or(0, |extra| extra.invalid_links),
            clock_delta_nano: Text(ends.map_or(0, |_| self.adjusted.clock_delta)),
        }
        .serialize(serializer)
    }
}

/// The other ends of a span's links, as far as they are held: taken out of the store at once, since
/// nothing may be written under its lock.
struct Ends {
    targets: Vec<Target>,
    sources: Vec<(Place, Option<Arc<Span>>)>,
    sources_in_all: usize,
}

struct Target {
    trace_held: bool,
    span: Option<Arc<Span>>,
}

impl Ends {
    fn of(trace: TraceId, span: &Span, store: &SharedStore) -> Self {
        let store = store.read();
        let held = |(trace, span)| store.trace(trace)?.span(span).cloned();
        let targets = span.links().iter().map(|link| Target {
            trace_held: store.trace(link.trace).is_some(),
            span: held((link.trace, link.span)),
        });
        let sources = store.backlinks.to(trace, span.id);
        let listed = sources.into_iter().flat_map(|sources| sources.listed.iter().copied());
        Self {
            targets: targets.collect(),
            sources: listed.map(|place| (place, held(place))).collect(),
            sources_in_all: sources.map_or(0, |sources| sources.count),
        }
    }
}

/// A span elsewhere.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Elsewhere<'a> {
    name: &'a str,
    service_name: &'a str,
    start_time_unix_nano: Text<u64>,
    end_time_unix_nano: Text<u64>,
    #[serde(skip_serializing_if = "ToldElsewhere::is_empty")]
    attributes: ToldElsewhere<'a>,
}

/// Those of a span's attributes that are told at the other end of a link.
struct ToldElsewhere<'a>(&'a [Attribute]);

impl ToldElsewhere<'_> {
    fn told(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter().filter(|attribute| TOLD_ELSEWHERE.contains(&&*attribute.key))
    }

    fn is_empty(&self) -> bool {
        self.told().next().is_none()
    }
}

impl Serialize for ToldElsewhere<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.told().map(KeyValue::of))
    }
}

impl<'a> Elsewhere<'a> {
    fn of(span: &'a Span) -> Self {
        Self {
            attributes: ToldElsewhere(&span.attributes),
            name: &span.name,
            service_name: span.service(),
            start_time_unix_nano: Text(span.start),
            end_time_unix_nano: Text(span.end),
        }
    }
}

/// A span that links here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    trace_id: Text<TraceId>,
    span_id: Text<SpanId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Elsewhere<'a>>,
}

impl<'a> Source<'a> {
    fn of(((trace, id), span): &'a (Place, Option<Arc<Span>>)) -> Self {
        let target = span.as_deref().map(Elsewhere::of);
        Self { trace_id: Text(*trace), span_id: Text(*id), target }
    }
}

fn link<'a>((link, target): (&'a Link, Option<&'a Target>)) -> impl Serialize + use<'a> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields<'a> {
        trace_id: Text<TraceId>,
        span_id: Text<SpanId>,
        #[serde(skip_serializing_if = "str::is_empty")]
        trace_state: &'a str,
        #[serde(skip_serializing_if = "Attributes::is_empty")]
        attributes: Attributes<'a>,
        #[serde(skip_serializing_if = "is_default")]
        dropped_attributes_count: u32,
        #[serde(skip_serializing_if = "is_default")]
        flags: u32,
        #[serde(skip_serializing_if = "is_default")]
        trace_held: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<Elsewhere<'a>>,
    }
    Fields {
        trace_id: Text(link.trace),
        span_id: Text(link.span),
        trace_state: &link.trace_state,
        attributes: Attributes(&link.attributes),
        dropped_attributes_count: link.dropped_attributes,
        flags: link.flags,
        trace_held: target.is_some_and(|target| target.trace_held),
        target: target.and_then(|target| target.span.as_deref()).map(Elsewhere::of),
    }
}

fn event(event: &Event) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields<'a> {
        #[serde(skip_serializing_if = "is_default")]
        time_unix_nano: Text<u64>,
        #[serde(skip_serializing_if = "str::is_empty")]
        name: &'a str,
        #[serde(skip_serializing_if = "Attributes::is_empty")]
        attributes: Attributes<'a>,
        #[serde(skip_serializing_if = "is_default")]
        dropped_attributes_count: u32,
    }
    Fields {
        time_unix_nano: Text(event.time),
        name: &event.name,
        attributes: Attributes(&event.attributes),
        dropped_attributes_count: event.dropped_attributes,
    }
}

/// A list of attributes.
struct Attributes<'a>(&'a [Attribute]);

impl Attributes<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(KeyValue::of))
    }
}

/// A span's attributes, and the remarks on it.
struct SpanAttributes<'a>(&'a AdjustedSpan);

impl Serialize for SpanAttributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for attribute in &self.0.span.attributes {
            list.serialize_element(&KeyValue::of(attribute))?;
        }
        if self.0.has_remarks() {
            let remarks = self.0.remarks().into_iter();
            let remarks =
                remarks.map(|remark| Value::String(remark.into_boxed_str().into())).collect();
            let value = &Value::Array(remarks);
            list.serialize_element(&KeyValue { key: REMARKS, value: AnyValue(value) })?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct KeyValue<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    key: &'a str,
    value: AnyValue<'a>,
}

impl<'a> KeyValue<'a> {
    fn of(attribute: &'a Attribute) -> Self {
        Self { key: &attribute.key, value: AnyValue(&attribute.value) }
    }
}

/// A value under the name of its type. It is written also where it is its type's default, because a
/// zero is not the same as no value.
struct AnyValue<'a>(&'a Value);

impl Serialize for AnyValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Values<L> {
            #[serde(skip_serializing_if = "Option::is_none")]
            values: Option<L>,
        }
        let mut one = serializer.serialize_map(None)?;
        match self.0 {
            Value::Empty => {}
            Value::String(text) => one.serialize_entry("stringValue", &**text)?,
            Value::Bool(truth) => one.serialize_entry("boolValue", truth)?,
            Value::Int(number) => one.serialize_entry("intValue", &Text(number))?,
            Value::Double(number) => match not_finite(number.0) {
                Some(name) => one.serialize_entry("doubleValue", name)?,
                None => one.serialize_entry("doubleValue", &number.0)?,
            },
            Value::Bytes(bytes) => one.serialize_entry("bytesValue", &base64(bytes))?,
            Value::Array(values) => {
                let list = List(|| values.iter().map(AnyValue));
                let values = (!values.is_empty()).then_some(list);
                one.serialize_entry("arrayValue", &Values { values })?;
            }
            Value::Map(entries) => {
                let values = (!entries.is_empty()).then_some(Attributes(entries));
                one.serialize_entry("kvlistValue", &Values { values })?;
            }
        }
        one.end()
    }
}
