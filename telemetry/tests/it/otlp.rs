//! OTLP: each of its protocols carries the same spans, whole.

use crate::support::{assert_balanced, pipeline, shutdown, story};
use telemetry::Snapshot;
use testing::grpc::GrpcReceiver;
use testing::http::HttpReceiver;
use testing::otlp;
use testing::span::tree;

#[track_caller]
fn assert_all_exported(totals: &Snapshot, count: u64) {
    assert_balanced(totals);
    let [otlp] = &totals.exporters[..] else { panic!("{totals}") };
    assert_eq!((totals.ended, otlp.exported), (count, count), "{totals}");
}

#[test]
fn http_protobuf_carries_spans_whole() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    story::tell(pipeline.tracers());
    assert_all_exported(&shutdown(pipeline), 5);
    assert_eq!(tree(&otlp::from_protobuf(&receiver.received())), story::TREE);
}

#[test]
fn http_json_carries_spans_whole() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    story::tell(pipeline.tracers());
    assert_all_exported(&shutdown(pipeline), 5);
    assert_eq!(tree(&otlp::from_json(&receiver.received())), story::TREE);
}

#[test]
fn grpc_carries_spans_whole_compressed_and_with_headers() {
    let receiver = GrpcReceiver::start();
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.address.to_string()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=gro%2Ccery"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ]);
    story::tell(pipeline.tracers());
    assert_all_exported(&shutdown(pipeline), 5);

    let received = receiver.received();
    let spans: Vec<_> = received.iter().flat_map(|(_, request)| otlp::spans(request)).collect();
    assert_eq!(tree(&spans), story::TREE);
    for (metadata, _) in &received {
        assert_eq!(metadata.get("x-tenant").expect("the header"), "gro,cery");
        assert_eq!(metadata.get("grpc-encoding").expect("the encoding"), "gzip");
    }
}

#[test]
fn http_is_sent_compressed_with_headers_to_the_endpoint_of_traces_as_it_is() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1/unused"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{}/spans?team=veg", receiver.url())),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=general"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-tenant = gro%2Ccery , x-more=1"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ]);
    story::end_spans(pipeline.tracers(), 2);
    assert_all_exported(&shutdown(pipeline), 2);

    let received = receiver.received();
    assert_eq!(received[0].path, "/spans?team=veg");
    assert_eq!(received[0].headers["x-tenant"], "gro,cery");
    assert_eq!(received[0].headers["x-more"], "1");
    assert_eq!(received[0].headers["content-encoding"], "gzip");
}

#[test]
fn the_resource_says_which_process_of_which_service_it_is() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test, team=fruit%20%26%20veg"),
    ]);
    story::end_spans(pipeline.tracers(), 1);
    shutdown(pipeline);

    let span = otlp::from_protobuf(&receiver.received()).remove(0);
    let expected = [
        ("deployment.environment.name", "test"),
        ("process.pid", &std::process::id().to_string()),
        ("service.name", "grocery-store"),
        ("service.namespace", "grocery"),
        ("service.version", "1.2.3"),
        ("team", "fruit & veg"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "opentelemetry"),
    ];
    for (key, value) in expected {
        assert_eq!(span.resource[key], value, "{key}");
    }
    assert_eq!(span.resource["service.instance.id"].len(), 36, "a UUID");
    for key in ["host.arch", "os.type", "telemetry.sdk.version"] {
        assert!(span.resource.contains_key(key), "{key} in {:?}", span.resource);
    }
    let secret = "process.command_args";
    assert!(!span.resource.contains_key(secret), "a command line may hold a password");
}
