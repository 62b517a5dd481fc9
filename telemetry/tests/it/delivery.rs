//! What becomes of spans for each answer of a backend: whether they are exported, sent again or
//! lost, what is logged, and that no secret goes to another host.
//!
//! Each table has every exporter with every kind of backend.

use crate::support::log::Log;
use crate::support::{Attempts, assert_balanced, impatient, settle, shutdown, story};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message as _;
use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::time::Duration;
use testing::http::{Answer, HttpReceiver, Received};
use testing::{PATIENCE, wait_until};
use testing::{grpc, grpc::GrpcReceiver};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// How long an attempt at a backend that hangs may take.
const HANGS_MS: &str = "1000";

/// How long a batch may be tried that is lost in the end.
const LIMIT_MS: &str = "4000";

/// Spans that are sent in each test, in one batch.
const SPANS: usize = 4;

/// An exporter over HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Exporter {
    Protobuf,
    Json,
    Zipkin,
    #[cfg(feature = "jaeger")]
    Jaeger,
}

const EXPORTERS: &[Exporter] = &[
    Exporter::Protobuf,
    Exporter::Json,
    Exporter::Zipkin,
    #[cfg(feature = "jaeger")]
    Exporter::Jaeger,
];

impl Exporter {
    fn is_otlp(self) -> bool {
        matches!(self, Exporter::Protobuf | Exporter::Json)
    }

    /// The variables by which it sends to `url`, each attempt for at most `timeout` milliseconds.
    fn variables(self, url: &str, timeout: &str) -> Vec<(&'static str, String)> {
        let timeout = timeout.to_owned();
        match self {
            Exporter::Protobuf | Exporter::Json => vec![
                ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
                (
                    "OTEL_EXPORTER_OTLP_PROTOCOL",
                    if self == Exporter::Json { "http/json" } else { "http/protobuf" }.to_owned(),
                ),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", url.to_owned()),
                ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=hunter2".to_owned()),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", timeout),
            ],
            Exporter::Zipkin => vec![
                ("OTEL_TRACES_EXPORTER", "zipkin".to_owned()),
                ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", format!("{url}/api/v2/spans")),
                ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", timeout),
            ],
            #[cfg(feature = "jaeger")]
            Exporter::Jaeger => vec![
                ("OTEL_TRACES_EXPORTER", "jaeger".to_owned()),
                ("OTEL_EXPORTER_JAEGER_ENDPOINT", format!("{url}/api/traces")),
                ("OTEL_EXPORTER_JAEGER_USER", "grocer".to_owned()),
                ("OTEL_EXPORTER_JAEGER_PASSWORD", "hunter2".to_owned()),
                ("OTEL_EXPORTER_JAEGER_TIMEOUT", timeout),
            ],
        }
    }
}

/// What a backend does, and what must become of the spans at one exporter.
struct Case {
    name: &'static str,
    /// Its first answers, one each.
    first: Vec<Answer>,
    /// All its other answers.
    answer: Answer,
    /// How many spans fail, and how many of those are rejected.
    failed: [usize; 2],
    attempts: Attempts,
    /// A part of the one warning, after the URL.
    said: &'static str,
}

fn cases(exporter: Exporter, elsewhere: &str) -> Vec<Case> {
    let json = exporter == Exporter::Json;
    let right = match exporter {
        Exporter::Protobuf => Answer::body(200, "application/x-protobuf", ""),
        Exporter::Json => Answer::body(200, "application/json", "{}"),
        _ => Answer::from(202),
    };
    let partial = if json {
        let text = r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too big"}}"#;
        Answer::body(200, "application/json; charset=utf-8", text)
    } else {
        let partial =
            ExportTracePartialSuccess { rejected_spans: 3, error_message: "too big".to_owned() };
        let answer = ExportTraceServiceResponse { partial_success: Some(partial) };
        Answer::body(200, "application/x-protobuf", answer.encode_to_vec())
    };
    let taken = [0, 0];
    let lost = [SPANS, 0];
    let case = |name, answer: Answer, failed, attempts, said| Case {
        name,
        first: vec![],
        answer,
        failed,
        attempts,
        said,
    };
    let once = Attempts::Exactly(1);
    let redirect = |status| Answer::header(status, format!("location: {elsewhere}/landing"));
    let mut cases = vec![
        case("takes all", right.clone(), taken, once, ""),
        case(
            "answers with a page",
            Answer::body(200, "text/html; charset=utf-8", "<html>hello</html>"),
            lost,
            once,
            " answers 200 OK with a page of HTML",
        ),
        case("has moved (301)", redirect(301), lost, once, " answers 301 Moved Permanently to "),
        case("shows another (303)", redirect(303), lost, once, " answers 303 See Other to "),
        case("moves on (307)", redirect(307), lost, once, " answers 307 Temporary Redirect to "),
        case("moves on (308)", redirect(308), lost, once, " answers 308 Permanent Redirect to "),
        case("finds fault (400)", 400.into(), lost, once, " answers 400 Bad Request"),
        case("is broken (500)", 500.into(), lost, once, " answers 500 Internal Server Error"),
        case("is elsewhere (404)", 404.into(), lost, once, "404 Not Found: is the path right?"),
        case(
            "is too busy for the limit",
            Answer::header(503, "retry-after: 3600"),
            lost,
            once,
            " answers 503 Service Unavailable",
        ),
        case("is always busy", 503.into(), lost, Attempts::Again, " answers 503 "),
        case("always resets", Answer::Close, lost, Attempts::Again, "no answer from "),
        case("always hangs", Answer::Hang, lost, Attempts::Again, "in 1s"),
        case(
            "speaks another protocol",
            Answer::Bytes(b"\x01\x02 220 smtp\r\n".to_vec()),
            lost,
            Attempts::Again,
            "no answer from ",
        ),
    ];
    let rejected = if exporter.is_otlp() { [3, 3] } else { taken };
    let said = if exporter.is_otlp() { "rejected 3: \"too big\"" } else { "" };
    cases.push(case("takes a part", partial, rejected, once, said));
    if exporter.is_otlp() {
        let text = Answer::body(200, "text/plain", "OK");
        cases.push(case("answers in prose", text, lost, once, "2 bytes of \"text/plain\""));
        let json = Answer::body(200, "application/json", "[1]");
        cases.push(case("answers with other JSON", json, lost, once, "JSON that is no OTLP"));
        let huge = Answer::body(200, "application/json", "[".repeat(100_000));
        cases.push(case("answers with too much", huge, lost, once, "more than 65536 bytes"));
    }
    for (name, first) in [
        ("is busy twice", vec![503.into(), 502.into()]),
        ("asks for patience", vec![429.into(), Answer::header(429, "retry-after: 0")]),
        ("resets twice", vec![Answer::Close, Answer::Close]),
        ("hangs twice", vec![Answer::Hang, Answer::Hang]),
    ] {
        let answer = right.clone();
        let said = "does not take what it is sent";
        let attempts = match first[0] {
            Answer::Hang => Attempts::AtLeast(3),
            _ => Attempts::Exactly(3),
        };
        cases.push(Case { name, first, answer, failed: taken, attempts, said });
    }
    cases
}

#[test]
fn only_spans_that_a_backend_takes_are_exported() {
    for &exporter in EXPORTERS {
        std::thread::scope(|scope| {
            for case in cases(exporter, "http://127.0.0.1:1") {
                scope.spawn(move || check(exporter, &case));
            }
        });
    }
}

fn check(exporter: Exporter, case: &Case) {
    let context = format!("{exporter:?}, a backend that {}", case.name);
    let receiver = HttpReceiver::answering(case.answer.clone());
    receiver.answer_first(case.first.clone());
    let log = Log::start();
    let url = receiver.url();
    let hangs = case.answer == Answer::Hang || case.first.contains(&Answer::Hang);
    let mut variables = exporter.variables(&url, if hangs { HANGS_MS } else { "60000" });
    // A batch that is lost in the end need not be tried for long.
    let limit = if case.attempts.are_in_vain() { LIMIT_MS } else { "60000" };
    variables.push(("OTEL_BSP_EXPORT_TIMEOUT", limit.to_owned()));
    // A full batch is sent at once, and whole.
    variables.push(("OTEL_BSP_MAX_QUEUE_SIZE", SPANS.to_string()));
    variables.push(("OTEL_BSP_SCHEDULE_DELAY", "60000".to_owned()));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &value[..])).collect();
    let pipeline = impatient(&variables);
    story::end_spans(pipeline.tracers(), SPANS);
    // Not at the end of the process, when fewer attempts are made.
    settle(&pipeline.accounting());
    let totals = shutdown(pipeline);

    assert_balanced(&totals);
    let of = &totals.exporters[0];
    let got = [of.exported, of.failed, of.rejected, of.dropped].map(|n| n as usize);
    let [failed, rejected] = case.failed;
    assert_eq!(got, [SPANS - failed, failed, rejected, 0], "{context}: {totals}");
    let requests = receiver.requests();
    case.attempts.assert(requests.len(), &context);
    assert!(requests.iter().all(|request| request.method == "POST"), "{context}");
    let lines = log.lines(&receiver.address.to_string());
    if case.said.is_empty() {
        assert_eq!(lines, [""; 0], "{context}");
    } else {
        let [line] = &lines[..] else { panic!("{context}: said once, but {lines:#?}") };
        assert!(line.starts_with("WARN telemetry::health:"), "{context}: {line}");
        assert!(line.contains(case.said), "{context}: {line}");
        assert!(!line.contains("hunter2"), "{context}: {line}");
    }
}

#[test]
fn a_redirect_takes_neither_spans_nor_secrets_elsewhere() {
    for &exporter in EXPORTERS {
        for status in [301, 302, 303, 307, 308] {
            let elsewhere = HttpReceiver::answering(200);
            let to = format!("location: {}/landing", elsewhere.url());
            let receiver = HttpReceiver::answering(Answer::header(status, to));
            let variables = exporter.variables(&receiver.url(), "60000");
            let variables: Vec<_> = variables.iter().map(|(n, v)| (*n, &v[..])).collect();
            let pipeline = impatient(&variables);
            story::end_spans(pipeline.tracers(), 1);
            let totals = shutdown(pipeline);

            assert_eq!(totals.exporters[0].failed, 1, "{exporter:?} {status}: {totals}");
            assert_eq!(elsewhere.requests().len(), 0, "{exporter:?} {status}");
            let request = &receiver.requests()[0];
            let secret = request.headers.get("x-api-key").or(request.headers.get("authorization"));
            assert!(
                secret.is_some() || exporter == Exporter::Zipkin,
                "it is sent where it belongs"
            );
        }
    }
}

/// Every batch has rejected spans for a while. That is logged when it begins and when it is over.
#[test]
fn partial_success_is_logged_once_and_once_when_it_is_over() {
    let text = r#"{"partialSuccess":{"rejectedSpans":"1"}}"#;
    let receiver = HttpReceiver::answering(Answer::body(200, "application/json", text));
    let log = Log::start();
    let url = receiver.url();
    let pipeline = impatient(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
    ]);
    story::end_spans(pipeline.tracers(), 60);
    let totals = settle(&pipeline.accounting());
    let of = &totals.exporters[0];
    assert_eq!([of.exported, of.failed, of.rejected], [0, 60, 60], "{totals}");
    assert_eq!(
        totals.to_string(),
        "telemetry: started=60 ended=60 | otlp exported=0 failed=60 dropped=0"
    );
    receiver.answer(Answer::body(200, "application/json", "{}"));
    story::end_spans(pipeline.tracers(), 2);
    settle(&pipeline.accounting());
    let totals = shutdown(pipeline);
    assert_eq!((totals.exporters[0].exported, totals.exporters[0].failed), (2, 60));
    // The line of the end has no address, so it is told by its figures.
    let end = "takes all that it is sent again exporter=otlp answers=60";
    assert_eq!(log.lines(end).iter().filter(|line| line.contains("rejected=60")).count(), 1);
}

/// What a receiver over gRPC does, and what must become of the spans.
struct GrpcCase {
    name: &'static str,
    first: Vec<grpc::Answer>,
    answer: grpc::Answer,
    failed: [usize; 2],
    attempts: Attempts,
    said: &'static str,
}

fn with_retry_info(code: Code, delay: Duration) -> grpc::Answer {
    let details = ErrorDetails::with_retry_info(Some(delay));
    grpc::Answer::Refused(Status::with_error_details(code, "busy", details))
}

fn grpc_cases() -> Vec<GrpcCase> {
    use grpc::Answer::{Hang, Refused, Rejected, Taken};
    let status = |code| Refused(Status::new(code, "so it is"));
    let lost = [SPANS, 0];
    let once = Attempts::Exactly(1);
    let mut cases: Vec<GrpcCase> = [
        ("takes all", Taken, [0, 0], once, ""),
        ("takes a part", Rejected(3), [3, 3], once, " rejected 3"),
        ("rejects more than there is", Rejected(i64::MAX), lost_all(), once, " rejected "),
        ("rejects less than nothing", Rejected(-1), [0, 0], once, ""),
        ("finds fault", status(Code::InvalidArgument), lost, once, "answers InvalidArgument: "),
        (
            "refuses the client",
            status(Code::Unauthenticated),
            lost,
            once,
            "answers Unauthenticated",
        ),
        ("is no receiver", status(Code::Unimplemented), lost, once, "answers Unimplemented"),
        ("is broken", status(Code::Internal), lost, once, "answers Internal: \"so it is\""),
        ("is full", status(Code::ResourceExhausted), lost, once, "answers ResourceExhausted"),
        ("is always busy", status(Code::Unavailable), lost, Attempts::Again, "Unavailable"),
        ("always hangs", Hang, lost, Attempts::Again, "in 1s"),
        (
            "is too busy for the limit",
            with_retry_info(Code::Unavailable, Duration::from_secs(3_600)),
            lost,
            once,
            "answers Unavailable",
        ),
    ]
    .into_iter()
    .map(|(name, answer, failed, attempts, said)| GrpcCase {
        name,
        first: vec![],
        answer,
        failed,
        attempts,
        said,
    })
    .collect();
    for code in [
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unavailable,
        Code::DataLoss,
    ] {
        cases.push(GrpcCase {
            name: "cannot twice",
            first: vec![status(code), status(code)],
            answer: Taken,
            failed: [0, 0],
            attempts: Attempts::Exactly(3),
            said: "does not take what it is sent",
        });
    }
    let full = with_retry_info(Code::ResourceExhausted, Duration::from_millis(1));
    cases.push(GrpcCase {
        name: "is full for a while",
        first: vec![full.clone(), full],
        answer: Taken,
        failed: [0, 0],
        attempts: Attempts::Exactly(3),
        said: "answers ResourceExhausted",
    });
    cases
}

fn lost_all() -> [usize; 2] {
    [SPANS, SPANS]
}

#[test]
fn the_same_holds_over_grpc() {
    std::thread::scope(|scope| {
        for case in grpc_cases() {
            scope.spawn(move || {
                let receiver = GrpcReceiver::start();
                receiver.answer(case.answer.clone());
                receiver.answer_first(case.first.clone());
                let log = Log::start();
                let limit = if case.attempts.are_in_vain() { LIMIT_MS } else { "60000" };
                let hangs = matches!(case.answer, grpc::Answer::Hang);
                let pipeline = impatient(&[
                    ("OTEL_TRACES_EXPORTER", "otlp"),
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
                    ("OTEL_EXPORTER_OTLP_TIMEOUT", if hangs { HANGS_MS } else { "60000" }),
                    ("OTEL_BSP_EXPORT_TIMEOUT", limit),
                    ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
                    ("OTEL_BSP_SCHEDULE_DELAY", "60000"),
                ]);
                // A full batch is sent at once, and whole.
                story::end_spans(pipeline.tracers(), SPANS);
                settle(&pipeline.accounting());
                let totals = shutdown(pipeline);

                let of = &totals.exporters[0];
                let got = [of.exported, of.failed, of.rejected, of.dropped].map(|n| n as usize);
                let [failed, rejected] = case.failed;
                let name = case.name;
                assert_eq!(got, [SPANS - failed, failed, rejected, 0], "{name}: {totals}");
                case.attempts.assert(receiver.requests(), name);
                let lines = log.lines(&receiver.address.to_string());
                match &lines[..] {
                    [] => assert_eq!(case.said, "", "{name}"),
                    [line] => {
                        assert!(!case.said.is_empty() && line.contains(case.said), "{name}: {line}")
                    }
                    _ => panic!("{name}: said once, but {lines:#?}"),
                }
            });
        }
    });
}

/// Backends that do not speak gRPC.
#[test]
fn over_grpc_a_backend_that_does_not_speak_it_fails_the_spans() {
    let page = Answer::body(200, "text/html", "<html>hello</html>");
    let garbage = Answer::Bytes(b"\x01\x02 220 smtp\r\n".to_vec());
    for answer in [page, garbage, Answer::Close, Answer::header(301, "location: /")] {
        let receiver = HttpReceiver::answering(answer.clone());
        let pipeline = impatient(&[
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "500"),
        ]);
        story::end_spans(pipeline.tracers(), 4);
        let totals = shutdown(pipeline);
        assert_eq!(totals.exporters[0].failed, 4, "{answer:?}: {totals}");
    }
}

/// An outage that is shorter than a batch may be tried, and a queue that has room: nothing is lost,
/// and spans that end meanwhile wait in the queue.
#[test]
fn a_short_outage_loses_nothing_while_the_queue_has_room() {
    let receiver = HttpReceiver::answering(503);
    let pipeline = impatient(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "512"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
    ]);
    story::end_spans(pipeline.tracers(), 8);
    wait_until("the batch is being tried again", || receiver.requests().len() >= 3);
    // A thread that ends spans does not wait for the backend.
    story::end_spans(pipeline.tracers(), 400);
    let during = pipeline.accounting().snapshot();
    assert_eq!((during.ended, during.exporters[0].queued), (408, 408), "{during}");
    let held = receiver.requests().len();
    wait_until("it is tried on", || receiver.requests().len() > held);
    receiver.answer(200);
    let totals = settle(&pipeline.accounting());
    let expected = "telemetry: started=408 ended=408 | otlp exported=408 failed=0 dropped=0";
    assert_eq!(totals.to_string(), expected);
    let received = testing::otlp::from_protobuf(&receiver.received());
    assert_eq!(received.len(), 408, "each once");
}

/// The same backend, and a queue without room: memory stays bounded, and lost spans are counted.
#[test]
fn a_long_outage_drops_what_the_queue_cannot_hold() {
    let receiver = HttpReceiver::answering(503);
    let pipeline = impatient(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "32"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
    ]);
    story::end_spans(pipeline.tracers(), 8);
    wait_until("the batch is being tried again", || receiver.requests().len() >= 3);
    story::end_spans(pipeline.tracers(), 1_000);
    let during = pipeline.accounting().snapshot();
    assert_balanced(&during);
    assert!(during.exporters[0].queued <= 40, "a queue and a batch: {during}");
    receiver.answer(200);
    let totals = settle(&pipeline.accounting());
    let of = &totals.exporters[0];
    assert_eq!((of.exported, of.failed), (during.exporters[0].queued, 0), "{totals}");
    assert_balanced(&totals);
}

#[test]
fn a_backend_that_comes_back_while_the_process_ends_gets_all() {
    let receiver = HttpReceiver::answering(200);
    receiver.answer_first([503.into(), 503.into(), 503.into()]);
    let pipeline = impatient(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    story::end_spans(pipeline.tracers(), 10);
    let totals = shutdown(pipeline).to_string();
    assert_eq!(totals, "telemetry: started=10 ended=10 | otlp exported=10 failed=0 dropped=0");
}

#[test]
fn metrics_are_sent_again_and_refused_by_the_same_rules() {
    let html = Answer::body(200, "text/html", "<html>hello</html>");
    let partial = r#"{"partialSuccess":{"rejectedDataPoints":"7"}}"#;
    let partial = Answer::body(200, "application/json", partial);
    let redirect = |status| Answer::header(status, "location: http://127.0.0.1:1/");
    let garbage = Answer::Bytes(b"\x01\x02 220 smtp\r\n".to_vec());
    let once = Attempts::Exactly(1);
    let rows = [
        (vec![], 200.into(), once, ""),
        (vec![503.into(), 502.into()], 200.into(), Attempts::Exactly(3), "answers 503"),
        (vec![429.into(), Answer::Close], 200.into(), Attempts::Exactly(3), "answers 429"),
        (vec![Answer::Hang], 200.into(), Attempts::AtLeast(2), "in 1s"),
        (vec![], redirect(301), once, "answers 301"),
        (vec![], redirect(303), once, "answers 303"),
        (vec![], redirect(307), once, "answers 307"),
        (vec![], html, once, "a page of HTML"),
        (vec![], partial, once, " rejected 7"),
        (vec![], 400.into(), once, "answers 400"),
        (vec![], 503.into(), Attempts::Again, "answers 503"),
        (vec![], Answer::Close, Attempts::Again, "no answer from"),
        (vec![], Answer::Hang, Attempts::Again, "in 1s"),
        (vec![], garbage, Attempts::Again, "no answer from"),
    ];
    std::thread::scope(|scope| {
        for (first, answer, attempts, said) in rows {
            scope.spawn(move || check_metrics(first, &answer, attempts, said));
        }
    });
}

fn check_metrics(first: Vec<Answer>, answer: &Answer, attempts: Attempts, said: &str) {
    let receiver = HttpReceiver::answering(answer.clone());
    let hangs = *answer == Answer::Hang || first.contains(&Answer::Hang);
    receiver.answer_first(first);
    let log = Log::start();
    let pipeline = impatient(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", if hangs { HANGS_MS } else { "60000" }),
        ("OTEL_METRIC_EXPORT_TIMEOUT", if attempts.are_in_vain() { LIMIT_MS } else { "60000" }),
    ]);
    // Not at the end of the process, when fewer attempts are made. What became of it is said.
    pipeline.meters().expect("metrics are exported").force_flush().ok();
    let requests = receiver.requests().len();
    attempts.assert(requests, &format!("{answer:?}"));
    let lines = log.lines(&receiver.address.to_string());
    match &lines[..] {
        [] => assert_eq!(said, "", "{answer:?}"),
        [line] => assert!(!said.is_empty() && line.contains(said), "{answer:?}: {line}"),
        _ => panic!("{answer:?}: said once, but {lines:#?}"),
    }
    pipeline.shutdown_within(Duration::from_millis(100));
}

#[test]
fn metrics_go_over_grpc_too() {
    let receiver = GrpcReceiver::start();
    receiver.answer_first([grpc::Answer::Refused(Status::unavailable("soon"))]);
    let pipeline = impatient(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
    ]);
    shutdown(pipeline);
    assert_eq!((receiver.requests(), receiver.metrics().len()), (2, 1));
}

/// A receiver that never answers, for both signals. The end may take five seconds for both
/// together. The test uses the real clock, and a limit that is long enough for a busy machine.
#[test]
fn the_end_is_bounded_for_all_signals_together() {
    let silent = HttpReceiver::answering(testing::http::HANG);
    let pipeline = impatient(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &silent.url()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
    ]);
    story::end_spans(pipeline.tracers(), 3);
    let limit = Duration::from_secs(2);
    let start = std::time::Instant::now();
    pipeline.shutdown_within(limit);
    let took = start.elapsed();
    assert!(took < limit * 4, "{took:?}");
    let totals = pipeline.accounting().to_string();
    assert_eq!(totals, "telemetry: started=3 ended=3 | otlp exported=0 failed=0 dropped=3");
}

/// A backend may close a connection after any answer, and between two exports nobody looks at it.
#[test]
fn a_connection_that_was_closed_since_the_last_export_is_not_used() {
    const EXPORTS: usize = 5;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let log = Log::start();
    let (closed, is_closed) = channel();
    let backend = std::thread::spawn(move || {
        for _ in 0..EXPORTS {
            let (stream, _) = listener.accept().expect("a connection for each export");
            let request = Received::read(&mut BufReader::new(&stream)).expect("a request");
            assert_eq!(request.path, "/v1/traces");
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf";
            write!(&stream, "{head}\r\ncontent-length: 0\r\n\r\n").expect("it is read");
            drop(stream);
            closed.send(()).expect("it is awaited");
        }
    });
    let url = format!("http://{address}");
    let variables = [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &url)];
    let pipeline = impatient(&variables);
    for _ in 0..EXPORTS {
        story::end_spans(pipeline.tracers(), 1);
        pipeline.tracers().force_flush().expect("it is exported");
        is_closed.recv_timeout(PATIENCE).expect("it is closed");
    }
    let totals = shutdown(pipeline).to_string();
    assert_eq!(totals, "telemetry: started=5 ended=5 | otlp exported=5 failed=0 dropped=0");
    assert_eq!(log.lines(&address.to_string()), [""; 0]);
    backend.join().expect("no request was sent twice");
}
