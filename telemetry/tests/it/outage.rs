//! Backends that answer 503, hang or are not there: waiting is bounded, and every span is counted.

use crate::support::held::HeldReceiver;
use crate::support::log::Log;
use crate::support::{assert_balanced, pipeline, shutdown, story};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use std::time::Duration;
use telemetry::ExporterTotals;
use testing::http::{HANG, HttpReceiver};
use testing::{otlp, wait_until};

#[test]
fn spans_that_a_backend_refuses_are_counted_as_failed() {
    let receiver = HttpReceiver::answering(503);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1"),
    ]);
    story::end_spans(pipeline.tracers(), 10);
    let totals = shutdown(pipeline).to_string();
    assert_eq!(totals, "telemetry: started=10 ended=10 | otlp exported=0 failed=10 dropped=0");
}

#[test]
fn spans_for_a_backend_that_is_absent_are_counted_as_failed() {
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp,zipkin"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://127.0.0.1:1"),
    ]);
    story::end_spans(pipeline.tracers(), 10);
    let expected = "telemetry: started=10 ended=10 | otlp exported=0 failed=10 dropped=0 \
                    | zipkin exported=0 failed=10 dropped=0";
    assert_eq!(shutdown(pipeline).to_string(), expected);
}

#[test]
fn shutting_down_does_not_wait_for_backends_that_hang_and_delivers_to_the_others() {
    let hanging = HttpReceiver::answering(HANG);
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "zipkin,otlp"),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &hanging.url()),
        ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "3600000"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    story::end_spans(pipeline.tracers(), 10);
    let expected = "telemetry: started=10 ended=10 | zipkin exported=0 failed=0 dropped=10 \
                    | otlp exported=10 failed=0 dropped=0";
    assert_eq!(shutdown(pipeline).to_string(), expected);
    assert_eq!(hanging.hanging(), 1, "the spans were sent there, and not given up before");
    assert_eq!(otlp::from_protobuf(&receiver.received()).len(), 10);
}

#[test]
fn a_hanging_backend_fills_its_own_queue_and_no_other() {
    let hanging = HttpReceiver::answering(HANG);
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "zipkin,otlp"),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &hanging.url()),
        ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "3600000"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
    ]);
    let accounting = pipeline.accounting();
    story::end_spans(pipeline.tracers(), 4);
    wait_until("the backend hangs", || hanging.hanging() == 1);
    let in_flight = accounting.snapshot().ended;
    // Each time no more spans than the other exporter's queue can take.
    for _ in 0..12 {
        story::end_spans(pipeline.tracers(), 8);
        wait_until("the other backend has them", || {
            let snapshot = accounting.snapshot();
            snapshot.exporters[1].exported == snapshot.ended
        });
    }

    let running = accounting.snapshot();
    assert_balanced(&running);
    assert_eq!((in_flight, running.ended), (4, 100));
    let zipkin = &running.exporters[0];
    assert_eq!((zipkin.exported, zipkin.failed), (0, 0), "{running}");
    // Of the first four, as many hang as were in the first batch; the queue holds 16.
    assert!((17..=20).contains(&zipkin.queued), "{running}");
    assert_eq!(zipkin.dropped, 100 - zipkin.queued, "{running}");

    let ended = shutdown(pipeline);
    let lost = ExporterTotals { name: "zipkin", dropped: 100, ..ExporterTotals::default() };
    assert_eq!(ended.exporters[0], lost);
    assert_eq!(ended.exporters[1].exported, 100);
}

#[test]
fn a_backend_that_hangs_longer_than_the_timeout_fails_the_batch() {
    let hanging = HttpReceiver::answering(HANG);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &hanging.url()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "50"),
    ]);
    story::end_spans(pipeline.tracers(), 3);
    let totals = shutdown(pipeline).to_string();
    assert_eq!(totals, "telemetry: started=3 ended=3 | otlp exported=0 failed=3 dropped=0");
}

/// What a service makes while a backend that is 100 ms away takes a batch: 840 spans at 400 trips a
/// second, and 4,000 at the most that two cores can do. By default there is room for eight times that.
#[test]
fn by_default_a_backend_that_is_far_away_loses_no_span() {
    const BATCH: usize = 4_096;
    const QUEUE: usize = 32_768;
    let far = HeldReceiver::start();
    let pipeline =
        pipeline(&[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &far.url())]);
    let accounting = pipeline.accounting();
    // A full batch wakes the exporter: its delay of five seconds is not what this waits for.
    story::end_spans(pipeline.tracers(), BATCH);
    let first = far.next();
    // The first batch is on its way, and has no answer yet.
    story::end_spans(pipeline.tracers(), QUEUE);
    let running = accounting.snapshot();
    assert_balanced(&running);
    let otlp = ExporterTotals {
        name: "otlp",
        queued: 36_864,
        in_flight: 4_096,
        ..ExporterTotals::default()
    };
    assert_eq!(running.exporters, [otlp], "{running}");
    // The memory is bounded: the queue is full now.
    story::end_spans(pipeline.tracers(), 2);

    far.answer(9);
    let ended = shutdown(pipeline).to_string();
    let expected = "telemetry: started=36866 ended=36866 | otlp exported=36864 failed=0 dropped=2";
    assert_eq!(ended, expected);
    let later = (0..8).map(|_| far.next());
    let sizes: Vec<_> = std::iter::once(first).chain(later).map(|body| spans_in(&body)).collect();
    assert_eq!(sizes, [BATCH; 9], "one request for each full batch, and all at the end");
}

fn spans_in(body: &[u8]) -> usize {
    let request = ExportTraceServiceRequest::decode(body).expect("protobuf");
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.map(|scope| scope.spans.len()).sum()
}

#[test]
fn a_backend_that_takes_requests_and_never_answers_is_named_once() {
    let hanging = HttpReceiver::answering(HANG);
    let log = Log::start();
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &hanging.url()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "3"),
    ]);
    let accounting = pipeline.accounting();
    story::end_spans(pipeline.tracers(), 3);
    wait_until("the backend hangs", || hanging.hanging() > 0);
    pipeline.shutdown_within(Duration::from_millis(100));
    let totals = "telemetry: started=3 ended=3 | otlp exported=0 failed=0 dropped=3";
    assert_eq!(accounting.to_string(), totals);
    let address = hanging.address;
    let [line] = &log.lines(&address.to_string())[..] else { panic!("{:#?}", log.lines("")) };
    let said = format!("no answer from {address} until the process ended");
    assert!(line.contains(&said), "{line}");
}
