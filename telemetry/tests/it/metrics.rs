//! The accounting and the process as metrics, as they arrive by OTLP.

use crate::logs::emit;
use crate::support::{impatient, pipeline, shutdown, story};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    HistogramDataPoint, Metric, metric::Data, number_data_point::Value,
};
use opentelemetry_sdk::trace::Span as SdkSpan;
use prost::Message as _;
use std::collections::BTreeSet;
use std::time::Duration;
use telemetry::Pipeline;
use testing::http::{Answer, HANG, HttpReceiver};
use testing::tls::{TlsFront, certificate};
use testing::{otlp, ports, wait_until};

/// The batch processor of the first exporter, and of the second.
const PROCESSORS: [&str; 2] = [
    "otel.component.name=batching_span_processor/0 otel.component.type=batching_span_processor",
    "otel.component.name=batching_span_processor/1 otel.component.type=batching_span_processor",
];

/// The attributes of an exporter of this type that sends to `receiver`.
fn exporter(kind: &str, receiver: &HttpReceiver) -> String {
    let port = receiver.address.port();
    format!(
        "otel.component.name={kind}/0 otel.component.type={kind} server.address=127.0.0.1 \
         server.port={port}"
    )
}

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

    let otlp = exporter("otlp_http_span_exporter", &receiver);
    let zipkin = exporter("zipkin_http_span_exporter", &refusing);
    let [first, second] = PROCESSORS;
    let expected = [
        format!("otel.sdk.exporter.span.exported {otlp} 3"),
        format!("otel.sdk.exporter.span.exported {zipkin} 0"),
        format!("otel.sdk.exporter.span.exported error.type=503 {zipkin} 3"),
        format!("otel.sdk.exporter.span.inflight {otlp} 0"),
        format!("otel.sdk.exporter.span.inflight {zipkin} 0"),
        format!("otel.sdk.processor.span.processed {first} 3"),
        format!("otel.sdk.processor.span.processed {second} 3"),
        format!("otel.sdk.processor.span.processed error.type=queue_full {first} 0"),
        format!("otel.sdk.processor.span.processed error.type=queue_full {second} 0"),
        format!("otel.sdk.processor.span.queue.capacity {first} 32768"),
        format!("otel.sdk.processor.span.queue.capacity {second} 32768"),
        format!("otel.sdk.processor.span.queue.size {first} 0"),
        format!("otel.sdk.processor.span.queue.size {second} 0"),
        "otel.sdk.span.live otel.span.sampling_result=RECORD_AND_SAMPLE 0".to_owned(),
        "otel.sdk.span.started otel.span.parent.origin=none \
         otel.span.sampling_result=RECORD_AND_SAMPLE 3"
            .to_owned(),
    ];
    let spans: BTreeSet<_> =
        points(&last(&receiver)).into_iter().filter(|point| point.contains(".span.")).collect();
    assert_eq!(spans, expected.into());

    let durations = histograms(&last(&receiver), "otel.sdk.exporter.operation.duration");
    let counts: BTreeSet<_> =
        durations.iter().map(|(attributes, point)| (&attributes[..], point.count)).collect();
    let refused = format!("error.type=503 {zipkin}");
    assert_eq!(counts, [(&otlp[..], 1), (&refused[..], 1)].into());
}

/// The points of the metrics about log records, without those about spans.
fn log_points(receiver: &HttpReceiver) -> BTreeSet<String> {
    let is_of_logs = |point: &String| point.contains(".log.");
    points(&last(receiver)).into_iter().filter(is_of_logs).collect()
}

/// The attributes of the processor of log records with this index.
fn log_processor(index: usize) -> String {
    let kind = "batching_log_processor";
    format!("otel.component.name={kind}/{index} otel.component.type={kind}")
}

#[test]
fn the_last_metrics_agree_with_the_accounting_of_log_records() {
    let receiver = HttpReceiver::answering(200);
    let refusing = HttpReceiver::answering(503);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp,console"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &refusing.url()),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "1"),
    ]);
    emit(&pipeline, 3);
    let line = shutdown(pipeline).to_string();
    let logs =
        "logs otlp exported=0 failed=3 dropped=0 | logs console exported=3 failed=0 dropped=0";
    assert!(line.ends_with(logs), "{line}");

    let otlp = exporter("otlp_http_log_exporter", &refusing);
    let kind = "telemetry::console::LogPrinter";
    let console = format!("otel.component.name={kind}/0 otel.component.type={kind}");
    let [first, second] = [0, 1].map(log_processor);
    let expected = [
        "otel.sdk.log.created 3".to_owned(),
        format!("otel.sdk.exporter.log.exported {console} 3"),
        format!("otel.sdk.exporter.log.exported {otlp} 0"),
        format!("otel.sdk.exporter.log.exported error.type=503 {otlp} 3"),
        format!("otel.sdk.exporter.log.inflight {console} 0"),
        format!("otel.sdk.exporter.log.inflight {otlp} 0"),
        format!("otel.sdk.processor.log.processed {first} 3"),
        format!("otel.sdk.processor.log.processed {second} 3"),
        format!("otel.sdk.processor.log.processed error.type=queue_full {first} 0"),
        format!("otel.sdk.processor.log.processed error.type=queue_full {second} 0"),
        format!("otel.sdk.processor.log.queue.capacity {first} 2048"),
        format!("otel.sdk.processor.log.queue.capacity {second} 2048"),
        format!("otel.sdk.processor.log.queue.size {first} 0"),
        format!("otel.sdk.processor.log.queue.size {second} 0"),
    ];
    assert_eq!(log_points(&receiver), expected.into());
}

#[test]
fn log_records_that_find_the_queue_full_or_are_cut_off_at_the_end_are_causes_of_their_own() {
    let receiver = HttpReceiver::answering(200);
    let hanging = HttpReceiver::answering(HANG);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &hanging.url()),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "0"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "2"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "1"),
    ]);
    emit(&pipeline, 1);
    wait_until("a batch is hanging", || hanging.hanging() == 1);
    emit(&pipeline, 5);
    pipeline.meters().expect("metrics are exported").force_flush().expect("they are taken");
    let otlp = exporter("otlp_http_log_exporter", &hanging);
    let processor = log_processor(0);
    let mut expected = BTreeSet::from([
        "otel.sdk.log.created 6".to_owned(),
        format!("otel.sdk.exporter.log.exported {otlp} 0"),
        format!("otel.sdk.exporter.log.inflight {otlp} 1"),
        format!("otel.sdk.processor.log.processed {processor} 1"),
        format!("otel.sdk.processor.log.processed error.type=queue_full {processor} 3"),
        format!("otel.sdk.processor.log.queue.capacity {processor} 2"),
        format!("otel.sdk.processor.log.queue.size {processor} 2"),
    ]);
    assert_eq!(log_points(&receiver), expected);

    let accounting = pipeline.accounting();
    pipeline.shutdown_within(Duration::from_secs(5));
    expected.remove(&format!("otel.sdk.processor.log.queue.size {processor} 2"));
    expected.insert(format!("otel.sdk.processor.log.queue.size {processor} 0"));
    let given_up = "otel.sdk.processor.log.processed error.type=already_shutdown";
    expected.insert(format!("{given_up} {processor} 2"));
    assert_eq!(log_points(&receiver), expected);
    let logs = accounting.snapshot().logs.expect("logs are exported");
    assert_eq!((logs.emitted, logs.exporters[0].dropped), (6, 6));
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

    let otlp = exporter("otlp_http_span_exporter", &traces);
    let zipkin = exporter("zipkin_http_span_exporter", &hanging);
    let [first, second] = PROCESSORS;
    let on_their_way = points(&last(&receiver));
    for expected in [
        format!("otel.sdk.exporter.span.exported {otlp} 2"),
        format!("otel.sdk.exporter.span.exported error.type=rejected {otlp} 6"),
        format!("otel.sdk.exporter.span.inflight {zipkin} 4"),
        format!("otel.sdk.processor.span.processed {first} 8"),
        format!("otel.sdk.processor.span.processed {second} 4"),
        format!("otel.sdk.processor.span.queue.size {second} 4"),
    ] {
        assert!(on_their_way.contains(&expected), "{expected} in {on_their_way:#?}");
    }

    // What is cut off at the end is still in flight, and what waited was given up.
    let accounting = pipeline.accounting();
    pipeline.shutdown_within(Duration::from_secs(5));
    let cut_off = points(&last(&receiver));
    for expected in [
        format!("otel.sdk.exporter.span.exported {zipkin} 0"),
        format!("otel.sdk.exporter.span.inflight {zipkin} 4"),
        format!("otel.sdk.processor.span.processed {second} 4"),
        format!("otel.sdk.processor.span.processed error.type=already_shutdown {second} 4"),
        format!("otel.sdk.processor.span.queue.size {second} 0"),
    ] {
        assert!(cut_off.contains(&expected), "{expected} in {cut_off:#?}");
    }
    assert_eq!(accounting.snapshot().exporters[1].dropped, 8);
}

#[test]
fn a_queue_that_is_full_is_a_cause_of_its_own() {
    let hanging = HttpReceiver::answering(HANG);
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &hanging.url()),
        ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "2"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
    ]);
    story::end_spans(pipeline.tracers(), 1);
    wait_until("a batch is hanging", || hanging.hanging() == 1);
    story::end_spans(pipeline.tracers(), 5);
    pipeline.meters().expect("metrics are exported").force_flush().expect("they are taken");
    assert_eq!(pipeline.accounting().snapshot().exporters[0].dropped, 3);
    let points = points(&last(&receiver));
    let [first, _] = PROCESSORS;
    for expected in [
        format!("otel.sdk.processor.span.processed error.type=queue_full {first} 3"),
        format!("otel.sdk.processor.span.queue.size {first} 2"),
        format!("otel.sdk.processor.span.queue.capacity {first} 2"),
    ] {
        assert!(points.contains(&expected), "{expected} in {points:#?}");
    }
    pipeline.shutdown_within(Duration::from_millis(100));
}

/// A cause, the answer that leads to it unless there is no backend, and variables that are set.
type Failing<'a> = (&'a str, Option<Answer>, Vec<(&'a str, &'a str)>);

/// Each way in which a backend does not take spans is a cause of its own, and the failed spans of
/// the metrics are those of the accounting.
#[test]
fn the_causes_of_failures_are_told_apart() {
    let [nobody] = ports::free();
    let nobody = format!("http://{nobody}");
    let html = Answer::body(200, "text/html", "<html>");
    let behind = HttpReceiver::answering(200);
    let tls = TlsFront::start("self-signed", false, behind.address);
    let front = tls.url();
    let ca = certificate("ca.pem");
    let rows: Vec<Failing<'_>> = vec![
        ("400", Some(400.into()), vec![]),
        ("503", Some(503.into()), vec![]),
        ("302", Some(Answer::header(302, "location: http://127.0.0.1:1/")), vec![]),
        ("unexpected_answer", Some(html), vec![]),
        ("timeout", Some(HANG.into()), vec![("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "20")]),
        ("connection_broken", Some(Answer::Close), vec![]),
        ("connection_refused", None, vec![]),
        (
            "tls",
            None,
            vec![
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &front),
                ("OTEL_EXPORTER_OTLP_CERTIFICATE", &ca),
            ],
        ),
        (
            "host_not_found",
            None,
            vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://no-such-host.invalid")],
        ),
    ];
    for (cause, answer, more) in rows {
        let receiver = HttpReceiver::answering(200);
        let backend = answer.map(HttpReceiver::answering);
        let url = backend.as_ref().map_or(nobody.clone(), HttpReceiver::url);
        let metrics = receiver.url();
        let variables = [
            &more[..],
            &[
                ("OTEL_TRACES_EXPORTER", "otlp"),
                ("OTEL_METRICS_EXPORTER", "otlp"),
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &url),
                ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &metrics),
                ("OTEL_BSP_EXPORT_TIMEOUT", "1"),
            ],
        ]
        .concat();
        let pipeline = impatient(&variables);
        story::end_spans(pipeline.tracers(), 2);
        let totals = shutdown(pipeline);
        let [of] = &totals.exporters[..] else { panic!("{totals}") };
        assert_eq!((of.exported, of.failed), (0, 2), "{cause}: {totals}");
        let failed: Vec<_> = points(&last(&receiver))
            .into_iter()
            .filter_map(|point| {
                let point = point.strip_prefix("otel.sdk.exporter.span.exported error.type=")?;
                let (cause, rest) = point.split_once(' ')?;
                Some((cause.to_owned(), rest.rsplit(' ').next()?.to_owned()))
            })
            .collect();
        assert_eq!(failed, [(cause.to_owned(), "2".to_owned())]);
    }
}

#[test]
fn spans_that_are_not_recorded_count_as_started_by_where_their_parent_is() {
    let dropped = "otel.span.sampling_result=DROP";
    let sampled = "otel.span.sampling_result=RECORD_AND_SAMPLE";
    let started = "otel.sdk.span.started otel.span.parent.origin";
    let root = Context::new();
    assert_eq!(
        spans_started("always_off", |start| {
            let local = Context::new().with_span(start(&root));
            start(&local);
            start(&local);
        }),
        (0, vec![format!("{started}=local {dropped} 2"), format!("{started}=none {dropped} 1")])
    );
    assert_eq!(
        spans_started("parentbased_always_on", |start| {
            start(&remote(TraceFlags::SAMPLED)).end();
            start(&remote(TraceFlags::NOT_SAMPLED)).end();
            let is_open = Context::new().with_span(start(&root));
            start(&is_open).end();
            std::mem::forget(is_open);
        }),
        (
            3,
            vec![
                format!("otel.sdk.span.live {sampled} 1"),
                format!("{started}=local {sampled} 1"),
                format!("{started}=none {sampled} 1"),
                format!("{started}=remote {dropped} 1"),
                format!("{started}=remote {sampled} 1"),
            ]
        )
    );
}

fn remote(flags: TraceFlags) -> Context {
    let (trace, span) = (TraceId::from(1), SpanId::from(1));
    let parent = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    Context::new().with_remote_span_context(parent)
}

/// Lets `make` start spans with this sampler. Returns how many the accounting counts as started,
/// and the metrics of started and live spans.
fn spans_started(sampler: &str, make: impl Fn(&dyn Fn(&Context) -> SdkSpan)) -> (u64, Vec<String>) {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_TRACES_SAMPLER", sampler),
    ]);
    let tracer = pipeline.tracers().tracer("test");
    make(&|parent| tracer.start_with_context("span", parent));
    pipeline.meters().expect("metrics are exported").force_flush().expect("they are taken");
    let started = pipeline.accounting().snapshot().started;
    let points = points(&last(&receiver)).into_iter();
    let points = points.filter(|point| point.starts_with("otel.sdk.span.")).collect();
    shutdown(pipeline);
    (started, points)
}

/// All data points of the process have names of the conventions, and plausible values.
#[test]
fn the_process_is_measured() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    shutdown(pipeline);
    let request = last(&receiver);
    let value = |name: &str, attributes: &str| {
        let start = format!("{name} {attributes}");
        let points = points(&request);
        let mut found = points.iter().filter_map(|point| point.strip_prefix(&start));
        let value = found.next().unwrap_or_else(|| panic!("{name} in {points:#?}"));
        assert_eq!(found.next(), None, "one point of {start}");
        value.trim().parse::<f64>().expect("a number")
    };
    assert!(value("process.cpu.time", "cpu.mode=user") > 0.0);
    assert!(value("process.cpu.time", "cpu.mode=system") >= 0.0);
    let resident = value("process.memory.usage", "");
    assert!((1e6..1e11).contains(&resident), "{resident} bytes");
    assert!(value("process.memory.virtual", "") >= resident);
    assert!(value("process.unix.file_descriptor.count", "") >= 3.0);
    assert!(value("process.uptime", "") > 0.0);
    if cfg!(target_os = "linux") {
        assert!(value("process.thread.count", "") >= 2.0);
    }
    let units: BTreeSet<_> = metrics(&request)
        .filter(|metric| metric.name.starts_with("process."))
        .map(|metric| (metric.name.as_str(), metric.unit.as_str()))
        .collect();
    let mut expected = BTreeSet::from([
        ("process.cpu.time", "s"),
        ("process.memory.usage", "By"),
        ("process.memory.virtual", "By"),
        ("process.unix.file_descriptor.count", "{file_descriptor}"),
        ("process.uptime", "s"),
    ]);
    if cfg!(target_os = "linux") {
        expected.insert(("process.thread.count", "{thread}"));
    }
    assert_eq!(units, expected);
}

#[test]
fn data_points_are_accounted_for_like_spans() {
    let partial = r#"{"partialSuccess":{"rejectedDataPoints":"1"}}"#;
    let receiver = HttpReceiver::answering(200);
    receiver.answer_first([Answer::body(200, "application/json", partial), 400.into()]);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    let meters = pipeline.meters().expect("metrics are exported").clone();
    meters.force_flush().expect("it is taken in part");
    meters.force_flush().expect("it is refused, which the log says");
    meters.force_flush().expect("it is taken");
    let [first, second, third] = &receiver.requests()[..] else { panic!("three exports") };
    let count = |request: &testing::http::Received| {
        let request = ExportMetricsServiceRequest::decode(&request.body[..]).expect("protobuf");
        points(&request).len() + all_histograms(&request)
    };
    let request = ExportMetricsServiceRequest::decode(&third.body[..]).expect("protobuf");
    let points = points(&request);
    let otlp = exporter("otlp_http_metric_exporter", &receiver);
    let name = "otel.sdk.exporter.metric_data_point";
    for expected in [
        format!("{name}.exported {otlp} {}", count(first) - 1),
        format!("{name}.exported error.type=rejected {otlp} 1"),
        format!("{name}.exported error.type=400 {otlp} {}", count(second)),
        format!("{name}.inflight {otlp} 0"),
    ] {
        assert!(points.contains(&expected), "{expected} in {points:#?}");
    }
    shutdown(pipeline);
}

#[test]
fn histograms_of_seconds_reach_from_a_microsecond_to_minutes_and_others_keep_their_advice() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    record(&pipeline);
    shutdown(pipeline);
    let request = last(&receiver);
    let [(_, wait)] = &histograms(&request, "wait")[..] else { panic!("one point") };
    assert_eq!(
        wait.explicit_bounds,
        [
            1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2,
            2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0
        ]
    );
    assert_eq!((wait.count, wait.bucket_counts[2], wait.bucket_counts[19]), (2, 1, 1));
    let [(_, sizes)] = &histograms(&request, "size")[..] else { panic!("one point") };
    assert_eq!(sizes.explicit_bounds, [1.0, 10.0, 100.0]);
}

#[test]
fn exponential_histograms_arrive_if_they_are_asked_for() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "base2_exponential_bucket_histogram",
        ),
    ]);
    record(&pipeline);
    shutdown(pipeline);
    let request = last(&receiver);
    for (name, count, sum) in [("wait", 2, 2.000_004), ("size", 1, 7.0)] {
        let metric = metrics(&request).find(|metric| metric.name == name).expect(name);
        let Some(Data::ExponentialHistogram(histogram)) = &metric.data else {
            panic!("{metric:?}")
        };
        let [point] = &histogram.data_points[..] else { panic!("{metric:?}") };
        let positive = point.positive.as_ref().expect("values above zero");
        assert_eq!(positive.bucket_counts.iter().sum::<u64>(), count);
        assert_eq!((point.count, point.zero_count), (count, 0));
        assert!((point.sum.expect("a sum") - sum).abs() < 1e-12, "{point:?}");
    }
    assert!(all_histograms(&request) == 0, "no histogram has explicit bounds");
}

/// A stranger who can choose a value of an attribute cannot take memory without end.
#[test]
fn a_metric_keeps_two_thousand_sets_of_attributes_and_counts_the_rest_together() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    let meter = pipeline.meters().expect("metrics are exported").meter("test");
    let requests = meter.u64_counter("requests").build();
    for name in 0..2_100 {
        requests.add(1, &[KeyValue::new("name", name)]);
    }
    shutdown(pipeline);
    let points = points(&last(&receiver));
    let points: Vec<_> = points.iter().filter(|point| point.starts_with("requests ")).collect();
    assert_eq!(points.len(), 2_001);
    assert!(points.contains(&&"requests otel.metric.overflow=true 100".to_owned()));
}

/// What telemetry itself makes has the version of this crate and the address of the conventions
/// that it follows.
#[test]
fn the_resource_and_the_scope_say_which_conventions_they_follow() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    shutdown(pipeline);
    let request = last(&receiver);
    let [of_resource] = &request.resource_metrics[..] else { panic!("one resource") };
    let schema = "https://opentelemetry.io/schemas/1.42.0";
    assert_eq!(of_resource.schema_url, schema);
    let [of_scope] = &of_resource.scope_metrics[..] else { panic!("one scope") };
    assert_eq!(of_scope.schema_url, schema);
    let scope = of_scope.scope.as_ref().expect("a scope");
    assert_eq!((&scope.name[..], &scope.version[..]), ("telemetry", env!("CARGO_PKG_VERSION")));
    let resource = of_resource.resource.as_ref().expect("a resource");
    let attributes = otlp::attributes(&resource.attributes);
    let architectures = ["amd64", "arm64", "arm32", "ppc32", "ppc64", "s390x", "x86", "riscv64"];
    assert!(architectures.contains(&&attributes["host.arch"][..]), "{attributes:?}");
    let created = &attributes["process.creation.time"];
    assert!(humantime::parse_rfc3339(created).is_ok(), "{created}");
}

/// Records values in seconds, and one without a unit whose instrument advises bounds.
fn record(pipeline: &Pipeline) {
    let meter = pipeline.meters().expect("metrics are exported").meter("test");
    let wait = meter.f64_histogram("wait").with_unit("s").with_boundaries(vec![1.0]).build();
    wait.record(0.000_004, &[]);
    wait.record(2.0, &[]);
    let size = meter.u64_histogram("size").with_boundaries(vec![1.0, 10.0, 100.0]).build();
    size.record(7, &[KeyValue::new("kind", "batch")]);
}

/// The last export of metrics that `receiver` has taken.
fn last(receiver: &HttpReceiver) -> ExportMetricsServiceRequest {
    let requests = receiver.received();
    let last =
        requests.iter().rfind(|request| request.path.ends_with("/metrics") || request.path == "/");
    let last = last.expect("metrics");
    ExportMetricsServiceRequest::decode(&last.body[..]).expect("protobuf")
}

fn metrics(request: &ExportMetricsServiceRequest) -> impl Iterator<Item = &Metric> {
    request
        .resource_metrics
        .iter()
        .flat_map(|of_resource| &of_resource.scope_metrics)
        .flat_map(|of_scope| &of_scope.metrics)
}

/// Every data point of sums and gauges as `name key=value ... value`.
fn points(request: &ExportMetricsServiceRequest) -> BTreeSet<String> {
    metrics(request)
        .flat_map(|metric| {
            let points = match &metric.data {
                Some(Data::Sum(sum)) => &sum.data_points[..],
                Some(Data::Gauge(gauge)) => &gauge.data_points[..],
                _ => &[],
            };
            points.iter().map(|point| {
                let value = match point.value {
                    Some(Value::AsInt(value)) => value.to_string(),
                    Some(Value::AsDouble(value)) => value.to_string(),
                    None => panic!("{} has no value", metric.name),
                };
                let attributes: Vec<_> = otlp::attributes(&point.attributes)
                    .into_iter()
                    .map(|(key, value)| format!("{key}={value} "))
                    .collect();
                format!("{} {}{value}", metric.name, attributes.concat())
            })
        })
        .collect()
}

/// The data points of a histogram, each with its attributes as text.
fn histograms(
    request: &ExportMetricsServiceRequest,
    name: &str,
) -> Vec<(String, HistogramDataPoint)> {
    let metric = metrics(request).find(|metric| metric.name == name);
    let metric = metric.unwrap_or_else(|| panic!("there is no {name}"));
    let Some(Data::Histogram(histogram)) = &metric.data else { panic!("{metric:?}") };
    let points = histogram.data_points.iter().map(|point| {
        let attributes: Vec<_> = otlp::attributes(&point.attributes)
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        (attributes.join(" "), point.clone())
    });
    points.collect()
}

/// How many data points of histograms with explicit bounds there are.
fn all_histograms(request: &ExportMetricsServiceRequest) -> usize {
    let histograms = metrics(request).map(|metric| match &metric.data {
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        _ => 0,
    });
    histograms.sum()
}
