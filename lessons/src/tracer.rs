//! The tracer of a run, which marks all spans of the run.

use std::{io, sync::Arc};

use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    global::{self, BoxedSpan, BoxedTracer},
    trace::{FutureExt as _, SpanBuilder, SpanKind, TraceContextExt as _, Tracer},
};
use tokio::sync::OwnedSemaphorePermit;

use super::program::Program;

/// The attribute by which the spans of a run are found.
pub const RUN_ATTRIBUTE: &str = "lesson.run";

/// The baggage key, and the attribute of spans, that says which customer a request is for.
pub const CUSTOMER: &str = "customer";

/// The tracer of a process that a lesson has started.
pub(super) fn process_tracer() -> BoxedTracer {
    let scope = telemetry::instrumentation_scope("lesson", env!("CARGO_PKG_VERSION"));
    global::tracer_with_scope(scope)
}

/// Makes the spans of one run. Each of them has the attribute [`RUN_ATTRIBUTE`].
///
/// It also holds the run's place among the lessons that may run at a time. So the lesson counts as
/// running for as long as a task, a thread or an actor that it has started has a clone of this.
#[derive(Clone, Debug)]
pub(super) struct LessonTracer(Arc<Run>);

#[derive(Debug)]
struct Run {
    name: String,
    /// The name of the SERVER span of the request that asked for it.
    request_name: String,
    tracer: Arc<BoxedTracer>,
    program: Option<Program>,
    _place: OwnedSemaphorePermit,
}

impl LessonTracer {
    /// A tracer for the run of this name. `tracer` makes the spans, and `program` is the store's.
    pub(super) fn new(
        name: String,
        request_name: String,
        tracer: Arc<BoxedTracer>,
        program: Option<Program>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self(Arc::new(Run { name, request_name, tracer, program, _place: place }))
    }

    /// The attribute [`RUN_ATTRIBUTE`], for spans that it does not make itself: those of an actor, by
    /// [`TracedActor::attributes`](actix_opentelemetry::TracedActor::attributes), and of requests.
    pub(super) fn run(&self) -> KeyValue {
        KeyValue::new(RUN_ATTRIBUTE, self.0.name.clone())
    }

    /// The name of the run.
    pub(super) fn run_name(&self) -> &str {
        &self.0.name
    }

    /// The program that a lesson starts when it needs another process.
    ///
    /// # Errors
    /// If this store does not know its own program.
    pub(super) fn program(&self) -> io::Result<&Program> {
        let unknown = || io::Error::other("this store cannot start the processes of the lesson");
        self.0.program.as_ref().ok_or_else(unknown)
    }

    /// Starts the SERVER span of another request, in the trace and with the baggage of `cx`.
    pub(super) fn start_request(&self, cx: &Context) -> Context {
        let builder = self.span_builder(self.0.request_name.clone()).with_kind(SpanKind::Server);
        cx.with_span(self.build_with_context(builder, cx))
    }

    /// Does `work` as a request of another customer, in a trace of its own.
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
