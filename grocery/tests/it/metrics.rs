//! The metrics that are exported if `OTEL_METRICS_EXPORTER` asks for them.
//!
//! All metrics of each service are listed in a file: its name, unit, kind and the keys of its
//! attributes. With `UPDATE_DOCS=1` the test writes what it sees into the files instead; what has
//! changed is then for a person to look at:
//!
//! ```sh
//! UPDATE_DOCS=1 cargo test -p grocery --test it metrics && git diff grocery/tests/it/metrics
//! ```

use std::{fs, path::Path};

use nix::sys::signal::Signal;
use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Value, json};
use testing::{
    http::HttpReceiver,
    metric::{self, Metric},
    process::Process,
    wait_until,
};

use crate::support::{
    grocery::{grocery, url},
    shopping::{Variables, end, shop},
};

/// How long the store may take for a request.
const REQUEST_TIMEOUT: &str = "500ms";

#[test]
fn all_metrics_of_each_service_are_as_they_are_listed() {
    let backend = HttpReceiver::answering(200);
    let variables: Variables<'_> = vec![
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_METRICS_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url()),
    ];
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", folder.path().join("store.db").display());
    let args = ["store", "--listen", "127.0.0.1:0", "--database", &database, "--allow-faults"];
    let restock = ["--restock-below", "140", "--restock-delay", "1ms"];
    let patience = ["--request-timeout", REQUEST_TIMEOUT];
    let args = args.into_iter().chain(restock).chain(patience);
    let store = grocery(args, variables.clone()).start();

    refused_and_delivered(&url(&store));
    let everyone = "browse-only=1,quick-buy=1,big-basket=1,hesitant=1,impatient=1,bulk-buy=1";
    let trips = ["--mix", everyone, "--trips", "30", "--every", "1ms"];
    end(shopper(&store, &variables, &trips));
    let failing = ["--fault", "error=Checkout:100%", "--mix", "quick-buy=1", "--trips", "1"];
    end(shopper(&store, &variables, &failing));
    // One shopper cannot make fifty trips a second that take a tenth of one each.
    let slow = ["--fault", "slow-aisle=produce:100ms", "--mix", "browse-only=1"];
    let late = ["--rate", "50", "--max-shoppers", "1", "--trips", "20"];
    let flags: Vec<_> = slow.into_iter().chain(late).collect();
    end(shopper(&store, &variables, &flags));
    store.signal(Signal::SIGTERM);
    end(store);

    let metrics = metric::from_protobuf(&backend.received());
    for service in ["grocery-store", "shopper"] {
        assert_listed(service, &metrics);
    }
    // Those of the last shopper: a process that comes later has series of the same name.
    let missed = metrics.iter().find(|metric| metric.name == "grocery.trip.missed").unwrap();
    assert_ne!(missed.lines(), ["= 0"]);
}

#[test]
fn nothing_is_measured_unless_it_is_asked_for() {
    let backend = HttpReceiver::answering(200);
    shop(&vec![("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url())], 1);
    assert_eq!(metric::from_protobuf(&backend.received()), Vec::<Metric>::new());
}

fn shopper(store: &Process, variables: &Variables<'_>, flags: &[&str]) -> Process {
    let url = url(store);
    let always = ["shopper", "--store-url", &url, "--seed", "7"];
    grocery(always.into_iter().chain(flags.iter().copied()), variables.clone()).start()
}

/// What trips do not do for certain: a product that is sold out, a delivery, an actor that panics and
/// is started again, and one that does not come to a message before its sender has given up.
fn refused_and_delivered(store: &str) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = Client::new();
    let checkout = |product: &str, quantity: u32| {
        let body = json!({ "items": [{ "id": product, "quantity": quantity }] });
        let request = client.post(format!("{store}/checkout"));
        request.header("content-type", "application/json").body(body.to_string())
    };
    let status = |request: RequestBuilder| request.send().unwrap().status().as_u16();
    let with = |request: RequestBuilder, fault: &str| {
        request.header("baggage", format!("grocery.fault={fault}"))
    };
    assert_eq!(status(checkout("1", 1000)), 409);

    assert_eq!(status(checkout("19", 20)), 201);
    wait_until("the delivery is there", || {
        let product = client.get(format!("{store}/products/19")).send().unwrap().text().unwrap();
        let product: Value = serde_json::from_str(&product).unwrap();
        product["in_stock"].as_u64().unwrap() > 130
    });

    for _ in 0..2 {
        assert_eq!(status(with(checkout("1", 1), "panic=Checkout")), 503);
    }
    // The first is stuck, and the second waits behind it, for longer than a request may take.
    for _ in 0..2 {
        assert_eq!(status(with(checkout("1", 1), "stall=Checkout:3s")), 504);
    }
}

/// Expects that these are the metrics in the service's file, or writes them there.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "it is for whoever runs the tests")]
fn assert_listed(service: &str, metrics: &[Metric]) {
    let of_service = metrics.iter().filter(|metric| metric.service == service);
    let seen: String = of_service.map(|metric| metric.shape() + "\n").collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/metrics");
    let file = file.join(service).with_extension("txt");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, &seen).unwrap();
    }
    let listed = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(seen, listed, "the metrics of {service} are not those in {}", file.display());
}
