//! Log records: taken in every encoding, held within bounds, searched, and found from their traces.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use prost::Message;
use serde_json::{Value as Json, json};
use viewer::Config;

use crate::support::logs::{DEBUG, ERROR, INFO, WARN, of_service, of_span, record};
use crate::support::spans::{self, Trace, text};
use crate::support::{Backend, now_us};

/// The bodies of the records that a search finds, in its order.
fn found(backend: &Backend, query: &str) -> Vec<String> {
    let (status, answer) = backend.get(&format!("/viewer/api/logs?{query}"));
    assert_eq!(status, 200, "{answer}");
    let records = answer["records"].as_array().cloned().unwrap_or_default();
    records.iter().map(|row| row["text"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn records_are_taken_in_every_encoding_and_what_cannot_be_read_is_told() {
    let backend = Backend::viewer();
    let one = |body| of_service("store", vec![record(1_000_000, INFO, body)]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&one("packed").encode_to_vec()).expect("memory");

    backend.send_logs(&one("protobuf"));
    let post = backend.otlp("/v1/logs").header("content-type", "application/x-protobuf");
    let body = packed.finish().expect("memory");
    let sent = post.header("content-encoding", "gzip").body(body).send().expect("an answer");
    assert_eq!(sent.status(), 200);
    let records = json!([{"body": {"stringValue": "JSON"}}, {"body": 5}, {"traceId": 5}]);
    let body = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).to_string();
    let partial = backend.post("/v1/logs", "application/json", body);

    let reason = "resourceLogs[0].scopeLogs[0].logRecords[1].body: expected an object, found 5";
    assert_eq!(
        serde_json::from_slice::<Json>(&partial.bytes().expect("a body")).expect("JSON"),
        json!({"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": reason}})
    );
    let mut unreadable = one("good").encode_to_vec();
    // A second resource: a record whose body is no UTF-8.
    unreadable.extend_from_slice(b"\x0a\x09\x12\x07\x12\x05\x2a\x03\x0a\x01\xff");
    let answer = backend.post("/v1/logs", "application/x-protobuf", unreadable);
    let answer = ExportLogsServiceResponse::decode(answer.bytes().expect("a body"));
    let partial = answer.expect("an answer").partial_success;
    let error_message = partial.clone().map(|partial| partial.error_message).unwrap_or_default();
    assert!(error_message.contains("logRecords[0].body.stringValue: not UTF-8"), "{error_message}");
    assert_eq!(partial, Some(ExportLogsPartialSuccess { rejected_log_records: 1, error_message }));
    let stats = backend.stats_when_logged(4);
    assert_eq!(
        stats["signals"]["logs"],
        json!({"requests": 4, "received": 7, "accepted": 4, "rejected": 3, "refused": 0})
    );
    let mut texts = found(&backend, "");
    texts.sort();
    assert_eq!(texts, ["JSON", "good", "packed", "protobuf"]);
}

#[test]
fn a_search_answers_whole_rows_with_the_actor_of_each() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let mut span = trace.span(2, 1, "ask Ledger Record", 0..900);
    span.attributes = vec![text("actix.actor.name", "Ledger")];
    backend.send(&spans::request([spans::of_service("store", vec![span])]));
    let mut failed = of_span(trace, 2, 500, ERROR, "no such order");
    failed.attributes = vec![text("order", "7"), text("kind", "checkout")];
    failed.event_name = "order.failed".into();
    backend.send_logs(&of_service("store", vec![record(5_000_000, INFO, "started"), failed]));
    backend.stats_when_logged(2);
    backend.stats_when_stored(1);

    let (status, answer) = backend.get("/viewer/api/logs");

    let at = trace.start_us + 500;
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        json!({
            "records": [
                {
                    "number": 2, "time_us": at, "time_unix_ns": (at * 1_000).to_string(),
                    "severity": 17, "level": "error", "service": "store", "scope": "tests::logs",
                    "event_name": "order.failed", "text": "no such order",
                    "fields": "kind=checkout order=7",
                    "trace_id": trace.hex(), "span_id": "0000000000000002",
                    "span_name": "ask Ledger Record", "actor": "Ledger", "trace_held": true,
                },
                {
                    "number": 1, "time_us": 5_000_000, "time_unix_ns": "5000000000",
                    "severity": 9, "level": "info", "service": "store", "scope": "tests::logs",
                    "text": "started",
                },
            ],
            "total": 2, "limit": 500, "held": 2, "oldest": 1,
        })
    );
    let (_, whole) = backend.get("/viewer/api/logs/2");
    let record = &whole["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(
        *record,
        json!({
            "timeUnixNano": (at * 1_000).to_string(),
            "observedTimeUnixNano": (at * 1_000 + 1).to_string(),
            "severityNumber": 17, "eventName": "order.failed",
            "body": {"stringValue": "no such order"},
            "attributes": [
                {"key": "kind", "value": {"stringValue": "checkout"}},
                {"key": "order", "value": {"stringValue": "7"}},
            ],
            "flags": 1, "traceId": trace.hex(), "spanId": "0000000000000002", "number": 2,
        })
    );
    assert_eq!(whole["actor"], "Ledger");
    assert_eq!(backend.get("/viewer/api/logs/3").0, 404);
    assert_eq!(
        backend.get("/viewer/api/logs/three"),
        (
            400,
            json!({"error": "parameter 'number' is \"three\": expected a whole number, as a search answers it"})
        )
    );
    assert_eq!(
        backend.get("/viewer/api/logs/services").1,
        json!({"services": [{"name": "store", "records": 2}]})
    );
}

#[test]
fn each_part_of_a_search_narrows_it_and_all_must_hold() {
    let backend = Backend::viewer();
    let (one, other) = (Trace::new(), Trace::new());
    let mut tagged = of_span(one, 1, 10, WARN, "Slow aisle");
    tagged.attributes = vec![text("grocery.aisle", "dairy products"), text("n", "1")];
    let now = now_us();
    backend.send_logs(&of_service(
        "store",
        vec![
            tagged,
            of_span(one, 2, 20, ERROR, "ÄRGER in the store"),
            record(now, DEBUG, "detail"),
            record(now - 7_200_000_000, INFO, "two hours ago"),
        ],
    ));
    backend.send_logs(&of_service("shopper", vec![of_span(other, 1, 0, INFO, "trip")]));
    backend.stats_when_logged(5);

    for (query, expected) in [
        ("severity=warn", vec!["ÄRGER in the store", "Slow aisle"]),
        ("severity=ERROR", vec!["ÄRGER in the store"]),
        ("service=shopper", vec!["trip"]),
        ("text=%C3%A4rger", vec!["ÄRGER in the store"]),
        ("text=AISLE%3Ddairy", vec!["Slow aisle"]),
        ("tags=grocery.aisle%3D%22dairy+products%22+n%3D1", vec!["Slow aisle"]),
        ("tags=n%3D2", vec![]),
        ("tag=resource.zone:north&severity=error", vec!["ÄRGER in the store"]),
        ("tags=scope.name%3D%22tests%3A%3Alogs%22&service=shopper", vec!["trip"]),
        (&*format!("traceID={}", one.hex()), vec!["ÄRGER in the store", "Slow aisle"]),
        (&*format!("traceID={}&spanID=0000000000000001", one.hex()), vec!["Slow aisle"]),
        (&*format!("end={}", now - 3_600_000_000), vec!["two hours ago"]),
        (&*format!("start={now}"), vec!["detail"]),
        ("lookback=1h&severity=info&limit=1", vec!["ÄRGER in the store"]),
    ] {
        let mut texts = found(&backend, query);
        if query.contains("limit") {
            texts.truncate(1);
        }
        // The traces of the test begin in the same second, so only their own order is fixed.
        assert_eq!(texts, expected, "{query}");
    }
    for (query, what) in [
        (
            "severity=loud",
            "parameter 'severity' is \"loud\": expected trace, debug, info, warn, error or fatal",
        ),
        ("spanID=12", "parameter 'spanID' is \"12\": expected 16 hexadecimal digits"),
        ("tags=%3D", "parameter 'tags' is \"=\": expected a key before \"=\""),
    ] {
        let refused = backend.get(&format!("/viewer/api/logs?{query}"));
        assert_eq!(refused, (400, json!({ "error": what })), "{query}");
    }
}

#[test]
fn the_oldest_records_go_first_and_their_traces_stay() {
    let backend = Backend::with(Config { max_logs: 10, ..Config::on_free_ports() });
    let trace = Trace::new();
    backend.send(&spans::request([spans::of_service("store", vec![trace.span(1, 0, "a", 0..9)])]));
    let texts: Vec<_> = (0..25).map(|number| format!("record {number}")).collect();

    for (at, text) in (0..).zip(&texts) {
        backend.send_logs(&of_service("store", vec![of_span(trace, 1, at, ERROR, text)]));
    }

    let stats = backend.stats_when_logged(25);
    let logs = &stats["logs"];
    assert_eq!(
        json!([
            logs["records"],
            logs["evicted"],
            logs["max_records"],
            logs["services"],
            stats["spans"]
        ]),
        json!([10, 15, 10, 1, 1])
    );
    let newest: Vec<_> = texts.iter().rev().take(10).cloned().collect();
    assert_eq!(found(&backend, ""), newest);
    let (_, of_trace) = backend.get(&format!("/viewer/api/traces/{}/logs", trace.hex()));
    assert_eq!(json!([of_trace["record_count"], of_trace["error_count"]]), json!([10, 10]));
    let (_, list) = backend.get("/viewer/api/traces");
    let summary = &list["traces"][0];
    assert_eq!(json!([summary["log_count"], summary["logged_error_count"]]), json!([10, 10]));
}

#[test]
fn records_are_bounded_in_bytes_as_well_and_push_out_no_span() {
    let max_log_bytes = 200_000;
    let config = Config { max_log_bytes, max_bytes: 20_000, ..Config::on_free_ports() };
    let backend = Backend::with(config);
    let trace = Trace::new();
    backend.send(&spans::request([spans::of_service("store", vec![trace.span(1, 0, "a", 0..9)])]));

    for number in 0..50 {
        let mut large = record(now_us(), INFO, &"x".repeat(10_000));
        // Names that no other record has, which are counted with the records.
        large.attributes = vec![text(&format!("{number}{}", "k".repeat(500)), "")];
        backend.send_logs(&of_service("store", vec![large]));
    }

    let stats = backend.stats_when_logged(50);
    let bytes = stats["logs"]["bytes"].as_u64().expect("a number");
    assert!((100_000..=max_log_bytes as u64).contains(&bytes), "{bytes}");
    assert!(stats["logs"]["records"].as_u64().is_some_and(|held| (10..20).contains(&held)));
    assert_eq!(json!([stats["spans"], stats["evicted"]["spans"]]), json!([1, 0]));
}

#[test]
fn records_of_a_trace_are_found_before_and_without_its_spans() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    backend.send_logs(&of_service("store", vec![of_span(trace, 7, 5, WARN, "early")]));
    backend.stats_when_logged(1);

    assert_eq!(backend.get(&format!("/viewer/api/traces/{}", trace.hex())).0, 404);
    let (status, answer) = backend.get(&format!("/viewer/api/traces/{}/logs", trace.hex()));

    assert_eq!(status, 200);
    let at = (trace.start_us + 5) * 1_000;
    assert_eq!(
        answer,
        json!({
            "trace_id": trace.hex(), "record_count": 1, "error_count": 0,
            "resourceLogs": [{
                "resource": {"attributes": [
                    {"key": "service.name", "value": {"stringValue": "store"}},
                    {"key": "zone", "value": {"stringValue": "north"}},
                ]},
                "scopeLogs": [{
                    "scope": {"name": "tests::logs"},
                    "logRecords": [{
                        "timeUnixNano": at.to_string(),
                        "observedTimeUnixNano": (at + 1).to_string(),
                        "severityNumber": 13, "body": {"stringValue": "early"}, "flags": 1,
                        "traceId": trace.hex(), "spanId": "0000000000000007", "number": 1,
                    }],
                }],
            }],
        })
    );
    let nothing = backend.get("/viewer/api/traces/1/logs");
    assert_eq!(
        nothing,
        (
            200,
            json!({
                "trace_id": "00000000000000000000000000000001",
                "record_count": 0, "error_count": 0, "resourceLogs": [],
            })
        )
    );
}

#[test]
fn what_is_downloaded_can_be_sent_again() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let records = vec![of_span(trace, 1, 1, INFO, "first"), of_span(trace, 1, 2, ERROR, "second")];
    backend.send_logs(&of_service("store", records));
    backend.send_logs(&of_service("shopper", vec![record(now_us(), INFO, "elsewhere")]));
    backend.stats_when_logged(3);

    let file = backend.query("/viewer/api/logs/otlp?service=store").send().expect("an answer");

    let name = file.headers()["content-disposition"].to_str().expect("a text").to_owned();
    assert_eq!(name, "attachment; filename=\"logs.otlp.json\"");
    let again = Backend::viewer();
    let body = file.bytes().expect("a body").to_vec();
    assert!(!String::from_utf8_lossy(&body).contains("number\":"), "only what OTLP has");
    assert_eq!(again.post("/v1/logs", "application/json", body).status(), 200);
    again.stats_when_logged(2);
    let logs_of = |backend: &Backend| {
        let (_, answer) = backend.get(&format!("/viewer/api/traces/{}/logs", trace.hex()));
        answer
    };
    assert_eq!(logs_of(&again), logs_of(&backend));
    assert_eq!(found(&again, "severity=error"), ["second"]);
}
