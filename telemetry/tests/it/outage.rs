//! Backends that answer 503, hang or are not there: waiting is bounded, and every span is counted.

use crate::support::{assert_balanced, pipeline, shutdown, story};
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
