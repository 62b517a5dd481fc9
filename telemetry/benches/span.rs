//! What a span costs in processor time: to make and to end it, with this crate's accounting and with the
//! SDK alone, and to encode it for OTLP.
//!
//! `cargo bench-span` prints the processor time of each, and how it compares. The variants take turns,
//! and each figure is the median of the rounds, so that other programs on the machine change little.
//! With the name of a variant and a number it does only that, so often, for counting instructions:
//!
//! ```text
//! cargo bench-span --no-run                               # prints the program's path
//! valgrind --tool=callgrind --callgrind-out-file=counts PATH encode/telemetry 3
//! callgrind_annotate --inclusive=yes counts | grep work   # of 3 batches of 4,096 spans
//! ```

use nix::time::{ClockId, clock_gettime};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanEvents, SpanExporter,
    SpanLinks,
};
use prost::Message as _;
use std::hint::black_box;
use std::time::{Duration, SystemTime};
use telemetry::config::Config;
use telemetry::{Pipeline, Service, SpanEncoder};
use testing::http::HttpReceiver;

/// Spans in a batch: the default.
const BATCH: usize = 4_096;

const ROUNDS: usize = 15;

/// A way to do something, to be compared with other ways.
trait Variant {
    fn name(&self) -> &'static str;
    /// Does it for [`BATCH`] spans. What is not to be measured has been done by `prepare`.
    fn work(&mut self);
    fn prepare(&mut self) {}
}

fn main() {
    let receiver = HttpReceiver::answering(200);
    let url = receiver.url();
    let mut variants: Vec<Box<dyn Variant>> = vec![
        Box::new(Reference::new()),
        Box::new(Encode::new()),
        Box::new(Make::new("make/sdk without exporter", SdkTracerProvider::builder().build())),
        Box::new(Make::new("make/sdk", sdk_with_queue())),
        Box::new(Make::with_pipeline("make/telemetry without exporter", "none", &url)),
        Box::new(Make::with_pipeline("make/telemetry", "otlp", &url)),
    ];
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    if let Some(name) = arguments.next() {
        let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1);
        let chosen = variants.iter_mut().find(|variant| variant.name() == name);
        let chosen = chosen.expect("the name of a variant");
        for _ in 0..count {
            chosen.prepare();
            chosen.work();
        }
        return;
    }
    let mut times = vec![Vec::new(); variants.len()];
    for _ in 0..ROUNDS {
        for (variant, times) in variants.iter_mut().zip(&mut times) {
            variant.prepare();
            let start = processor_time();
            variant.work();
            times.push(processor_time() - start);
        }
    }
    for (variant, times) in variants.iter().zip(&mut times) {
        times.sort_unstable();
        let median = times[times.len() / 2];
        let nanos = median.as_nanos() as f64 / BATCH as f64;
        let each_second = BATCH as f64 / median.as_secs_f64();
        eprintln!("{:32} {nanos:7.0} ns a span, {each_second:10.0} spans a second", variant.name());
    }
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every system has it").into()
}

/// By opentelemetry-proto, as opentelemetry-otlp does it.
struct Reference {
    resource: ResourceAttributesWithSchema,
    batch: Vec<SpanData>,
}

impl Reference {
    fn new() -> Self {
        Reference { resource: (&resource()).into(), batch: vec![] }
    }
}

impl Variant for Reference {
    fn name(&self) -> &'static str {
        "encode/opentelemetry-proto"
    }

    fn prepare(&mut self) {
        self.batch = batch();
    }

    fn work(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        black_box(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
    }
}

/// By this crate. The spans are dropped as well, which the other one does too.
struct Encode {
    encoder: SpanEncoder,
    batch: Vec<SpanData>,
    buffer: Vec<u8>,
}

impl Encode {
    fn new() -> Self {
        Encode { encoder: SpanEncoder::new(&resource()), batch: vec![], buffer: vec![] }
    }
}

impl Variant for Encode {
    fn name(&self) -> &'static str {
        "encode/telemetry"
    }

    fn prepare(&mut self) {
        self.batch = batch();
    }

    fn work(&mut self) {
        self.buffer.clear();
        self.encoder.encode(&self.batch, &mut self.buffer);
        black_box(&self.buffer);
        self.batch.clear();
    }
}

/// Makes and ends spans.
struct Make {
    name: &'static str,
    provider: SdkTracerProvider,
    pipeline: Option<Pipeline>,
}

impl Make {
    fn new(name: &'static str, provider: SdkTracerProvider) -> Self {
        Make { name, provider, pipeline: None }
    }

    /// With an exporter to `endpoint`. Nothing is sent while it is measured: the batch is never full.
    fn with_pipeline(name: &'static str, exporter: &str, endpoint: &str) -> Self {
        let config = Config::from_variables(&[
            ("OTEL_TRACES_EXPORTER", exporter),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ]);
        let service = Service { name: "bench", version: "0", ..Service::default() };
        let pipeline = Pipeline::new(&service, &config.expect("valid variables"));
        let pipeline = pipeline.expect("a pipeline");
        Make { name, provider: pipeline.tracers().clone(), pipeline: Some(pipeline) }
    }
}

impl Drop for Make {
    /// A span that is dropped costs less than one that is exported.
    fn drop(&mut self) {
        let Some(pipeline) = &self.pipeline else { return };
        pipeline.shutdown();
        let totals = pipeline.accounting().snapshot();
        let exported = totals.exporters.iter().all(|of| of.exported == totals.ended);
        assert!(exported, "{}: not all were exported: {totals}", self.name);
    }
}

impl Variant for Make {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare(&mut self) {
        self.provider.force_flush().ok();
    }

    fn work(&mut self) {
        let tracer = self.provider.tracer("bench");
        let cx = Context::new();
        for _ in 0..BATCH - 1 {
            let span = SpanBuilder::from_name("ask Aisle Reserve").with_attributes(attributes());
            tracer.build_with_context(span, &cx).end();
        }
    }
}

/// The SDK's processor with the same queue and an exporter that does nothing.
fn sdk_with_queue() -> SdkTracerProvider {
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(8 * BATCH)
        .with_max_export_batch_size(BATCH)
        .build();
    SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::new(Discard, config))
        .build()
}

#[derive(Debug)]
struct Discard;

impl SpanExporter for Discard {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

fn resource() -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "grocery-store"),
            KeyValue::new("service.instance.id", "f2d0a1c4-8d3f-4d0c-9a6f-0d6f5a9b1c2e"),
        ])
        .build()
}

/// The spans of trips as the store makes them: of seven, one is of a request and six of actors.
fn batch() -> Vec<SpanData> {
    let scopes = ["opentelemetry-instrumentation-actix-web", "actix-opentelemetry"].map(|name| {
        InstrumentationScope::builder(name)
            .with_version("0.25.0")
            .with_schema_url("https://opentelemetry.io/schemas/1.39.0")
            .build()
    });
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    let span = |index: usize| {
        let is_request = index.is_multiple_of(7);
        let at = start + Duration::from_micros(index as u64);
        SpanData {
            span_context: SpanContext::new(
                TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c + index as u128 / 21),
                SpanId::from(0xb7ad_6b71_6920_3331 + index as u64),
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            ),
            parent_span_id: SpanId::from(0xb7ad_6b71_6920_3330 + index as u64),
            parent_span_is_remote: is_request,
            span_kind: if is_request { SpanKind::Server } else { SpanKind::Internal },
            name: if is_request { "GET /products/{id}".into() } else { "ask Aisle Reserve".into() },
            start_time: at,
            end_time: at + Duration::from_micros(150),
            attributes: if is_request { request() } else { attributes() },
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: scopes[usize::from(!is_request)].clone(),
        }
    };
    (0..BATCH).map(span).collect()
}

fn attributes() -> Vec<KeyValue> {
    vec![
        KeyValue::new("actix.actor.name", "Aisle"),
        KeyValue::new("actix.message.type", "Reserve"),
        KeyValue::new("actix.message.kind", "ask"),
        KeyValue::new("actix.mailbox.wait", 0.000_01),
        KeyValue::new("messaging.operation.name", "process".to_owned()),
        KeyValue::new("product.id", 4711),
    ]
}

fn request() -> Vec<KeyValue> {
    vec![
        KeyValue::new("http.request.method", "GET"),
        KeyValue::new("http.route", "/products/{id}".to_owned()),
        KeyValue::new("url.path", "/products/4711".to_owned()),
        KeyValue::new("url.scheme", "http"),
        KeyValue::new("server.address", "127.0.0.1".to_owned()),
        KeyValue::new("server.port", 8_080),
        KeyValue::new("client.address", "127.0.0.1".to_owned()),
        KeyValue::new("user_agent.original", "shopper/0.1.0".to_owned()),
        KeyValue::new("network.protocol.version", "1.1"),
        KeyValue::new("http.response.status_code", 200),
    ]
}
