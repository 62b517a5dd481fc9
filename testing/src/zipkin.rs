//! Decodes Zipkin's JSON, version 2, into spans.

use serde_json::Value;

use super::{
    http::Received,
    span::{Attributes, Event, Span},
};

/// The spans in the bodies of requests.
pub fn from_json(requests: &[Received]) -> Vec<Span> {
    requests
        .iter()
        .flat_map(|request| {
            assert_eq!(request.path, "/api/v2/spans");
            assert_eq!(request.headers["content-type"], "application/json");
            spans(&request.body)
        })
        .collect()
}

/// The spans in one JSON list, the form in which a Zipkin server takes spans and returns them.
pub fn spans(json: &[u8]) -> Vec<Span> {
    let spans: Vec<Value> = serde_json::from_slice(json).expect("JSON");
    spans.iter().map(span).collect()
}

/// Reads a span. The names of its fields are from <https://zipkin.io/zipkin-api/#/default/post_spans>.
fn span(span: &Value) -> Span {
    let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
    let mut tags: Attributes = serde_json::from_value(span["tags"].clone()).expect("tags");
    let mut take = |key: &str| tags.remove(key);
    let scope = [take("otel.library.name"), take("otel.library.version")];
    let status = match (take("otel.status_code").as_deref(), take("error")) {
        (None, None) => "unset".to_owned(),
        (Some("OK"), None) => "ok".to_owned(),
        (Some("ERROR"), Some(why)) => format!("error: {why}"),
        other => panic!("no status is told by {other:?}"),
    };
    let service = span["localEndpoint"]["serviceName"].as_str().expect("a service").to_owned();
    assert!(span.get("parentId").is_none_or(|id| id != "0000000000000000"), "a root has no parent");
    Span {
        trace_id: text("traceId"),
        start_us: span["timestamp"].as_u64().expect("microseconds"),
        span_id: text("id"),
        parent_id: text("parentId"),
        name: text("name"),
        kind: match text("kind").as_str() {
            "CLIENT" => "client",
            "SERVER" => "server",
            "PRODUCER" => "producer",
            "CONSUMER" => "consumer",
            _ => "internal",
        },
        duration_us: span["duration"].as_u64().expect("microseconds"),
        status,
        scope: scope.into_iter().flatten().collect::<Vec<_>>().join(" "),
        attributes: tags,
        events: span["annotations"].as_array().into_iter().flatten().map(event).collect(),
        links: Vec::new(),
        resource: Attributes::from([("service.name".to_owned(), service)]),
    }
}

fn event(annotation: &Value) -> Event {
    Event {
        at_us: annotation["timestamp"].as_u64().expect("microseconds"),
        name: annotation["value"].as_str().expect("a name").to_owned(),
        attributes: Attributes::default(),
    }
}
