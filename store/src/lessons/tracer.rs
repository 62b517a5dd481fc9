//! The tracer of a run, whose spans can be found wherever they land.

use std::sync::Arc;

use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    global::{BoxedSpan, BoxedTracer},
    trace::{FutureExt as _, SpanBuilder, SpanKind, TraceContextExt as _, Tracer},
};
use tokio::sync::OwnedSemaphorePermit;

use super::{CUSTOMER, RUN_ATTRIBUTE};

/// Makes the spans of one run: each has the attribute `lesson.run`.
///
/// It is the lesson's place among those that may be made at a time, too. So a lesson is under way for as
/// long as anything that it has started, on whichever thread, has a clone of this.
#[derive(Clone, Debug)]
pub(super) struct LessonTracer(Arc<Run>);

#[derive(Debug)]
struct Run {
    name: String,
    /// What the span of the request that asked for it is called.
    request_name: String,
    tracer: Arc<BoxedTracer>,
    _place: OwnedSemaphorePermit,
}

impl LessonTracer {
    /// A tracer of this run, which `tracer` makes the spans for.
    pub(super) fn new(
        name: String,
        request_name: String,
        tracer: Arc<BoxedTracer>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self(Arc::new(Run { name, request_name, tracer, _place: place }))
    }

    /// The attribute by which the run's spans are found: for an actor's
    /// [`attributes`](actix_opentelemetry::TracedActor::attributes).
    pub(super) fn run(&self) -> KeyValue {
        KeyValue::new(RUN_ATTRIBUTE, self.0.name.clone())
    }

    /// The span of a request that came in beside the one that asked for the lesson. It is in the
    /// trace and has the baggage that `cx` says.
    pub(super) fn start_request(&self, cx: &Context) -> Context {
        let builder = self.span_builder(self.0.request_name.clone()).with_kind(SpanKind::Server);
        cx.with_span(self.build_with_context(builder, cx))
    }

    /// Serves the request of another customer, which begins a trace of its own.
    pub(super) async fn serve<F: Future>(&self, customer: &'static str, work: F) -> F::Output {
        let baggage = [KeyValue::new(CUSTOMER, customer)];
        let cx = self.start_request(&Context::new().with_baggage(baggage));
        let output = work.with_context(cx.clone()).await;
        cx.span().end();
        output
    }
}

impl Tracer for LessonTracer {
    type Span = BoxedSpan;

    fn build_with_context(&self, mut builder: SpanBuilder, cx: &Context) -> BoxedSpan {
        builder.attributes.get_or_insert_default().push(self.run());
        self.0.tracer.build_with_context(builder, cx)
    }
}
