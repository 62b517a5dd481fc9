//! A trip to a grocery store and the batch that recorded its order: two traces, joined by a link.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::support::spans::{CLIENT, SERVER, Trace, attribute, error, of_service, request, text};

/// The span that the batch links to.
pub(super) const RECORD: u64 = 0x15;
/// The batch's span.
pub(super) const BATCH: u64 = 0x31;

/// The two traces.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) trip: Trace,
    pub(super) batch: Trace,
}

impl Shop {
    pub(super) fn new() -> Self {
        let trip = Trace::new();
        Self { trip, batch: Trace { start_us: trip.start_us, ..Trace::new() } }
    }

    /// The trip as the shopper and the store send it.
    pub(super) fn trip(&self) -> ExportTraceServiceRequest {
        let t = self.trip;
        let going = t.span(0x01, 0, "going to the grocery store", 0..30_000);
        let kind = || text("shopper.kind", "big basket");
        let shopper = vec![
            with(going, 0, [kind()]),
            with(t.span(0x02, 0x01, "GET", 100..2_000), CLIENT, []),
            with(t.span(0x03, 0x01, "GET", 3_000..12_000), CLIENT, []),
            with(t.span(0x04, 0x01, "POST", 13_000..29_000), CLIENT, []),
        ];
        let store = vec![
            with(t.span(0x05, 0x02, "GET /", 500..1_500), SERVER, []),
            t.span(0x06, 0x05, "welcome message", 700..900),
            with(t.span(0x07, 0x03, "GET /whats-in-store", 3_500..11_500), SERVER, []),
            told(t.span(0x08, 0x07, "ask Inventory WhatsInStore", 4_000..11_000), "Inventory", 50),
            aisle(t.span(0x09, 0x08, "ask Aisle ListProducts", 5_000..7_000), "bakery"),
            aisle(t.span(0x0a, 0x08, "ask Aisle ListProducts", 5_100..8_000), "dairy"),
            aisle(t.span(0x0b, 0x08, "ask Aisle ListProducts", 5_200..7_500), "produce"),
            with(t.span(0x0c, 0x04, "POST /checkout", 13_500..28_500), SERVER, [kind()]),
            told(t.span(0x0d, 0x0c, "ask Checkout PlaceOrder", 14_000..28_000), "Checkout", 80),
            aisle(t.span(0x0e, 0x0d, "ask Aisle Reserve", 15_000..16_000), "produce"),
            failed(aisle(t.span(0x0f, 0x0d, "ask Aisle Reserve", 15_100..16_500), "dairy")),
            told(t.span(RECORD, 0x0d, "ask Ledger Record", 17_000..27_000), "Ledger", 900),
        ];
        request([of_service("shopper", shopper), of_service("grocery-store", store)])
    }

    /// The batch that the order was recorded in.
    pub(super) fn batch(&self) -> ExportTraceServiceRequest {
        let b = self.batch;
        let mut batch = told(b.span(BATCH, 0, "process Ledger batch", 18_000..26_000), "Ledger", 0);
        batch.links.push(self.trip.link(RECORD));
        let insert = b.span(0x32, BATCH, "INSERT orders", 19_000..25_000);
        let insert = with(insert, CLIENT, [text("db.system.name", "sqlite")]);
        request([of_service("grocery-store", vec![batch, insert])])
    }
}

fn with<const N: usize>(
    mut span: Span,
    kind: i32,
    attributes: [opentelemetry_proto::tonic::common::v1::KeyValue; N],
) -> Span {
    if kind != 0 {
        span.kind = kind;
    }
    span.attributes.extend(attributes);
    span
}

/// A message to an actor that waited `wait_us` in the mailbox.
fn told(span: Span, actor: &str, wait_us: u32) -> Span {
    let wait = attribute("actix.mailbox.wait", Value::DoubleValue(f64::from(wait_us) / 1e6));
    with(span, 0, [text("actix.actor.name", actor), wait])
}

fn aisle(span: Span, aisle: &str) -> Span {
    with(told(span, "Aisle", 200), 0, [text("grocery.aisle", aisle)])
}

fn failed(mut span: Span) -> Span {
    span.status = error("1 left");
    with(span, 0, [text("error.type", "out_of_stock")])
}
