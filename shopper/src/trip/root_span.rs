//! The span of a whole trip.

use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt,
    global::{self, BoxedTracer},
    trace::{SpanKind, Status, TraceContextExt, TraceId, Tracer},
};
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use shared::fault;

use crate::{
    outcome::{Failure, Outcome},
    plan::TripPlan,
};

thread_local! {
    /// Made once a thread, and not before the provider is set.
    static TRACER: BoxedTracer = global::tracer("shopper");
}

/// The span of a whole trip: the root of its trace, with what the shopper is like as baggage.
///
/// A trip that is cut off (dropped) ends its span as [`Failure::Abandoned`].
pub(super) struct RootSpan {
    cx: Context,
    ended: bool,
}

impl RootSpan {
    pub(super) fn start(plan: &TripPlan) -> Self {
        let kind = KeyValue::new(fault::SHOPPER_KIND, plan.kind.name());
        let id = KeyValue::new(fault::SHOPPER_ID, plan.shopper.to_string());
        let fault = plan.fault.clone().map(|fault| KeyValue::new(fault::BAGGAGE_KEY, fault));
        let attributes: Vec<_> = [kind, id].into_iter().chain(fault).collect();
        // Not the current context: a trip belongs to nothing that happens to be going on here.
        let cx = Context::new().with_baggage(attributes.iter().cloned());
        let span = TRACER.with(|tracer| {
            tracer
                .span_builder("going to the grocery store")
                .with_kind(SpanKind::Internal)
                .with_attributes(attributes)
                .start_with_context(tracer, &cx)
        });
        Self { cx: cx.with_span(span), ended: false }
    }

    /// The context of the trip: its span and its baggage.
    pub(super) fn cx(&self) -> &Context {
        &self.cx
    }

    /// Ends the span, with what is known of a failure, and says which trace it is in if that was
    /// sampled.
    pub(super) fn end(mut self, outcome: Outcome, reason: Option<&str>) -> Option<TraceId> {
        self.record(outcome, reason);
        let span = self.cx.span();
        let span_context = span.span_context();
        span_context.is_sampled().then(|| span_context.trace_id())
    }

    fn record(&mut self, outcome: Outcome, reason: Option<&str>) {
        self.ended = true;
        let span = self.cx.span();
        span.set_attribute(KeyValue::new("shopper.outcome", outcome.name()));
        if let Some(failure) = outcome.failure() {
            span.set_attribute(KeyValue::new(ERROR_TYPE, failure.name()));
            let description = reason.map_or_else(|| failure.to_string(), str::to_owned);
            span.set_status(Status::error(description));
        }
        span.end();
    }
}

impl Drop for RootSpan {
    fn drop(&mut self) {
        if !self.ended {
            self.record(Outcome::Failed(Failure::Abandoned), None);
        }
    }
}
