//! Spans as the viewer has them.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

/// The attribute that names the service of a span.
const SERVICE_NAME: &str = "service.name";

/// A span that has ended, with what a tree shows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    /// The id of its parent, or `None` for a root.
    pub(crate) parent: Option<String>,
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) status: Status,
    /// The trace and the span of each link.
    pub(crate) links: Vec<(String, String)>,
    /// The attributes whose values are text, numbers or truth values.
    pub(crate) attributes: BTreeMap<String, String>,
    /// When it started, in nanoseconds since 1970.
    pub(crate) start: u64,
    /// When it ended, in nanoseconds since 1970.
    pub(crate) end: u64,
}

/// The kind of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    #[default]
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// The status of a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    Unset,
    Ok,
    Error(String),
}

impl Span {
    /// Reads a trace in the form in which the viewer gives it to its page: OTLP's JSON.
    ///
    /// # Errors
    /// When it is not that.
    pub(crate) fn read_all(json: &[u8]) -> Result<Vec<Self>, serde_json::Error> {
        let trace: Trace = serde_json::from_slice(json)?;
        let spans = trace.resource_spans.into_iter().flat_map(|resource_spans| {
            let resource = texts(resource_spans.resource.attributes);
            let service = resource.get(SERVICE_NAME).cloned().unwrap_or_default();
            let spans = resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.map(move |span| span.of(service.clone()))
        });
        Ok(spans.collect())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "UNSPECIFIED",
            Self::Internal => "INTERNAL",
            Self::Server => "SERVER",
            Self::Client => "CLIENT",
            Self::Producer => "PRODUCER",
            Self::Consumer => "CONSUMER",
        })
    }
}

#[derive(Deserialize)]
struct Trace {
    #[serde(rename = "resourceSpans", default)]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    #[serde(default)]
    resource: Resource,
    #[serde(default)]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Default, Deserialize)]
struct Resource {
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct ScopeSpans {
    #[serde(default)]
    spans: Vec<OtlpSpan>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OtlpSpan {
    trace_id: String,
    span_id: String,
    #[serde(default)]
    parent_span_id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: u8,
    #[serde(default)]
    start_time_unix_nano: String,
    #[serde(default)]
    end_time_unix_nano: String,
    #[serde(default)]
    attributes: Vec<Attribute>,
    #[serde(default)]
    links: Vec<Link>,
    #[serde(default)]
    status: OtlpStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    trace_id: String,
    span_id: String,
}

#[derive(Default, Deserialize)]
struct OtlpStatus {
    #[serde(default)]
    code: u8,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Attribute {
    key: String,
    #[serde(default)]
    value: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Value {
    string_value: Option<String>,
    bool_value: Option<bool>,
    int_value: Option<serde_json::Value>,
    double_value: Option<serde_json::Value>,
}

impl OtlpSpan {
    fn of(self, service: String) -> Span {
        let nanoseconds = |text: &str| text.parse().unwrap_or_default();
        Span {
            start: nanoseconds(&self.start_time_unix_nano),
            end: nanoseconds(&self.end_time_unix_nano),
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent: Some(self.parent_span_id).filter(|id| !id.is_empty()),
            service,
            name: self.name,
            kind: match self.kind {
                1 => Kind::Internal,
                2 => Kind::Server,
                3 => Kind::Client,
                4 => Kind::Producer,
                5 => Kind::Consumer,
                _ => Kind::Unspecified,
            },
            status: match self.status.code {
                1 => Status::Ok,
                2 => Status::Error(self.status.message),
                _ => Status::Unset,
            },
            links: self.links.into_iter().map(|link| (link.trace_id, link.span_id)).collect(),
            attributes: texts(self.attributes),
        }
    }
}

fn texts(attributes: Vec<Attribute>) -> BTreeMap<String, String> {
    let text = |value: Value| {
        let number = value.int_value.or(value.double_value);
        let number = number.map(|number| match number {
            serde_json::Value::String(text) => text,
            number => number.to_string(),
        });
        value.string_value.or(number).or(value.bool_value.map(|truth| truth.to_string()))
    };
    attributes.into_iter().filter_map(|pair| Some((pair.key, text(pair.value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_as_the_viewer_writes_it() {
        let json = br#"{"trace_id":"t","resourceSpans":[{
            "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"store"}}]},
            "scopeSpans":[{"scope":{"name":"x"},"spans":[
                {"traceId":"aa","spanId":"01","parentSpanId":"02","name":"GET /","kind":2,
                 "startTimeUnixNano":"5","endTimeUnixNano":"7",
                 "attributes":[{"key":"n","value":{"intValue":"3"}},{"key":"b","value":{"boolValue":true}},
                               {"key":"list","value":{"arrayValue":{}}}],
                 "links":[{"traceId":"bb","spanId":"03","traceHeld":true}],
                 "status":{"code":2,"message":"sold out"}},
                {"traceId":"aa","spanId":"02"}]}]}]}"#;
        let attributes = [("n", "3"), ("b", "true")];
        let full = Span {
            trace_id: "aa".into(),
            span_id: "01".into(),
            parent: Some("02".into()),
            service: "store".into(),
            name: "GET /".into(),
            kind: Kind::Server,
            status: Status::Error("sold out".into()),
            links: vec![("bb".into(), "03".into())],
            attributes: attributes.map(|(key, value)| (key.into(), value.into())).into(),
            start: 5,
            end: 7,
        };
        let bare = Span {
            trace_id: "aa".into(),
            span_id: "02".into(),
            service: "store".into(),
            ..Span::default()
        };
        assert_eq!(Span::read_all(json).unwrap(), [full, bare]);
        assert!(Span::read_all(br#"{"resourceSpans":7}"#).is_err());
        assert!(Span::read_all(b"<html>").is_err());
    }
}
