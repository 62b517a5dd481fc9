//! The live tail: changes are gathered and sent, and only to clients that read.

use std::io::{BufRead, BufReader, Read};

use reqwest::blocking::Response;
use serde_json::{Value as Json, json};

use crate::support::logs::{self, ERROR, INFO, record};
use crate::support::spans::{Trace, of_service, request};
use crate::support::{Backend, eventually};

/// The events of a live connection, one by one.
struct Events(BufReader<Response>);

impl Events {
    fn of(backend: &Backend, path: &str) -> Self {
        let answer = backend.query(path).send().expect("an answer");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut events = Self(BufReader::new(answer));
        let (name, _) = events.next();
        assert_eq!(name, "hello");
        events
    }

    fn next(&mut self) -> (String, Json) {
        let (mut name, mut data) = (String::new(), Json::Null);
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).expect("a line");
            assert!(read > 0, "the connection ended");
            match line.trim_end().split_once(": ") {
                Some(("event", event)) => name = event.into(),
                Some(("data", json)) => data = serde_json::from_str(json).expect("JSON"),
                Some(_) => {}
                None => return (name, data),
            }
        }
    }

    /// The next log records told: those of the next event that has any, and how many it skipped.
    fn logs(&mut self) -> (Vec<Json>, u64) {
        loop {
            let (name, data) = self.next();
            if name == "logs" {
                let skipped = data["skipped"].as_u64().expect("a number");
                return (data["records"].as_array().cloned().unwrap_or_default(), skipped);
            }
        }
    }

    /// The next summaries told.
    fn traces(&mut self) -> Vec<Json> {
        loop {
            let (name, data) = self.next();
            if name == "traces" {
                return data["traces"].as_array().cloned().unwrap_or_default();
            }
        }
    }
}

#[test]
fn a_trace_is_told_again_each_time_it_changes() {
    let backend = Backend::viewer();
    let mut events = Events::of(&backend, "/viewer/api/live");
    let trace = Trace::new();
    let told = |summary: &Json| {
        json!([
            summary["trace_id"],
            summary["root_name"],
            summary["root_held"],
            summary["span_count"]
        ])
    };

    backend.send(&request([of_service("store", vec![trace.span(2, 1, "child", 0..5)])]));
    let first = events.traces();
    backend.send(&request([of_service("store", vec![trace.span(1, 0, "root", 0..9)])]));
    let second = events.traces();

    let child = json!([trace.hex(), "child", false, 1]);
    let whole = json!([trace.hex(), "root", true, 2]);
    assert_eq!(first.iter().map(told).collect::<Vec<_>>(), [child]);
    assert_eq!(second.iter().map(told).collect::<Vec<_>>(), [whole]);
}

#[test]
fn only_traces_that_the_filter_finds_are_told() {
    let backend = Backend::viewer();
    let mut events = Events::of(&backend, "/viewer/api/live?service=wanted&minDuration=1ms");
    let (unwanted, short, wanted) = (Trace::new(), Trace::new(), Trace::new());

    backend.send(&request([
        of_service("other", vec![unwanted.span(1, 0, "other", 0..5_000)]),
        of_service(
            "wanted",
            vec![short.span(1, 0, "short", 0..10), wanted.span(1, 0, "long", 0..5_000)],
        ),
    ]));

    let told: Vec<Json> =
        events.traces().iter().map(|summary| summary["trace_id"].clone()).collect();
    assert_eq!(told, [json!(wanted.hex())]);
}

#[test]
fn every_record_of_two_thousand_a_second_is_told_once_and_in_order() {
    let backend = Backend::viewer();
    let mut events = Events::of(&backend, "/viewer/api/logs/live");
    let mut told = Vec::new();

    // Two thousand a second are five hundred a tick: as many as are sent before the next are read.
    for tick in 0..20_u64 {
        for batch in 0..5 {
            let first = tick * 500 + batch * 100;
            let records = (first..first + 100).map(|at| record(at, INFO, "busy")).collect();
            backend.send_logs(&logs::of_service("store", records));
        }
        while told.len() as u64 != (tick + 1) * 500 {
            let (records, skipped) = events.logs();
            assert_eq!(skipped, 0);
            told.extend(records.iter().filter_map(|record| record["number"].as_u64()));
        }
    }

    assert_eq!(told, (1..=10_000).collect::<Vec<_>>());
}

#[test]
fn records_that_are_too_many_to_tell_are_counted() {
    let backend = Backend::viewer();
    let mut events = Events::of(&backend, "/viewer/api/logs/live");
    let sent = 20_000;

    let records = (0..sent).map(|at| record(at, INFO, "flood")).collect();
    backend.send_logs(&logs::of_service("store", records));

    let (mut told, mut skipped) = (0, 0);
    while told + skipped < sent {
        let (records, more) = events.logs();
        assert!(records.len() <= 1_000, "{}", records.len());
        told += records.len() as u64;
        skipped += more;
    }
    assert_eq!(told + skipped, sent);
    assert!(skipped > 0 && told > 0, "{told} told, {skipped} skipped");
}

#[test]
fn only_records_that_the_filter_finds_are_told_and_a_trace_when_one_of_it_comes() {
    let backend = Backend::viewer();
    let mut events = Events::of(&backend, "/viewer/api/logs/live?severity=error&service=store");
    let mut traces = Events::of(&backend, "/viewer/api/live");
    let trace = Trace::new();
    backend.send(&request([of_service("store", vec![trace.span(1, 0, "root", 0..9)])]));
    assert_eq!(traces.traces()[0]["log_count"], Json::Null);

    let failed = logs::of_span(trace, 1, 1, ERROR, "wanted");
    let fine = record(1, INFO, "fine");
    backend.send_logs(&logs::of_service("store", vec![fine, failed]));
    backend.send_logs(&logs::of_service("other", vec![record(1, ERROR, "elsewhere")]));

    let (told, skipped) = events.logs();
    let texts: Vec<_> = told.iter().map(|record| record["text"].clone()).collect();
    assert_eq!((texts, skipped), (vec![json!("wanted")], 0));
    let summary = &traces.traces()[0];
    assert_eq!(
        json!([summary["trace_id"], summary["log_count"], summary["logged_error_count"]]),
        json!([trace.hex(), 1, 1])
    );
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    let backend = Backend::viewer();
    let silent = backend.query("/viewer/api/live").send().expect("an answer");
    let clients = |backend: &Backend| backend.get("/viewer/api/stats").1["live_clients"].clone();
    assert_eq!(clients(&backend), 1);

    // Summaries of a hundred traces with long names fill whatever lies between.
    eventually("the client is gone", || {
        let traces = (0..100).map(|_| {
            let name = "x".repeat(1_000);
            of_service(&name, vec![Trace::new().span(1, 0, &name, 0..1_000)])
        });
        backend.send(&request(traces));
        match clients(&backend) {
            gone if gone == 0 => Ok(()),
            there => Err(there),
        }
    });
    drop(silent);
}

#[test]
fn there_is_an_end_to_how_many_may_watch() {
    let backend = Backend::viewer();
    let watching: Vec<Events> = (0..64).map(|_| Events::of(&backend, "/viewer/api/live")).collect();

    let mut refused = backend.query("/viewer/api/live").send().expect("an answer");

    let mut text = String::new();
    refused.read_to_string(&mut text).expect("a text");
    assert_eq!(refused.status(), 503);
    assert_eq!(text, r#"{"error":"64 pages watch already, which is as many as can"}"#);
    drop(watching);
    let freed = backend.get_when("/viewer/api/stats", |stats| stats["live_clients"] == 0);
    assert_eq!(freed["live_clients"], 0);
}
