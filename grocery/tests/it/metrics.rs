//! What is measured beside the spans, where `OTEL_METRICS_EXPORTER` asks for it.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use testing::http::HttpReceiver;

use crate::support::shopping::shop;

#[test]
fn the_services_measure_their_actors_and_their_own_spans() {
    let backend = HttpReceiver::answering(200);
    shop(
        &vec![
            ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
            ("OTEL_METRICS_EXPORTER", "otlp".to_owned()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url()),
        ],
        1,
    );

    let sent = names(&backend);
    for name in [
        "actix.mailbox.depth",
        "actix.mailbox.wait.duration",
        "actix.message.duration",
        "otel.sdk.span.started",
    ] {
        assert!(sent.contains(name), "{name} is not among {sent:?}");
    }
}

#[test]
fn nothing_is_measured_unless_it_is_asked_for() {
    let backend = HttpReceiver::answering(200);
    shop(&vec![("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url())], 1);
    assert_eq!(names(&backend), BTreeSet::new());
}

fn names(backend: &HttpReceiver) -> BTreeSet<String> {
    let requests = backend.received();
    let bodies = requests.iter().filter(|request| request.path == "/v1/metrics");
    bodies
        .map(|request| ExportMetricsServiceRequest::decode(&request.body[..]).unwrap())
        .flat_map(|request| request.resource_metrics)
        .flat_map(|resource| resource.scope_metrics)
        .flat_map(|scope| scope.metrics)
        .map(|metric| metric.name)
        .collect()
}
