//! Streams that an actor listens to: each item is a message of its own.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix::{ActorFuture, AsyncContext, Handler, Message, StreamHandler};
use futures_util::Stream;
use pin_project_lite::pin_project;

use crate::actor::TracedActor;
use crate::context::TracedContext;
use crate::operation::{self, Kind};
use crate::origin::Origin;
use crate::outcome::Outcome;
use crate::span::MessageSpan;
use crate::timer::deliver;

/// How many items actix handles before it lets others run.
const ITEMS_AT_ONCE: usize = 16;

pin_project! {
    /// A stream from `ctx.add_stream`.
    pub(crate) struct StreamItems<S> {
        #[pin]
        stream: S,
        has_started: bool,
        origin: Origin,
    }
}

impl<S> StreamItems<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, has_started: false, origin: Origin::without_time() }
    }
}

impl<A, S> ActorFuture<A> for StreamItems<S>
where
    A: TracedActor<Context = TracedContext<A>> + StreamHandler<S::Item>,
    S: Stream + 'static,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut TracedContext<A>,
        task: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        let mut registrant = MessageSpan::carry(&this.origin.cx);
        if !std::mem::replace(this.has_started, true) {
            registrant.enter(|| <A as StreamHandler<S::Item>>::started(actor, ctx));
        }
        for _ in 0..ITEMS_AT_ONCE {
            let next = registrant.enter(|| this.stream.as_mut().poll_next(task));
            let Some(item) = ready!(next) else {
                registrant.enter(|| <A as StreamHandler<S::Item>>::finished(actor, ctx));
                return Poll::Ready(());
            };
            let operation = || operation::of_item::<A, S::Item>();
            let mut span = MessageSpan::start(actor, this.origin, || None, operation, Kind::Stream);
            span.enter(|| <A as StreamHandler<S::Item>>::handle(actor, item, ctx));
            span.end(Outcome::Success);
            if ctx.waiting() {
                return Poll::Pending;
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

pin_project! {
    /// A stream from `ctx.add_message_stream`.
    pub(crate) struct MessageItems<S> {
        #[pin]
        stream: S,
        origin: Origin,
    }
}

impl<S> MessageItems<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, origin: Origin::without_time() }
    }
}

impl<A, S> ActorFuture<A> for MessageItems<S>
where
    A: TracedActor<Context = TracedContext<A>> + Handler<S::Item>,
    S: Stream + 'static,
    S::Item: Message,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut TracedContext<A>,
        task: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        let mut registrant = MessageSpan::carry(&this.origin.cx);
        loop {
            let next = registrant.enter(|| this.stream.as_mut().poll_next(task));
            let Some(message) = ready!(next) else { return Poll::Ready(()) };
            deliver(actor, ctx, message, this.origin, || None, Kind::Stream);
            if ctx.waiting() {
                return Poll::Pending;
            }
        }
    }
}
