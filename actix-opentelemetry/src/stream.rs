//! Streams that an actor listens to (`ctx.add_stream`, `ctx.add_message_stream`). Each item is
//! handled as a message of its own, in the context in which the stream was added.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix::{ActorFuture, AsyncContext, Handler, Message, StreamHandler};
use futures_util::Stream;
use pin_project_lite::pin_project;

use crate::actor::TracedActor;
use crate::operation::{self, Kind};
use crate::origin::Arrival;
use crate::reply::{ReplyContext, deliver, end};
use crate::span::MessageSpan;

/// How many items are handled before other futures may run, as in actix.
const ITEMS_AT_ONCE: usize = 16;

pin_project! {
    /// A stream from `ctx.add_stream`.
    pub(crate) struct StreamItems<S> {
        #[pin]
        stream: Option<S>,
        has_started: bool,
        setter: MessageSpan,
    }

    impl<S> PinnedDrop for StreamItems<S> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.setter.within(|| this.stream.set(None));
        }
    }
}

impl<S> StreamItems<S> {
    pub(crate) fn new<A>(stream: S) -> Self
    where
        A: TracedActor,
        S: Stream + 'static,
    {
        let setter = MessageSpan::sent::<A>(Kind::Stream, operation::of_item::<A, S::Item>);
        Self { stream: Some(stream), has_started: false, setter }
    }
}

impl<A, S> ActorFuture<A> for StreamItems<S>
where
    A: TracedActor + StreamHandler<S::Item>,
    A::Context: AsyncContext<A>,
    S: Stream + 'static,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut A::Context,
        task: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        if !std::mem::replace(this.has_started, true) {
            this.setter.within(|| <A as StreamHandler<S::Item>>::started(actor, ctx));
        }
        for _ in 0..ITEMS_AT_ONCE {
            let Some(stream) = this.stream.as_mut().as_pin_mut() else { return Poll::Ready(()) };
            let next = this.setter.within(|| stream.poll_next(task));
            let Some(item) = ready!(next) else {
                this.setter.within(|| <A as StreamHandler<S::Item>>::finished(actor, ctx));
                return Poll::Ready(());
            };
            let mut span = this.setter.again();
            let operation = operation::of_item::<A, S::Item>;
            let cx = span.start(actor, Kind::Stream, operation, Arrival::default);
            span.run(cx, ctx, |ctx| <A as StreamHandler<S::Item>>::handle(actor, item, ctx), end);
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
        stream: Option<S>,
        setter: MessageSpan,
    }

    impl<S> PinnedDrop for MessageItems<S> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.setter.within(|| this.stream.set(None));
        }
    }
}

impl<S> MessageItems<S> {
    pub(crate) fn new<A>(stream: S) -> Self
    where
        A: TracedActor,
        S: Stream + 'static,
    {
        let operation = || operation::of_message::<A, S::Item>(Kind::Stream);
        Self { stream: Some(stream), setter: MessageSpan::sent::<A>(Kind::Stream, operation) }
    }
}

impl<A, S> ActorFuture<A> for MessageItems<S>
where
    A: TracedActor + Handler<S::Item>,
    A::Context: ReplyContext<A>,
    S: Stream + 'static,
    S::Item: Message,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut A::Context,
        task: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        loop {
            let Some(stream) = this.stream.as_mut().as_pin_mut() else { return Poll::Ready(()) };
            let next = this.setter.within(|| stream.poll_next(task));
            let Some(message) = ready!(next) else { return Poll::Ready(()) };
            let span = &mut this.setter.again();
            deliver(actor, ctx, message, span, Kind::Stream, Arrival::default);
            if ctx.waiting() {
                return Poll::Pending;
            }
        }
    }
}
