//! The metrics that are exported if `OTEL_METRICS_EXPORTER` asks for them.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest, common::v1::any_value::Value,
    metrics::v1::ResourceMetrics,
};
use prost::Message;
use testing::http::HttpReceiver;

use crate::support::shopping::shop;

#[test]
fn each_service_measures_its_actors_and_its_own_spans() {
    let backend = HttpReceiver::answering(200);
    shop(
        &vec![
            ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
            ("OTEL_METRICS_EXPORTER", "otlp".to_owned()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url()),
        ],
        1,
    );

    let sent = names_by_service(&backend);
    for service in ["grocery-store", "shopper"] {
        let names = &sent[service];
        for name in [
            "actix.mailbox.depth",
            "actix.mailbox.wait.duration",
            "actix.message.duration",
            "otel.sdk.span.started",
        ] {
            assert!(names.contains(name), "{service} sent no {name}: {names:?}");
        }
    }
}

#[test]
fn nothing_is_measured_unless_it_is_asked_for() {
    let backend = HttpReceiver::answering(200);
    shop(&vec![("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url())], 1);
    assert_eq!(names_by_service(&backend), BTreeMap::new());
}

/// The names of the metrics that each service has sent.
fn names_by_service(backend: &HttpReceiver) -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for request in backend.received() {
        if request.path != "/v1/metrics" {
            continue;
        }
        let request = ExportMetricsServiceRequest::decode(&request.body[..]).unwrap();
        for metrics in request.resource_metrics {
            let of_service = names.entry(service_name(&metrics)).or_default();
            let scopes = metrics.scope_metrics.into_iter();
            of_service.extend(scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name));
        }
    }
    names
}

fn service_name(metrics: &ResourceMetrics) -> String {
    let attributes = metrics.resource.iter().flat_map(|resource| &resource.attributes);
    let name = attributes
        .filter(|attribute| attribute.key == "service.name")
        .find_map(|attribute| attribute.value.as_ref()?.value.clone());
    match name {
        Some(Value::StringValue(name)) => name,
        other => panic!("a service has a name, and not {other:?}"),
    }
}
