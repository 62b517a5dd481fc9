//! Finds out when a message has been answered and with what, so that its span can end.
//!
//! actix gives a handler's return value to [`MessageResponse::handle`], which sends the reply but
//! does not tell when. So [`respond`] looks at the type of the value:
//!
//! - a reply that is there already (`u32`, `MessageResult`): the span ends, then actix sends it;
//! - a future (`ResponseFuture`, `ResponseActFuture`): it is polled here, as an [`Answer`], and the
//!   span ends when it is ready;
//! - any other type: actix sends the reply into a channel of this crate's own, a [`Forward`], which
//!   ends the span and passes the reply on.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Poll, ready};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{
    Actor, ActorFuture, ActorResponse, AsyncContext, AtomicResponse, Handler, Message,
    MessageResult, ResponseActFuture, ResponseFuture, SpawnHandle,
};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::actor::TracedActor;
use crate::life::count_panic;
use crate::operation::{self, Kind};
use crate::origin::Arrival;
use crate::outcome::{Outcome, panic_message};
use crate::scoped::PendingReply;
use crate::span::MessageSpan;
use crate::spawn::spawn_boxed;

/// What a reply needs of the context that its actor runs in, which is
/// [`TracedContext`](crate::TracedContext).
///
/// It is a trait so that this file, and the timers and streams that reply through it, do not import
/// that context, which imports them.
pub(crate) trait ReplyContext<A>: AsyncContext<A>
where
    A: Actor<Context = Self>,
{
    /// Spawns a future that carries the message's context already, so that none is added to it.
    fn spawn_answer<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static;

    /// Says that the next future that is spawned or waited for is the answer to this message.
    fn offer_reply(&mut self, reply: Box<dyn PendingReply>);

    /// Takes back what was offered, if no future was spawned or waited for since.
    fn withdraw_reply(&mut self) -> Option<Box<dyn PendingReply>>;
}

/// Handles a message that did not come through the mailbox (from a timer or a stream), in its
/// sender's context. There is no sender that waits for a reply.
pub(crate) fn deliver<A, M>(
    actor: &mut A,
    ctx: &mut A::Context,
    message: M,
    span: &mut MessageSpan,
    kind: Kind,
    arrive: impl FnOnce() -> Arrival,
) where
    A: TracedActor + Handler<M>,
    A::Context: ReplyContext<A>,
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

/// Ends the span of code that gives no reply, such as a timer's closure.
pub(crate) fn end<C>((): (), span: &mut MessageSpan, _: &mut C) {
    span.end(Outcome::Success);
}

/// Sends a handler's return value, and ends the message's span, if it has one, when the reply is
/// ready. It is called with the message's context current.
pub(crate) fn respond<A, M>(
    response: A::Result,
    span: &mut MessageSpan,
    ctx: &mut A::Context,
    tx: Option<OneshotSender<M::Result>>,
) where
    A: TracedActor + Handler<M>,
    A::Context: ReplyContext<A>,
    M: Message + 'static,
{
    let response = match downcast::<_, ResponseFuture<M::Result>>(response) {
        Ok(future) => {
            // actix spawns such a future on the arbiter and not in `ctx`, too.
            drop(actix_rt::spawn(Answer::<A, M, _>::new(future, span.take(), tx)));
            return;
        }
        Err(response) => response,
    };
    // Nothing is to be recorded. actix may send the reply, since `ctx.spawn` and `ctx.wait`,
    // through which it runs a future, carry the context.
    if !span.is_open() {
        return response.handle(ctx, tx);
    }
    let response = match downcast::<_, ResponseActFuture<A, M::Result>>(response) {
        Ok(future) => {
            ctx.spawn_answer(Answer::<A, M, _>::new(future, span.take(), tx));
            return;
        }
        Err(response) => response,
    };
    if let Some(reply) = peek::<A, M>(&response) {
        span.end_with::<A, _>(reply);
        response.handle(ctx, tx);
    } else {
        forward::<A, M>(response, span.take(), ctx, tx);
    }
}

/// The value of a reply that is there already; `None` for a future or a type that is not known.
pub(crate) fn peek<A, M>(response: &A::Result) -> Option<&M::Result>
where
    A: Handler<M>,
    M: Message + 'static,
{
    let response = response as &dyn Any;
    response
        .downcast_ref::<M::Result>()
        .or_else(|| response.downcast_ref::<MessageResult<M>>().map(|result| &result.0))
}

/// Turns a value of type `T` into a `U`, if `T` and `U` are the same type.
fn downcast<T: 'static, U: 'static>(value: T) -> Result<U, T> {
    let mut slot = Some(value);
    if let Some(found) = (&mut slot as &mut dyn Any).downcast_mut::<Option<U>>()
        && let Some(found) = found.take()
    {
        return Ok(found);
    }
    Err(slot.expect("the value is taken out only as the other type"))
}

/// Sends a reply to the sender of the message, if it waits for one.
pub(crate) fn send<R>(tx: Option<OneshotSender<R>>, reply: R) {
    if let Some(tx) = tx {
        // A sender that has stopped waiting gets no reply, as in actix.
        tx.send(reply).ok();
    }
}

/// A handler's future, whose end is the message's reply.
pub(crate) struct Answer<A, M: Message, F> {
    future: Option<F>,
    span: MessageSpan,
    tx: Option<OneshotSender<M::Result>>,
    actor: PhantomData<fn(A)>,
}

impl<A: TracedActor, M: Message, F: Unpin> Answer<A, M, F> {
    fn new(future: F, span: MessageSpan, tx: Option<OneshotSender<M::Result>>) -> Self {
        Self { future: Some(future), span, tx, actor: PhantomData }
    }

    fn poll_with(&mut self, poll: impl FnOnce(Pin<&mut F>) -> Poll<M::Result>) -> Poll<()> {
        let Self { future: slot, span, .. } = self;
        let Some(future) = slot else { return Poll::Ready(()) };
        let reply = ready!(span.enter(|| poll(Pin::new(future))));
        span.enter(|| *slot = None);
        span.end_with::<A, _>(&reply);
        send(self.tx.take(), reply);
        Poll::Ready(())
    }
}

impl<A: TracedActor, M: Message> Future for Answer<A, M, ResponseFuture<M::Result>> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<()> {
        // The actor's future, which counts all other panics, does not poll this one.
        count_panic::<A, _>(|| self.poll_with(|future| future.poll(task)))
    }
}

impl<A: TracedActor, M: Message> ActorFuture<A> for Answer<A, M, ResponseActFuture<A, M::Result>> {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut A::Context,
        task: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        self.poll_with(|future| future.poll(actor, ctx, task))
    }
}

impl<A, M: Message, F> Drop for Answer<A, M, F> {
    fn drop(&mut self) {
        if self.future.is_some() {
            let Self { future, span, .. } = self;
            span.within(|| *future = None);
        }
    }
}

/// A reply channel between the handler and the sender: `rx` gets the reply from actix, `tx` passes
/// it on.
struct Forward<A, R> {
    span: MessageSpan,
    rx: oneshot::Receiver<R>,
    tx: Option<OneshotSender<R>>,
    actor: PhantomData<fn(A)>,
}

fn forward<A, M>(
    response: A::Result,
    span: MessageSpan,
    ctx: &mut A::Context,
    tx: Option<OneshotSender<M::Result>>,
) where
    A: TracedActor + Handler<M>,
    A::Context: ReplyContext<A>,
    M: Message + 'static,
{
    let (inner, rx) = oneshot::channel();
    let reply: Box<dyn PendingReply> =
        Box::new(Forward::<A, _> { span, rx, tx, actor: PhantomData });
    if !is_one_actor_future::<A, M>(&response) {
        let handled = catch_unwind(AssertUnwindSafe(|| response.handle(ctx, Some(inner))));
        return match handled {
            Ok(()) => reply.future_ended(),
            Err(payload) => {
                reply.panicked(panic_message(&*payload));
                resume_unwind(payload)
            }
        };
    }
    ctx.offer_reply(reply);
    response.handle(ctx, Some(inner));
    // No future took the offer: the response was a value, and its reply is in the channel.
    if let Some(reply) = ctx.withdraw_reply() {
        reply.future_ended();
    }
}

/// Whether the type of the response is known to be either a value, or one future that actix gives
/// to `ctx.spawn` or `ctx.wait` and whose end is the reply. A type that is not known may spawn
/// anything.
fn is_one_actor_future<A, M>(response: &A::Result) -> bool
where
    A: TracedActor + Handler<M>,
    M: Message + 'static,
{
    let response = response as &dyn Any;
    response.is::<AtomicResponse<A, M::Result>>() || response.is::<ActorResponse<A, M::Result>>()
}

impl<A: TracedActor, R: 'static> Forward<A, R> {
    fn reply(mut self, reply: R) {
        self.span.end_with::<A, _>(&reply);
        send(self.tx.take(), reply);
    }
}

impl<A: TracedActor, R: 'static> PendingReply for Forward<A, R> {
    fn future_ended(mut self: Box<Self>) {
        match self.rx.try_recv() {
            Ok(reply) => self.reply(reply),
            Err(TryRecvError::Closed) => self.span.end(Outcome::NoReply),
            Err(TryRecvError::Empty) => {
                spawn_boxed(async move {
                    match (&mut self.rx).await {
                        Ok(reply) => self.reply(reply),
                        Err(_) => self.span.end(Outcome::NoReply),
                    }
                });
            }
        }
    }

    fn panicked(mut self: Box<Self>, message: String) {
        self.span.end(Outcome::Panic(message));
    }
}
