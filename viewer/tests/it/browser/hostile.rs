//! Markup and scripts in every field of a span: they are shown, and stay text.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

use super::driver::Browser;
use super::open_page;
use crate::support::logs::{self, ERROR, of_span};
use crate::support::spans::{Trace, error, of_service, request, text};

/// What would run if any field were taken for markup, for a script, for an attribute or an address.
const PAYLOAD: &str = "\"'></textarea></script><img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>javascript:pwned=1";

fn attribute() -> KeyValue {
    text(PAYLOAD, PAYLOAD)
}

/// A trace with the payload in every field that holds a text.
fn hostile(trace: Trace) -> ExportTraceServiceRequest {
    let mut root = trace.span(1, 0, PAYLOAD, 0..1_000);
    root.attributes =
        vec![attribute(), text("actix.actor.name", PAYLOAD), text("error.type", PAYLOAD)];
    root.status = error(PAYLOAD);
    root.trace_state = format!("k={PAYLOAD}");
    root.events =
        vec![Event { name: PAYLOAD.into(), attributes: vec![attribute()], ..Event::default() }];
    let mut child = trace.span(2, 1, PAYLOAD, 100..500);
    child.attributes = vec![text("actix.actor.name", &format!("{PAYLOAD} the other"))];
    let mut link = trace.link(1);
    link.attributes = vec![attribute()];
    link.trace_state = PAYLOAD.into();
    child.links = vec![link];
    let scope = InstrumentationScope {
        name: PAYLOAD.into(),
        version: PAYLOAD.into(),
        attributes: vec![attribute()],
        ..InstrumentationScope::default()
    };
    let resource = Resource {
        attributes: vec![text("service.name", PAYLOAD), attribute()],
        ..Resource::default()
    };
    let scope_spans =
        ScopeSpans { scope: Some(scope), spans: vec![root, child], schema_url: PAYLOAD.into() };
    let resource_spans = ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scope_spans],
        schema_url: PAYLOAD.into(),
    };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }
}

fn assert_only_text(browser: &Browser, place: &str) {
    let injected = browser.run(
        "return [window.pwned ?? 0, document.querySelectorAll('img:not(.brand img)').length,
            document.querySelectorAll('script').length, document.querySelectorAll('[onerror], [href^=javascript]').length]",
    );
    assert_eq!(injected, serde_json::json!([0, 0, 2, 0]), "{place}");
    assert_eq!(browser.complaints(), [""; 0], "{place}");
}

/// How often the payload stands, whole, as the text of an element.
fn shown(within: &str) -> String {
    format!(
        "const text = document.querySelector('{within}')?.textContent ?? '';
        return text.split('javascript:pwned=1').length - 1 === text.split('<script>window.pwned=1</script>').length - 1
            ? text.split('<img src=x onerror=').length - 1 : 'torn'"
    )
}

#[test]
fn whatever_a_stranger_sends_stays_text() {
    let Some((backend, browser)) = open_page() else { return };
    let trace = Trace::new();
    backend.send(&hostile(trace));

    // The list: the root's name and service, the service again among the services, two actors.
    browser.expect(&shown(".rows"), 5);
    assert_only_text(&browser, "the list");

    browser.goto_path(&format!("/trace/{}?span=0000000000000001", trace.hex()));
    browser.expect("return document.querySelectorAll('.line').length", 4);
    // Service, name; notice twice (type, message); actor; trace state; an attribute's key and
    // value, actor, error type; event's name, key, value; linked from: service, name; resource:
    // service, key, value; scope: name, version, key, value.
    browser.expect(&shown(".details"), 22);
    assert_only_text(&browser, "a span");
    browser.press("j");
    browser.press("j");
    browser.press(super::driver::Key::Enter);
    browser.expect("return document.querySelector('.details .link-entry') !== null", true);
    assert_only_text(&browser, "a link");
    browser.press("v");
    browser.expect("return document.querySelectorAll('.lane').length", 2);
    assert_only_text(&browser, "the lanes");
    browser.press("e");
    browser.expect("return document.querySelector('textarea').value.includes('onerror')", true);
    assert_only_text(&browser, "the text");

    let mut record = of_span(trace, 1, 300, ERROR, PAYLOAD);
    record.severity_text = PAYLOAD.into();
    record.event_name = PAYLOAD.into();
    record.attributes = vec![attribute()];
    let mut logged = logs::of_service(PAYLOAD, vec![record]);
    logged.resource_logs[0].scope_logs[0].scope =
        Some(InstrumentationScope { name: PAYLOAD.into(), ..InstrumentationScope::default() });
    backend.send_logs(&logged);
    backend.stats_when_logged(1);
    browser.goto_path("/logs?record=1");
    // The sender's word for the severity, event, text; an attribute's key and value; resource: the
    // service twice; scope; links to the span and to its actor.
    browser.expect(&shown(".details"), 10);
    assert_only_text(&browser, "a log record");
    // Service, actor, text and attribute, span.
    browser.expect(&shown(".log-row"), 6);
    assert_only_text(&browser, "the logs");
    browser.goto_path(&format!("/trace/{}?view=logs", trace.hex()));
    browser.expect(&shown(".log-row"), 4);
    assert_only_text(&browser, "the logs of a trace");

    browser.goto_path("/graph");
    browser.expect("return document.querySelectorAll('.graph .node').length > 0", true);
    assert_only_text(&browser, "the graph");
}

#[test]
fn an_address_is_no_way_in_either() {
    let Some((_backend, browser)) = open_page() else { return };
    let payload = "%22%3E%3Cimg%20src%3Dx%20onerror%3D%22window.pwned%3D1%22%3E";
    for path in [
        format!("/trace/{payload}"),
        format!("/?tags={payload}&service={payload}&limit={payload}&minDuration={payload}"),
    ] {
        browser.goto_path(&path);
        browser
            .expect("return document.querySelector('[role=alert]')?.textContent.length > 0", true);
        let injected = "return [window.pwned ?? 0, document.querySelectorAll('main img').length]";
        assert_eq!(browser.run(injected), serde_json::json!([0, 0]));
    }
}

#[test]
fn names_of_any_length_stay_within_the_page() {
    let Some((backend, browser)) = open_page() else { return };
    let trace = Trace::new();
    let long = |letter: &str| letter.repeat(10_000);
    let mut root = trace.span(1, 0, &long("r"), 0..1_000);
    root.attributes = vec![text("actix.actor.name", &long("a")), text(&long("k"), &long("v"))];
    let child = trace.span(2, 1, &long("c"), 100..900);
    backend
        .send(&request([of_service(&long("s"), vec![root]), of_service(&long("t"), vec![child])]));
    let outside = "return [...document.querySelectorAll('.facts-line *, .tools > *, main select, .panes > *')]
        .filter((node) => node.checkVisibility() && !node.matches('.sr-only'))
        .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
        .map((node) => `${node.tagName} ${node.className}: ${node.textContent.slice(0, 20)}`).join('\\n')";
    for (width, height) in [(1400, 900), (400, 800)] {
        browser.resize(width, height);
        for view in ["timeline", "lanes", "flame", "table", "statistics", "critical", "logs"] {
            browser.goto_path(&format!("/trace/{}?view={view}", trace.hex()));
            browser.expect("return document.querySelector('.chart')?.children.length > 0", true);
            browser.expect("return document.documentElement.scrollWidth <= innerWidth", true);
            browser.expect(&format!("{outside} // {view}"), "");
        }
    }
}
