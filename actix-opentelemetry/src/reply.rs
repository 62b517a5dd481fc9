//! Finding out when a message has been answered, and with what.
//!
//! actix hands a handler's return value to [`MessageResponse::handle`], which knows how to send it
//! and tells no one when. So the common reply types are recognised by their type and sent here;
//! any other gets a reply channel of this crate's own, whose answer is looked at and passed on.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Poll, ready};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{
    ActorFuture, ActorResponse, AtomicResponse, Handler, Message, MessageResult, ResponseActFuture,
    ResponseFuture,
};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::actor::TracedActor;
use crate::context::TracedContext;
use crate::life::count_panic;
use crate::outcome::{Outcome, panic_message};
use crate::scoped::Settle;
use crate::span::MessageSpan;

/// Sends a handler's return value, and ends the message's span, if it has one, when the reply is
/// ready. The message's context is current.
pub(crate) fn respond<A, M>(
    response: A::Result,
    span: &mut MessageSpan,
    ctx: &mut TracedContext<A>,
    tx: Option<OneshotSender<M::Result>>,
) where
    A: TracedActor<Context = TracedContext<A>> + Handler<M>,
    M: Message + 'static,
{
    let response = match downcast::<_, ResponseFuture<M::Result>>(response) {
        Ok(future) => {
            // actix would spawn it past the context; the handle is of no use to anyone.
            drop(actix_rt::spawn(Answer::<A, M, _>::new(future, span.take(), tx)));
            return;
        }
        Err(response) => response,
    };
    // With nothing to record, it is enough that `ctx.spawn` and `ctx.wait` carry the context.
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

/// The value of a reply that is there already.
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

/// Moves a value into the type that it turns out to have.
fn downcast<T: 'static, U: 'static>(value: T) -> Result<U, T> {
    let mut slot = Some(value);
    if let Some(found) = (&mut slot as &mut dyn Any).downcast_mut::<Option<U>>()
        && let Some(found) = found.take()
    {
        return Ok(found);
    }
    Err(slot.expect("the value is taken out only as the other type"))
}

/// Sends a reply to whoever waits for it.
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
        // Polled past the actor, whose own future counts all other panics.
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

/// A reply channel of this crate's own, between the handler's and the sender's.
struct Forward<A, R> {
    span: MessageSpan,
    rx: oneshot::Receiver<R>,
    tx: Option<OneshotSender<R>>,
    actor: PhantomData<fn(A)>,
}

fn forward<A, M>(
    response: A::Result,
    span: MessageSpan,
    ctx: &mut TracedContext<A>,
    tx: Option<OneshotSender<M::Result>>,
) where
    A: TracedActor<Context = TracedContext<A>> + Handler<M>,
    M: Message + 'static,
{
    let (inner, rx) = oneshot::channel();
    let reply: Box<dyn Settle> = Box::new(Forward::<A, _> { span, rx, tx, actor: PhantomData });
    if !is_one_actor_future::<A, M>(&response) {
        let handled = catch_unwind(AssertUnwindSafe(|| response.handle(ctx, Some(inner))));
        return match handled {
            Ok(()) => reply.settle(),
            Err(payload) => {
                reply.panicked(panic_message(&*payload));
                resume_unwind(payload)
            }
        };
    }
    ctx.offer_reply(reply);
    response.handle(ctx, Some(inner));
    // Still there if the response was a value after all.
    if let Some(reply) = ctx.withdraw_reply() {
        reply.settle();
    }
}

/// Whether the response is of a type that, if it takes time, is one future given to `ctx.spawn` or
/// `ctx.wait`, whose end is the reply. A type that is not known may spawn anything.
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

impl<A: TracedActor, R: 'static> Settle for Forward<A, R> {
    fn settle(mut self: Box<Self>) {
        match self.rx.try_recv() {
            Ok(reply) => self.reply(reply),
            Err(TryRecvError::Closed) => self.span.end(Outcome::NoReply),
            Err(TryRecvError::Empty) => {
                drop(actix_rt::spawn(async move {
                    match (&mut self.rx).await {
                        Ok(reply) => self.reply(reply),
                        Err(_) => self.span.end(Outcome::NoReply),
                    }
                }));
            }
        }
    }

    fn panicked(mut self: Box<Self>, message: String) {
        self.span.end(Outcome::Panic(message));
    }
}
