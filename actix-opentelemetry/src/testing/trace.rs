//! A trace of a test's own.

use std::time::Duration;

use opentelemetry::trace::{FutureExt, TraceContextExt, TraceId, Tracer};
use opentelemetry::{Context, global};

use super::record::SpanRecord;
use super::recorder::{Recorder, recorder};
use super::tree::SpanTree;

/// Far more than any test needs, so that only a test that fails reaches it.
const DEADLINE: Duration = Duration::from_secs(60);

/// A trace of a test's own: a root span, and the spans that the test makes under it.
///
/// A test looks only at its own trace and the traces that link to it, so tests can run in parallel
/// on one provider.
#[derive(Debug)]
pub struct TestTrace {
    recorder: &'static Recorder,
    cx: Context,
}

impl TestTrace {
    /// Starts a trace in the [shared provider](recorder()), with a root span of this name.
    pub fn start(name: &'static str) -> Self {
        let recorder = recorder();
        let span = global::tracer("test").start_with_context(name, &Context::new());
        Self { recorder, cx: Context::new().with_span(span) }
    }

    /// The context whose span is the root.
    pub fn cx(&self) -> &Context {
        &self.cx
    }

    /// The trace's id.
    pub fn id(&self) -> TraceId {
        self.cx.span().span_context().trace_id()
    }

    /// Runs a piece of the test in the trace.
    pub async fn run<F: Future>(&self, work: F) -> F::Output {
        work.with_context(self.cx.clone()).await
    }

    /// Runs a piece of the test that is not async in the trace.
    pub fn run_now<R>(&self, work: impl FnOnce() -> R) -> R {
        let _guard = self.cx.clone().attach();
        work()
    }

    /// Ends the root span and waits until `count` spans have ended and none is open. The root
    /// counts, and so do the spans of traces that began with a link to this one.
    ///
    /// # Panics
    ///
    /// With the tree as it is, if that takes more than a minute.
    pub async fn spans(&self, count: usize) -> Vec<SpanRecord> {
        self.cx.span().end();
        let (spans, is_complete) = self.recorder.wait_for(self.id(), count, DEADLINE).await;
        assert!(
            is_complete,
            "expected {count} spans and none open, but there are {}:\n{}",
            spans.len(),
            SpanTree::new(&spans)
        );
        spans
    }

    /// The [spans](Self::spans) as text, without attributes other than `error.type`.
    ///
    /// # Panics
    ///
    /// As [`spans`](Self::spans) does.
    pub async fn tree(&self, count: usize) -> String {
        SpanTree::new(&self.spans(count).await).render()
    }
}
