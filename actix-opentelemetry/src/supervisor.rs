//! Restarts an actor that has stopped, in a span that is linked to the message that stopped it.

use std::pin::Pin;
use std::task::{Poll, ready};

use actix::dev::ContextFut;
use actix::{Addr, Supervised};
use opentelemetry::trace::{Link, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use crate::actor::TracedActor;
use crate::attribute;
use crate::context::TracedContext;
use crate::life::{Started, count_panic, dying};
use crate::measure;
use crate::operation;
use crate::origin::TraceState;
use crate::outcome::Outcome;
use crate::policy::{RootPolicy, StartPolicy};
use crate::span::MessageSpan;
use crate::spawn::spawn_boxed;

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
        spawn_boxed(Self { actor: Started::new::<A>(future), restarts: 0 });
        addr
    }

    /// Restarts the actor in a span that is linked to the one that stopped it. Returns false if no
    /// address of the actor is left, so that it cannot be reached any more.
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

/// The span of a restart: the root of a trace of its own, with the baggage and the values of the
/// context that the actor starts in.
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
