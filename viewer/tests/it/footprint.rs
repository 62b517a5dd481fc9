//! The memory that the process takes, against what the viewer counts: the bound on bytes holds only
//! if the count is right.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value as Json;

use testing::process::Process;

use crate::process::{exit_code, first_line, viewer};
use crate::support::Backend;
use crate::support::logs::{self, INFO, of_span};
use crate::support::spans::{Trace, of_service, request, text};

/// The viewer that this process is.
fn backend_of(process: &Process) -> Backend {
    let line = first_line(process);
    let mut urls = line.split_whitespace().filter(|word| word.starts_with("http://"));
    let mut url = || urls.next().expect("a URL").trim_end_matches('/').to_owned();
    Backend::at(url(), url())
}

#[test]
fn the_process_takes_about_the_memory_that_it_counts() {
    let (held, sent) = (40_000, 160_000);
    let mut process = viewer(&["--parent-pipe", "--max-spans", &held.to_string()]);
    let backend = backend_of(&process);
    let before = memory(&process, "VmRSS");

    let mut stats = Json::Null;
    for requests in 1..=sent / 500 {
        let spans = (0..50).flat_map(|_| ten_spans(Trace::new())).collect();
        backend.send(&request([of_service("store", spans)]));
        // One at a time, so that what waits for the store takes next to nothing.
        stats = backend.stats_when_stored(requests * 500);
    }

    let counted = stats["bytes"].as_u64().expect("a number");
    let taken = memory(&process, "VmRSS") - before;
    assert!(taken < counted * 4 / 3, "{counted} bytes are counted, {taken} are taken");
    process.close_stdin();
    assert_eq!(exit_code(process), Some(0));
}

#[test]
fn the_process_takes_about_the_memory_that_it_counts_of_log_records() {
    let (held, sent) = (40_000, 120_000);
    let mut process = viewer(&["--parent-pipe", "--max-logs", &held.to_string()]);
    let backend = backend_of(&process);
    let before = memory(&process, "VmRSS");

    let mut stats = Json::Null;
    for requests in 1..=sent / 500 {
        let trace = Trace::new();
        let records = (0..500).map(|at| {
            let mut record = of_span(trace, at % 10 + 1, at, INFO, "an order has been recorded");
            record.attributes = vec![
                text("grocery.order.id", "01928c5e-7f3a-7cc2-a1b1-3a5c8e9d0f42"),
                text("actix.actor.name", "Ledger"),
            ];
            record
        });
        backend.send_logs(&logs::of_service("store", records.collect()));
        stats = backend.stats_when_logged(requests * 500);
    }

    assert_eq!(stats["logs"]["records"], held);
    let counted = stats["logs"]["bytes"].as_u64().expect("a number");
    let taken = memory(&process, "VmRSS") - before;
    assert!(taken < counted * 4 / 3, "{counted} bytes are counted, {taken} are taken");
    process.close_stdin();
    assert_eq!(exit_code(process), Some(0));
}

#[test]
fn readers_take_little_however_much_they_read() {
    let mut process = viewer(&["--parent-pipe"]);
    let backend = backend_of(&process);
    let (trace, note) = (Trace::new(), "x".repeat(1_000));
    for batch in 0..5_u64 {
        let spans = (batch * 1_000 + 1..=batch * 1_000 + 1_000).map(|id| {
            let mut span = trace.span(id, id - 1, "step", id..id + 5);
            span.attributes = vec![text("one", &note), text("two", &note)];
            span
        });
        backend.send(&request([of_service("store", spans.collect())]));
    }
    backend.stats_when_stored(5_000);
    let times = "query.startTimeMin=2020-01-01T00:00:00Z&query.startTimeMax=2100-01-01T00:00:00Z";
    let paths = [
        format!("/viewer/api/traces/{}", trace.hex()),
        format!("/api/traces/{}", trace.hex()),
        format!("/api/v3/traces/{}", trace.hex()),
        format!("/api/v3/traces?{times}&query.num_traces=1500"),
    ];
    // The peak counts from here on.
    let refs = format!("/proc/{}/clear_refs", process.id());
    std::fs::write(refs, "5").expect("a running process");
    let before = memory(&process, "VmRSS");

    let backend = &backend;
    let read: u64 = std::thread::scope(|scope| {
        let readers: Vec<_> = paths
            .iter()
            .cycle()
            .take(12)
            .map(|path| {
                scope.spawn(move || {
                    let mut answer = backend.query(path).send().expect("an answer");
                    assert_eq!(answer.status(), 200, "{path}");
                    std::io::copy(&mut answer, &mut std::io::sink()).expect("a whole answer")
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().expect("a reader")).sum()
    });

    let more = memory(&process, "VmHWM").saturating_sub(before);
    assert!(read > 100 << 20, "{read}");
    assert!(more < 24 << 20, "{more} bytes are taken for {read} that were read");
    process.close_stdin();
    assert_eq!(exit_code(process), Some(0));
}

#[test]
fn a_small_bomb_in_json_is_refused_and_takes_no_memory() {
    // Five million lists where spans should be: 16 KB on the wire, and once two gigabytes here.
    let lists = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}[]]}}]}}]}}"#,
        "[],".repeat(5_000_000)
    );
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(lists.as_bytes()).expect("memory");
    let bomb = bomb.finish().expect("memory");
    assert!(bomb.len() < 17_000);
    let mut process = viewer(&["--parent-pipe"]);
    let backend = backend_of(&process);
    let before = memory(&process, "VmHWM");

    let post = backend.otlp("/v1/traces").header("content-type", "application/json");
    let refused = post.header("content-encoding", "gzip").body(bomb).send().expect("an answer");

    assert_eq!(refused.status(), 400);
    let taken = memory(&process, "VmHWM") - before;
    assert!(taken < 64 << 20, "{taken} bytes are taken");
    process.close_stdin();
    assert_eq!(exit_code(process), Some(0));
}

/// A trace with attributes as an actor's spans have them.
fn ten_spans(trace: Trace) -> impl Iterator<Item = Span> {
    (1..=10).map(move |id| {
        let mut span = trace.span(id, id - 1, "ask Aisle Reserve", id..20);
        span.attributes = vec![
            text("actix.actor.name", "Aisle"),
            text("actix.message.type", "store::actors::aisle::Reserve"),
            text("code.function.name", "store::actors::aisle::Aisle::handle"),
            text("grocery.order.id", "01928c5e-7f3a-7cc2-a1b1-3a5c8e9d0f42"),
        ];
        span
    })
}

/// The memory of a process: what is resident now (`VmRSS`), or was at most (`VmHWM`).
fn memory(process: &Process, what: &str) -> u64 {
    let path = format!("/proc/{}/status", process.id());
    let status = std::fs::read_to_string(path).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kib = line.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("a number of KiB") * 1024
}
