//! Where a message comes from: the sender's context and the time, captured on the sender's side.

use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::TraceContextExt;

use crate::actor::TracedActor;
use crate::measure;
use crate::policy::RootPolicy;

/// The sender's side of a message, carried with it to the receiver.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) cx: Context,
    /// Read only when something will be recorded: the clock is a large part of a message's cost.
    sent: Option<Instant>,
}

impl Origin {
    /// Captures the current context on behalf of a message to an `A`.
    pub(crate) fn capture<A: TracedActor>() -> Self {
        let cx = Context::current();
        let sent = is_timed::<A>(&cx).then(Instant::now);
        Self { cx, sent }
    }

    /// The same for a message that is not sent now but made later, by a timer or a stream.
    pub(crate) fn without_time() -> Self {
        Self { cx: Context::current(), sent: None }
    }

    /// How long the message has been on its way.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.sent.map(|sent| sent.elapsed())
    }
}

fn is_timed<A: TracedActor>(cx: &Context) -> bool {
    is_recorded(cx) || measure::is_enabled() || A::ROOT == RootPolicy::Start
}

/// Whether what happens in this context is being recorded.
pub(crate) fn is_recorded(cx: &Context) -> bool {
    if !cx.has_active_span() || cx.is_telemetry_suppressed() {
        return false;
    }
    let span = cx.span();
    span.span_context().is_sampled() || span.is_recording()
}

/// Whether this context is outside any trace.
pub(crate) fn is_outside(cx: &Context) -> bool {
    !cx.span().span_context().is_valid() && !cx.is_telemetry_suppressed()
}

/// A context without a span but with this one's baggage: what the root of a linked trace is built
/// against.
///
/// A span cannot be taken out of a context, and putting an invalid one in its place would make
/// parent-based samplers drop the root.
pub(crate) fn rootless(cx: &Context) -> Context {
    let baggage = cx.baggage();
    if baggage.is_empty() {
        return Context::new();
    }
    Context::new().with_baggage(baggage.iter().map(|(key, (value, metadata))| {
        opentelemetry::baggage::KeyValueMetadata::new(key.clone(), value.clone(), metadata.clone())
    }))
}
