//! The list tells traces apart: its orders, its chips, what is still arriving, two to be compared.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde_json::json;
use viewer::Config;

use super::driver::{Browser, Key};
use super::{open_page, open_page_of, open_shop};
use crate::support::Backend;
use crate::support::spans::{Trace, attribute, error, of_service, request, text};

const NAMES: &str = "return [...document.querySelectorAll('.rows .root-name')].map((name) => name.textContent).join()";

/// Traces in the order of their start, with other orders of duration, spans and errors.
fn different(backend: &Backend) -> Vec<Trace> {
    let base = Trace::new();
    let different = [("one", 40_000, 1, 1), ("two", 10_000, 3, 0), ("three", 20_000, 2, 2)];
    (0..)
        .zip(different)
        .map(|(nth, (name, us, spans, errors))| {
            let trace = Trace { start_us: base.start_us + nth * 1_000_000, ..Trace::new() };
            let spans = (1..=spans).map(|id| {
                let mut span = trace.span(id, id - 1, name, 0..us);
                span.status = if id <= errors { error("no") } else { None };
                span
            });
            backend.send(&request([of_service("store", spans.collect())]));
            trace
        })
        .collect()
}

#[test]
fn one_click_or_key_shows_the_slowest_or_what_failed_and_the_address_holds_it() {
    let Some((backend, browser)) = open_page() else { return };
    different(&backend);
    browser.expect(NAMES, "three,two,one");

    let quick = |nth: usize| format!(".quick a:nth-child({nth})");
    for (nth, path, names) in [
        (2, "/?sort=duration", "one,three,two"),
        (3, "/?sort=spans", "two,three,one"),
        (4, "/?sort=errors", "three,one,two"),
        (5, "/?sort=errors&errors=true", "three,one"),
        (5, "/?sort=errors", "three,one,two"),
        (1, "/", "three,two,one"),
    ] {
        browser.click(&quick(nth));
        browser.expect(NAMES, names);
        assert_eq!(browser.path(), path);
    }
    browser.run("history.go(-2)");
    browser.expect(NAMES, "three,one");
    assert_eq!(browser.path(), "/?sort=errors&errors=true");
    browser.goto_path("/");
    browser.expect(NAMES, "three,two,one");
    browser.press("s");
    browser.expect(NAMES, "one,three,two");
    browser.press("f");
    browser.expect(NAMES, "one,three");
    assert_eq!(browser.path(), "/?sort=duration&errors=true");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_heading_sorts_and_sorts_the_other_way_round() {
    let Some((backend, browser)) = open_page() else { return };
    different(&backend);
    browser.expect(NAMES, "three,two,one");

    browser.click(".head .spans a");
    browser.expect(NAMES, "two,three,one");
    let sorted = "return document.querySelector('[aria-sort]').textContent + document.querySelector('[aria-sort]').ariaSort";
    browser.expect(sorted, "Spans ▼descending");
    browser.click(".head .spans a");
    browser.expect(NAMES, "one,three,two");
    browser.expect(sorted, "Spans ▲ascending");
    assert_eq!(browser.path(), "/?sort=spans&order=asc");

    // What comes waits while the pointer is on the list, and then goes where it belongs.
    let trace = Trace::new();
    let spans = (1..=9).map(|id| trace.span(id, id - 1, "nine", 0..5)).collect();
    backend.send(&request([of_service("store", spans)]));
    browser.expect("return document.querySelector('.new').textContent", "↑ 1 new trace");
    browser.press("n");
    browser.expect(NAMES, "one,three,two,nine");
}

#[test]
fn a_full_bar_is_the_longest_trace_and_half_a_bar_half_as_long() {
    let Some((backend, browser)) = open_page() else { return };
    different(&backend);
    browser.expect(NAMES, "three,two,one");

    let shares = browser.run(
        "return [...document.querySelectorAll('.rows .track')].map((track) =>
            Math.round(100 * track.firstChild.getBoundingClientRect().width / track.getBoundingClientRect().width))",
    );
    assert_eq!(shares, json!([50, 25, 100]));
    browser.expect("return document.querySelector('.head .scale').textContent", "full bar 40 ms");
}

#[test]
fn a_chip_tells_traces_apart_and_finds_those_that_are_alike() {
    let chips = "trip.kind,trip.words".parse().expect("keys");
    let config = Config { chips, ..Config::on_free_ports() };
    let Some((backend, browser)) = open_page_of(config) else { return };
    for (name, kind) in [("first", "quick"), ("second", "slow one"), ("third", "quick")] {
        let mut root = Trace::new().span(1, 0, name, 0..10);
        root.attributes = vec![text("trip.kind", kind), text("trip.words", &"word ".repeat(60))];
        backend.send(&request([of_service("store", vec![root])]));
    }
    let kinds = "return [...document.querySelectorAll('.rows a.chip')].map((chip) => chip.textContent).sort().join()";
    browser.expect(kinds, "kind quick,kind quick,kind slow one");
    // What is cut is no search.
    browser.expect("return document.querySelectorAll('.rows span.chip').length", 3);

    browser.run("[...document.querySelectorAll('a.chip')].find((chip) => chip.textContent.includes('slow')).click()");
    browser.expect(NAMES, "second");
    assert_eq!(browser.path(), "/?tags=trip.kind%3D%22slow+one%22");
    browser.expect("return document.querySelector('[name=tags]').value", "trip.kind=\"slow one\"");
}

#[test]
fn a_row_names_its_actors_and_the_size_of_its_batch() {
    let Some((backend, browser)) = open_page() else { return };
    let trace = Trace::new();
    let mut batch = trace.span(1, 0, "process Ledger batch", 0..100);
    batch.attributes = vec![
        text("actix.actor.name", "Ledger"),
        attribute("actix.batch.message_count", Value::IntValue(3)),
    ];
    let asks = [2, 3].map(|id| {
        let mut ask = trace.span(id, 1, "ask Aisle Reserve", 0..10);
        ask.attributes = vec![text("actix.actor.name", "Aisle")];
        ask
    });
    backend.send(&request([of_service("store", [vec![batch], asks.into()].concat())]));

    let row = "return ['.tag', '.actors'].map((part) => document.querySelector(`.rows ${part}`)?.textContent).join('; ')";
    browser.expect(row, "batch of 3; Aisle 2Ledger");
}

#[test]
fn a_trace_whose_root_is_to_come_says_so_and_is_completed_in_place() {
    let Some((backend, browser)) = open_page() else { return };
    let trace = Trace::new();
    backend.send(&request([of_service("store", vec![trace.span(2, 1, "GET /", 10..20)])]));
    browser.expect(
        "return document.querySelector('.rows .root-state')?.textContent",
        "still arriving",
    );
    browser.run("window.row = document.querySelector('.rows .row')");

    backend.send(&request([of_service("shopper", vec![trace.span(1, 0, "a trip", 0..30)])]));

    browser.expect(NAMES, "a trip");
    browser.expect("return document.querySelector('.rows .root-state')", json!(null));
    assert_eq!(browser.run("return window.row === document.querySelector('.rows .row')"), true);
    // A root that has not come in a minute does not come.
    let old = Trace { start_us: trace.start_us - 120_000_000, ..Trace::new() };
    backend.send(&request([of_service("store", vec![old.span(2, 1, "orphan", 0..10)])]));
    browser.expect("return document.querySelector('.rows .root-state')?.textContent", "no root");
}

#[test]
fn how_many_there_are_stays_true_while_more_come() {
    let Some((backend, browser)) = open_page() else { return };
    let send = |many: usize| {
        let traces = (0..many).map(|_| Trace::new().span(1, 0, "work", 0..10));
        backend.send(&request([of_service("store", traces.collect())]));
    };
    let summary = "return document.querySelector('.summary').textContent";
    send(60);
    browser.expect(summary, "50 of 60 traces");
    send(140);
    browser.expect(summary, "50 of 200 traces");
}

#[test]
fn the_filters_fill_themselves_as_services_appear() {
    let Some((backend, browser)) = open_page() else { return };
    let offered = "return ['service', 'operation'].map((name) =>
        [...document.querySelector(`[name=${name}]`).options].map((option) => option.text).join()).join('; ')";
    browser.expect(offered, "all services; all operations");

    backend.send(&request([of_service("store", vec![Trace::new().span(1, 0, "work", 0..10)])]));
    browser.expect(offered, "all services,store; all operations,work");
    backend.send(&request([of_service("bank", vec![Trace::new().span(1, 0, "pay", 0..10)])]));
    browser.expect(offered, "all services,bank,store; all operations,pay,work");
}

fn marked(browser: &Browser) {
    let text = "return document.querySelector('.marks').textContent";
    browser.expect(text, "Compare the two markedUnmark");
}

#[test]
fn two_rows_are_marked_and_compared_by_mouse() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.expect("return document.querySelectorAll('.rows .row').length", 2);
    let mark = |id: String| browser.click(&format!(".row[data-trace='{id}'] [type=checkbox]"));
    mark(shop.trip.hex());
    browser.expect(
        "return document.querySelector('.marks .soft').textContent",
        "1 marked: mark another to compare",
    );
    mark(shop.batch.hex());
    marked(&browser);
    browser
        .expect("return document.querySelectorAll('.row[aria-selected=true] :checked').length", 2);

    browser.click(".marks .primary");
    assert_eq!(browser.path(), format!("/compare/{}/{}", shop.trip.hex(), shop.batch.hex()));
}

#[test]
fn two_rows_are_marked_and_compared_by_keys() {
    let Some((_backend, browser, _shop)) = open_shop() else { return };
    browser.expect("return document.querySelectorAll('.rows .row').length", 2);
    let ids = browser
        .run("return [...document.querySelectorAll('.rows .row')].map((row) => row.dataset.trace)");

    browser.press("j");
    browser.press("x");
    browser.press(Key::Down);
    browser.press("x");
    marked(&browser);
    // Marked once more it is no longer marked, and a search keeps what is.
    browser.press("x");
    browser.press("x");
    marked(&browser);
    browser.press("c");
    let path = |a: &serde_json::Value| a.as_str().unwrap_or_default().to_owned();
    assert_eq!(browser.path(), format!("/compare/{}/{}", path(&ids[0]), path(&ids[1])));
}

#[test]
fn an_empty_list_names_the_addresses_that_the_viewer_listens_on() {
    let Some((backend, browser)) = open_page() else { return };
    let handle = backend.handle();
    browser.expect_text(
        "return document.querySelector('.blank pre')?.textContent",
        &format!(
            "OTEL_EXPORTER_OTLP_ENDPOINT=http://{}\n\n# or over gRPC\n\
             OTEL_EXPORTER_OTLP_PROTOCOL=grpc\nOTEL_EXPORTER_OTLP_ENDPOINT=http://{}",
            handle.otlp(),
            handle.otlp_grpc()
        ),
    );
}
