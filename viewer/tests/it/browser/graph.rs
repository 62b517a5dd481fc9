//! The actor graph: who sends what to whom and which database it asks, in figures; over a time of the
//! reader's choice, before and after; and a way to the traces, and out of the page.

use serde_json::Value as Json;

use super::driver::Browser;
use super::shop::Shop;
use super::{open_page, open_shop};
use crate::support::spans::{Trace, of_service, request};

/// From, to, kind, errors.
const ROWS: &str = "
    return [...document.querySelectorAll('.edges tbody tr')].map((row) => {
        const cells = [...row.children].map((cell) => cell.textContent.trim());
        return [cells[0], cells[1], cells[2], cells[8]].join(' | ');
    }).sort().join('\\n')";

/// Boxes of the picture that lie on one another or are cut off, and texts wider than their box.
const OVERLAPS: &str = "
    const picture = document.querySelector('.graph');
    const box = (node) => ({ node, ...JSON.parse(JSON.stringify(node.getBoundingClientRect())) });
    const boxes = [...picture.querySelectorAll('.outline, .edge-label .backing')].map(box);
    const whole = picture.getBoundingClientRect();
    const name = ({ node }) => node.parentElement.textContent;
    const found = [];
    boxes.forEach((one, i) => {
        if (one.left < whole.left - 1 || one.top < whole.top - 1 || one.right > whole.right + 1 || one.bottom > whole.bottom + 1) {
            found.push(`cut off: ${name(one)}`);
        }
        for (const text of one.node.parentElement.querySelectorAll('text')) {
            const own = text.getBoundingClientRect();
            if (own.left < one.left - 1 || own.right > one.right + 1 || own.bottom > one.bottom + 1) found.push(`too wide: ${text.textContent}`);
        }
        for (const other of boxes.slice(i + 1)) {
            if (one.left < other.right - 1 && other.left < one.right - 1 && one.top < other.bottom - 1 && other.top < one.bottom - 1) {
                found.push(`${name(one)} on ${name(other)}`);
            }
        }
    });
    return found.join('; ')";

#[test]
fn the_graph_shows_services_actors_databases_and_their_messages() {
    let Some((_backend, browser, _shop)) = open_shop() else { return };
    browser.goto_path("/graph");

    browser.expect_text(
        ROWS,
        "Checkout grocery-store | Aisle grocery-store | message | ⚠ 1 (50%)\n\
         Checkout grocery-store | Ledger grocery-store | message | 0\n\
         Inventory grocery-store | Aisle grocery-store | message | 0\n\
         Ledger grocery-store | Ledger grocery-store | link | 0\n\
         Ledger grocery-store | sqlite database | query | 0\n\
         grocery-store | Checkout grocery-store | message | 0\n\
         grocery-store | Inventory grocery-store | message | 0\n\
         shopper | grocery-store | message | 0",
    );
    let drawn = "return [...document.querySelectorAll('.graph .node-name')].map((name) => name.textContent).sort().join()";
    browser.expect(drawn, "Aisle,Checkout,Inventory,Ledger,grocery-store,shopper,sqlite");
    browser.expect("return document.querySelectorAll('.graph .edge').length", 8);
    // Every figure says what it is.
    let labels = "return [...document.querySelectorAll('.edge-label')].map((label) => [...label.querySelectorAll('text')].map((line) => line.textContent.replace(/[0-9.,]+ (ns|µs|ms|s)|[0-9.,]+(?=\\/s|%)/g, 'N')).join(', ')).sort().join('\\n')";
    browser.expect_text(
        labels,
        "N/s ⚠ N%, p50 N · p99 N, wait p50 N · p99 N\n\
         N/s, p50 N · p99 N\n\
         N/s, p50 N · p99 N, wait p50 N · p99 N\n\
         N/s, p50 N · p99 N, wait p50 N · p99 N\n\
         N/s, p50 N · p99 N, wait p50 N · p99 N\n\
         N/s, p50 N · p99 N, wait p50 N · p99 N\n\
         links N/s\n\
         queries N/s, p50 N · p99 N",
    );
    browser.expect(OVERLAPS, "");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_node_leads_to_the_traces_of_its_actor_and_a_database_to_its_callers() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    let follow = |name: &str| {
        browser.goto_path("/graph");
        browser.expect("return document.querySelectorAll('.graph .node').length", 7);
        browser.run(&format!("[...document.querySelectorAll('.graph .node')].find((node) => node.textContent.includes('{name}'))
            .dispatchEvent(new MouseEvent('click', {{ bubbles: true }}))"));
    };
    let rows = "return [...document.querySelectorAll('.rows .row')].map((row) => row.dataset.trace).join()";

    follow("Checkout");
    browser.expect(rows, shop.trip.hex());
    assert_eq!(browser.path(), "/?service=grocery-store&tags=actix.actor.name%3DCheckout");
    follow("sqlite");
    browser.expect(rows, shop.batch.hex());
    assert_eq!(browser.path(), "/?tags=db.system.name%3Dsqlite");
}

/// Chooses an option of the toolbar's nth select.
fn choose(browser: &Browser, select: usize, value: &str) {
    browser.run(&format!(
        "const select = document.querySelectorAll('.headline select')[{select}];
        select.value = '{value}';
        select.dispatchEvent(new Event('change'));"
    ));
}

#[test]
fn the_time_is_chosen_and_old_traces_are_there_until_they_are_let_go() {
    let Some((backend, browser)) = open_page() else { return };
    let old = Trace { start_us: Trace::new().start_us - 3_600_000_000, ..Trace::new() };
    backend.send(&request([of_service("elder", vec![old.span(1, 0, "work", 0..90_000_000)])]));
    browser.goto_path("/graph");
    let names = "return [...document.querySelectorAll('.graph-content:not([hidden]) .node-name')].map((name) => name.textContent).join()";
    let notes = "return document.querySelector('.graph-notes').textContent.includes('rates over 1 min 30 s')";

    browser.expect(names, "elder");
    browser.expect(notes, true);
    choose(&browser, 0, "60");
    browser.expect(names, "");
    browser
        .expect("return document.querySelector('.empty h2')?.textContent", "Nothing in this time");
    assert_eq!(browser.path(), "/graph?window=60");
    choose(&browser, 0, "");
    browser.expect(names, "elder");
    choose(&browser, 0, "chosen");
    browser.expect("return document.querySelectorAll('.graph-times input').length", 2);
    browser.expect(names, "elder");
    let chosen = format!("/graph?start={}&end={}", old.start_us, old.start_us + 90_000_000);
    assert_eq!(browser.path(), chosen);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn two_stretches_are_compared_edge_by_edge() {
    let Some((backend, browser)) = open_page() else { return };
    let start_us = Trace::new().start_us - 60_000_000;
    let shop = Shop { trip: Trace { start_us, ..Trace::new() }, ..Shop::new() };
    backend.send(&shop.trip());
    let split = start_us + 30_000_000;
    let later = Shop { trip: Trace { start_us: split + 1, ..Trace::new() }, ..Shop::new() };
    backend.send(&later.trip());
    backend.send(&later.batch());
    browser.goto_path(&format!("/graph?start={split}&before_start={start_us}&before_end={split}"));

    // Of what is in both: the figures of both where they differ. What is new says so.
    let kinds = "return [...document.querySelectorAll('.edges tbody tr')].map((row) => row.children[2].textContent).sort().join()";
    browser.expect(
        kinds,
        "link only after,message,message,message,message,message,message,query only after",
    );
    browser.expect("return document.querySelectorAll('.graph .edge.new').length", 2);
    let asked = "return [...document.querySelectorAll('.graph-notes strong')].map((word) => word.textContent.trim()).join()";
    browser.expect(asked, "Before,After");
    browser.expect(OVERLAPS, "");

    // The same time before it, by the toolbar; and swapped, what was new is gone.
    browser.goto_path(&format!("/graph?start={start_us}&end={split}&before_start={split}"));
    browser.expect("return document.querySelectorAll('.graph .edge.gone').length", 2);
    browser.goto_path(&format!("/graph?start={split}&end={}", split + 60_000_000));
    browser.expect("return document.querySelectorAll('.graph .edge').length", 8);
    choose(&browser, 1, "same");
    browser.expect("return document.querySelectorAll('.graph .edge.new').length", 2);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn by_keyboard_the_graph_is_paused_split_and_saved() {
    let Some((_backend, browser, _shop)) = open_shop() else { return };
    browser.goto_path("/graph");
    browser.expect("return document.querySelectorAll('.graph .node').length", 7);
    // What would be downloaded.
    browser.run(
        "window.saved = {};
        URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved[blob.type] = text; }); return 'blob:none'; };
        HTMLAnchorElement.prototype.click = function () { window.saved.name = this.download; };",
    );

    browser.press("s");
    browser.expect("return window.saved['image/svg+xml']?.startsWith('<svg')", true);
    let parsed = browser.run(
        "const file = new DOMParser().parseFromString(window.saved['image/svg+xml'], 'image/svg+xml');
        return [file.querySelector('parsererror') !== null, file.querySelectorAll('text').length > 20,
            file.documentElement.outerHTML.includes('var('), file.querySelector('title').textContent.startsWith('Actor graph'), window.saved.name]",
    );
    assert_eq!(parsed, serde_json::json!([false, true, false, true, "actor-graph.svg"]));
    browser.press("d");
    browser.expect("return window.saved['text/vnd.graphviz']?.split('\\n').filter((line) => line.includes(' -> ')).length", 8);
    assert_eq!(browser.run("return window.saved.name"), "actor-graph.dot");

    browser.press("p");
    browser.expect("return document.querySelector('[data-state]').dataset.state", "paused");
    browser.press("j");
    browser.expect("return document.activeElement.closest('.edges') !== null", true);
    browser.press("m");
    browser.expect("return document.querySelectorAll('.graph .edge.gone').length", 8);
    let path = browser.path();
    assert!(path.starts_with("/graph?start=") && path.contains("&before_end="), "{path}");
}

#[test]
fn a_narrow_screen_and_a_dark_one_show_the_same() {
    let Some((_backend, browser, _shop)) = open_shop() else { return };
    browser.resize(400, 800);
    browser.prefer("dark");
    browser.goto_path("/graph?before=same");
    browser.expect("return document.querySelectorAll('.graph .node').length", 7);
    browser.expect("return document.documentElement.scrollWidth <= innerWidth", true);
    browser.expect(OVERLAPS, "");
    let seen: Json = browser.run("return document.querySelectorAll('.graph text').length > 20");
    assert_eq!(seen, true);
}

#[test]
fn a_time_that_is_refused_is_asked_for_once() {
    let Some((backend, browser, _shop)) = open_shop() else { return };
    backend.stats_when_stored(16);
    browser.goto_path("/graph?window=0");
    let asked = "return performance.getEntriesByType('resource').filter(({ name }) => name.includes('/api/graph?')).length";
    browser.expect(
        "return document.querySelector('.graph-notes .bad')?.textContent.includes('at least 1')",
        true,
    );
    // The footer is asked for every two seconds, the graph more often.
    let footers = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/api/stats')).length";
    browser.run(&format!("window.footers = {footers}"));
    browser.expect(&format!("return {footers} > window.footers + 1"), true);
    browser.expect(asked, 1);

    browser.run(
        "const time = document.querySelector('select'); time.selectedIndex = 0; time.dispatchEvent(new Event('change'))",
    );
    browser.expect("return document.querySelectorAll('.graph .node').length > 0", true);
    browser.expect("return document.querySelector('.graph-notes .bad') === null", true);
}
