//! The accounting adds up, while spans are on their way and at the end.

use crate::support::{assert_balanced, pipeline, settle, shutdown, story};
use std::sync::atomic::{AtomicBool, Ordering};
use testing::http::HttpReceiver;
use testing::otlp;

#[test]
fn totals_add_up_at_every_moment_under_load_and_agree_with_what_arrived() {
    const THREADS: usize = 4;
    const SPANS: usize = 5_000;
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "512"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "128"),
    ]);
    let accounting = pipeline.accounting();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let snapshot = accounting.snapshot();
                assert_balanced(&snapshot);
                assert!(snapshot.started >= snapshot.ended, "{snapshot}");
            }
        });
        let makers: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| story::end_spans(pipeline.tracers(), SPANS)))
            .collect();
        makers.into_iter().for_each(|maker| maker.join().expect("it made its spans"));
        over.store(true, Ordering::Relaxed);
        watcher.join().expect("the totals always added up");
    });
    let totals = shutdown(pipeline);

    assert_balanced(&totals);
    assert_eq!((totals.started, totals.ended), (20_000, 20_000));
    let [otlp] = &totals.exporters[..] else { panic!("{totals}") };
    assert_eq!((otlp.failed, otlp.queued), (0, 0));
    let received = otlp::from_protobuf(&receiver.received()).len();
    assert_eq!(otlp.exported, received as u64, "{totals}");
}

#[test]
fn spans_that_end_after_shutdown_are_not_counted() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    let tracers = pipeline.tracers().clone();
    let accounting = pipeline.accounting();
    story::end_spans(&tracers, 2);
    shutdown(pipeline);
    story::end_spans(&tracers, 2);
    let line = "telemetry: started=2 ended=2 | otlp exported=2 failed=0 dropped=0";
    assert_eq!(accounting.to_string(), line);
}

#[test]
fn a_queue_is_sent_when_its_delay_is_over() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
    ]);
    story::end_spans(pipeline.tracers(), 1);
    assert_eq!(settle(&pipeline.accounting()).exporters[0].exported, 1);
}

#[test]
fn without_exporters_spans_are_counted_and_nothing_else() {
    let pipeline = pipeline(&[("OTEL_TRACES_EXPORTER", "none")]);
    story::end_spans(pipeline.tracers(), 3);
    assert_eq!(shutdown(pipeline).to_string(), "telemetry: started=3 ended=3");
}
