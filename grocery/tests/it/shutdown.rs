//! If the services are told to stop in the middle of trips, in any way, no span is lost.

use nix::sys::signal::Signal;
use testing::{http::HttpReceiver, otlp, wait_until};

use crate::support::{
    shopping::{end, open_store, send_shopper},
    trees,
};

#[test]
fn sigterm_during_trips_loses_no_span() {
    stop_by(Signal::SIGTERM);
}

#[test]
fn sigint_during_trips_loses_no_span() {
    stop_by(Signal::SIGINT);
}

/// Stops the shopper while many trips are under way, then the store.
fn stop_by(signal: Signal) {
    let backend = HttpReceiver::answering(200);
    let variables = vec![
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
    ];
    let store = open_store(&variables);
    let shopper = send_shopper(&store, &variables, &["--shoppers", "8", "--every", "1ms"]);
    wait_until("both services have sent spans", || {
        let spans = otlp::from_protobuf(&backend.received());
        let from = |service: &str| {
            spans.iter().any(|span| span.resource.get("service.name").is_some_and(|n| n == service))
        };
        from("shopper") && from("grocery-store")
    });

    shopper.signal(signal);
    let shopper = end(shopper);
    store.signal(signal);
    let store = end(store);

    let spans = otlp::from_protobuf(&backend.received());
    assert_eq!(shopper.all_exported("otlp") + store.all_exported("otlp"), spans.len() as u64);
    assert!(trees::orphans(&spans).is_empty());
}

#[test]
fn a_store_stopped_under_load_loses_no_span_of_its_own() {
    let backend = HttpReceiver::answering(200);
    let variables = vec![
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
    ];
    let store = open_store(&variables);
    let silent = vec![("OTEL_TRACES_EXPORTER", "none".to_owned())];
    let shopper = send_shopper(&store, &silent, &["--shoppers", "8", "--every", "1ms"]);
    wait_until("the store has sent spans", || !backend.received().is_empty());

    store.signal(Signal::SIGTERM);
    let store = end(store);
    shopper.signal(Signal::SIGTERM);
    end(shopper).assert_balanced();

    let spans = otlp::from_protobuf(&backend.received());
    assert_eq!(store.all_exported("otlp"), spans.len() as u64);
}
