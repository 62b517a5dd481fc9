//! Jaeger's query API. These tests ask the viewer, or the Jaeger that `JAEGER_QUERY_URL` and
//! `JAEGER_OTLP_URL` name (2.20 at most for the older routes): the answers are the same.

mod errors;
mod graph;
mod instruments;
mod legacy;
mod list;
mod metrics;
mod monitor;
mod search;
mod stable;
mod viewer;

use serde_json::Value as Json;

use crate::support::spans::{CLIENT, SERVER, Trace, error, of_service, request, text};
use crate::support::{Backend, unique};

/// A backend with one trace of two services, of names that nothing else has.
struct Shop {
    backend: Backend,
    trace: Trace,
    /// The service with the root, a call, and a span outside its parent's time.
    shopper: String,
    /// The service that is called, and fails.
    store: String,
}

/// Sends the trace of a trip and waits until it can be found.
fn shop() -> Shop {
    let backend = Backend::jaeger_or_viewer();
    let (trace, number) = (Trace::new(), unique());
    let (shopper, store) = (format!("shopper-{number}"), format!("store-{number}"));
    let mut call = trace.span(0xa2, 0xa1, "GET", 1_000..9_000);
    call.kind = CLIENT;
    let mut serving = trace.span(0xb1, 0xa2, "GET /products", 2_000..8_000);
    serving.kind = SERVER;
    serving.status = error("no potatoes");
    serving.attributes = vec![text("http.route", "/products"), text("aisle", "produce")];
    let trip = trace.span(0xa1, 0, "trip", 0..10_000);
    backend.send(&request([
        of_service(&shopper, vec![trip, call]),
        of_service(&store, vec![serving]),
    ]));
    let shop = Shop { backend, trace, shopper, store };
    shop.backend
        .get_when(&format!("/api/v3/traces/{}", shop.trace.hex()), |json| names(json).len() == 3);
    shop
}

/// The names of all spans in an answer of the stable API.
fn names(json: &Json) -> Vec<&str> {
    let mut names = Vec::new();
    for resource in json["result"]["resourceSpans"].as_array().into_iter().flatten() {
        for scope in resource["scopeSpans"].as_array().into_iter().flatten() {
            let spans = scope["spans"].as_array().into_iter().flatten();
            names.extend(spans.filter_map(|span| span["name"].as_str()));
        }
    }
    names
}

/// The strings of a list, sorted: Jaeger's are in no order.
fn sorted(list: &Json) -> Vec<String> {
    let strings = list.as_array().into_iter().flatten().filter_map(Json::as_str);
    let mut strings: Vec<String> = strings.map(str::to_owned).collect();
    strings.sort();
    strings
}
