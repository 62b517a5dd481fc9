//! What memory the process takes, against what it counts: the bound on bytes is worth as much as the
//! count is true.

use std::process::Child;

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value as Json;

use crate::process::{exit_code, first_line, viewer};
use crate::support::Backend;
use crate::support::spans::{Trace, of_service, request, text};

#[test]
fn the_process_takes_about_the_memory_that_it_counts() {
    let (held, sent) = (40_000, 160_000);
    let mut process = viewer(&["--parent-pipe", "--max-spans", &held.to_string()]);
    let line = first_line(&mut process);
    let mut urls = line.split_whitespace().filter(|word| word.starts_with("http://"));
    let mut url = || urls.next().expect("a URL").trim_end_matches('/').to_owned();
    let backend = Backend::at(url(), url());
    let before = resident_bytes(&process);

    let mut stats = Json::Null;
    for requests in 1..=sent / 500 {
        let spans = (0..50).flat_map(|_| ten_spans(Trace::new())).collect();
        backend.send(&request([of_service("store", spans)]));
        // One at a time, so that what waits for the store takes next to nothing.
        stats = backend.stats_when_stored(requests * 500);
    }

    let counted = stats["bytes"].as_u64().expect("a number");
    let taken = resident_bytes(&process) - before;
    assert!(taken < counted * 4 / 3, "{counted} bytes are counted, {taken} are taken");
    drop(process.stdin.take());
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

/// The resident memory of a process now.
fn resident_bytes(process: &Child) -> u64 {
    let path = format!("/proc/{}/status", process.id());
    let status = std::fs::read_to_string(path).expect("a running process");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("a number of KiB") * 1024
}
