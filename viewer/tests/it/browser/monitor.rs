//! The monitor: figures of services, operations and actors, with ways to the traces behind them; and the
//! instruments of metrics.

use serde_json::{Value as Json, json};

use super::driver::Browser;
use super::{open_page, open_shop};
use crate::support::spans::{SERVER, Trace, of_service, request, text};
use crate::support::{Backend, now_us};

/// The names of a table's rows.
fn rows(browser: &Browser, table: &str, wanted: &str) {
    let names = format!(
        "return [...document.querySelectorAll('.monitor-table.{table} tbody th')].map((name) => name.textContent).sort().join()"
    );
    browser.expect(&names, wanted);
}

/// The parameters of the address, without times.
const PARAMS: &str = "
    const params = new URLSearchParams(location.search);
    const times = ['start', 'end'].filter((name) => Number(params.get(name)) > 1e15).join();
    for (const name of ['start', 'end']) params.delete(name);
    return `${location.pathname}?${params} ${times}`";

#[test]
fn services_lead_to_their_operations_and_actors_and_those_to_their_traces() {
    let Some((_backend, browser, _shop)) = open_shop() else { return };
    browser.press("gm");
    browser.expect("return location.pathname", "/monitor");
    rows(&browser, "services", "grocery-store,shopper");
    rows(&browser, "actors", "Aisle,Checkout,Inventory,Ledger");
    browser
        .expect("return document.querySelector('.monitor-panel h2').textContent", "grocery-store");
    let titles = "return [...document.querySelectorAll('.plot figcaption strong')].map((title) => title.textContent).join()";
    browser.expect(titles, "Rate,Duration");

    browser.click(".monitor-table.actors tbody tr:first-child th a");
    browser.expect("return document.querySelectorAll('.monitor-table.actors tr.chosen').length", 1);
    browser.press("2");
    browser.expect("return new URLSearchParams(location.search).get('range')", "900");

    browser.goto_path("/monitor?service=grocery-store&actor=Aisle");
    browser.expect(titles, "Rate,Duration,Wait in the mailbox,Messages in the mailbox");
    browser.press("e");
    browser.expect_text(
        PARAMS,
        "/?service=grocery-store&tags=actix.actor.name%3DAisle&errors=true start,end",
    );
    let found = "return [...document.querySelectorAll('.rows .root-name')].map((name) => name.textContent).join()";
    browser.expect(found, "going to the grocery store");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_time_in_the_charts_is_chosen_by_keys_and_leads_to_its_traces() {
    let Some((_backend, browser, _shop)) = open_shop() else { return };
    browser.goto_path("/monitor?service=shopper");
    browser
        .expect("return document.querySelector('.behind strong')?.textContent", "all of this time");

    browser.press("c");
    browser.press('\u{E012}');
    browser.expect("return document.querySelector('.chosen-time').hidden", false);
    let words = "return document.querySelector('.charts').getAttribute('aria-valuetext')";
    // The trip is in one of the last slots: the arrow goes back until it is there.
    super::driver::eventually("the trip's step", || {
        let said = browser.run(words);
        if said.as_str().is_some_and(|said| said.contains(": 1 span,")) {
            return Ok(());
        }
        browser.press('\u{E012}');
        Err(said)
    });
    browser.press("l");
    browser.expect_text(PARAMS, "/?service=shopper&sort=duration start,end");
    let found = "return [...document.querySelectorAll('.rows .root-name')].map((name) => name.textContent).join()";
    browser.expect(found, "going to the grocery store");
}

#[test]
fn names_of_strangers_are_text() {
    let Some((backend, browser)) = open_page() else { return };
    let evil = "<img src=x onerror=document.title='taken'>";
    let trace = Trace::new();
    let mut span = trace.span(1, 0, evil, 0..1_000);
    span.kind = SERVER;
    span.attributes = vec![text("actix.actor.name", evil), text("actix.message.kind", "ask")];
    backend.send(&request([of_service(evil, vec![span])]));
    send_metric(&backend, evil, evil);

    browser.goto_path("/monitor");
    for table in ["services", "operations", "actors"] {
        rows(&browser, table, evil);
    }
    browser.goto_path("/monitor/instruments");
    browser.expect("return document.querySelector('.monitor-panel h2')?.textContent", evil);
    browser.expect("return document.querySelectorAll('main img').length", 0);
    browser.expect("return document.title", "Instruments");
}

/// Sends a gauge of a service, with two series.
pub(super) fn send_metric(backend: &Backend, service: &str, name: &str) {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let point = |actor: &str, value: u32| {
        json!({
            "timeUnixNano": (now_us() * 1_000).to_string(), "asInt": value,
            "attributes": [text("actor", actor)],
            "exemplars": [{
                "timeUnixNano": (now_us() * 1_000).to_string(), "asInt": 3,
                "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331",
            }],
        })
    };
    let body: Json = json!({"resourceMetrics": [{
        "resource": {"attributes": [text("service.name", service)]},
        "scopeMetrics": [{"metrics": [{
            "name": name, "unit": "{message}", "gauge": {"dataPoints": [point("Aisle", 3), point("Ledger", 4)]},
        }]}],
    }]});
    assert_eq!(backend.post("/v1/metrics", "application/json", body.to_string()).status(), 200);
}

#[test]
fn an_instrument_has_its_charts_its_attributes_and_ways_to_traces() {
    let Some((backend, browser)) = open_page() else { return };
    send_metric(&backend, "lab", "otel.sdk.span.live");
    send_metric(&backend, "store", "depth");
    send_metric(&backend, "store", "other");
    browser.goto_path("/monitor");
    browser.click(".monitor-tabs a:not([aria-current])");
    browser.expect("return location.pathname", "/monitor/instruments");
    browser.expect("return document.querySelectorAll('.instruments a').length", 3);
    // What an SDK counts of itself is not what the page opens with.
    browser.expect("return document.querySelector('.monitor-panel h2').textContent", "depth");

    browser.press("/");
    browser.press("dep");
    browser.expect("return document.querySelectorAll('.instruments a').length", 1);
    browser.click(".instruments a");
    let lines = "return [...document.querySelectorAll('.lines li')].map((line) => line.textContent).join(', ')";
    browser.expect(lines, "actor=Aisle 3 message, actor=Ledger 4 message");
    browser.run(
        "const select = document.querySelector('.instrument-attributes select');
         select.value = 'Ledger'; select.dispatchEvent(new Event('change'));",
    );
    browser.expect(lines, "actor=Ledger 4 message");
    browser.expect(
        "return new URLSearchParams(location.search).getAll('attribute').join()",
        "actor=Ledger",
    );
    browser.expect(
        "return document.querySelector('.exemplars a').getAttribute('href')",
        "/trace/0af7651916cd43dd8448eb211c80319c?span=b7ad6b7169203331",
    );
}

#[test]
fn at_400_px_nothing_of_the_monitor_lies_outside() {
    let Some((backend, browser, _shop)) = open_shop() else { return };
    send_metric(&backend, "store", "depth");
    for path in ["/monitor?service=grocery-store&actor=Ledger", "/monitor/instruments"] {
        browser.goto_path(path);
        browser.expect("return document.querySelector('.plot') !== null", true);
        for width in [400, 1400] {
            browser.resize(width, 800);
            browser.expect("return document.documentElement.scrollWidth <= innerWidth", true);
            let outside = "return [...document.querySelectorAll('main > *, .plot, .tools *, .monitor-panel')].filter((node) => node.checkVisibility() && !node.matches('.sr-only') && node.getBoundingClientRect().right > innerWidth + 1).length";
            browser.expect(outside, 0);
        }
    }
}
