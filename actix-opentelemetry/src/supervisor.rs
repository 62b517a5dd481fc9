//! Starting an actor's future, once or again and again.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Poll, ready};

use actix::dev::{AsyncContextParts, ContextFut};
use actix::{Addr, Supervised};
use opentelemetry::trace::{Link, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use crate::actor::{TracedActor, starter};
use crate::attribute;
use crate::context::TracedContext;
use crate::measure::{self, Live};
use crate::operation;
use crate::origin::{TraceState, attach};
use crate::outcome::Outcome;
use crate::policy::{RootPolicy, StartPolicy};
use crate::span::MessageSpan;

/// An actor's future, whose first poll (the one that calls `Actor::started`) runs in the context
/// that the actor starts in. Everything polled later has a context of its own.
pub(crate) struct Started<F> {
    /// There until this is dropped.
    future: Option<F>,
    starter: Option<Context>,
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

/// Whether an actor is going away just now, and what it has set for later with it: unlike a timer
/// that is dropped because it was cancelled.
pub(crate) fn is_dying() -> bool {
    IS_DYING.get()
}

fn dying<R>(code: impl FnOnce() -> R) -> R {
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

/// Runs code of an actor; counts a panic of it, which goes on.
pub(crate) fn count_panic<A: TracedActor, R>(code: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|payload| {
        measure::panicked(A::NAME);
        resume_unwind(payload)
    })
}

/// Restarts an actor that stopped while it still has addresses, as [`actix::Supervisor`] does.
///
/// It does not restart after a panic: actix drops the actor then, supervised or not.
pub(crate) struct TracedSupervisor<A: TracedActor<Context = TracedContext<A>>> {
    actor: Started<ContextFut<A, TracedContext<A>>>,
    restarts: i64,
}

impl<A: TracedActor<Context = TracedContext<A>> + Supervised> TracedSupervisor<A> {
    /// Starts the actor on the current arbiter.
    pub(crate) fn spawn(ctx: TracedContext<A>, actor: A) -> Addr<A> {
        let future = ctx.into_future(actor);
        let addr = future.address();
        drop(actix_rt::spawn(Self { actor: Started::new::<A>(future), restarts: 0 }));
        addr
    }

    /// Restarts the actor in a span linked to whatever stopped it; false if nobody can reach it
    /// any more.
    fn restart(&mut self) -> bool {
        let Some(future) = &mut self.actor.future else { return false };
        if !future.ctx().connected() {
            return false;
        }
        self.restarts += 1;
        measure::restarted(A::NAME);
        let stopped_in = future.ctx().take_stopped_in().unwrap_or_default();
        let mut span = restart_span::<A>(&stopped_in, self.restarts);
        if !span.enter(|| count_panic::<A, _>(|| dying(|| future.restart()))) {
            return false;
        }
        self.actor.starter = Some(span.cx().clone());
        span.end(Outcome::Success);
        true
    }
}

impl<A: TracedActor<Context = TracedContext<A>> + Supervised> Future for TracedSupervisor<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<()> {
        loop {
            ready!(Pin::new(&mut self.actor).poll(task));
            if !self.restart() {
                return Poll::Ready(());
            }
        }
    }
}

/// A restart begins a trace of its own, in the context that the actor lives in.
fn restart_span<A: TracedActor>(stopped_in: &Context, restarts: i64) -> MessageSpan {
    let life = match A::START {
        StartPolicy::Outside => Context::new(),
        StartPolicy::Inherit => stopped_in.clone(),
    };
    let links = match TraceState::of(stopped_in) {
        TraceState::Recorded => vec![Link::with_context(stopped_in.span().span_context().clone())],
        TraceState::Refused => Vec::new(),
        TraceState::Outside if A::ROOT == RootPolicy::Start => Vec::new(),
        TraceState::Outside | TraceState::Suppressed => return MessageSpan::carry(life),
    };
    MessageSpan::linked_root(&life, operation::of_restart::<A>(), links, || {
        vec![
            KeyValue::new(attribute::ACTOR_NAME, A::NAME),
            KeyValue::new(attribute::RESTART_COUNT, restarts),
        ]
    })
}
