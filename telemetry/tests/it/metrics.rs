//! The accounting, offered as metrics.

use crate::support::{pipeline, shutdown, story};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};
use prost::Message as _;
use std::collections::BTreeSet;
use testing::http::HttpReceiver;
use testing::otlp;

#[test]
fn the_last_metrics_say_what_the_accounting_says() {
    let receiver = HttpReceiver::answering(200);
    let refusing = HttpReceiver::answering(503);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp,zipkin"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &refusing.url()),
    ]);
    story::end_spans(pipeline.tracers(), 3);
    shutdown(pipeline);

    let requests = receiver.received();
    let last = requests.iter().rfind(|request| request.path == "/v1/metrics").expect("metrics");
    let metrics = ExportMetricsServiceRequest::decode(&last.body[..]).expect("protobuf");
    let expected = [
        "otel.sdk.exporter.span.exported {\"otel.component.name\": \"otlp\"} 3",
        "otel.sdk.exporter.span.exported {\"otel.component.name\": \"zipkin\"} 0",
        "otel.sdk.exporter.span.exported {\"error.type\": \"export_failed\", \"otel.component.name\": \"otlp\"} 0",
        "otel.sdk.exporter.span.exported {\"error.type\": \"export_failed\", \"otel.component.name\": \"zipkin\"} 3",
        "otel.sdk.processor.span.processed {\"otel.component.name\": \"otlp\"} 3",
        "otel.sdk.processor.span.processed {\"otel.component.name\": \"zipkin\"} 3",
        "otel.sdk.processor.span.processed {\"error.type\": \"queue_full\", \"otel.component.name\": \"otlp\"} 0",
        "otel.sdk.processor.span.processed {\"error.type\": \"queue_full\", \"otel.component.name\": \"zipkin\"} 0",
        "otel.sdk.processor.span.queue.size {\"otel.component.name\": \"otlp\"} 0",
        "otel.sdk.processor.span.queue.size {\"otel.component.name\": \"zipkin\"} 0",
        "otel.sdk.span.started {} 3",
    ];
    assert_eq!(points(&metrics), expected.map(str::to_owned).into());
}

/// Every data point as `name attributes value`.
fn points(request: &ExportMetricsServiceRequest) -> BTreeSet<String> {
    let metrics = request
        .resource_metrics
        .iter()
        .flat_map(|of_resource| &of_resource.scope_metrics)
        .flat_map(|of_scope| &of_scope.metrics);
    metrics
        .flat_map(|metric| {
            let Some(Data::Sum(sum)) = &metric.data else { panic!("{} is no sum", metric.name) };
            sum.data_points.iter().map(|point| {
                let Some(Value::AsInt(value)) = point.value else { panic!("no whole number") };
                format!("{} {:?} {value}", metric.name, otlp::attributes(&point.attributes))
            })
        })
        .collect()
}
