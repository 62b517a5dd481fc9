//! A panic is a line and a log record with its trace, wherever it comes from.

use crate::support::process::{self, Process};
use std::io::{self, Write};
use testing::http::HttpReceiver;
use testing::log_record::{self, LogRecord};

/// A stream that panics when it is written to.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("the console is broken")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
#[ignore = "what a test starts as a process of its own"]
fn obey_with_a_broken_console() {
    process::run(telemetry::Streams::new(io::stderr, Broken));
}

/// Starts a process that exports logs to a receiver.
fn start(more: &[(&str, &str)]) -> (HttpReceiver, Process) {
    let receiver = HttpReceiver::answering(200);
    let url = receiver.url();
    let variables = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
    ];
    let process = Process::start(&[&variables[..], more].concat());
    (receiver, process)
}

/// The ids in an answer: `trace_id=... span_id=...`.
fn ids(answer: &str) -> (String, String) {
    let (trace, span) = answer.split_once(' ').expect("two ids");
    let id = |text: &str| text.split_once('=').expect("an id").1.to_owned();
    (id(trace), id(span))
}

/// The one record of a panic, without what differs from run to run: its times, its resource and where
/// in this test's source it is.
fn only_panic(receiver: &HttpReceiver) -> LogRecord {
    let records = log_record::from_protobuf(&receiver.received());
    let mut panics = records.into_iter().filter(|record| record.event_name == "exception");
    let mut record = panics.next().expect("a panic");
    assert!(panics.next().is_none(), "only one");
    assert!(record.time_ns > 0 && record.observed_ns >= record.time_ns, "{record:?}");
    assert_eq!(record.resource["service.name"], "grocery-store");
    record.resource.clear();
    (record.time_ns, record.observed_ns) = (0, 0);
    let file = record.attributes.remove("code.file.path").expect("a file");
    assert!(file.ends_with("support/process.rs"), "{file}");
    for place in ["code.line.number", "code.column.number"] {
        let number = record.attributes.remove(place).expect(place);
        assert!(number.parse::<u32>().is_ok_and(|number| number > 0), "{place}={number}");
    }
    record
}

/// The record that a panic of this thread with this message must be.
fn expected(
    severity: &str,
    thread: &str,
    message: &str,
    answer: &str,
    got: &LogRecord,
) -> LogRecord {
    let (trace_id, span_id) = ids(answer);
    let start = format!("thread '{thread}' panicked at ");
    assert!(got.body.starts_with(&start) && got.body.ends_with(&format!(": {message}")), "{got:?}");
    let attributes = [
        ("exception.message", message),
        ("exception.stacktrace", &got.body),
        ("exception.type", "panic"),
        ("thread.name", thread),
    ];
    LogRecord {
        severity: severity.to_owned(),
        body: got.body.clone(),
        event_name: "exception".to_owned(),
        scope: concat!("telemetry::panics ", env!("CARGO_PKG_VERSION")).to_owned(),
        trace_id,
        span_id,
        flags: 1,
        attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..LogRecord::default()
    }
}

#[test]
fn a_panic_is_a_line_and_a_record_in_the_span_where_it_happened() {
    let (receiver, process) = start(&[]);
    let answer = process.order("panic out of bags");
    let said = process.end();

    let record = only_panic(&receiver);
    assert_eq!(record, expected("17 ERROR", "worker", "out of bags", &answer, &record));
    let lines: Vec<_> = said.iter().filter(|line| line.contains("out of bags")).collect();
    let [line] = lines[..] else { panic!("once, and on one line: {said:#?}") };
    let end = format!("Z ERROR telemetry::panics: {} {answer}", record.body);
    assert!(line.ends_with(&end), "{line}: {end}");
    let last = said.last().expect("the accounting");
    assert!(last.ends_with(" | logs otlp exported=1 failed=0 dropped=0"), "{last}");
}

#[test]
fn a_panic_of_the_main_thread_is_fatal_and_one_is_reported_even_if_nothing_is_logged() {
    let (receiver, process) = start(&[("RUST_LOG", "off")]);
    let answer = process.order("panic-on-main no\u{1b}[31m change");
    let said = process.end();

    let record = only_panic(&receiver);
    let message = "no\u{1b}[31m change";
    assert_eq!(record, expected("21 FATAL", "main", message, &answer, &record));
    let line = said.iter().find(|line| line.contains(" FATAL ")).expect("a line");
    assert!(
        line.contains(": no\\u{1b}[31m change trace_id="),
        "a terminal does not obey it: {line}"
    );
}

#[test]
fn a_backtrace_is_a_part_of_the_record_if_it_is_asked_for() {
    let (receiver, process) = start(&[("RUST_BACKTRACE", "1")]);
    process.order("panic out of bags");
    let said = process.end();
    let record = only_panic(&receiver);
    let stack = &record.attributes["exception.stacktrace"];
    assert!(stack.starts_with(&format!("{}\nstack backtrace:\n", record.body)), "{stack}");
    assert!(stack.contains("support::process::"), "{stack}");
    assert!(said.iter().any(|line| line.contains("support::process::")), "{said:#?}");
}

#[test]
fn a_long_message_is_cut() {
    let (receiver, process) = start(&[("GROCERY_LOG_FORMAT", "json")]);
    process.order(&format!("panic {}", "é".repeat(10_000)));
    let said = process.end();
    let record = only_panic(&receiver);
    assert_eq!(record.attributes["exception.message"], "é".repeat(2_048));
    let line = said.iter().find(|line| line.contains("éé")).expect("a line");
    assert!(line.len() < 5_000, "{} bytes", line.len());
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["fields"]["message"], record.body);
    assert_eq!(line["trace_id"], record.trace_id);
    assert_eq!(line["span_id"], record.span_id);
    assert_eq!(line["trace_flags"], "01");
}

/// The panic comes from the middle of an event, while `tracing` formats it.
#[test]
fn a_panic_while_logging_is_reported_and_logging_goes_on() {
    let (receiver, process) = start(&[]);
    let answer = process.order("panic-in-log a broken field");
    process.order("log still here");
    let said = process.end();
    let record = only_panic(&receiver);
    assert_eq!(record, expected("17 ERROR", "worker", "a broken field", &answer, &record));
    let records = log_record::from_protobuf(&receiver.received());
    assert!(records.iter().any(|record| record.body == "still here"), "{records:#?}");
    assert!(said.iter().any(|line| line.contains("still here")), "{said:#?}");
}

/// It fails the exporter that panics and no other, and is not itself exported: that would be a
/// record for the exporter that panics, and so on.
#[test]
fn a_panic_of_an_exporter_is_a_line_and_no_record() {
    let receiver = HttpReceiver::answering(200);
    let process = Process::start_with_a_broken_console(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "console,otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_BLRP_SCHEDULE_DELAY", "1"),
    ]);
    process.order("log one");
    process.order("settle");
    process.order("log another");
    let said = process.end();
    let bodies: Vec<_> = log_record::from_protobuf(&receiver.received());
    let bodies: Vec<_> = bodies.iter().map(|record| record.body.as_str()).collect();
    assert_eq!(bodies, ["one", "another"]);
    let panics = said.iter().filter(|line| line.contains(": the console is broken")).count();
    assert_eq!(panics, 1, "{said:#?}");
    let last = said.last().expect("the accounting");
    let logs =
        " | logs console exported=0 failed=2 dropped=0 | logs otlp exported=2 failed=0 dropped=0";
    assert!(last.ends_with(logs), "{last}");
}
