//! Zipkin's JSON carries what OTLP carries, as far as Zipkin has a place for it.

use crate::support::http::{HttpReceiver, Received};
use crate::support::span::{Attributes, Event, Span, sorted};
use crate::support::{otlp, pipeline, shutdown, story};
use serde_json::Value;

#[test]
fn zipkin_gets_the_spans_that_otlp_gets() {
    let receiver = HttpReceiver::answering(200);
    let zipkin = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp,zipkin"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &format!("{}/api/v2/spans", zipkin.url())),
    ]);
    story::tell(pipeline.tracers());
    let totals = shutdown(pipeline);

    let expected = "telemetry: started=5 ended=5 | otlp exported=5 failed=0 dropped=0 \
                    | zipkin exported=5 failed=0 dropped=0";
    assert_eq!(totals.to_string(), expected);
    let got = spans(&zipkin.received());
    assert_eq!(got.len(), 5);
    let sent = otlp::from_protobuf(&receiver.received());
    assert_eq!(sorted(got), sorted(sent.into_iter().map(as_zipkin_can_tell).collect()));
}

/// What Zipkin can hold of a span: of the resource the service's name, of events their names, and
/// no links and no trace state.
fn as_zipkin_can_tell(mut span: Span) -> Span {
    span.resource.retain(|key, _| key == "service.name");
    span.events.iter_mut().for_each(|event| event.attributes.clear());
    span.links.clear();
    span.attributes.remove("w3c.tracestate");
    span
}

fn spans(requests: &[Received]) -> Vec<Span> {
    requests
        .iter()
        .flat_map(|request| {
            assert_eq!(request.path, "/api/v2/spans");
            assert_eq!(request.headers["content-type"], "application/json");
            let spans: Vec<Value> = serde_json::from_slice(&request.body).expect("JSON");
            spans.iter().map(span).collect::<Vec<_>>()
        })
        .collect()
}

/// The fields of a span: <https://zipkin.io/zipkin-api/#/default/post_spans>
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
