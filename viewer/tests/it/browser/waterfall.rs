//! The waterfall: the whole tree, its order, its waits, its lanes; and that a long trace stays
//! quick.

use super::{open_page, open_shop};
use crate::support::spans::{Trace, of_service, request};

/// The lines of the waterfall as text.
pub(super) const TREE: &str = "
    const lines = [...document.querySelectorAll('.line')];
    lines.sort((a, b) => a.getAttribute('aria-rowindex') - b.getAttribute('aria-rowindex'));
    return lines.map((line) => {
        const text = (name) => line.querySelector(name)?.textContent.trim() ?? '';
        const words = line.matches('.link')
            ? [text('.way'), text('.span-service'), text('.link-name')]
            : [text('.span-service'), text('.span-name'), text('.instance'), text('.flag')];
        return '  '.repeat(line.getAttribute('aria-level') - 1) + words.filter(Boolean).join(' | ');
    }).join('\\n');";

const TRIP: &str = "\
shopper | going to the grocery store
  shopper | GET
    grocery-store | GET /
      grocery-store | welcome message
  shopper | GET
    grocery-store | GET /whats-in-store
      grocery-store | ask Inventory WhatsInStore
        grocery-store | ask Aisle ListProducts | bakery
        grocery-store | ask Aisle ListProducts | dairy
        grocery-store | ask Aisle ListProducts | produce
  shopper | POST
    grocery-store | POST /checkout
      grocery-store | ask Checkout PlaceOrder
        grocery-store | ask Aisle Reserve | produce
        grocery-store | ask Aisle Reserve | dairy | ⚠error out_of_stock
        grocery-store | ask Ledger Record
          ← linked from | grocery-store | process Ledger batch";

#[test]
fn a_trip_appears_live_and_opens_as_its_whole_tree() {
    let Some((backend, browser)) = open_page() else { return };
    browser.expect("return document.querySelector('.blank h2')?.textContent", "No traces yet");
    let shop = super::Shop::new();
    backend.send(&shop.batch());
    backend.send(&shop.trip());

    let names = "return [...document.querySelectorAll('.rows .root-name')].map((name) => name.textContent).sort().join()";
    browser.expect(names, "going to the grocery store,process Ledger batch");
    browser.click(&format!(".rows a[href='/trace/{}']", shop.trip.hex()));

    browser.expect_text(TREE, TRIP);
    assert_eq!(browser.path(), format!("/trace/{}", shop.trip.hex()));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_wait_in_the_mailbox_leads_in_to_its_span() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path(&format!("/trace/{}", shop.trip.hex()));
    browser.expect_text(TREE, TRIP);

    // Left edge and right edge of the wait, left edge of the bar, in microseconds of the trace.
    let edges = browser.run(
        "const line = [...document.querySelectorAll('.line.span')].find((line) => line.textContent.includes('Ledger Record'));
        const time = line.querySelector('.time').getBoundingClientRect();
        const at = (x) => Math.round((x - time.left) / time.width * 300) * 100;
        const wait = line.querySelector('.wait').getBoundingClientRect();
        return [at(wait.left), at(wait.right), at(line.querySelector('.bar').getBoundingClientRect().left)]",
    );
    assert_eq!(edges, serde_json::json!([16_100, 17_000, 17_000]));
    let drawn = browser.run(
        "return getComputedStyle(document.querySelector('.wait')).backgroundImage.slice(0, 25)",
    );
    assert_eq!(drawn, "repeating-linear-gradient");
}

#[test]
fn each_actor_has_a_lane_of_its_own() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path(&format!("/trace/{}?view=lanes", shop.trip.hex()));

    browser.expect_text(
        "return [...document.querySelectorAll('.lane')].map((lane) => {
            const words = [lane.querySelector('.lane-actor').textContent, lane.querySelector('.instance')?.textContent.trim()];
            const bars = [...lane.querySelectorAll('.lane-bar')].map((bar) => bar.firstChild.textContent + (bar.classList.contains('failed') ? 'failed' : ''));
            return `${words.filter(Boolean).join(' ')}: ${bars.join(', ')}`;
        }).join('\\n')",
        "other work: going to the grocery store\n\
         requests made: GET, GET, POST\n\
         requests served: GET /, GET /whats-in-store, POST /checkout\n\
         other work: welcome message\n\
         Inventory: WhatsInStore\n\
         Aisle bakery: ListProducts\n\
         Aisle dairy: ListProducts, ⚠ failed\n\
         Aisle produce: ListProducts, Reserve\n\
         Checkout: PlaceOrder\n\
         Ledger: Record",
    );
    let arrows = "return document.querySelectorAll('.sending').length";
    browser.expect(arrows, 15);
}

#[test]
fn of_two_thousand_spans_only_those_in_sight_are_in_the_document() {
    let Some((backend, browser)) = open_page() else { return };
    let trace = Trace::new();
    let root = std::iter::once(trace.span(1, 0, "a long day", 0..2_000));
    let rest = (2..=2_000).map(|id| trace.span(id, id / 2, &format!("span {id}"), id - 1..id + 9));
    backend.send(&request([of_service("store", root.chain(rest).collect())]));
    backend.stats_when_stored(2_000);
    browser.goto_path(&format!("/trace/{}", trace.hex()));

    browser.expect(
        "return document.querySelector('.waterfall')?.getAttribute('aria-rowcount')",
        "2000",
    );
    let drawn = "return document.querySelectorAll('.line').length";
    let is_few = || browser.run(drawn).as_u64().is_some_and(|lines| (10..150).contains(&lines));
    assert!(is_few(), "{}", browser.run(drawn));
    browser.press(super::driver::Key::End);
    browser.expect("return document.activeElement.getAttribute('aria-rowindex')", "2000");
    browser.expect(
        "return document.activeElement.querySelector('.span-name').textContent",
        "span 1023",
    );
    assert!(is_few(), "{}", browser.run(drawn));
}
