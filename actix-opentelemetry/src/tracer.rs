//! This crate's tracer, which each thread keeps.
//!
//! Asking the global provider for a tracer takes a lock and several allocations, so each thread
//! does it once, at its first span. A tracer that makes no spans, because no provider was set yet
//! or the provider has been shut down, is thrown away, so that a provider that is set later is
//! found.

use std::cell::RefCell;
use std::rc::Rc;

use opentelemetry::global::{BoxedSpan, BoxedTracer};
use opentelemetry::trace::{Span, SpanBuilder, TraceContextExt, Tracer};
use opentelemetry::{Context, InstrumentationScope, global};

use crate::attribute::SCHEMA_URL;

thread_local! {
    static TRACER: RefCell<Option<Rc<BoxedTracer>>> = const { RefCell::new(None) };
}

/// Starts a span and puts it into the context; does nothing and returns false if there is no provider
/// to start it with. The span's parent is in the other context, if there is one.
///
/// `builder` is called a second time if the kept tracer belongs to a provider that has been shut
/// down.
#[inline]
pub(crate) fn start(
    builder: impl Fn() -> SpanBuilder,
    parent: Option<&Context>,
    cx: &mut Context,
) -> bool {
    let (tracer, is_fresh) = thread_tracer();
    if start_by(&tracer, builder(), parent, cx) {
        return true;
    }
    forget();
    !is_fresh && start_anew(builder(), parent, cx)
}

#[cold]
fn start_anew(builder: SpanBuilder, parent: Option<&Context>, cx: &mut Context) -> bool {
    start_by(&thread_tracer().0, builder, parent, cx)
}

fn start_by(
    tracer: &BoxedTracer,
    builder: SpanBuilder,
    parent: Option<&Context>,
    cx: &mut Context,
) -> bool {
    let parent = parent.unwrap_or(cx);
    let span = tracer.build_with_context(builder, parent);
    let is_new = is_new(&span, parent);
    if is_new {
        *cx = cx.with_span(span);
    }
    is_new
}

/// Whether the tracer made a span. A tracer without a provider returns an invalid span, or the
/// parent's.
fn is_new(span: &BoxedSpan, parent: &Context) -> bool {
    let made = span.span_context();
    made.is_valid() && made.span_id() != parent.span().span_context().span_id()
}

/// The thread's tracer, and whether it was made just now.
fn thread_tracer() -> (Rc<BoxedTracer>, bool) {
    TRACER
        .try_with(|kept| match &mut *kept.borrow_mut() {
            Some(tracer) => (Rc::clone(tracer), false),
            empty => (Rc::clone(empty.insert(Rc::new(make()))), true),
        })
        // The thread is ending, and its locals are gone.
        .unwrap_or_else(|_| (Rc::new(make()), true))
}

#[cold]
fn forget() {
    // A thread that is ending has nothing left to forget.
    TRACER.try_with(|kept| kept.borrow_mut().take()).ok();
}

#[cold]
fn make() -> BoxedTracer {
    global::tracer_with_scope(instrumentation_scope())
}

/// The instrumentation scope of this crate: its name, its version and its [`SCHEMA_URL`]. All its spans
/// have it; metrics have it when the meter was made with it:
///
/// ```
/// use opentelemetry::global;
///
/// let meter = global::meter_with_scope(actix_opentelemetry::instrumentation_scope());
/// # #[cfg(feature = "metrics")]
/// actix_opentelemetry::metrics::set_meter(&meter);
/// ```
///
/// [`SCHEMA_URL`]: crate::attribute::SCHEMA_URL
pub fn instrumentation_scope() -> InstrumentationScope {
    InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(SCHEMA_URL)
        .build()
}
