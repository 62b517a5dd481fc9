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
use opentelemetry::Context as OtelContext;
use pin_project_lite::pin_project;

use crate::actor::TracedActor;
use crate::context::TracedContext;
use crate::lost;
use crate::operation::{self, Kind};
use crate::origin::{Arrival, Sent, within};
use crate::outcome::Outcome;
use crate::reply::respond;
use crate::span::MessageSpan;

/// A message from `ctx.notify`, on its way.
pub(crate) struct Notified<A: TracedActor + Handler<M>, M: Message + 'static> {
    message: Option<M>,
    span: MessageSpan,
    sent: Sent,
    actor: std::marker::PhantomData<fn(A)>,
}

impl<A: TracedActor + Handler<M>, M: Message + 'static> Notified<A, M> {
    pub(crate) fn new(message: M) -> Self {
        let cx = OtelContext::current();
        lost::look::<A, M>(&cx, Kind::Notify);
        let sent = Sent::now::<A>(&cx);
        let span = MessageSpan::carry(cx);
        Self { message: Some(message), span, sent, actor: std::marker::PhantomData }
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
            let Self { span, sent, .. } = &mut *self;
            deliver(actor, ctx, message, span, Kind::Notify, || sent.arrive());
        }
        Poll::Ready(())
    }
}

impl<A: TracedActor + Handler<M>, M: Message + 'static> Drop for Notified<A, M> {
    fn drop(&mut self) {
        if self.message.is_some() {
            let operation = || operation::of_message::<A, M>(Kind::Notify);
            self.span.lose::<A>(self.sent, operation, Kind::Notify, Outcome::Undelivered);
            let Self { message, span, .. } = self;
            within(span.cx(), || *message = None);
        }
    }
}

pin_project! {
    /// A message from `ctx.notify_later`, waiting for its time.
    pub(crate) struct Delayed<M> {
        message: Option<M>,
        cx: OtelContext,
        #[pin]
        timer: Sleep,
    }
}

impl<M> Delayed<M> {
    pub(crate) fn new(message: M, after: Duration) -> Self {
        Self {
            message: Some(message),
            cx: OtelContext::current(),
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
            let late = || Arrival::late(this.timer.deadline().elapsed());
            let span = &mut MessageSpan::carry(this.cx.clone());
            deliver(actor, ctx, message, span, Kind::Delayed, late);
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
    let cx = OtelContext::current();
    let due = Instant::now() + after;
    TimerFunc::new(after, move |actor, ctx| {
        let operation = || operation::of_closure::<A, F>(Kind::Delayed);
        let late = || Arrival::late(due.elapsed());
        let mut span = MessageSpan::carry(cx);
        let cx = span.start(actor, Kind::Delayed, operation, late);
        span.run(cx, ctx, |ctx| task(actor, ctx), end);
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
    let cx = OtelContext::current();
    let mut due = start;
    let tick = move |actor: &mut A, ctx: &mut TracedContext<A>| {
        let operation = || operation::of_closure::<A, F>(Kind::Interval);
        let late = || Arrival::late(due.elapsed());
        let mut span = MessageSpan::carry(cx.clone());
        let cx = span.start(actor, Kind::Interval, operation, late);
        due += interval;
        span.run(cx, ctx, |ctx| task(actor, ctx), end);
    };
    IntervalFunc::new_at(start, interval, tick).finish()
}

/// Handles a message that did not come by the mailbox, in its sender's context: nobody waits for
/// its reply.
pub(crate) fn deliver<A, M>(
    actor: &mut A,
    ctx: &mut TracedContext<A>,
    message: M,
    span: &mut MessageSpan,
    kind: Kind,
    arrive: impl FnOnce() -> Arrival,
) where
    A: TracedActor<Context = TracedContext<A>> + Handler<M>,
    M: Message + 'static,
{
    let operation = || operation::of_message::<A, M>(kind);
    let cx = span.start(actor, kind, operation, arrive);
    span.run(
        cx,
        ctx,
        |ctx| actor.handle(message, ctx),
        |response, span, ctx| respond::<A, M>(response, span, ctx, None),
    );
}

/// Ends the span of code that gives no reply.
pub(crate) fn end<C>((): (), span: &mut MessageSpan, _: &mut C) {
    span.end(Outcome::Success);
}
