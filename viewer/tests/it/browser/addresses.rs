//! Addresses: ids in whatever text they stand, and those of Jaeger's page.

use super::driver::{Browser, Key};
use super::{open_page, open_shop};

fn jump(browser: &Browser, text: &str) {
    browser.run("document.activeElement.blur()");
    browser.press("gi");
    browser.press(text);
    browser.press(Key::Enter);
}

#[test]
fn the_field_takes_whatever_holds_an_id() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    let id = shop.trip.hex();
    let trace = format!("/trace/{id}");
    let record = format!("{trace}?span=0000000000000015");

    for (text, path) in [
        (format!("  {}  ", id.to_uppercase()), &trace),
        (format!("trace_id={id}"), &trace),
        (format!("http://elsewhere:16686/trace/{id}?uiFind=x"), &trace),
        (format!("00-{id}-0000000000000015-01"), &record),
    ] {
        browser.goto_path("/");
        jump(&browser, &text);
        browser.expect("return document.querySelectorAll('.line').length > 0", true);
        assert_eq!(browser.path(), *path, "{text}");
    }
    browser.goto_path("/");
    jump(&browser, "potatoes");
    browser.expect(
        "return document.querySelector('.jump .problem').textContent",
        "No trace id in this. Expected 32 hexadecimal digits, or a text that holds them.",
    );
    assert_eq!(browser.path(), "/");
    browser.press("1");
    browser.expect("return document.querySelector('.jump .problem').textContent", "");
}

#[test]
fn addresses_of_jaegers_page_lead_to_what_is_nearest() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    let (trip, batch) = (shop.trip.hex(), shop.batch.hex());
    let names = "return [...document.querySelectorAll('.rows .root-name')].map((name) => name.textContent).sort().join()";
    let tags = "%7B%22grocery.aisle%22%3A%22dairy%22%7D";

    let search =
        format!("/search?service=grocery-store&lookback=2d&limit=20&minDuration=1us&tags={tags}");
    browser.goto_path(&search);
    browser.expect(names, "going to the grocery store");
    browser.expect("return document.querySelector('[name=tags]').value", "grocery.aisle=dairy");
    browser.goto_path(&format!("/search?traceID={batch}&span=0000000000000015@{trip}"));
    browser.expect(names, "going to the grocery store,process Ledger batch");

    for path in ["/dependencies", "/quality-metrics", "/deep-dependencies?service=x"] {
        browser.goto_path(path);
        browser.expect("return document.querySelectorAll('.graph .node').length > 0", true);
        browser.expect("return location.pathname", "/graph");
    }
    // The page of that name has a service in its address as well.
    browser.goto_path("/monitor?service=shopper&spanKind=server&timeframe=3600000");
    browser.expect("return document.querySelector('.monitor-panel h2')?.textContent", "shopper");
    browser.goto_path(&format!("/trace/{trip}...{batch}?cohort={trip}"));
    browser.expect("return location.pathname", format!("/compare/{trip}/{batch}"));
    browser.goto_path(&format!("/trace/{trip}..."));
    browser.expect("return location.pathname", format!("/trace/{trip}"));
    browser.goto_path(&format!("/trace/{trip}?uiFind=0000000000000015%20000000000000000e"));
    browser.expect("return document.querySelector('.found')?.textContent", "2 of 16");
}

#[test]
fn a_page_within_a_page_has_no_head_and_the_theme_that_was_asked_for() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    let shown = "return ['.top', 'footer', '.scatter', '.minimap', '.facts-line', '.grid, .chart']
        .filter((part) => document.querySelector(part)?.checkVisibility()).join()";

    browser.goto_path("/search?uiEmbed=v0&uiTheme=dark");
    browser.expect("return document.querySelectorAll('.rows .row').length", 2);
    browser.expect(shown, ".scatter,.grid, .chart");
    browser.expect("return document.documentElement.dataset.theme", "dark");
    browser.goto_path("/search?uiEmbed=v0&uiSearchHideGraph=1");
    browser.expect("return document.querySelectorAll('.rows .row').length", 2);
    browser.expect(shown, ".grid, .chart");
    let hidden = "uiTimelineHideMinimap=1&uiTimelineHideSummary=1";
    browser.goto_path(&format!("/trace/{}?uiEmbed=v0&{hidden}", shop.trip.hex()));
    browser.expect("return document.querySelectorAll('.line').length > 0", true);
    browser.expect(shown, ".grid, .chart");
}

#[test]
fn a_limit_below_one_lists_one_trace() {
    let Some((_backend, browser, _shop)) = open_shop() else { return };
    for limit in ["0", "-1"] {
        browser.goto_path(&format!("/?limit={limit}"));
        browser.expect("return document.querySelectorAll('.rows .row').length", 1);
        browser.expect(
            "return document.querySelector('.headline').textContent.includes('1 of 2')",
            true,
        );
    }
}

#[test]
fn an_address_that_is_none_says_so() {
    let Some((backend, browser)) = open_page() else { return };
    browser.goto_path("/no/such/page");
    browser.expect(
        "return document.querySelector('[role=alert] h1')?.textContent",
        "There is no such page",
    );

    let asked = |accept| backend.query("/no/such/page").header("accept", accept).send();
    let status = |accept| asked(accept).expect("an answer").status().as_u16();
    assert_eq!((status("text/html,*/*"), status("application/json")), (404, 404));
}
