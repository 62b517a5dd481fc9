//! What axe-core, the checker of Deque, finds on each page against WCAG 2 AA: nothing serious.

use std::fmt::Write;
use std::path::Path;

use testing::installed;

use super::logs::open_logged_shop;

/// Where `npm ci` in the page's folder puts it.
const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/node_modules/axe-core/axe.min.js");

/// What is serious or worse, a line for each element.
const FOUND: &str = "
    return axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
        .filter(({ impact }) => ['serious', 'critical'].includes(impact))
        .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target}: ${node.failureSummary.replace(/\\s+/g, ' ')}`))
        .join('\\n'));";

fn axe() -> Option<String> {
    let missing = "axe-core is not installed (npm --prefix viewer/web ci)";
    installed(std::fs::read_to_string(Path::new(AXE)).map_err(|_| missing.into()))
}

#[test]
fn axe_finds_nothing_serious_on_any_page() {
    let Some(axe) = axe() else { return };
    let Some((backend, browser, shop)) = open_logged_shop() else { return };
    super::monitor::send_metric(&backend, "store", "depth");
    let trip = format!("/trace/{}", shop.trip.hex());
    let compared = format!("/compare/{}/{}", shop.trip.hex(), shop.batch.hex());
    let pages = [
        // While the last minute, which the graph shows, has something in it.
        ("/graph".into(), ".graph .node"),
        ("/monitor/instruments".into(), ".lines li"),
        ("/monitor?service=grocery-store&actor=Aisle".into(), ".monitor-panel .curve"),
        ("/".into(), ".rows .row"),
        ("/?service=nobody".into(), ".blank h2"),
        (format!("{trip}?span=0000000000000015"), ".details h2"),
        (format!("{trip}?view=lanes"), ".lane"),
        (format!("{trip}?view=flame&span=0000000000000015"), ".flame-box"),
        (format!("{trip}?view=table"), ".grid-rows .grid-row"),
        (format!("{trip}?view=statistics"), ".grid-rows .grid-row"),
        (format!("{trip}?view=critical"), ".grid-rows .grid-row"),
        (format!("{trip}?view=logs&span=0000000000000015"), ".details .log-entry"),
        ("/logs".into(), ".log-row"),
        ("/logs?record=2".into(), ".details h2"),
        ("/logs?service=nobody".into(), ".blank h2"),
        (compared, ".pair"),
        (format!("/compare/{}", shop.trip.hex()), ".compare-form"),
        ("/trace/00000000000000000000000000000001".into(), "[role=alert] h1"),
    ];
    let mut all_found = String::new();
    for (path, drawn) in &pages {
        browser.goto_path(path);
        browser.expect(&format!("return document.querySelector('{drawn}') !== null"), true);
        // It runs as the browser's own script, which the Content-Security-Policy does not bind.
        browser.run(&format!("{axe}; window.axe = axe;"));
        for (scheme, width) in [("light", 1400), ("dark", 400)] {
            browser.prefer(scheme);
            browser.resize(width, 800);
            let found = browser.run(FOUND);
            for line in found.as_str().into_iter().flat_map(str::lines) {
                writeln!(all_found, "{path}, {scheme}, {width}: {line}").expect("a string");
            }
        }
    }
    browser.click("[data-action=help]");
    assert_eq!((browser.run(FOUND).as_str(), all_found.as_str()), (Some(""), ""));
}
