//! The page below a path of a proxy, whether the proxy passes the path on or takes it away.

use testing::nginx::{Nginx, Passes};
use viewer::Config;

use super::driver::{Browser, eventually};
use super::logs::log_the_checkout;
use super::shop::Shop;
use crate::support::Backend;
use crate::support::spans::{Trace, of_service, request};

const ROWS: &str = "return document.querySelectorAll('.rows .row').length";
const LINES: &str = "return document.querySelectorAll('.line').length > 0";

#[test]
fn the_page_works_behind_a_proxy_that_takes_its_path_away() {
    works_behind_a_proxy(Passes::TheRest);
}

#[test]
fn the_page_works_behind_a_proxy_that_passes_its_path_on() {
    works_behind_a_proxy(Passes::ThePath);
}

fn works_behind_a_proxy(passes: Passes) {
    let Some(browser) = Browser::start() else { return };
    let base_path = "/tools/traces".parse().expect("a base path");
    let backend = Backend::with(Config { base_path, ..Config::on_free_ports() });
    let viewer = backend.handle().listen();
    let Some(nginx) = Nginx::before(viewer, "/tools/traces", passes) else { return };
    let shop = Shop::new();
    backend.send(&shop.trip());
    backend.send(&shop.batch());
    log_the_checkout(&backend, &shop);
    let (trip, batch) = (shop.trip.hex(), shop.batch.hex());
    let trace = format!("/tools/traces/trace/{trip}");

    // The list, one trace, its page loaded again, and back.
    browser.goto(&format!("{}/tools/traces/", nginx.url()));
    browser.expect(ROWS, 2);
    browser.click(&format!(".rows a.name[href='{trace}']"));
    browser.expect(LINES, true);
    assert_eq!(browser.path().split('?').next(), Some(&*trace));
    browser.reload();
    browser.expect(LINES, true);
    browser.run("history.back()");
    browser.expect(ROWS, 2);
    assert_eq!(browser.path(), "/tools/traces/");

    // The live tail. The trace waits where the browser still has the pointer on a row.
    let late = Trace::new();
    backend.send(&request([of_service("late", vec![late.span(1, 0, "late", 0..10)])]));
    browser.expect(&format!("{ROWS} + !document.querySelector('.new').hidden"), 3);
    browser.press("n");
    browser.expect(ROWS, 3);

    // A file of the trace.
    browser.goto_path(&trace);
    browser.click(".downloads a");
    let file = format!("/tools/traces/viewer/api/traces/{trip}/otlp");
    eventually("the file", || if nginx.requests().contains(&file) { Ok(()) } else { Err(()) });
    browser.expect(LINES, true);

    // The other views, by their keys and addresses, and one of Jaeger's page.
    browser.goto_path(&format!("/tools/traces/compare/{trip}/{batch}"));
    browser.expect("return document.querySelector('#view').dataset.view", "compare");
    browser.expect(
        "return document.querySelectorAll('a[href^=\"/tools/traces/trace/\"]').length > 1",
        true,
    );
    for (keys, path, shown) in [
        ("gl", "/tools/traces/logs", ".log-row"),
        ("gm", "/tools/traces/monitor", ".monitor-table tbody tr"),
        ("ga", "/tools/traces/graph", ".graph .node"),
    ] {
        browser.press(keys);
        browser.expect(&format!("return document.querySelectorAll('{shown}').length > 0"), true);
        browser.expect("return location.pathname", path);
    }
    browser.goto_path("/tools/traces/dependencies");
    browser.expect("return location.pathname", "/tools/traces/graph");

    assert_eq!(browser.complaints(), [""; 0]);
    let mut requests = nginx.requests();
    assert!(requests.len() > 50, "{requests:?}");
    requests.retain(|path| !path.starts_with("/tools/traces/"));
    assert_eq!(requests, [""; 0], "outside of the path");
}

#[test]
fn an_address_without_the_base_path_leads_below_it() {
    let base_path = "/tools/traces".parse().expect("a base path");
    let config = Config { base_path, ..Config::on_free_ports() };
    let Some((backend, browser)) = super::open_page_of(config) else { return };
    browser.expect("return location.pathname", "/tools/traces/");
    browser.goto_path("/logs?q=a");
    browser.expect("return location.pathname + location.search", "/tools/traces/logs?q=a");

    for path in ["/tools/traces/api/services", "/api/services"] {
        assert_eq!(backend.get(path).0, 200, "{path}");
    }
    assert_eq!(backend.get("/tools/api/services").0, 404);
}
