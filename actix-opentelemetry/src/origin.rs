//! What is known about the sending of a message: when it was sent, and in which context.

use std::cell::Cell;
use std::panic::catch_unwind;
use std::time::{Duration, SystemTime};

use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, ContextGuard};

use crate::actor::TracedActor;
use crate::measure;
use crate::policy::RootPolicy;

/// When a message was sent, captured on the sender's side.
///
/// The clock is read only when something will be recorded, because that is a large part of a
/// message's cost. It is the clock that spans are timed by, so that the wait ends where the span
/// begins.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent(Option<SystemTime>);

/// When a message came to be handled, and how long it had waited until then.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Arrival {
    /// `None` lets the SDK take the time.
    pub(crate) time: Option<SystemTime>,
    /// `None` if the time of sending was not taken.
    pub(crate) wait: Option<Duration>,
}

impl Arrival {
    /// The arrival of a timer that fired so late.
    pub(crate) fn late(by: Duration) -> Self {
        Self { time: None, wait: Some(by) }
    }
}

impl Sent {
    /// Takes the time for a message to an `A` that is sent now. The message may be recorded if its
    /// sender's trace is, and otherwise for what the actor or the metrics want.
    #[inline]
    pub(crate) fn now<A: TracedActor>(is_in_record: bool) -> Self {
        let is_timed = is_in_record || measure::is_enabled() || A::ROOT == RootPolicy::Start;
        Self(is_timed.then(SystemTime::now))
    }

    /// Takes the time for a message that arrives now.
    #[inline]
    pub(crate) fn arrive(self) -> Arrival {
        let Some(sent) = self.0 else { return Arrival::default() };
        let now = SystemTime::now();
        // If the clock was set back in between, the wait counts as zero.
        Arrival { time: Some(now), wait: Some(now.duration_since(sent).unwrap_or_default()) }
    }
}

/// The current context.
///
/// A thread that is ending has none any more, and asking OpenTelemetry for it would panic. So a
/// message that is sent by the destructor of a thread-local is sent outside any trace.
#[inline(always)]
pub(crate) fn current() -> Context {
    if is_ending() { Context::new() } else { Context::current() }
}

/// Sets this to the [`current`] context.
///
/// For a context that stays where it is. A context that has just been made is dear to move: the
/// processor has to wait until its fields, which were written one by one, can be read together.
#[inline(always)]
pub(crate) fn set_to_current(cx: &mut Context) {
    if is_ending() {
        *cx = Context::new();
    } else {
        Context::map_current(|current| *cx = current.clone());
    }
}

/// Makes a context current, unless the thread is ending.
#[inline(always)]
pub(crate) fn attach(cx: Context) -> Option<ContextGuard> {
    // Not by a closure, which would be one more place that the context is copied to.
    if is_ending() { None } else { Some(cx.attach()) }
}

/// Runs code in a context.
pub(crate) fn within<R>(cx: &Context, code: impl FnOnce() -> R) -> R {
    let _guard = attach(cx.clone());
    code()
}

/// Whether this thread's locals are being dropped, and the current context with them.
#[inline(always)]
pub(crate) fn is_ending() -> bool {
    match THREAD.get() {
        Thread::Running => false,
        Thread::Ending => true,
        Thread::Unknown => first_look(),
    }
}

#[derive(Debug, Clone, Copy)]
enum Thread {
    Unknown,
    Running,
    Ending,
}

thread_local! {
    /// Has no destructor, so it can be read even while the thread ends.
    static THREAD: Cell<Thread> = const { Cell::new(Thread::Unknown) };

    /// Its destructor marks the thread as ending. A thread drops its locals in the opposite order
    /// of their making, and this one is made after the current context; so the mark is there before
    /// the context is gone.
    static END_MARKER: EndMarker = {
        // If the first look is in a destructor itself, the current context may be gone already.
        let is_in_time = catch_unwind(|| Context::map_current(|_| ())).is_ok();
        THREAD.set(if is_in_time { Thread::Running } else { Thread::Ending });
        EndMarker
    };
}

#[cold]
fn first_look() -> bool {
    if END_MARKER.try_with(|_| ()).is_err() {
        THREAD.set(Thread::Ending);
    }
    matches!(THREAD.get(), Thread::Ending)
}

struct EndMarker;

impl Drop for EndMarker {
    fn drop(&mut self) {
        THREAD.set(Thread::Ending);
    }
}

/// What tracing does in a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TraceState {
    /// The context is in no trace.
    Outside,
    /// It is in a trace that is recorded.
    Recorded,
    /// It is in a trace that the sampler refused.
    Refused,
    /// Nothing is to be recorded, because the code that runs here is telemetry itself.
    Suppressed,
}

impl TraceState {
    #[inline]
    pub(crate) fn of(cx: &Context) -> Self {
        Self::lasting(cx).unwrap_or(Self::Recorded)
    }

    /// The same if it cannot change any more. Only a span that is recorded and not sampled is seen
    /// by nobody once it has ended.
    ///
    /// Whether a span is recorded takes a lock, so it is asked for once where it can be.
    #[inline]
    pub(crate) fn lasting(cx: &Context) -> Option<Self> {
        if cx.is_telemetry_suppressed() {
            return Some(Self::Suppressed);
        }
        if !cx.has_active_span() {
            return Some(Self::Outside);
        }
        let span = cx.span();
        let made = span.span_context();
        if made.is_sampled() {
            Some(Self::Recorded)
        } else if span.is_recording() {
            None
        } else if made.is_valid() {
            Some(Self::Refused)
        } else {
            Some(Self::Outside)
        }
    }
}

/// Whether this context is in a trace that is recorded.
pub(crate) fn is_recorded(cx: &Context) -> bool {
    TraceState::of(cx) == TraceState::Recorded
}

/// A context with the baggage of this one and without its span, as the parent for the root of a new
/// trace.
///
/// It is made anew because a span cannot be taken out of a context, and an invalid span in its
/// place would make parent-based samplers drop the root.
pub(crate) fn rootless(cx: &Context) -> Context {
    let baggage = cx.baggage();
    if baggage.is_empty() {
        return Context::new();
    }
    Context::new().with_baggage(baggage.iter().map(|(key, (value, metadata))| {
        opentelemetry::baggage::KeyValueMetadata::new(key.clone(), value.clone(), metadata.clone())
    }))
}
