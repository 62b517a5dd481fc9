//! Two traces held against each other: what is only in one, what hangs elsewhere, what came in from
//! another trace; by keyboard, on a narrow screen, and with what is not held.

use opentelemetry_proto::tonic::trace::v1::Span;

use super::driver::Key;
use super::open_page;
use crate::support::Backend;
use crate::support::spans::{CLIENT, SERVER, Trace, error, of_service, request, text};

/// The lines of the tree: the mark, the name, and the words after it.
const LINES: &str = "
    return [...document.querySelectorAll('.pair')].map((line) => {
        const text = (css) => line.querySelector(css)?.textContent.trim() ?? '';
        const remarks = [...line.querySelectorAll('.pair-remark')].map((remark) => remark.textContent.trim());
        const indent = '  '.repeat(Number(line.getAttribute('aria-level')) - 1);
        return [text('.pair-mark').replace(/^\\S /, ''), indent + text('.span-name'), ...remarks].join(' | ');
    }).join('\\n')";

const FOCUSED: &str = "return document.activeElement.querySelector?.('.span-name')?.textContent";
const NO_OVERHANG: &str = "return document.documentElement.scrollWidth <= innerWidth";

/// An order as it should be: a visit, a call, and what the store does for it.
fn right(trace: Trace) -> Vec<(&'static str, Span)> {
    let mut call = trace.span(2, 1, "POST", 1_000..19_000);
    call.kind = CLIENT;
    let mut serving = trace.span(3, 2, "POST /checkout", 2_000..18_000);
    serving.kind = SERVER;
    let mut till = trace.span(4, 3, "ask Till", 3_000..17_000);
    till.attributes = vec![text("actix.actor.name", "Till"), text("customer", "Ann")];
    let mut visit = trace.span(1, 0, "visit", 0..20_000);
    visit.attributes = vec![text("customer", "Ann")];
    vec![
        ("shopper", visit),
        ("shopper", call),
        ("store", serving),
        ("store", till),
        ("store", trace.span(5, 4, "reserve", 4_000..6_000)),
        ("store", trace.span(6, 4, "record", 7_000..16_000)),
    ]
}

fn send(backend: &Backend, spans: Vec<(&'static str, Span)>) {
    backend
        .send(&request(spans.into_iter().map(|(service, span)| of_service(service, vec![span]))));
}

/// A right order, and a wrong one: `change` makes it so.
fn orders(backend: &Backend, change: impl FnOnce(&mut Vec<(&'static str, Span)>)) -> [Trace; 2] {
    let [one, other] = [Trace::new(), Trace::new()];
    send(backend, right(one));
    let mut wrong = right(other);
    change(&mut wrong);
    send(backend, wrong);
    [one, other]
}

fn path([one, other]: [Trace; 2]) -> String {
    format!("/compare/{}/{}", one.hex(), other.hex())
}

#[test]
fn a_trace_is_compared_with_itself() {
    let Some((backend, browser)) = open_page() else { return };
    let trace = Trace::new();
    send(&backend, right(trace));
    browser.goto_path(&path([trace, trace]));

    browser.expect_text(
        LINES,
        " | visit\n |   POST\n |     POST /checkout\n |       ask Till\n |         reserve\n |         record",
    );
    browser.expect("return document.querySelectorAll('.finding').length", 0);
    let differences = "return [...new Set([...document.querySelectorAll('.pair-difference')].map((cell) => cell.textContent))].join()";
    browser.expect(differences, "=");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn cut_shows_what_is_missing_and_what_goes_on_in_a_trace_of_its_own() {
    let Some((backend, browser)) = open_page() else { return };
    let orphan = Trace::new();
    let [one, other] = orders(&backend, |wrong| {
        let record = orphan.span(6, 99, "record", 7_000..16_000);
        wrong.retain(|(_, span)| span.name != "ask Till" && span.name != "reserve");
        *wrong.last_mut().expect("a span") = ("store", record);
    });
    browser.goto_path(&format!(
        "/compare/{}/{}+{}?a=right&b=wrong",
        one.hex(),
        other.hex(),
        orphan.hex()
    ));

    browser.expect_text(
        LINES,
        " | visit
 |   POST
 |     POST /checkout
only right |       ask Till
only right |         reserve
cut off |         record | in wrong without its parent, a trace of its own
cut off | record | in right under ask Till",
    );
    let found = "return [...document.querySelectorAll('.finding')].map((button) => button.textContent.trim()).join('; ')";
    browser.expect(found, "✂ 1 cut off; − 2 only right");
    let totals = "return [...document.querySelectorAll('.measures li')].map((item) => item.innerText.trim()).join('; ')";
    let figures = browser.run(totals);
    let figures = figures.as_str().unwrap_or_default();
    assert!(figures.contains("Spans") && figures.contains("Orphans"), "{figures}");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn moved_shows_both_places_and_leads_from_one_to_the_other() {
    let Some((backend, browser)) = open_page() else { return };
    let both = orders(&backend, |wrong| {
        let (_, record) = wrong.last_mut().expect("a span");
        record.parent_span_id = 3_u64.to_be_bytes().to_vec();
        record.status = error("no");
    });
    browser.goto_path(&path(both));

    browser.expect_text(
        LINES,
        " | visit
 |   POST
 |     POST /checkout
 |       ask Till
 |         reserve
moved |         record | in B under POST /checkout
moved, status |       record | in A under ask Till | fails only in B",
    );
    browser.press("n");
    browser.expect(FOCUSED, "record");
    browser.expect("return document.activeElement.getAttribute('aria-level')", "5");
    browser.press("m");
    browser.expect("return document.activeElement.getAttribute('aria-level')", "4");
    browser.press("a");
    browser.expect(
        "return document.querySelector('.details h2')?.textContent ?? document.title",
        "record",
    );
    assert_eq!(browser.path(), format!("/trace/{}?span={:016x}", both[0].hex(), 6));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn mixed_shows_whose_span_came_in() {
    let Some((backend, browser)) = open_page() else { return };
    let both = orders(&backend, |wrong| {
        let trace_id = wrong[0].1.trace_id.clone();
        let mut strange = Trace::new().span(9, 4, "ask Aisle", 8_000..9_000);
        strange.trace_id = trace_id;
        strange.attributes = vec![text("customer", "Bob")];
        wrong.push(("store", strange));
    });
    browser.goto_path(&path(both));

    browser.expect(
        "return [...document.querySelectorAll('.pair.is-mixed')].map((line) => line.innerText.replace(/\\s+/g, ' ')).join()
            .includes('carries customer=Bob, not Ann')",
        true,
    );
    browser.press("d");
    browser.expect_text(
        LINES,
        " | visit
 |   POST
 |     POST /checkout
 |       ask Till
mixed in, only B |         ask Aisle | carries customer=Bob, not Ann",
    );
    assert_eq!(browser.path(), format!("{}?only=1", path(both)));
}

#[test]
fn the_keyboard_folds_swaps_and_opens_both_spans_in_full() {
    let Some((backend, browser)) = open_page() else { return };
    let [one, other] = orders(&backend, |wrong| {
        wrong[3].1.attributes = vec![text("actix.actor.name", "Till"), text("customer", "Eve")];
    });
    browser.goto_path(&path([one, other]));
    browser.expect(FOCUSED, "visit");

    browser.press("jjj");
    browser.expect(FOCUSED, "ask Till");
    browser.press(Key::Enter);
    let rows = "return [...document.querySelectorAll('.details .differs')].map((row) => [...row.children].map((cell) => cell.textContent.trim()).join(' | ')).join('\\n')";
    browser.expect(rows, "≠ customer | Ann | Eve");
    browser.press(Key::Escape);
    browser.expect("return document.querySelector('.details').hidden", true);
    browser.expect(FOCUSED, "ask Till");
    browser.press(Key::Left);
    browser.expect("return document.querySelectorAll('.pair').length", 4);
    browser.press("x");
    browser.expect("return document.querySelectorAll('.pair').length", 6);
    browser.press("s");
    browser.expect("return document.querySelectorAll('.pair').length", 6);
    assert_eq!(browser.path(), path([other, one]));
    browser.press(Key::Escape);
    browser.expect("return location.pathname", "/");
}

#[test]
fn what_is_not_held_is_named() {
    let Some((backend, browser)) = open_page() else { return };
    let trace = Trace::new();
    send(&backend, right(trace));
    let gone = "f".repeat(32);
    browser.goto_path(&format!("/compare/{}/{gone}", trace.hex()));
    browser.expect(
        "return document.querySelector('.empty code')?.parentElement.textContent",
        format!("B: {gone} is not held"),
    );

    browser.goto_path(&format!("/compare/{}/xyz", trace.hex()));
    browser.expect(
        "return document.querySelector('.empty p')?.textContent",
        "\"xyz\" is no trace id: expected 32 hexadecimal digits",
    );

    browser.goto_path(&format!("/compare/{}+{gone}/{}", trace.hex(), trace.hex()));
    browser.expect(
        "return document.querySelector('.compare-head .warning')?.textContent",
        format!("A: {gone} is not held"),
    );
    browser.expect("return document.querySelectorAll('.pair').length", 6);
}

#[test]
fn a_trace_that_has_not_come_yet_is_compared_when_it_comes() {
    let Some((backend, browser)) = open_page() else { return };
    let [one, other] = [Trace::new(), Trace::new()];
    send(&backend, right(one));
    browser.goto_path(&path([one, other]));
    browser.expect("return document.querySelectorAll('.empty code').length", 1);

    send(&backend, right(other));
    browser.expect("return document.querySelectorAll('.pair').length", 6);
}

#[test]
fn the_page_of_a_trace_leads_to_a_comparison_with_one_like_it() {
    let Some((backend, browser)) = open_page() else { return };
    let [one, other] = orders(&backend, |_| {});
    browser.goto_path(&format!("/trace/{}", one.hex()));
    browser.expect("return document.querySelectorAll('.line').length", 6);
    browser.press("w");
    browser.expect(
        "return document.querySelector('.compare-known a')?.getAttribute('href')",
        path([one, other]),
    );
    browser.click(".compare-known a");
    browser.expect("return document.querySelectorAll('.pair').length", 6);

    browser.goto_path(&format!("/compare/{}", one.hex()));
    browser.expect("return document.activeElement.name", "b");
    browser.press(other.hex());
    browser.press(Key::Enter);
    browser.expect("return document.querySelectorAll('.pair').length", 6);
    assert_eq!(browser.path(), path([one, other]));
}

#[test]
fn a_narrow_screen_shows_names_and_both_times() {
    let Some((backend, browser)) = open_page() else { return };
    let both = orders(&backend, |wrong| drop(wrong.pop()));
    browser.resize(400, 800);
    browser.prefer("dark");
    browser.goto_path(&path(both));
    browser.expect("return document.querySelectorAll('.pair').length", 6);
    browser.expect(NO_OVERHANG, true);
    // Nothing of a line lies outside it.
    let outside = "return [...document.querySelectorAll('.pair')].flatMap((line) => {
        const box = line.getBoundingClientRect();
        return [...line.querySelectorAll('.pair-mark, .span-name, .pair-side a, .pair-difference')].filter((part) => {
            const own = part.getBoundingClientRect();
            return own.width > 0 && (own.left < box.left - 1 || own.right > box.right + 1 || own.bottom > box.bottom + 1);
        }).map((part) => part.textContent);
    }).join()";
    browser.expect(outside, "");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn of_two_thousand_spans_only_those_in_sight_are_in_the_document() {
    let Some((backend, browser)) = open_page() else { return };
    let both = [Trace::new(), Trace::new()];
    for (trace, last) in [(both[0], 2_000), (both[1], 1_999)] {
        let root = std::iter::once(trace.span(1, 0, "a long day", 0..2_000));
        let rest =
            (2..=last).map(|id| trace.span(id, id / 2, &format!("span {id}"), id - 1..id + 9));
        backend.send(&request([of_service("store", root.chain(rest).collect())]));
    }
    backend.stats_when_stored(3_999);
    browser.goto_path(&path(both));

    browser
        .expect("return document.querySelector('.pairs')?.getAttribute('aria-rowcount')", "2000");
    let drawn = "return document.querySelectorAll('.pair').length";
    let is_few = || browser.run(drawn).as_u64().is_some_and(|lines| (10..150).contains(&lines));
    assert!(is_few(), "{}", browser.run(drawn));
    browser.press(Key::End);
    browser.expect("return document.activeElement.getAttribute('aria-rowindex')", "2000");
    browser.press("n");
    browser.expect(FOCUSED, "span 2000");
    assert!(is_few(), "{}", browser.run(drawn));
}
