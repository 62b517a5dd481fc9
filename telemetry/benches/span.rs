//! What a span costs the thread that makes it, with this crate's accounting and with the SDK alone.
//!
//! The two of a pair differ in the processor: the SDK's batch processor, or this crate's accounting
//! with a queue of its own. Spans are made in portions that the queue can hold, and between two
//! portions the clock is stopped until the queue is empty. So no span is dropped, which would be
//! cheaper.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry::trace::{Span as _, SpanBuilder, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use telemetry::config::Config;
use telemetry::{Pipeline, Service};
use testing::http::Received;

/// Spans in a portion: half of what the smaller queue holds by default, the SDK's.
const PORTION: u64 = 1_024;

fn span(criterion: &mut Criterion) {
    let sink = sink();
    let mut group = criterion.benchmark_group("span");
    group.throughput(Throughput::Elements(1));
    let bare = SdkTracerProvider::builder().build();
    group.bench_function("sdk, no exporter", |b| b.iter_custom(|n| time(&bare, n)));
    let counted = pipeline("none", &sink);
    group.bench_function("accounted, no exporter", |b| {
        b.iter_custom(|n| time(counted.tracers(), n));
    });

    // opentelemetry-otlp makes an HTTP client of its own here, which needs a provider of
    // cryptography.
    rustls::crypto::ring::default_provider().install_default().ok();
    let counted = pipeline("otlp", &sink);
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{sink}/v1/traces"))
        .build()
        .expect("an exporter");
    let batch = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).build())
        .build();
    group.bench_function("sdk, otlp", |b| b.iter_custom(|n| time(&batch, n)));
    group.bench_function("accounted, otlp", |b| b.iter_custom(|n| time(counted.tracers(), n)));
    group.finish();
    let totals = counted.accounting().snapshot();
    assert_eq!(totals.exporters[0].exported, totals.ended, "nothing was dropped: {totals}");
}

fn pipeline(exporter: &str, endpoint: &str) -> Pipeline {
    let config = Config::from_variables(&[
        ("OTEL_TRACES_EXPORTER", exporter),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
    ]);
    let service = Service { name: "bench", version: "0", ..Service::default() };
    Pipeline::new(&service, &config.expect("valid variables")).expect("a pipeline")
}

/// How long it takes to make `count` spans with four attributes each.
fn time(provider: &SdkTracerProvider, count: u64) -> Duration {
    let tracer = provider.tracer("bench");
    let cx = Context::new();
    let mut total = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let portion = left.min(PORTION);
        let start = Instant::now();
        for _ in 0..portion {
            let span = SpanBuilder::from_name("ask Aisle Reserve").with_attributes([
                KeyValue::new("actix.actor.name", "Aisle"),
                KeyValue::new("actix.message.type", "Reserve"),
                KeyValue::new("actix.message.kind", "ask"),
                KeyValue::new("actix.mailbox.wait", 0.000_01),
            ]);
            tracer.build_with_context(span, &cx).end();
        }
        total += start.elapsed();
        provider.force_flush().expect("the sink takes everything");
        left -= portion;
    }
    total
}

/// A server that answers every request with success; returns its URL.
fn sink() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || swallow(&stream));
        }
    });
    url
}

fn swallow(stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        Received::read(&mut reader)?;
        (&mut &*stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

criterion_group!(benches, span);
criterion_main!(benches);
