//! Zipkin's JSON carries the same spans as OTLP, as far as Zipkin has fields for them.

use crate::support::{pipeline, shutdown, story};
use testing::http::HttpReceiver;
use testing::span::{Span, sorted};
use testing::{otlp, zipkin};

#[test]
fn zipkin_gets_the_spans_that_otlp_gets() {
    let receiver = HttpReceiver::answering(200);
    let backend = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp,zipkin"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &format!("{}/api/v2/spans", backend.url())),
    ]);
    story::tell(pipeline.tracers());
    let totals = shutdown(pipeline);

    let expected = "telemetry: started=5 ended=5 | otlp exported=5 failed=0 dropped=0 \
                    | zipkin exported=5 failed=0 dropped=0";
    assert_eq!(totals.to_string(), expected);
    let got = zipkin::from_json(&backend.received());
    assert_eq!(got.len(), 5);
    let sent = otlp::from_protobuf(&receiver.received());
    assert_eq!(sorted(got), sorted(sent.into_iter().map(as_zipkin_has_it).collect()));
}

/// The parts of a span that Zipkin has: of the resource the service's name, of events their names,
/// and no links and no trace state.
fn as_zipkin_has_it(mut span: Span) -> Span {
    span.resource.retain(|key, _| key == "service.name");
    span.events.iter_mut().for_each(|event| event.attributes.clear());
    span.links.clear();
    span.attributes.remove("w3c.tracestate");
    span
}
