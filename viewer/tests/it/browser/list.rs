//! The list: search by tag and by duration, and a tail that never moves what is being read.

use super::driver::Key;

use super::{open_page, open_shop};
use crate::support::spans::{Trace, error, of_service, request, text};

const NAMES: &str = "return [...document.querySelectorAll('.rows .root-name')].map((name) => name.textContent).join()";

#[test]
fn traces_are_found_by_tag_and_by_duration() {
    let Some((_backend, browser, _shop)) = open_shop() else { return };
    browser.expect("return document.querySelectorAll('.rows .row').length", 2);

    for (field, value, found, query) in [
        ("tags", "grocery.aisle=dairy", "going to the grocery store", "tags=grocery.aisle%3Ddairy"),
        ("tags", "db.system.name=sqlite", "process Ledger batch", "tags=db.system.name%3Dsqlite"),
        ("minDuration", "20ms", "going to the grocery store", "minDuration=20ms"),
        (
            "maxDuration",
            "7ms",
            "going to the grocery store,process Ledger batch",
            "maxDuration=7ms",
        ),
        ("maxDuration", "300us", "going to the grocery store", "maxDuration=300us"),
    ] {
        browser.goto_path("/");
        browser.click(&format!("[name={field}]"));
        browser.press(value);
        browser.press(Key::Enter);
        browser
            .expect("return document.querySelector('.summary').textContent !== 'Searching…'", true);
        browser.expect(&NAMES.replace(".join()", ".sort().join()"), found);
        assert_eq!(browser.path(), format!("/?{query}"));
    }
}

#[test]
fn a_search_that_finds_nothing_and_one_that_makes_no_sense_say_so() {
    let Some((_backend, browser, _shop)) = open_shop() else { return };
    browser.goto_path("/?service=shopper&minDuration=1h");
    browser.expect("return document.querySelector('.blank h2')?.textContent", "No trace matches");

    browser.goto_path("/?minDuration=soon");
    browser.expect(
        "return document.querySelector('[role=alert]')?.textContent.includes('soon')",
        true,
    );
    browser.goto_path("/trace/00000000000000000000000000000001");
    browser.expect(
        "return document.querySelector('[role=alert] h1')?.textContent",
        "This trace is not here",
    );
}

#[test]
fn an_errors_only_search_shows_errors_in_words_and_not_by_colour_alone() {
    let Some((backend, browser)) = open_page() else { return };
    let (good, bad) = (Trace::new(), Trace::new());
    let mut broken = bad.span(1, 0, "broken", 0..10);
    broken.status = error("no");
    backend.send(&request([of_service("store", vec![good.span(1, 0, "fine", 0..10), broken])]));
    browser.click("[name=errors]");
    browser.click(".search .primary");

    browser.expect(NAMES, "broken");
    browser
        .expect("return document.querySelector('.rows .errors').textContent.trim()", "⚠ 1 error");
}

#[test]
fn new_traces_wait_while_the_reader_is_on_a_row() {
    let Some((backend, browser, shop)) = open_shop() else { return };
    browser.expect("return document.querySelectorAll('.rows .row').length", 2);
    browser.press("j");
    let focused = "return document.activeElement.querySelector('.root-name')?.textContent";
    let at = "return document.activeElement.getBoundingClientRect().top";
    let (name, top) = (browser.run(focused), browser.run(at));

    let later = Trace { start_us: shop.trip.start_us + 5_000_000, ..Trace::new() };
    let mut span = later.span(1, 0, "later", 0..10);
    span.attributes.push(text("k", "v"));
    backend.send(&request([of_service("store", vec![span])]));
    browser.expect("return document.querySelector('.new').hidden", false);
    browser.expect("return document.querySelector('.new').textContent", "↑ 1 new trace");
    assert_eq!((browser.run(focused), browser.run(at)), (name, top));

    browser.press("n");
    browser.expect("return document.querySelector('.rows .root-name').textContent", "later");
}

#[test]
fn a_viewer_that_has_gone_is_told_and_what_was_loaded_stays() {
    let Some((backend, browser, _shop)) = open_shop() else { return };
    browser.expect("return document.querySelectorAll('.rows .row').length", 2);
    drop(backend);

    let footer = "return document.querySelector('footer').textContent";
    browser.expect(footer, "⚠ The viewer does not answer. Trying again…");
    browser.expect("return document.querySelector('[data-state=lost]') !== null", true);
    browser.expect("return document.querySelectorAll('.rows .row').length", 2);
}

#[test]
fn a_paused_tail_lets_nothing_in_until_it_goes_on() {
    let Some((backend, browser, _shop)) = open_shop() else { return };
    browser.expect("return document.querySelectorAll('.rows .row').length", 2);
    browser.press("p");
    browser.expect("return document.querySelector('[data-state=paused]').textContent", "Paused");

    let later = Trace::new();
    backend.send(&request([of_service("store", vec![later.span(1, 0, "later", 0..10)])]));
    // The footer counts it already, and the list has not changed.
    browser
        .expect("return document.querySelector('footer').textContent.includes('3 traces')", true);
    browser.expect("return document.querySelectorAll('.rows .row').length", 2);
    browser.press("p");
    browser.expect("return document.querySelectorAll('.rows .row').length", 3);
}
