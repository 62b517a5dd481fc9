//! The accounting as metrics.

use crate::support::{pipeline, shutdown, story};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};
use prost::Message as _;
use std::collections::BTreeSet;
use std::time::Duration;
use testing::http::{Answer, HANG, HttpReceiver};
use testing::{otlp, wait_until};

#[test]
fn the_last_metrics_agree_with_the_accounting() {
    let receiver = HttpReceiver::answering(200);
    let refusing = HttpReceiver::answering(503);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp,zipkin"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &refusing.url()),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1"),
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
        "otel.sdk.exporter.span.exported {\"error.type\": \"rejected\", \"otel.component.name\": \"otlp\"} 0",
        "otel.sdk.exporter.span.exported {\"error.type\": \"rejected\", \"otel.component.name\": \"zipkin\"} 0",
        "otel.sdk.exporter.span.inflight {\"otel.component.name\": \"otlp\"} 0",
        "otel.sdk.exporter.span.inflight {\"otel.component.name\": \"zipkin\"} 0",
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

/// Spans that are queued, that are being sent and that were rejected are each counted once.
#[test]
fn spans_on_their_way_are_in_a_queue_or_in_flight_and_not_processed_twice() {
    let partial = r#"{"partialSuccess":{"rejectedSpans":"3"}}"#;
    let traces = HttpReceiver::answering(Answer::body(200, "application/json", partial));
    let hanging = HttpReceiver::answering(HANG);
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp,zipkin"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &traces.url()),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &hanging.url()),
        ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
        ("OTEL_BSP_SCHEDULE_DELAY", "60000"),
    ]);
    story::end_spans(pipeline.tracers(), 4);
    wait_until("a batch is hanging", || hanging.hanging() == 1);
    story::end_spans(pipeline.tracers(), 4);
    wait_until("the other backend has both", || {
        pipeline.accounting().snapshot().exporters[0].queued == 0
    });
    pipeline.meters().expect("metrics are exported").force_flush().expect("they are taken");

    let requests = receiver.received();
    let last = requests.last().expect("metrics");
    let metrics = ExportMetricsServiceRequest::decode(&last.body[..]).expect("protobuf");
    let points = points(&metrics);
    for expected in [
        "otel.sdk.exporter.span.exported {\"otel.component.name\": \"otlp\"} 2",
        "otel.sdk.exporter.span.exported {\"error.type\": \"rejected\", \"otel.component.name\": \"otlp\"} 6",
        "otel.sdk.exporter.span.exported {\"error.type\": \"export_failed\", \"otel.component.name\": \"otlp\"} 0",
        "otel.sdk.exporter.span.inflight {\"otel.component.name\": \"zipkin\"} 4",
        "otel.sdk.processor.span.processed {\"otel.component.name\": \"otlp\"} 8",
        "otel.sdk.processor.span.processed {\"otel.component.name\": \"zipkin\"} 4",
        "otel.sdk.processor.span.queue.size {\"otel.component.name\": \"zipkin\"} 4",
    ] {
        assert!(points.contains(expected), "{expected} in {points:#?}");
    }
    pipeline.shutdown_within(Duration::from_millis(100));
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
