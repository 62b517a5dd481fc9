//! Log records: what is sent of an event, what becomes of it for each answer of a backend, and that
//! every record is accounted for.

use crate::support::Attempts::{self, Again, AtLeast, Exactly};
use crate::support::log::Log;
use crate::support::process::Process;
use crate::support::{assert_balanced, impatient, pipeline, settle, shutdown};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, trace::TraceState};
use std::sync::Arc;
use std::time::Duration;
use telemetry::{LogSnapshot, Pipeline};
use testing::grpc::{self, GrpcReceiver};
use testing::http::{Answer, HANG, HttpReceiver};
use testing::log_record::{self, LogRecord};
use testing::registry::seen::Seen;
use testing::wait_until;
use tonic::Status;
use tracing_subscriber::layer::SubscriberExt as _;

/// Runs `work`, whose events become records of this pipeline.
fn logging<T>(pipeline: &Pipeline, work: impl FnOnce() -> T) -> T {
    let records = pipeline.log_layer().expect("logs are exported");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(records), work)
}

/// Logs so many events.
pub(crate) fn emit(pipeline: &Pipeline, count: usize) {
    logging(pipeline, || (0..count).for_each(|number| tracing::info!(number, "one of many")));
}

fn logs(pipeline: &Pipeline) -> LogSnapshot {
    pipeline.accounting().snapshot().logs.expect("logs are exported")
}

/// The context of a span that comes from elsewhere.
fn in_span(flags: TraceFlags) -> Context {
    let span = SpanContext::new(
        TraceId::from(0xfeed_u128),
        SpanId::from(0xbeef_u64),
        flags,
        true,
        TraceState::default(),
    );
    Context::new().with_remote_span_context(span)
}

/// Logs the events of [`story`].
fn tell(pipeline: &Pipeline) {
    logging(pipeline, || {
        {
            let _attached = in_span(TraceFlags::SAMPLED).attach();
            tracing::warn!(
                name: "grocery.story.told",
                target: "story",
                text = "Käse \u{1f9c0}",
                int = -7,
                large = u64::MAX,
                double = 0.25,
                bool = true,
                exception.message = %std::io::Error::other("no cheese"),
                "sold {}", 3
            );
        }
        let _attached = in_span(TraceFlags::default()).attach();
        tracing::debug!("not sampled");
    });
    logging(pipeline, || tracing::error!("outside"));
}

/// The records that [`tell`] makes, without their times and their resource.
fn story() -> [LogRecord; 3] {
    let attributes = [
        ("text", "Käse \u{1f9c0}"),
        ("int", "-7"),
        ("large", "18446744073709551615"),
        ("double", "0.25"),
        ("bool", "true"),
        ("exception.message", "no cheese"),
    ];
    let ids = LogRecord {
        trace_id: "0000000000000000000000000000feed".to_owned(),
        span_id: "000000000000beef".to_owned(),
        ..LogRecord::default()
    };
    let here = LogRecord { scope: "it::logs".to_owned(), ..LogRecord::default() };
    [
        LogRecord {
            severity: "13 WARN".to_owned(),
            body: "sold 3".to_owned(),
            event_name: "grocery.story.told".to_owned(),
            scope: "story".to_owned(),
            flags: 1,
            attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..ids.clone()
        },
        LogRecord {
            severity: "5 DEBUG".to_owned(),
            body: "not sampled".to_owned(),
            scope: here.scope.clone(),
            ..ids
        },
        LogRecord { severity: "17 ERROR".to_owned(), body: "outside".to_owned(), ..here },
    ]
}

/// Compares with the story, in any order: records are grouped by their scope.
#[track_caller]
fn assert_story(mut records: Vec<LogRecord>) {
    let order = ["sold 3", "not sampled", "outside"];
    records.sort_by_key(|record| order.iter().position(|body| *body == record.body));
    for record in &mut records {
        assert_eq!(record.time_ns, record.observed_ns, "{record:?}");
        assert!(record.time_ns > 1_700_000_000_000_000_000, "{record:?}");
        assert_eq!(record.resource["service.name"], "grocery-store");
        assert_eq!(record.resource["service.version"], "1.2.3");
        (record.time_ns, record.observed_ns) = (0, 0);
        record.resource.clear();
        let file = record.attributes.remove("code.file.path").expect("a file");
        assert!(file.ends_with("tests/it/logs.rs"), "{file}");
        let line = record.attributes.remove("code.line.number").expect("a line");
        assert!(line.parse::<u32>().is_ok(), "{line}");
    }
    assert_eq!(records, story());
}

#[track_caller]
fn assert_all_exported(pipeline: Pipeline, count: u64) {
    let totals = shutdown(pipeline);
    assert_balanced(&totals);
    let line =
        format!("telemetry: started=0 ended=0 | logs otlp exported={count} failed=0 dropped=0");
    assert_eq!(totals.to_string(), line);
    assert_eq!(totals.logs.expect("logs are exported").emitted, count);
}

#[test]
fn http_protobuf_carries_records_whole_compressed_and_with_headers() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-tenant=gro%2Ccery"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ]);
    tell(&pipeline);
    assert_all_exported(pipeline, 3);
    let received = receiver.received();
    assert_eq!(received[0].headers["x-tenant"], "gro,cery");
    assert_eq!(received[0].headers["content-encoding"], "gzip");
    assert_story(log_record::from_protobuf(&received));
}

#[test]
fn http_json_carries_records_whole() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    tell(&pipeline);
    assert_all_exported(pipeline, 3);
    assert_story(log_record::from_json(&receiver.received()));
}

#[test]
fn grpc_carries_records_whole_compressed_and_with_headers() {
    let receiver = GrpcReceiver::start();
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-tenant=gro%2Ccery"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip"),
    ]);
    tell(&pipeline);
    assert_all_exported(pipeline, 3);
    let received = receiver.logs();
    for (metadata, _) in &received {
        assert_eq!(metadata.get("x-tenant").expect("the header"), "gro,cery");
        assert_eq!(metadata.get("grpc-encoding").expect("the encoding"), "gzip");
    }
    assert_story(received.iter().flat_map(|(_, request)| log_record::records(request)).collect());
}

/// How many records there are in the tests of answers, all in one batch.
const RECORDS: usize = 4;

/// What must become of them: how many fail, how many of those are rejected, how often they are sent, and
/// what is said.
type Expected = ([u64; 2], Attempts, &'static str);

#[test]
fn only_records_that_a_backend_takes_are_exported() {
    let partial = r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too big"}}"#;
    let partial = Answer::body(200, "application/json", partial);
    let page = Answer::body(200, "text/html", "<html>hello</html>");
    let garbage = Answer::Bytes(b"\x01\x02 220 smtp\r\n".to_vec());
    let redirect = Answer::header(307, "location: http://127.0.0.1:1/");
    let (taken, lost) = ([0, 0], [RECORDS as u64, 0]);
    let rows: Vec<(Vec<Answer>, Answer, Expected)> = vec![
        (vec![], 200.into(), (taken, Exactly(1), "")),
        (vec![503.into(), 502.into()], 200.into(), (taken, Exactly(3), "answers 503")),
        (vec![429.into(), Answer::Close], 200.into(), (taken, Exactly(3), "answers 429")),
        (vec![Answer::Hang], 200.into(), (taken, AtLeast(2), "in 1s")),
        (vec![], partial, ([3, 3], Exactly(1), " rejected 3: \"too big\"")),
        (vec![], redirect, (lost, Exactly(1), "answers 307")),
        (vec![], page, (lost, Exactly(1), "a page of HTML")),
        (vec![], 404.into(), (lost, Exactly(1), "is the path right?")),
        (vec![], 503.into(), (lost, Again, "answers 503")),
        (vec![], Answer::Close, (lost, Again, "no answer from")),
        (vec![], Answer::Hang, (lost, Again, "in 1s")),
        (vec![], garbage, (lost, Again, "no answer from")),
    ];
    std::thread::scope(|scope| {
        for protocol in ["http/protobuf", "http/json"] {
            for (first, answer, expected) in rows.clone() {
                scope.spawn(move || check(protocol, first, answer, expected));
            }
        }
    });
}

fn check(protocol: &str, first: Vec<Answer>, answer: Answer, expected: Expected) {
    let context = format!("{protocol}: {first:?}, {answer:?}");
    let hangs = answer == Answer::Hang || first.contains(&Answer::Hang);
    let receiver = HttpReceiver::answering(answer);
    receiver.answer_first(first);
    let log = Log::start();
    let url = receiver.url();
    let pipeline = send(protocol, &url, hangs, expected.1.are_in_vain());
    let requests = receiver.requests();
    assert!(requests.iter().all(|request| request.path == "/v1/logs"), "{context}");
    let lines = log.lines(&receiver.address.to_string());
    assert_outcome(&context, pipeline, requests.len(), &lines, expected);
}

/// Sends the records, and waits until it is known what became of them.
fn send(protocol: &str, url: &str, hangs: bool, is_given_up: bool) -> Pipeline {
    let pipeline = impatient(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", if hangs { "1000" } else { "60000" }),
        ("OTEL_BLRP_EXPORT_TIMEOUT", if is_given_up { "4000" } else { "60000" }),
        // A full batch is sent at once, and whole.
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "4"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "60000"),
    ]);
    emit(&pipeline, RECORDS);
    settle(&pipeline.accounting());
    pipeline
}

fn assert_outcome(
    context: &str,
    pipeline: Pipeline,
    requests: usize,
    lines: &[String],
    ([failed, rejected], attempts, said): Expected,
) {
    let totals = shutdown(pipeline);
    assert_balanced(&totals);
    let of = &totals.logs.as_ref().expect("logs are exported").exporters[0];
    let got = [of.exported, of.failed, of.rejected, of.dropped];
    assert_eq!(got, [RECORDS as u64 - failed, failed, rejected, 0], "{context}: {totals}");
    attempts.assert(requests, context);
    match lines {
        [] => assert_eq!(said, "", "{context}"),
        [line] => assert!(!said.is_empty() && line.contains(said), "{context}: {line}"),
        _ => panic!("{context}: said once, but {lines:#?}"),
    }
}

#[test]
fn the_same_holds_over_grpc() {
    let busy = || grpc::Answer::Refused(Status::unavailable("busy"));
    let refused = || grpc::Answer::Refused(Status::invalid_argument("no"));
    let (taken, lost) = ([0, 0], [RECORDS as u64, 0]);
    let rows: Vec<(Vec<grpc::Answer>, grpc::Answer, Expected)> = vec![
        (vec![], grpc::Answer::Taken, (taken, Exactly(1), "")),
        (vec![busy(), busy()], grpc::Answer::Taken, (taken, Exactly(3), "answers Unavailable")),
        (vec![], grpc::Answer::Rejected(3), ([3, 3], Exactly(1), " rejected 3")),
        (vec![], refused(), (lost, Exactly(1), "answers InvalidArgument")),
        (vec![], busy(), (lost, Again, "answers Unavailable")),
        (vec![], grpc::Answer::Hang, (lost, Again, "in 1s")),
    ];
    std::thread::scope(|scope| {
        for (first, answer, expected) in rows {
            scope.spawn(move || {
                let context = format!("{first:?}, {answer:?}");
                let hangs = matches!(answer, grpc::Answer::Hang);
                let receiver = GrpcReceiver::start();
                receiver.answer(answer);
                receiver.answer_first(first);
                let log = Log::start();
                let pipeline = send("grpc", &receiver.url(), hangs, expected.1.are_in_vain());
                let lines = log.lines(&receiver.address.to_string());
                assert_outcome(&context, pipeline, receiver.requests(), &lines, expected);
            });
        }
    });
}

#[test]
fn a_full_queue_drops_records_of_its_own_exporter_and_counts_them() {
    let hanging = HttpReceiver::answering(HANG);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &hanging.url()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "16"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "4"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "60000"),
    ]);
    emit(&pipeline, 4);
    wait_until("the backend hangs", || hanging.hanging() == 1);
    emit(&pipeline, 100);
    let running = pipeline.accounting().snapshot();
    assert_balanced(&running);
    let of = logs(&pipeline).exporters[0].clone();
    assert_eq!((of.queued, of.in_flight, of.dropped), (20, 4, 84), "{running}");
    pipeline.shutdown_within(Duration::from_millis(200));
    let line = "telemetry: started=0 ended=0 | logs otlp exported=0 failed=0 dropped=104";
    assert_eq!(pipeline.accounting().to_string(), line);
    // Records that come later are not counted.
    emit(&pipeline, 1);
    assert_eq!(pipeline.accounting().to_string(), line);
}

#[test]
fn totals_add_up_at_every_moment_and_agree_with_what_arrived() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "64"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "16"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "1"),
    ]);
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..4).map(|_| scope.spawn(|| emit(&pipeline, 500))).collect();
        while makers.iter().any(|maker| !maker.is_finished()) {
            assert_balanced(&pipeline.accounting().snapshot());
        }
    });
    let totals = shutdown(pipeline);
    assert_balanced(&totals);
    let logs = totals.logs.expect("logs are exported");
    let of = &logs.exporters[0];
    assert_eq!((logs.emitted, of.failed, of.queued), (2_000, 0, 0), "{of:?}");
    let received = log_record::from_protobuf(&receiver.received()).len();
    assert_eq!(of.exported, received as u64, "{of:?}");
}

/// What is suppressed for the sake of exporters stays unsaid; what is only without spans is exported, in
/// the trace that it is in, if any. Neither makes a span, counts one, or has a caller's trace go on.
#[test]
fn records_are_made_without_spans_and_none_where_telemetry_is_suppressed() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    let tracer = pipeline.tracers().tracer("background");
    let spanless = telemetry::without_spans;
    let contexts = [
        ("background", spanless(&Context::new())),
        ("in a request", spanless(&in_span(TraceFlags::SAMPLED))),
        ("an exporter's", Context::new().with_telemetry_suppressed()),
        ("an exporter's in a request", in_span(TraceFlags::SAMPLED).with_telemetry_suppressed()),
    ];
    logging(&pipeline, || {
        for (body, cx) in contexts {
            let _attached = cx.clone().attach();
            tracing::warn!(name: "grocery.background", "{body}");
            // The thread looks at its context, which cannot be changed meanwhile.
            Context::map_current(|_| tracing::warn!(name: "grocery.background", "{body}, again"));
            let span = tracer.start("no span");
            assert!(!span.is_recording() && !span.span_context().is_valid(), "{body}");
            let mut headers = std::collections::HashMap::new();
            let of_request = cx.with_span(span);
            telemetry::propagator(&[telemetry::config::Propagator::TraceContext])
                .inject_context(&of_request, &mut headers);
            assert_eq!(headers.into_iter().collect::<Vec<_>>(), [], "{body}");
        }
    });
    let totals = shutdown(pipeline);
    assert_balanced(&totals);
    let line = "telemetry: started=0 ended=0 | otlp exported=0 failed=0 dropped=0 \
                | logs otlp exported=4 failed=0 dropped=0";
    assert_eq!(totals.to_string(), line);
    let records = log_record::from_protobuf(&receiver.received());
    let said: Vec<_> =
        records.iter().map(|one| (&one.body[..], &one.trace_id[..], one.flags)).collect();
    let trace = "0000000000000000000000000000feed";
    let expected = [
        ("background", "", 0),
        ("background, again", "", 0),
        ("in a request", trace, 1),
        ("in a request, again", trace, 1),
    ];
    assert_eq!(said, expected);
    assert!(records.iter().all(|one| one.time_ns == one.observed_ns && one.time_ns > 0));
}

/// The service's own crates are released with it, so their scopes have its version. `it`, which these
/// tests are in, is none of them.
#[test]
fn the_scopes_of_own_crates_have_a_version_and_a_schema_url() {
    let receiver = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    logging(&pipeline, || {
        tracing::info!(target: "grocer", "the crate");
        tracing::info!(target: "grocer::scales", "a module");
        tracing::info!(target: "grocers", "another crate");
        tracing::info!(target: "telemetry::health", "this crate");
        tracing::info!("a test");
    });
    shutdown(pipeline);
    let seen = Seen::of(&receiver.received());
    let mut scopes: Vec<_> = (seen.logs.iter())
        .map(|log| [&log.origin.scope[..], &log.origin.version, &log.origin.schema_url])
        .collect();
    scopes.sort_unstable();
    let schema = opentelemetry_semantic_conventions::SCHEMA_URL;
    let expected = [
        ["grocer", "1.2.3", schema],
        ["grocer::scales", "1.2.3", schema],
        ["grocers", "", ""],
        ["it::logs", "", ""],
        ["telemetry::health", env!("CARGO_PKG_VERSION"), schema],
    ];
    assert_eq!(scopes, expected);
}

/// The only record that these variables let through of what `work` logs.
fn limited(variables: &[(&str, &str)], work: impl FnOnce()) -> LogRecord {
    let receiver = HttpReceiver::answering(200);
    let url = receiver.url();
    let to = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
    ];
    let pipeline = pipeline(&[&to[..], variables].concat());
    logging(&pipeline, work);
    shutdown(pipeline);
    let mut records = log_record::from_protobuf(&receiver.received());
    assert_eq!(records.len(), 1);
    let mut record = records.remove(0);
    record.attributes.retain(|name, _| !name.starts_with("code."));
    record
}

fn attributes(record: &LogRecord) -> Vec<(&str, &str)> {
    record.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn a_record_has_no_more_and_no_longer_attributes_than_allowed() {
    let work = || tracing::info!(a = "äöü", b = 1234, c = "xyz", "a body that is long");
    let record = limited(&[("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "2")], work);
    assert_eq!(attributes(&record), [("a", "äöü"), ("b", "1234")]);
    let record = limited(&[("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "0")], work);
    assert_eq!(attributes(&record), []);
    let own = ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "2");
    let record = limited(&[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1"), own], work);
    assert_eq!(attributes(&record), [("a", "äö"), ("b", "1234"), ("c", "xy")]);
    // The body is no attribute.
    assert_eq!(record.body, "a body that is long");
    assert_eq!((record.severity.as_str(), record.scope.as_str()), ("9 INFO", "it::logs"));
}

/// 32 KiB of text, whatever a client has put into it.
#[test]
fn a_record_is_no_larger_than_its_limit() {
    let text = |bytes: usize| "é".repeat(bytes / 2);
    let record = limited(&[], || tracing::info!(a = text(12_768), b = 1, "{}", text(20_000)));
    assert_eq!((record.body.len(), record.attributes["a"].len()), (20_000, 12_768), "all fits");
    let record = limited(&[], || tracing::info!(a = text(12_770), b = 1, "{}", text(20_000)));
    assert_eq!((record.body.len(), record.attributes["a"].len()), (20_000, 12_768));
    assert_eq!(record.attributes["b"], "1");
    let record = limited(&[], || tracing::info!(a = "x", b = 1, "{}", text(1_000_000)));
    assert_eq!(record.body, text(32_768));
    assert_eq!(attributes(&record), [("a", ""), ("b", "1")]);
}

/// While spans are still being sent, log records that were waiting have been sent, and one that is
/// written now is sent too.
#[test]
fn records_that_are_written_while_the_process_ends_are_sent_too() {
    let spans = HttpReceiver::answering(503);
    let receiver = HttpReceiver::answering(200);
    let pipeline = Arc::new(impatient(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &spans.url()),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &format!("{}/v1/logs", receiver.url())),
        ("OTEL_BSP_SCHEDULE_DELAY", "60000"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "60000"),
    ]));
    crate::support::story::end_spans(pipeline.tracers(), 1);
    emit(&pipeline, 1);
    let ending = Arc::clone(&pipeline);
    let ended = std::thread::spawn(move || ending.shutdown_within(testing::PATIENCE));
    wait_until("what was waiting has been sent", || {
        log_record::from_protobuf(&receiver.received()).len() == 1
    });
    logging(&pipeline, || tracing::info!("the last"));
    spans.answer(200);
    ended.join().expect("it ends");

    let records = log_record::from_protobuf(&receiver.received());
    assert_eq!(records.last().expect("records").body, "the last");
    let expected = "telemetry: started=1 ended=1 | otlp exported=1 failed=0 dropped=0 \
                    | logs otlp exported=2 failed=0 dropped=0";
    assert_eq!(pipeline.accounting().to_string(), expected);
}

/// The real clock, and a limit that is long enough for a busy machine.
#[test]
fn the_end_is_bounded_with_logs_too() {
    let silent = HttpReceiver::answering(HANG);
    let pipeline = impatient(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &silent.url()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
    ]);
    crate::support::story::end_spans(pipeline.tracers(), 3);
    emit(&pipeline, 2);
    let limit = Duration::from_secs(2);
    let start = std::time::Instant::now();
    pipeline.shutdown_within(limit);
    let took = start.elapsed();
    assert!(took < limit * 4, "{took:?}");
    let totals = pipeline.accounting().to_string();
    let expected = "telemetry: started=3 ended=3 | otlp exported=0 failed=0 dropped=3 \
                    | logs otlp exported=0 failed=0 dropped=2";
    assert_eq!(totals, expected);
}

#[test]
fn a_disabled_sdk_exports_no_logs() {
    let pipeline = pipeline(&[("OTEL_SDK_DISABLED", "true"), ("OTEL_LOGS_EXPORTER", "otlp")]);
    assert!(pipeline.log_layer::<tracing_subscriber::Registry>().is_none());
    assert_eq!(shutdown(pipeline).to_string(), "telemetry: started=0 ended=0");
}

/// With everything logged, what the exporters' own threads log must not be exported: every export
/// would cause the next one.
#[test]
fn an_export_causes_no_records_even_if_everything_is_logged() {
    let http = HttpReceiver::answering(200);
    let grpc = GrpcReceiver::start();
    for (protocol, url) in
        [("http/protobuf", http.url()), ("http/json", http.url()), ("grpc", grpc.url())]
    {
        let process = Process::start(&[
            ("RUST_LOG", "trace"),
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "5"),
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
            ("OTEL_BSP_SCHEDULE_DELAY", "1"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "1"),
        ]);
        for _ in 0..20 {
            process.order("log weighing potatoes");
            process.order("settle");
        }
        let said = process.end();
        // The exporters did log, on standard error.
        let of_client = ["hyper", "h2::", "tower::"].map(|target| format!(" {target}"));
        let is_of_client = |line: &String| of_client.iter().any(|target| line.contains(target));
        assert!(said.iter().any(is_of_client), "{protocol}: {said:#?}");
        let records = match protocol {
            "http/protobuf" => log_record::from_protobuf(&http.received()),
            "http/json" => {
                let received = http.received().into_iter();
                let is_json = |one: &testing::http::Received| {
                    one.headers["content-type"] == "application/json"
                };
                log_record::from_json(&received.filter(is_json).collect::<Vec<_>>())
            }
            _ => grpc.logs().iter().flat_map(|(_, one)| log_record::records(one)).collect(),
        };
        let other: Vec<_> = records.iter().filter(|one| one.body != "weighing potatoes").collect();
        assert_eq!(records.len() - other.len(), 20, "{protocol}: {records:#?}");
        // What OpenTelemetry logs on the program's own threads, when it is asked for a tracer.
        assert!(
            other.iter().all(|one| one.scope.starts_with("opentelemetry")) && other.len() <= 40,
            "{protocol}: {other:#?}"
        );
    }
}

/// On standard error it is one line and a count; as records all occurrences are exported, and not
/// the line with the count.
#[test]
fn what_a_library_repeats_is_a_record_each_time() {
    let receiver = HttpReceiver::answering(200);
    let process = Process::start(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    process.order("flood 100");
    let said = process.end();
    let lines: Vec<_> = said.iter().filter(|line| line.contains("no HTTP")).collect();
    assert_eq!(lines.len(), 2, "{said:#?}");
    assert!(lines[1].contains("actix_http said: no HTTP count=100"), "{said:#?}");
    let records = log_record::from_protobuf(&receiver.received());
    assert!(records.iter().all(|one| one.body == "no HTTP" && one.scope == "actix_http"));
    assert_eq!(records.len(), 100);
}

#[test]
fn the_console_has_the_record_and_standard_error_the_line() {
    let variables = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "console"),
        ("GROCERY_LOG_FORMAT", "json"),
    ];
    let process = Process::start(&variables);
    let ids = process.order("log weighing potatoes");
    let ended = process.ended();
    let (trace_id, span_id) = ids.split_once(' ').expect("two ids");
    let (trace_id, span_id) = (&trace_id["trace_id=".len()..], &span_id["span_id=".len()..]);

    let lines: Vec<_> = ended.stderr.iter().filter(|line| line.contains("weighing")).collect();
    let [line] = lines[..] else { panic!("{ended:#?}") };
    let mut line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let time = line.as_object_mut().and_then(|line| line.remove("timestamp"));
    assert!(time.is_some_and(|time| time.as_str().is_some_and(|time| time.ends_with('Z'))));
    let expected = serde_json::json!({
        "level": "INFO",
        "fields": { "message": "weighing potatoes", "answer": 42 },
        "target": "it::support::process",
        "trace_id": trace_id,
        "span_id": span_id,
        "trace_flags": "01",
    });
    assert_eq!(line, expected);
    let record = ended.stdout.split("Log #0\n").nth(1).expect("a record");
    for part in [
        "\tInstrumentation Scope\n\t\tName         : \"it::support::process\"\n",
        "\tSeverity     : INFO\n\tBody         : \"weighing potatoes\"\n",
        &format!("\tTraceId      : {trace_id}\n\tSpanId       : {span_id}\n\tTraceFlags   : 01\n"),
        "\t\t ->  answer: 42\n",
    ] {
        assert!(record.contains(part), "{part:?} in {record}");
    }
    let last = ended.last_line();
    assert!(last.ends_with(" | logs console exported=1 failed=0 dropped=0"), "{last}");
}

#[test]
fn a_record_on_the_console_is_an_object_if_json_is_asked_for() {
    let process = Process::start(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "console"),
        ("OTEL_EXPORTER_CONSOLE_FORMAT", "json"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=veg"),
    ]);
    let ids = process.order("log weighing potatoes");
    let ended = process.ended();
    let start = ended.stdout.find('{').expect("an object");
    let mut objects = serde_json::Deserializer::from_str(&ended.stdout[start..]).into_iter();
    let mut record: serde_json::Value = objects.next().expect("an object").expect("JSON");
    let ids = ids.replace("trace_id=", "0x").replace("span_id=", "0x");
    let (trace_id, span_id) = ids.split_once(' ').expect("two ids");
    let object = record.as_object_mut().expect("an object");
    let resource = object.remove("resource").expect("a resource");
    assert_eq!(resource["team"], "veg");
    assert_eq!(object.remove("timestamp"), object.remove("observed_timestamp"));
    let attributes = object.remove("attributes").expect("attributes");
    assert_eq!(attributes["answer"], 42);
    let expected = serde_json::json!({
        "body": "weighing potatoes",
        "event_name": null,
        "severity_number": 9,
        "severity_text": "INFO",
        "trace_id": trace_id,
        "span_id": span_id,
        "trace_flags": 1,
        "scope": { "name": "it::support::process" },
    });
    assert_eq!(record, expected);
}

#[test]
fn what_no_filter_lets_through_costs_nothing() {
    let level = |variables: &[(&str, &str)]| {
        let process = Process::start(variables);
        let level = process.order("level of both");
        process.end();
        level
    };
    let none = ("OTEL_TRACES_EXPORTER", "none");
    // Not even the macros of debug events, and of the crate `log`, look further than the level.
    assert_eq!(level(&[none]), "info INFO");
    assert_eq!(level(&[none, ("OTEL_SDK_DISABLED", "true"), ("RUST_LOG", "warn")]), "warn WARN");
    assert_eq!(level(&[none, ("RUST_LOG", "warn,store=debug")]), "debug DEBUG");
}
