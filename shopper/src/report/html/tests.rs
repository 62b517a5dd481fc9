use std::{collections::BTreeMap, time::Duration};

use super::{STYLE, page};
use crate::{
    report::{Assertions, compare, sample},
    result::{FaultCounts, RunResult, Trace},
    statistics::Statistics,
};

const PAYLOAD: &str = r#"</style></title><script>alert(1)</script><img src=x onerror="alert(2)">'"#;

fn full() -> RunResult {
    let mut result = sample::result();
    result.assertions = "p99<50ms,p50<1s".parse::<Assertions>().unwrap().judge(&result);
    result.comparison = Some(compare(&sample::result(), &result));
    result
}

/// The same result with the payload in every text.
fn hostile() -> RunResult {
    let mut value = serde_json::to_value(full()).unwrap();
    poison(&mut value);
    let payloads: BTreeMap<String, u64> = [(PAYLOAD.to_owned(), 1)].into();
    let mut result: RunResult = serde_json::from_value(value).unwrap();
    (result.failures, result.outcomes) = (payloads.clone(), payloads.clone());
    result.failure_reasons = [(PAYLOAD.to_owned(), PAYLOAD.to_owned())].into();
    let counts = FaultCounts { reasons: payloads, ..FaultCounts::default() };
    result.faults = [(PAYLOAD.to_owned(), counts)].into();
    result
}

fn poison(value: &mut serde_json::Value) {
    match value {
        // These fields cannot hold any other text: they are enums, numbers and shares.
        serde_json::Value::Object(fields) => fields
            .iter_mut()
            .filter(|(name, _)| {
                !matches!(name.as_str(), "unit" | "direction" | "seed" | "sum_ns" | "shares")
            })
            .for_each(|(_, value)| poison(value)),
        serde_json::Value::Array(items) => items.iter_mut().for_each(poison),
        serde_json::Value::String(text) => *text = PAYLOAD.to_owned(),
        _ => {}
    }
}

#[test]
fn a_hostile_name_stays_text_wherever_it_stands() {
    let page = page(&hostile());
    assert!(!page.contains("<script"), "a script got in");
    assert!(!page.contains("<img"), "an element got in");
    assert_eq!(page.matches("</style>").count(), 1, "the style sheet was closed early");
    assert!(page.matches("&lt;script&gt;").count() > 20, "not every text is shown");
    assert!(!page.contains(r#"onerror="alert"#), "an attribute got in");
}

#[test]
fn a_trace_is_linked_by_http_only() {
    let mut result = full();
    for trip in &mut result.slowest {
        let url = "javascript:alert(1)".to_owned();
        trip.trace = Some(Trace { id: "0".repeat(32), url: Some(url) });
    }
    assert!(!page(&result).contains("javascript:"));
    assert!(page(&full()).contains(r#"<a href="http://127.0.0.1:16686/trace/00000000"#));
}

#[test]
fn the_page_refers_to_nothing_outside_but_traces() {
    let page = page(&full());
    let links = page.split("href=").skip(1);
    assert!(links.clone().count() > 5);
    for link in links {
        assert!(link.starts_with("\"http://127.0.0.1:16686/trace/"), "{}", &link[..60]);
    }
    for loading in ["<link", "<script", "<iframe", "<img", "@import", "url(", " src="] {
        assert!(!page.contains(loading), "{loading}");
    }
    // The policy would refuse inline styles and handlers.
    assert!(!page.contains(" style=") && !page.contains(" onclick="));
}

#[test]
fn the_policy_allows_exactly_the_style_sheet_that_is_in_the_page() {
    let page = page(&full());
    let sheet = &page[page.find("<style>").unwrap() + 7..page.find("</style>").unwrap()];
    assert_eq!(sheet, STYLE, "what is hashed is what stands between the tags");
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
    let policy = &policy[..policy.find('"').unwrap()];
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}

/// A browser accepts an element that is not closed, but may then show figures in the wrong place.
#[test]
fn every_chart_is_well_formed_and_within_its_frame() {
    let page = page(&full());
    assert_eq!(page.matches("<figure>").count(), 4);
    for element in ["svg", "g", "path", "rect", "text", "figure", "section", "table", "tr", "td"] {
        let open = page.matches(&format!("<{element}>")).count()
            + page.matches(&format!("<{element} ")).count();
        assert_eq!(open, page.matches(&format!("</{element}>")).count(), "{element}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf\""), "a mark has no place");
}

#[test]
fn a_run_without_a_trip_and_a_long_run_have_a_page_too() {
    let empty = page(&Statistics::new(sample::settings()).result());
    assert!(empty.ends_with("</html>") && !empty.contains("NaN"));

    let mut long = full();
    let points = (0..3600).map(|second| {
        let mut point = long.timeline[second % 20].clone();
        point.offset = Duration::from_secs(second as u64);
        point
    });
    long.timeline = points.collect();
    let page = page(&long);
    assert!(page.len() < 700_000, "{} bytes", page.len());
}
