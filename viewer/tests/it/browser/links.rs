//! Links: drawn as arrows, followed in both directions and across traces.

use super::open_shop;
use super::shop::{BATCH, RECORD};
use super::waterfall::TREE;

const BATCH_TREE: &str = "\
grocery-store | process Ledger batch
  → links to | grocery-store | ask Ledger Record
  grocery-store | INSERT orders";

#[test]
fn a_link_leads_from_an_order_to_its_batch_and_back() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    let order = format!("/trace/{}?span={RECORD:016x}", shop.trip.hex());
    let batch = format!("/trace/{}?span={BATCH:016x}", shop.batch.hex());
    browser.goto_path(&order);

    browser.expect("return document.querySelectorAll('.arrow.from').length", 1);
    browser.click(".line.link.from .link-name");
    browser.expect_text(TREE, BATCH_TREE);
    assert_eq!(browser.path(), batch);
    browser.expect("return document.querySelectorAll('.arrow.to').length", 1);
    browser
        .expect("return document.querySelector('.details h2').textContent", "process Ledger batch");

    browser.click(".details .link-entry a");
    browser
        .expect("return document.querySelector('.details h2')?.textContent", "ask Ledger Record");
    assert_eq!(browser.path(), order);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_linked_span_is_drawn_at_its_own_time() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path(&format!("/trace/{}", shop.trip.hex()));
    browser.expect("return document.querySelectorAll('.ghost').length", 1);

    // Both traces start at the same time, so the batch lies at 18 to 26 ms of 30.
    let edges = browser.run(
        "const ghost = document.querySelector('.ghost').getBoundingClientRect();
        const time = document.querySelector('.line.link .time').getBoundingClientRect();
        return [ghost.left, ghost.right].map((x) => Math.round((x - time.left) / time.width * 30))",
    );
    assert_eq!(edges, serde_json::json!([18, 26]));
}

#[test]
fn a_key_follows_a_link_and_the_browsers_back_returns() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    let order = format!("/trace/{}?span={RECORD:016x}", shop.trip.hex());
    browser.goto_path(&order);
    browser.expect(
        "return document.activeElement.querySelector('.span-name')?.textContent",
        "ask Ledger Record",
    );

    browser.press("l");
    browser.expect_text(TREE, BATCH_TREE);
    browser.run("history.back()");
    browser
        .expect("return document.querySelector('.details h2')?.textContent", "ask Ledger Record");
    assert_eq!(browser.path(), order);
}
