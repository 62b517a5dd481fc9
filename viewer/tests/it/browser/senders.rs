//! Pages of other origins that send OTLP from a browser.

use serde_json::json;
use testing::http::{Answer, HttpReceiver};
use viewer::Config;

use super::driver::Browser;
use crate::support::Backend;

/// A page of another origin sends a span to the viewer: the status, or "refused" by the browser.
fn send(browser: &Browser, backend: &Backend, trace: &str) -> serde_json::Value {
    let span = json!({
        "traceId": trace, "spanId": "0000000000000001", "name": "click",
        "startTimeUnixNano": "1000", "endTimeUnixNano": "2000",
    });
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
    browser.run(&format!(
        "return fetch('http://{}/v1/traces', {{
            method: 'POST',
            headers: {{ 'content-type': 'application/json', 'x-team': 'web' }},
            body: JSON.stringify({body}),
        }}).then((answer) => answer.status, () => 'refused')",
        backend.handle().otlp(),
    ))
}

#[test]
fn only_a_page_of_an_origin_that_is_listed_sends_spans() {
    let Some(browser) = Browser::start() else { return };
    let page = || {
        let html = "<!doctype html><link rel=icon href=data:,><title>A shop</title>";
        HttpReceiver::answering(Answer::body(200, "text/html", html))
    };
    let (listed, other) = (page(), page());
    let cors_origins = vec![listed.url().parse().expect("an origin")];
    let backend = Backend::with(Config { cors_origins, ..Config::on_free_ports() });
    let closed = Backend::viewer();
    let trace = |last: char| format!("{}{last}", "0".repeat(31));

    browser.goto(&listed.url());
    assert_eq!(send(&browser, &backend, &trace('1')), 200);
    assert_eq!(send(&browser, &closed, &trace('2')), "refused");
    browser.goto(&other.url());
    assert_eq!(send(&browser, &backend, &trace('3')), "refused");

    backend.stats_when_stored(1);
    assert_eq!(backend.get(&format!("/api/traces/{}", trace('1'))).0, 200);
    for (viewer, last) in [(&closed, '2'), (&backend, '3')] {
        assert_eq!(viewer.get(&format!("/api/traces/{}", trace(last))).0, 404, "{last}");
    }
}
