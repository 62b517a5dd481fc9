//! Searching: what one span of a trace must be for the trace to be found.

use serde_json::Value as Json;

use super::{Shop, shop};
use crate::support::spans::{Trace, of_service, request};
use crate::support::{Backend, unique};

/// The ids of the traces at `path`.
fn found(shop: &Shop, path: &str) -> Vec<String> {
    let (status, answer) = shop.backend.get(path);
    assert_eq!(status, 200, "{path}: {answer}");
    ids(&answer)
}

fn ids(answer: &Json) -> Vec<String> {
    let traces = answer["data"].as_array().into_iter().flatten();
    traces.filter_map(|trace| trace["traceID"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_trace_is_found_by_what_one_of_its_spans_is() {
    let shop = shop();
    let (shopper, store) = (&shop.shopper, &shop.store);
    let after = shop.trace.start_us + 1_000_000;

    for (query, finds) in [
        (format!("service={shopper}"), true),
        (format!("service={shopper}&operation=trip"), true),
        (format!("service={shopper}&operation=GET%20%2Fproducts"), false),
        (format!("service={store}&operation=GET%20%2Fproducts"), true),
        (format!("service={store}&tag=aisle:produce"), true),
        (format!("service={store}&tag=aisle:produce&tag=http.route:/products"), true),
        (format!("service={store}&tag=aisle:dairy"), false),
        (format!("service={store}&tags=%7B%22aisle%22%3A%22produce%22%7D"), true),
        (format!("service={store}&tags=%7B%22error%22%3A%22true%22%7D"), true),
        (format!("service={shopper}&tag=error:true"), false),
        // Its status is unset: it is neither an error nor a success.
        (format!("service={shopper}&tag=error:false"), false),
        (format!("service={store}&tag=span.kind:server"), true),
        (format!("service={store}&tag=zone:north"), true),
        (format!("service={shopper}&minDuration=9ms"), true),
        (format!("service={store}&minDuration=9ms"), false),
        (format!("service={store}&maxDuration=6ms"), true),
        (format!("service={store}&maxDuration=5999us"), false),
        (format!("service={store}&start={}", shop.trace.start_us), true),
        (format!("service={store}&start={after}"), false),
        (format!("service={store}&end={}", shop.trace.start_us), false),
        (format!("service={store}&end={after}&limit=1"), true),
    ] {
        let expected = if finds { vec![shop.trace.hex()] } else { vec![] };

        assert_eq!(found(&shop, &format!("/api/traces?{query}")), expected, "{query}");
    }
}

#[test]
fn the_newest_traces_come_first_and_the_limit_holds() {
    let backend = Backend::jaeger_or_viewer();
    let service = format!("many-{}", unique());
    let traces: Vec<Trace> = (0..5).map(|_| Trace::new()).collect();
    for trace in &traces {
        backend.send(&request([of_service(&service, vec![trace.span(1, 0, "one", 0..10)])]));
        backend.get_when(&format!("/api/traces/{}", trace.hex()), |json| json["data"].is_array());
    }

    let (_, answer) = backend.get(&format!("/api/traces?service={service}&limit=2"));

    assert_eq!(ids(&answer), [traces[4].hex(), traces[3].hex()]);
}

#[test]
fn traces_are_found_by_their_ids_and_the_missing_ones_named() {
    let shop = shop();
    let id = shop.trace.hex();

    let (status, answer) =
        shop.backend.get(&format!("/api/traces?traceID={id}&traceID=00000000000000ff"));

    assert_eq!(status, 200);
    assert_eq!(ids(&answer), [id]);
    assert_eq!(
        answer["errors"],
        serde_json::json!([{"msg": "trace not found", "traceID": "00000000000000ff"}])
    );
}
