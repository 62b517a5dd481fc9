//! Shared by the tests: an actor in three lines, and marks in a trace.

use actix_opentelemetry::opentelemetry::trace::Tracer;
use actix_opentelemetry::opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use actix_opentelemetry::opentelemetry::{Context, global};

/// Makes structs traced actors that are named after their types and have the default policies.
macro_rules! traced_actors {
    ($($actor:ident),+ $(,)?) => {$(
        impl actix::Actor for $actor {
            type Context = actix_opentelemetry::TracedContext<Self>;
        }

        impl actix_opentelemetry::TracedActor for $actor {
            const NAME: &'static str = stringify!($actor);
        }
    )+};
}

/// Makes types of message: `Reserve => u32` is a struct without fields whose reply is a `u32`.
macro_rules! messages {
    ($($message:ident => $reply:ty),+ $(,)?) => {$(
        #[derive(Debug, Clone, Copy)]
        struct $message;

        impl actix::Message for $message {
            type Result = $reply;
        }
    )+};
}

pub(crate) use {messages, traced_actors};

/// Makes a span under the current one. It shows a test in which context its code ran.
pub(crate) fn mark(name: &'static str) {
    global::tracer("test").in_span(name, |_| ());
}

/// Makes a span "clean up" when it is dropped. It shows a test in which context that happens.
pub(crate) struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        mark("clean up");
    }
}

/// A context value, such as an application has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tenant(pub(crate) u32);

/// The current context's tenant.
pub(crate) fn tenant() -> Option<Tenant> {
    Context::map_current(|cx| cx.get::<Tenant>().copied())
}

/// A context in a trace that the sampler has refused.
pub(crate) fn unsampled() -> Context {
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from(0x5eed),
        SpanId::from(0x5eed),
        TraceFlags::NOT_SAMPLED,
        true,
        TraceState::NONE,
    ))
}
