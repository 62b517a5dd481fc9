//! One trip is one trace across both services, and it is the same over every protocol.

use testing::{grpc::GrpcReceiver, http::HttpReceiver, otlp, span::Span};

use crate::support::{
    shopping::{Accounts, Variables, shop},
    trees,
};

#[test]
fn three_trips_leave_three_whole_traces_over_http() {
    let backend = HttpReceiver::answering(200);
    let accounts = shop(&over("http/protobuf", backend.url()), 3);
    assert_three_trips(&otlp::from_protobuf(&backend.received()), &accounts);
}

#[test]
fn three_trips_leave_three_whole_traces_over_http_as_json() {
    let backend = HttpReceiver::answering(200);
    let accounts = shop(&over("http/json", backend.url()), 3);
    assert_three_trips(&otlp::from_json(&backend.received()), &accounts);
}

#[test]
fn three_trips_leave_three_whole_traces_over_grpc() {
    let backend = GrpcReceiver::start();
    let accounts = shop(&over("grpc", format!("http://{}", backend.address)), 3);
    let spans: Vec<_> =
        backend.received().iter().flat_map(|(_, request)| otlp::spans(request)).collect();
    assert_three_trips(&spans, &accounts);
}

fn over(protocol: &str, endpoint: String) -> Variables<'static> {
    vec![
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
    ]
}

fn assert_three_trips(spans: &[Span], accounts: &Accounts) {
    assert_eq!(trees::orphans(spans), Vec::<&Span>::new());

    // The seed decides what is bought, and with it which aisles are asked.
    let trips = [trip("bakery"), trip("dairy pantry"), trip("household pantry produce")];
    assert_eq!(trees::of_roots(spans, "going to the grocery store").concat(), trips.concat());

    let batches = [batch(), batch(), batch()];
    assert_eq!(trees::of_roots(spans, "process Ledger batch").concat(), batches.concat());
    assert_eq!(trees::linked_from(spans, "process Ledger batch"), ["ask Ledger Record"; 3]);

    let exported = accounts.store.all_exported("otlp") + accounts.shopper.all_exported("otlp");
    assert_eq!(exported, spans.len() as u64);
}

/// The tree of a trip on which something from each of these aisles was bought.
fn trip(aisles: &str) -> String {
    let reserve = |aisle| {
        format!("        grocery-store: ask Aisle Reserve INTERNAL {{grocery.aisle={aisle}}}\n")
    };
    let reserved: String = aisles.split(' ').map(reserve).collect();
    format!(
        "\
shopper: going to the grocery store INTERNAL
  shopper: GET / CLIENT
    grocery-store: GET / SERVER
      grocery-store: welcome message INTERNAL
  shopper: GET /whats-in-store CLIENT
    grocery-store: GET /whats-in-store SERVER
      grocery-store: ask Inventory WhatsInStore INTERNAL
        grocery-store: ask Aisle ListProducts INTERNAL {{grocery.aisle=bakery}}
        grocery-store: ask Aisle ListProducts INTERNAL {{grocery.aisle=dairy}}
        grocery-store: ask Aisle ListProducts INTERNAL {{grocery.aisle=drinks}}
        grocery-store: ask Aisle ListProducts INTERNAL {{grocery.aisle=frozen}}
        grocery-store: ask Aisle ListProducts INTERNAL {{grocery.aisle=household}}
        grocery-store: ask Aisle ListProducts INTERNAL {{grocery.aisle=pantry}}
        grocery-store: ask Aisle ListProducts INTERNAL {{grocery.aisle=produce}}
  shopper: POST /checkout CLIENT
    grocery-store: POST /checkout SERVER
      grocery-store: ask Checkout PlaceOrder INTERNAL
{reserved}        grocery-store: ask Ledger Record INTERNAL -> (elsewhere)
"
    )
}

/// The transaction of one order.
fn batch() -> String {
    let statements = [
        "BEGIN",
        "COMMIT",
        "INSERT idempotency_keys",
        "INSERT order_lines",
        "INSERT orders",
        "SELECT idempotency_keys",
        "SELECT products",
        "UPDATE products",
    ];
    let statements = statements.map(|name| format!("  grocery-store: {name} CLIENT\n")).concat();
    format!(
        "\
grocery-store: process Ledger batch INTERNAL -> (elsewhere)
{statements}  grocery-store: acquire connection INTERNAL
"
    )
}
