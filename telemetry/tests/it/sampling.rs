//! What is recorded: samplers, limits, and baggage as attributes.

use crate::support::{pipeline, shutdown};
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{
    Event, Link, SpanBuilder, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, KeyValue, Value};
use testing::http::HttpReceiver;
use testing::otlp;
use testing::span::{Span, tree};

/// How many of `count` spans under `parent` a sampler records.
fn recorded(variables: &[(&str, &str)], parent: &Context, count: usize) -> u64 {
    let pipeline = pipeline(&[&[("OTEL_TRACES_EXPORTER", "none")], variables].concat());
    let tracer = pipeline.tracers().tracer("sampling");
    for _ in 0..count {
        drop(tracer.start_with_context("maybe", parent));
    }
    shutdown(pipeline).ended
}

fn remote(flags: TraceFlags) -> Context {
    let (trace, span) = (TraceId::from(7), SpanId::from(7));
    Context::new().with_remote_span_context(SpanContext::new(
        trace,
        span,
        flags,
        true,
        <_>::default(),
    ))
}

#[test]
fn samplers_decide_by_their_names() {
    let (root, kept) = (Context::new(), remote(TraceFlags::SAMPLED));
    let dropped = remote(TraceFlags::NOT_SAMPLED);
    // For each sampler: how many are recorded of ten roots, of ten children of a sampled parent,
    // and of ten children of an unsampled one.
    for (sampler, ratio, expected) in [
        ("", "", [10, 10, 0]),
        ("always_on", "", [10, 10, 10]),
        ("always_off", "", [0, 0, 0]),
        ("traceidratio", "", [10, 10, 10]),
        ("traceidratio", "0", [0, 0, 0]),
        ("traceidratio", "1.0", [10, 10, 10]),
        ("parentbased_always_on", "", [10, 10, 0]),
        ("parentbased_always_off", "", [0, 10, 0]),
        ("parentbased_traceidratio", "0", [0, 10, 0]),
        ("parentbased_traceidratio", "1", [10, 10, 0]),
    ] {
        let variables = [("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", ratio)];
        let got = [&root, &kept, &dropped].map(|parent| recorded(&variables, parent, 10));
        assert_eq!(got, expected, "{sampler} {ratio}");
    }
}

#[test]
fn a_ratio_keeps_about_its_share_of_traces() {
    let variables = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.25")];
    let kept = recorded(&variables, &Context::new(), 4_000);
    // Nine standard deviations either way.
    assert!((750..=1_250).contains(&kept), "{kept} of 4000");
}

/// Builds a span in a pipeline with these variables and returns it as it arrived.
fn arrived(variables: &[(&str, &str)], parent: &Context, span: SpanBuilder) -> Span {
    let receiver = HttpReceiver::answering(200);
    let url = receiver.url();
    let base = [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &url)];
    let pipeline = pipeline(&[&base, variables].concat());
    drop(pipeline.tracers().tracer("limits").build_with_context(span, parent));
    shutdown(pipeline);
    let mut span = otlp::from_protobuf(&receiver.received()).remove(0);
    // The tests compare spans, and the time at which they were made does not matter.
    (span.start_us, span.duration_us) = (0, 0);
    span.events.iter_mut().for_each(|event| event.at_us = 0);
    span
}

fn letters(count: usize) -> Vec<KeyValue> {
    ["a", "b", "c"][..count].iter().map(|&key| KeyValue::new(key, 1)).collect()
}

#[test]
fn counts_are_limited() {
    let other = remote(TraceFlags::SAMPLED).span().span_context().clone();
    let event = |name| Event::new(name, std::time::SystemTime::now(), letters(3), 0);
    let link = || Link::new(other.clone(), letters(3), 0);
    let span = SpanBuilder::from_name("limited")
        .with_attributes(letters(3))
        .with_events(vec![event("1st"), event("2nd"), event("3rd")])
        .with_links(vec![link(), link(), link()]);
    let limits = [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "2"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "0"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "1"),
    ];
    let expected = "\
limited internal 0+0 unset [limits]
  . a=1
  . b=1
  ! 0 1st {}
  > 00000000000000000000000000000007 0000000000000007 {\"a\": \"1\"}
  > 00000000000000000000000000000007 0000000000000007 {\"a\": \"1\"}
";
    assert_eq!(tree(&[arrived(&limits, &Context::new(), span)]), expected);
}

#[test]
fn text_in_attributes_is_cut_at_whole_characters() {
    let texts = vec!["potato".into(), "egg".into()];
    let attributes = vec![
        KeyValue::new("text", "K\u{e4}se\u{1f9c0}"),
        KeyValue::new("texts", Value::Array(Array::String(texts))),
        KeyValue::new("int", 123_456),
    ];
    let event = Event::new("bought", std::time::SystemTime::now(), attributes.clone(), 0);
    let span =
        SpanBuilder::from_name("long name").with_attributes(attributes).with_events(vec![event]);
    let limit = [("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3")];
    let expected = "\
long name internal 0+0 unset [limits]
  . int=123456
  . text=K\u{e4}s
  . texts=[\"pot\",\"egg\"]
  ! 0 bought {\"int\": \"123456\", \"text\": \"K\u{e4}s\", \"texts\": \"[\\\"pot\\\",\\\"egg\\\"]\"}
";
    assert_eq!(tree(&[arrived(&limit, &Context::new(), span)]), expected);
}

#[test]
fn baggage_entries_that_the_service_names_become_attributes() {
    let shopper = [KeyValue::new("shopper.kind", "hesitant"), KeyValue::new("secret", "1")];
    let parent = Context::new().with_baggage(shopper);
    let expected = "\
browse internal 0+0 unset [limits]
  . shopper.kind=hesitant
";
    assert_eq!(tree(&[arrived(&[], &parent, SpanBuilder::from_name("browse"))]), expected);
}
