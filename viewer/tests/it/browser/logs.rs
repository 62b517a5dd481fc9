//! Log records: from a trace to its records and back, searched, followed live, without a mouse.

use serde_json::json;

use super::driver::{Browser, Key};
use super::shop::{RECORD, Shop};
use super::{open_page, open_shop};
use crate::support::Backend;
use crate::support::logs::{ERROR, INFO, WARN, of_service, of_span, record};
use crate::support::{now_us, spans};

/// The texts in the list.
const TEXTS: &str = "return [...document.querySelectorAll('.log-row')].map((row) =>
    row.querySelector('.grid-cell:nth-child(5)').firstElementChild.firstChild.textContent).join()";
const HEADING: &str = "return document.querySelector('.details h2')?.textContent";

/// What a failed checkout logs.
pub(super) fn log_the_checkout(backend: &Backend, shop: &Shop) {
    let mut failed = of_span(shop.trip, RECORD, 26_000, ERROR, "cannot record the order");
    failed.attributes = vec![spans::text("grocery.order.id", "order 7")];
    backend.send_logs(&of_service(
        "grocery-store",
        vec![
            of_span(shop.trip, 0x0f, 16_400, WARN, "too little milk"),
            failed,
            of_span(shop.trip, 0xff, 26_500, INFO, "of a span that never came"),
        ],
    ));
    backend.send_logs(&of_service("shopper", vec![record(1, INFO, "nothing to do with it")]));
    backend.stats_when_logged(4);
}

/// The shop with the records of its checkout.
pub(super) fn open_logged_shop() -> Option<(Backend, Browser, Shop)> {
    let (backend, browser, shop) = open_shop()?;
    log_the_checkout(&backend, &shop);
    Some((backend, browser, shop))
}

#[test]
fn the_log_of_a_failed_checkout_is_found_from_its_trace_and_leads_back() {
    let Some((_backend, browser, shop)) = open_logged_shop() else { return };
    let id = shop.trip.hex();
    browser.goto_path("/");
    browser.expect("return document.querySelector('.logged')?.textContent", "1 error logged");
    browser.click(".rows .row:has(.logged) .name");
    browser.expect(
        "return document.querySelector('.logs-fact')?.textContent",
        "3 log records, 1 error logged",
    );

    // On the bars of their spans, where they happened: at 26 of 30 ms.
    browser.expect("return document.querySelectorAll('.log-mark').length", 2);
    let place = browser.run(
        "const mark = document.querySelector('.log-mark.at-error').getBoundingClientRect();
        const time = document.querySelector('.line .time').getBoundingClientRect();
        return Math.round(((mark.left + mark.right) / 2 - time.left) / time.width * 30)",
    );
    assert_eq!(place, json!(26));
    browser.press("2");
    browser.expect(
        "return [...document.querySelectorAll('.lane')].filter((lane) => lane.querySelector('.log-mark'))
            .map((lane) => lane.querySelector('.lane-actor').textContent).join()",
        "Aisle,Ledger",
    );

    // In a view of their own; a record leads to its span, whose details have it.
    browser.press("7");
    browser.expect(TEXTS, "too little milk,cannot record the order,of a span that never came");
    browser.click(".log-row.at-error");
    browser.expect(HEADING, "ask Ledger Record");
    browser.expect(
        "return document.querySelector('.details .log-entry .log-text').textContent",
        "cannot record the order",
    );

    // From there to everything about it, and back to the span.
    browser.click(".details .log-entry a");
    browser.expect(HEADING, "⚠ error Log record");
    assert_eq!(browser.path(), format!("/logs?traceID={id}&record=2"));
    browser.expect(TEXTS, "of a span that never came,cannot record the order,too little milk");
    browser.expect(
        "return [...document.querySelectorAll('.details td')].some((cell) => cell.textContent.startsWith('order 7'))",
        true,
    );
    browser.expect(
        "return [...document.querySelectorAll('.details .actions a')].map((link) => link.textContent).join()",
        "Span ask Ledger Record,Actor Ledger,Records of this trace",
    );
    browser.click(".details .actions a");
    browser.expect(HEADING, "ask Ledger Record");
    assert_eq!(browser.path(), format!("/trace/{id}?span={RECORD:016x}"));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn records_of_a_trace_without_spans_are_shown_at_the_trace() {
    let Some((backend, browser)) = open_page() else { return };
    let trace = spans::Trace::new();
    backend.send_logs(&of_service("store", vec![of_span(trace, 1, 1, WARN, "early")]));
    backend.stats_when_logged(1);

    browser.goto_path(&format!("/trace/{}", trace.hex()));

    browser.expect(
        "return document.querySelector('.trace-records h2')?.textContent",
        "1 log record of it came",
    );
    browser
        .expect("return document.querySelector('.trace-records .log-text')?.textContent", "early");
    browser.click(".trace-records .log-entry a");
    browser.expect(HEADING, "warn Log record");
}

#[test]
fn a_search_is_in_the_address_and_outlasts_back_and_reload() {
    let Some((_backend, browser, _shop)) = open_logged_shop() else { return };
    browser.goto_path("/logs");
    browser.expect("return document.querySelectorAll('.log-row').length", 4);

    browser.click("[name=text]");
    browser.press("RECORD the");
    browser.press(Key::Enter);
    browser.expect(TEXTS, "cannot record the order");
    assert_eq!(browser.path(), "/logs?text=RECORD+the");
    browser.goto_path("/logs?severity=warn&tags=grocery.order.id%3D%22order+7%22");
    browser.expect(TEXTS, "cannot record the order");
    browser.expect(
        "return document.querySelector('[name=tags]').value",
        "grocery.order.id=\"order 7\"",
    );
    browser.goto_path("/logs?severity=warn");
    browser.expect(TEXTS, "cannot record the order,too little milk");
    browser.click(".log-row.at-warn");
    browser.expect(HEADING, "warn Log record");
    browser.run("history.back()");
    browser.expect("return document.querySelector('.details').hidden", true);
    browser.expect(TEXTS, "cannot record the order,too little milk");
    browser.goto_path("/logs?service=nobody");
    browser
        .expect("return document.querySelector('.blank h2')?.textContent", "No log record matches");
    browser.goto_path("/logs?tags=%3D");
    browser.expect(
        "return document.querySelector('[role=alert] .notice')?.textContent",
        "parameter 'tags' is \"=\": expected a key before \"=\"",
    );
}

#[test]
fn the_keyboard_goes_through_the_records_and_to_a_span() {
    let Some((_backend, browser, shop)) = open_logged_shop() else { return };
    browser.goto_path("/");
    browser.press("gl");
    browser.expect("return document.querySelectorAll('.log-row').length", 4);
    assert_eq!(browser.path(), "/logs");

    browser.press("jj");
    browser.expect("return document.activeElement.dataset.index", "1");
    browser.press(Key::Enter);
    browser.expect(HEADING, "⚠ error Log record");
    browser.press(Key::Escape);
    browser.expect("return document.querySelector('.details').hidden", true);
    browser.expect("return document.activeElement.dataset.index", "1");
    browser.press("s");
    browser.expect(HEADING, "ask Ledger Record");
    assert_eq!(browser.path(), format!("/trace/{}?span={RECORD:016x}", shop.trip.hex()));
}

#[test]
fn under_two_thousand_records_a_second_every_one_counts_and_the_page_answers() {
    let Some((backend, browser)) = open_page() else { return };
    browser.goto_path("/logs");
    browser.expect("return document.querySelector('[data-state=live]') !== null", true);
    let send = |first: u64| {
        for batch in 0..5 {
            let from = first + batch * 100;
            let texts =
                (from..from + 100).map(|at| record(now_us(), INFO, &format!("record {at}")));
            backend.send_logs(&of_service("busy", texts.collect()));
        }
    };
    let first = "return document.querySelector('.log-row .grid-cell:nth-child(5)')?.textContent.startsWith('record ')";

    // Each time half a second's worth, and in between the page does what its reader asks for.
    for tick in 0..10 {
        send(tick * 500);
        browser.press("?");
        browser.expect("return document.querySelector('dialog[open]') !== null", true);
        browser.press(Key::Escape);
        browser.expect("return document.querySelector('dialog[open]') === null", true);
    }
    browser.expect("return document.querySelector('.summary').textContent", "500 of 5,000 records");
    browser.expect(first, true);
    // Only what is in sight is in the document.
    browser.expect("return document.querySelectorAll('.log-row').length < 100", true);

    // A paused tail stands still, and goes on with all that came.
    browser.press("p");
    browser.expect("return document.querySelector('[data-state=paused]') !== null", true);
    send(5_000);
    backend.stats_when_logged(5_500);
    browser.expect("return document.querySelector('.summary').textContent", "500 of 5,000 records");
    browser.press("p");
    browser.expect("return document.querySelector('.summary').textContent", "500 of 5,500 records");

    // While the reader is in the list, new ones wait.
    browser.press("j");
    browser.expect("return document.activeElement.classList.contains('log-row')", true);
    let held = browser.run(TEXTS);
    send(5_500);
    browser.expect("return document.querySelector('.new').textContent", "↑ 500 new records");
    assert_eq!(browser.run(TEXTS), held);
    browser.press("n");
    browser.expect("return document.querySelector('.new').hidden", true);
    assert_ne!(browser.run(TEXTS), held);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_row_with_the_focus_keeps_it_when_a_search_is_answered() {
    let Some((backend, browser, _shop)) = open_logged_shop() else { return };
    browser.goto_path("/logs");
    browser.expect("return document.querySelectorAll('.log-row').length", 4);
    browser.press("jj");
    browser.expect("return document.activeElement.dataset.index", "1");
    let focused = browser.run("return document.activeElement.textContent");
    // What leaves the grid tells the page that its reader has gone.
    browser.run(
        "window.left = 0;
        document.querySelector('.log-grid').addEventListener('focusout', () => { window.left += 1; });
        window.answered = 0;
        const { fetch } = window;
        window.fetch = async (...request) => {
            const answer = await fetch(...request);
            if (String(request[0]).includes('/logs?')) setTimeout(() => requestAnimationFrame(() => { window.answered += 1; }));
            return answer;
        };",
    );

    // Going on, the tail asks anew: for the same records, which are other objects then.
    browser.press("p");
    browser.expect("return document.querySelector('[data-state=paused]') !== null", true);
    browser.press("p");
    browser.expect("return window.answered > 0", true);

    let still = "const { activeElement } = document;
        return [activeElement.dataset.index, activeElement.textContent, activeElement.tabIndex, window.left,
            [...document.querySelectorAll('.log-row')].map(({ dataset }) => dataset.index).join()]";
    browser.expect(still, json!(["1", focused, 0, 0, "0,1,2,3"]));
    // A record that comes waits, also while the reader goes from row to row.
    backend.send_logs(&of_service("shopper", vec![record(now_us(), INFO, "a later one")]));
    browser.expect("return document.querySelector('.new').textContent", "↑ 1 new record");
    browser.press("k");
    browser.expect("return document.activeElement.dataset.index", "0");
    browser.expect("return document.querySelector('.new').textContent", "↑ 1 new record");
    browser.press("n");
    browser.expect("return document.querySelector('.new').hidden", true);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn at_400_px_a_record_shows_its_time_its_severity_and_its_text() {
    let Some((_backend, browser, _shop)) = open_logged_shop() else { return };
    browser.goto_path("/logs");
    for (width, height) in [(400, 800), (1400, 900)] {
        browser.resize(width, height);
        browser.expect("return document.querySelectorAll('.log-row').length", 4);
        browser.expect("return document.documentElement.scrollWidth <= innerWidth", true);
        browser.expect(
            "return ['.log-row time', '.log-row .level', '.log-row .grid-cell:nth-child(5)', '.headline [data-state]']
                .filter((part) => { const box = document.querySelector(part).getBoundingClientRect();
                    return box.width < 20 || box.left < 0 || box.right > innerWidth; }).join()",
            "",
        );
    }
}
