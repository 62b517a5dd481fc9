//! An actor's life: in which context it starts, when it panics, and when it ends.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::Poll;

use actix::dev::{AsyncContextParts, ContextFut};
use opentelemetry::Context;

use crate::actor::TracedActor;
use crate::measure::{self, Live};
use crate::origin::{attach, current};
use crate::policy::StartPolicy;

/// The context in which an `A` starts if it is started now.
pub(crate) fn starter<A: TracedActor>() -> Context {
    match A::START {
        StartPolicy::Outside => Context::new(),
        StartPolicy::Inherit => current(),
    }
}

/// An actor's future, whose first poll (the one that calls `Actor::started`) runs in the context
/// that the actor starts in. Everything polled later has a context of its own.
pub(crate) struct Started<F> {
    /// `None` only while this is being dropped.
    pub(crate) future: Option<F>,
    /// The context for the poll that starts the actor, which takes it.
    pub(crate) starter: Option<Context>,
    _live: Live,
}

impl<F> Started<F> {
    pub(crate) fn new<A: TracedActor>(future: F) -> Self {
        Self { future: Some(future), starter: Some(starter::<A>()), _live: Live::new(A::NAME) }
    }
}

impl<A, C> Future for Started<ContextFut<A, C>>
where
    A: TracedActor<Context = C>,
    C: AsyncContextParts<A> + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<()> {
        let Self { future, starter, .. } = &mut *self;
        let Some(future) = future else { return Poll::Ready(()) };
        let _guard = starter.take().and_then(attach);
        count_panic::<A, _>(|| Pin::new(future).poll(task))
    }
}

thread_local! {
    static IS_DYING: Cell<bool> = const { Cell::new(false) };
}

/// Whether an actor is being dropped on this thread right now. By this a timer that is dropped with
/// its actor is told from one that was cancelled.
pub(crate) fn is_dying() -> bool {
    IS_DYING.get()
}

/// Runs code that drops an actor, with [`is_dying`] true.
pub(crate) fn dying<R>(code: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            IS_DYING.set(self.0);
        }
    }
    let _restore = Restore(IS_DYING.replace(true));
    code()
}

impl<F> Drop for Started<F> {
    fn drop(&mut self) {
        dying(|| self.future = None);
    }
}

/// Runs code of an actor. A panic in it is counted and then goes on.
pub(crate) fn count_panic<A: TracedActor, R>(code: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|payload| {
        measure::panicked(A::NAME);
        resume_unwind(payload)
    })
}
