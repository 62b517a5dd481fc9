//! Messages and closures that an actor sends to itself: at once, later, or again and again.
//!
//! actix's own versions go through `ctx.spawn`, which would put every firing of a timer under
//! whoever set it; these make each firing a message of its own.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix::prelude::{IntervalFunc, TimerFunc};
use actix::{ActorFuture, ActorStreamExt, Handler, Message};
use actix_rt::time::{Instant, Sleep, sleep_until};
use pin_project_lite::pin_project;

use crate::actor::TracedActor;
use crate::context::TracedContext;
use crate::operation::{self, Kind};
use crate::origin::Origin;
use crate::outcome::Outcome;
use crate::reply::respond;
use crate::span::MessageSpan;

/// A message from `ctx.notify`, on its way.
pub(crate) struct Notified<A: TracedActor + Handler<M>, M: Message + 'static> {
    message: Option<M>,
    origin: Origin,
    actor: std::marker::PhantomData<fn(A)>,
}

impl<A: TracedActor + Handler<M>, M: Message + 'static> Notified<A, M> {
    pub(crate) fn new(message: M) -> Self {
        let origin = Origin::capture::<A>();
        Self { message: Some(message), origin, actor: std::marker::PhantomData }
    }
}

impl<A: TracedActor + Handler<M>, M: Message + 'static> Unpin for Notified<A, M> {}

impl<A, M> ActorFuture<A> for Notified<A, M>
where
    A: TracedActor<Context = TracedContext<A>> + Handler<M>,
    M: Message + 'static,
{
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut TracedContext<A>,
        _: &mut Context<'_>,
    ) -> Poll<()> {
        if let Some(message) = self.message.take() {
            let wait = || self.origin.wait();
            deliver(actor, ctx, message, &self.origin, wait, Kind::Notify);
        }
        Poll::Ready(())
    }
}

impl<A: TracedActor + Handler<M>, M: Message + 'static> Drop for Notified<A, M> {
    fn drop(&mut self) {
        if self.message.is_some() {
            let operation = || operation::of_message::<A, M>(Kind::Notify);
            MessageSpan::lost::<A>(&self.origin, operation, Kind::Notify, Outcome::Undelivered);
            MessageSpan::carry(&self.origin.cx).enter(|| self.message = None);
        }
    }
}

pin_project! {
    /// A message from `ctx.notify_later`, waiting for its time.
    pub(crate) struct Delayed<M> {
        message: Option<M>,
        origin: Origin,
        #[pin]
        timer: Sleep,
    }
}

impl<M> Delayed<M> {
    pub(crate) fn new(message: M, after: Duration) -> Self {
        Self {
            message: Some(message),
            origin: Origin::without_time(),
            timer: sleep_until(Instant::now() + after),
        }
    }
}

impl<A, M> ActorFuture<A> for Delayed<M>
where
    A: TracedActor<Context = TracedContext<A>> + Handler<M>,
    M: Message + 'static,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut TracedContext<A>,
        task: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        ready!(this.timer.as_mut().poll(task));
        if let Some(message) = this.message.take() {
            let late = || Some(this.timer.deadline().elapsed());
            deliver(actor, ctx, message, this.origin, late, Kind::Delayed);
        }
        Poll::Ready(())
    }
}

/// A closure from `ctx.run_later`.
pub(crate) fn later<A, F>(after: Duration, task: F) -> TimerFunc<A>
where
    A: TracedActor<Context = TracedContext<A>>,
    F: FnOnce(&mut A, &mut TracedContext<A>) + 'static,
{
    let origin = Origin::without_time();
    let due = Instant::now() + after;
    TimerFunc::new(after, move |actor, ctx| {
        let operation = || operation::of_closure::<A, F>(Kind::Delayed);
        let late = || Some(due.elapsed());
        let mut span = MessageSpan::start(actor, &origin, late, operation, Kind::Delayed);
        span.enter(|| task(actor, ctx));
        span.end(Outcome::Success);
    })
}

/// A closure from `ctx.run_interval` and `ctx.run_interval_at`.
pub(crate) fn every<A, F>(
    start: Instant,
    interval: Duration,
    mut task: F,
) -> impl ActorFuture<A, Output = ()> + 'static
where
    A: TracedActor<Context = TracedContext<A>>,
    F: FnMut(&mut A, &mut TracedContext<A>) + 'static,
{
    let origin = Origin::without_time();
    let mut due = start;
    let tick = move |actor: &mut A, ctx: &mut TracedContext<A>| {
        let operation = || operation::of_closure::<A, F>(Kind::Interval);
        let late = || Some(due.elapsed());
        let mut span = MessageSpan::start(actor, &origin, late, operation, Kind::Interval);
        due += interval;
        span.enter(|| task(actor, ctx));
        span.end(Outcome::Success);
    };
    IntervalFunc::new_at(start, interval, tick).finish()
}

/// Handles a message that did not come by the mailbox: nobody waits for its reply.
pub(crate) fn deliver<A, M>(
    actor: &mut A,
    ctx: &mut TracedContext<A>,
    message: M,
    origin: &Origin,
    wait: impl FnOnce() -> Option<Duration>,
    kind: Kind,
) where
    A: TracedActor<Context = TracedContext<A>> + Handler<M>,
    M: Message + 'static,
{
    let operation = || operation::of_message::<A, M>(kind);
    let mut span = MessageSpan::start(actor, origin, wait, operation, kind);
    let response = span.enter(|| actor.handle(message, ctx));
    respond::<A, M>(response, span, ctx, None);
}
