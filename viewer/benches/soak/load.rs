//! Spans at a steady rate: whole traces of two services with actors, attributes and links, as an
//! instrumented shop sends them.

use std::sync::Once;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use reqwest::blocking::Client;

/// As many as an SDK's batch has by default.
pub(crate) const SPANS_A_REQUEST: u32 = 512;
const SPANS_A_TRACE: u32 = 16;
/// The slowest request that the histogram can hold: a minute, in microseconds.
const SLOWEST_US: u64 = 60_000_000;

/// What became of requests.
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) latency_us: Histogram<u64>,
}

impl Outcome {
    pub(crate) fn new() -> Self {
        let latency_us = Histogram::new_with_max(SLOWEST_US, 3).expect("valid bounds");
        Self { requests: 0, refused: 0, failed: 0, latency_us }
    }

    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.requests += other.requests;
        self.refused += other.refused;
        self.failed += other.failed;
        self.latency_us.add(other.latency_us).expect("the same bounds");
        self
    }
}

/// Sends over one connection.
pub(crate) struct Sender {
    client: Client,
    url: String,
    request: ExportTraceServiceRequest,
    traces: u128,
}

impl Sender {
    pub(crate) fn new(otlp: &str, number: u32) -> Self {
        Self {
            client: client(),
            url: format!("{otlp}/v1/traces"),
            request: request(),
            traces: u128::from(number + 1) << 100,
        }
    }

    /// Sends a request every `interval`, from `first` until `last`.
    pub(crate) fn run(mut self, first: Instant, last: Instant, interval: Duration) -> Outcome {
        let mut outcome = Outcome::new();
        let mut intended = first;
        while intended < last {
            let body = self.next_body();
            std::thread::sleep(intended.saturating_duration_since(Instant::now()));
            let post = self.client.post(&self.url).header("content-type", "application/x-protobuf");
            outcome.requests += 1;
            match post.body(body).send().map(|answer| answer.status().as_u16()) {
                Ok(200) => {}
                Ok(503) => outcome.refused += 1,
                _ => outcome.failed += 1,
            }
            let latency = u64::try_from(intended.elapsed().as_micros()).unwrap_or(SLOWEST_US);
            outcome.latency_us.saturating_record(latency);
            intended += interval;
        }
        outcome
    }

    /// The next traces, of now.
    fn next_body(&mut self) -> Vec<u8> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since_epoch.as_nanos()).unwrap_or_default();
        let groups =
            self.request.resource_spans.iter_mut().flat_map(|group| &mut group.scope_spans);
        for span in groups.flat_map(|group| &mut group.spans) {
            if span.parent_span_id.is_empty() {
                self.traces += 1;
            }
            span.trace_id = self.traces.to_be_bytes().to_vec();
            span.start_time_unix_nano = now;
            span.end_time_unix_nano = now + 1_000_000;
        }
        self.request.encode_to_vec()
    }
}

/// A client with a connection of its own.
pub(crate) fn client() -> Client {
    static PROVIDER: Once = Once::new();
    // The client wants a TLS stack, though nothing here speaks TLS.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    Client::builder().no_proxy().build().expect("an HTTP client")
}

/// Traces of [`SPANS_A_TRACE`] spans, one after another.
fn request() -> ExportTraceServiceRequest {
    let attributes = vec![
        text("service.name", "grocery-store"),
        text("service.version", "1.0.0"),
        text("host.name", "soak"),
    ];
    let scope = InstrumentationScope { name: "soak".into(), ..InstrumentationScope::default() };
    let spans = (0..SPANS_A_REQUEST).map(|number| span(number % SPANS_A_TRACE)).collect();
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    }
}

/// A span of a trace: the first is the root, the others its children.
fn span(number: u32) -> Span {
    let id = |number: u32| (u64::from(number) + 1).to_be_bytes().to_vec();
    Span {
        span_id: id(number),
        parent_span_id: if number == 0 { vec![] } else { id(0) },
        name: format!("ask Aisle Message{}", number % 8),
        kind: 1,
        attributes: vec![
            text("actix.actor.name", "Aisle"),
            text("actix.message.type", "store::actors::aisle::Reserve"),
            text("actix.message.kind", "ask"),
            attribute("actix.mailbox.wait", Value::DoubleValue(0.000_02)),
            text("code.function.name", "store::actors::aisle::Aisle::handle"),
            text("grocery.aisle", "produce"),
            attribute("grocery.order.lines", Value::IntValue(3)),
            text("grocery.order.id", "01928c5e-7f3a-7cc2-a1b1-3a5c8e9d0f42"),
        ],
        ..Span::default()
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}
