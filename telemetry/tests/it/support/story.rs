//! Spans with everything that a span can have.

use opentelemetry::trace::{
    Event, Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status,
    TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::str::FromStr as _;
use std::time::{Duration, SystemTime};

/// The spans that [`tell`] makes, as text of [`tree`](testing::span::tree).
pub(crate) const TREE: &str = "\
going to the grocery store internal 0+9000 unset [story 1.2]
  . bool=true
  . bools=[true,false]
  . double=0.25
  . doubles=[0.5,1.5]
  . int=-7
  . ints=[1,2]
  . text=Käse \u{1f9c0}
  . texts=[\"potato\",\"apple\"]
  ! 1000 basket filled {\"lines\": \"3\"}
  ! 2000 basket emptied {}
  GET client 1000+2000 error: out of stock [story 1.2]
  publish producer 2000+500 unset [story 1.2]
    > 0af7651916cd43dd8448eb211c80319c b7ad6b7169203331 {\"why\": \"same order\"}
    > 0af7651916cd43dd8448eb211c80319c 00f067aa0ba902b7 {}
GET / server 3000+1000 ok [story 1.2] child of b7ad6b7169203331
  . w3c.tracestate=rojo=1,congo=2
  consume consumer 3100+10 unset [story 1.2]
    . w3c.tracestate=rojo=1,congo=2
";

/// Makes the spans of [`TREE`], all at fixed times.
pub(crate) fn tell(provider: &SdkTracerProvider) {
    let scope = InstrumentationScope::builder("story").with_version("1.2").build();
    let tracer = provider.tracer_with_scope(scope);
    let root = span("going to the grocery store", SpanKind::Internal, 0)
        .with_attributes(attributes())
        .with_events(vec![
            Event::new("basket filled", at(1_000), vec![KeyValue::new("lines", 3)], 0),
            Event::new("basket emptied", at(2_000), vec![], 0),
        ]);
    let root = tracer.build_with_context(root, &Context::new());
    let in_root = Context::new().with_span(root);

    let get = span("GET", SpanKind::Client, 1_000);
    let mut get = tracer.build_with_context(get, &in_root);
    get.set_status(Status::error("out of stock"));
    get.end_with_timestamp(at(3_000));

    let links = vec![
        Link::new(remote("b7ad6b7169203331"), vec![KeyValue::new("why", "same order")], 0),
        Link::new(remote("00f067aa0ba902b7"), vec![], 0),
    ];
    let publish = span("publish", SpanKind::Producer, 2_000).with_links(links);
    tracer.build_with_context(publish, &in_root).end_with_timestamp(at(2_500));
    in_root.span().end_with_timestamp(at(9_000));

    let caller = Context::new().with_remote_span_context(remote("b7ad6b7169203331"));
    let serve = span("GET /", SpanKind::Server, 3_000);
    let in_serve = caller.with_span(tracer.build_with_context(serve, &caller));
    let consume = span("consume", SpanKind::Consumer, 3_100);
    tracer.build_with_context(consume, &in_serve).end_with_timestamp(at(3_110));
    in_serve.span().set_status(Status::Ok);
    in_serve.span().end_with_timestamp(at(4_000));
}

/// Ends `count` spans with nothing special about them.
pub(crate) fn end_spans(provider: &SdkTracerProvider, count: usize) {
    let tracer = provider.tracer("many");
    for _ in 0..count {
        tracer.start_with_context("one of many", &Context::new()).end();
    }
}

fn span(name: &'static str, kind: SpanKind, start_us: u64) -> SpanBuilder {
    SpanBuilder::from_name(name).with_kind(kind).with_start_time(at(start_us))
}

fn at(us: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_micros(us)
}

fn remote(span_id: &str) -> SpanContext {
    SpanContext::new(
        TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap(),
        SpanId::from_hex(span_id).unwrap(),
        TraceFlags::SAMPLED,
        true,
        TraceState::from_str("rojo=1,congo=2").unwrap(),
    )
}

fn attributes() -> Vec<KeyValue> {
    let texts = vec!["potato".into(), "apple".into()];
    vec![
        KeyValue::new("text", "Käse \u{1f9c0}"),
        KeyValue::new("bool", true),
        KeyValue::new("int", -7),
        KeyValue::new("double", 0.25),
        KeyValue::new("texts", Value::Array(Array::String(texts))),
        KeyValue::new("bools", Value::Array(Array::Bool(vec![true, false]))),
        KeyValue::new("ints", Value::Array(Array::I64(vec![1, 2]))),
        KeyValue::new("doubles", Value::Array(Array::F64(vec![0.5, 1.5]))),
    ]
}
