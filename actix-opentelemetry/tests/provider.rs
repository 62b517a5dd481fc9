//! A tracer provider that is set after the first message, and one that is shut down and replaced.
//! This is a binary of its own because it sets the global provider.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use actix::prelude::*;
use actix_opentelemetry::opentelemetry::trace::{
    FutureExt, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use actix_opentelemetry::opentelemetry::{Context, global};
use actix_opentelemetry::testing::opentelemetry_sdk::trace::SdkTracerProvider;
use actix_opentelemetry::testing::{Recorder, SpanTree};
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart};

struct Till;

#[derive(Message)]
#[rtype(result = "u32")]
struct Total;

impl Actor for Till {
    type Context = TracedContext<Self>;
}

impl TracedActor for Till {
    const NAME: &'static str = "Till";
}

impl Handler<Total> for Till {
    type Result = u32;

    fn handle(&mut self, _: Total, _: &mut Self::Context) -> u32 {
        7
    }
}

const TRACE: TraceId = TraceId::from_bytes([7; 16]);

/// A request from elsewhere, sampled there.
fn request() -> Context {
    Context::new().with_remote_span_context(SpanContext::new(
        TRACE,
        SpanId::from_bytes([7; 8]),
        TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    ))
}

#[actix::test]
async fn a_provider_that_is_set_later_is_found_and_one_that_is_shut_down_is_left() {
    let till = Till.start_traced();
    let ask = || async { till.send(Total).await }.with_context(request());
    let install = || {
        let recorder = Recorder::default();
        let provider = SdkTracerProvider::builder().with_span_processor(recorder.clone()).build();
        global::set_tracer_provider(provider.clone());
        (recorder, provider)
    };

    assert_eq!(ask().await, Ok(7), "without a provider there is an answer all the same");
    let (first, provider) = install();
    assert_eq!(ask().await, Ok(7));
    provider.shutdown().unwrap();
    assert_eq!(ask().await, Ok(7));
    let (second, _provider) = install();
    assert_eq!(ask().await, Ok(7));

    for recorder in [first, second] {
        assert_eq!(
            SpanTree::new(&recorder.spans(TRACE)).render(),
            "ask Till Total INTERNAL (parent elsewhere)\n"
        );
        assert_eq!(recorder.open_spans(), 0);
    }
}
