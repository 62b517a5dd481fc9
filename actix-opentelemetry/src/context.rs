//! The execution context of a traced actor. It does what `actix::Context` does, and every way of
//! running code later (`spawn`, `notify_later`, `add_stream`, ...) carries the OpenTelemetry
//! context.

use std::time::Duration;

use actix::dev::channel::AddressReceiver;
use actix::dev::{AsyncContextParts, ContextFut, ContextParts, Mailbox};
use actix::{
    ActorContext, ActorFuture, ActorState, Addr, AsyncContext, Handler, Message, SpawnHandle,
    StreamHandler,
};
use actix_rt::time::Instant;
use futures_util::Stream;
use opentelemetry::Context;

use crate::actor::{CarriesContext, TracedActor, sealed};
use crate::life::Started;
use crate::origin::current;
use crate::reply::ReplyContext;
use crate::scoped::{PendingReply, Scoped};
use crate::spawn::spawn_boxed;
use crate::stream::{MessageItems, StreamItems};
use crate::timer;

/// actix's default, which actix does not export.
pub(crate) const DEFAULT_MAILBOX_CAPACITY: usize = 16;

/// The context of a [`TracedActor`], in the place of [`actix::Context`].
///
/// Messages, timers, streams and spawned futures run in the OpenTelemetry context of the code that
/// sent, set or spawned them. Everything else is as in actix.
pub struct TracedContext<A: TracedActor<Context = Self>> {
    parts: ContextParts<A>,
    mailbox: Option<Mailbox<A>>,
    /// Set while actix turns a reply into a future: the message that this future answers.
    offered_reply: Option<Box<dyn PendingReply>>,
    /// The context in which the actor was told to stop, to which the span of a restart is linked.
    stopped_in: Option<Context>,
}

impl<A: TracedActor<Context = Self>> TracedContext<A> {
    /// Makes a context in which no actor runs yet. It has an address already.
    pub fn new() -> Self {
        Self::with_mailbox(Mailbox::default())
    }

    /// Makes a context for an address that exists already, from its receiving end.
    pub fn with_receiver(rx: AddressReceiver<A>) -> Self {
        Self::with_mailbox(Mailbox::new(rx))
    }

    fn with_mailbox(mailbox: Mailbox<A>) -> Self {
        Self {
            parts: ContextParts::new(mailbox.sender_producer()),
            mailbox: Some(mailbox),
            offered_reply: None,
            stopped_in: None,
        }
    }

    /// Starts the actor in this context, on the current arbiter.
    pub fn run(self, actor: A) -> Addr<A> {
        let addr = self.parts.address();
        self.spawn_actor(actor);
        addr
    }

    /// Starts the actor without making an address, for a caller that has one.
    pub(crate) fn spawn_actor(self, actor: A) {
        spawn_boxed(Started::new::<A>(self.into_future(actor)));
    }

    /// Turns the context and its actor into the future that runs them.
    pub fn into_future(mut self, actor: A) -> ContextFut<A, Self> {
        let mailbox = self.mailbox.take().unwrap_or_default();
        ContextFut::new(self, actor, mailbox)
    }

    /// The handle of the future that is running, as returned by [`AsyncContext::spawn`].
    pub fn handle(&self) -> SpawnHandle {
        self.parts.curr_handle()
    }

    /// Sets how many messages the mailbox holds: 16 unless set, and 0 for no bound. Each clone of
    /// an address has room for one message more.
    pub fn set_mailbox_capacity(&mut self, capacity: usize) {
        self.parts.set_mailbox_capacity(capacity);
    }

    /// Whether this actor can still be reached: whether any of its addresses is left.
    pub fn connected(&self) -> bool {
        self.parts.connected()
    }

    /// Takes the context in which the actor was told to stop.
    pub(crate) fn take_stopped_in(&mut self) -> Option<Context> {
        self.stopped_in.take()
    }

    fn is_stopped(&self) -> bool {
        self.parts.state() == ActorState::Stopped
    }
}

impl<A: TracedActor<Context = Self>> Default for TracedContext<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: TracedActor<Context = Self>> std::fmt::Debug for TracedContext<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TracedContext").field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl<A: TracedActor<Context = Self>> sealed::Sealed for TracedContext<A> {}

impl<A: TracedActor<Context = Self>> CarriesContext for TracedContext<A> {}

impl<A: TracedActor<Context = Self>> AsyncContextParts<A> for TracedContext<A> {
    fn parts(&mut self) -> &mut ContextParts<A> {
        &mut self.parts
    }
}

impl<A: TracedActor<Context = Self>> ReplyContext<A> for TracedContext<A> {
    fn spawn_answer<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.parts.spawn(future)
    }

    fn offer_reply(&mut self, reply: Box<dyn PendingReply>) {
        self.offered_reply = Some(reply);
    }

    fn withdraw_reply(&mut self) -> Option<Box<dyn PendingReply>> {
        self.offered_reply.take()
    }
}

impl<A: TracedActor<Context = Self>> ActorContext for TracedContext<A> {
    fn stop(&mut self) {
        self.stopped_in = Some(current());
        self.parts.stop();
    }

    fn terminate(&mut self) {
        self.stopped_in = Some(current());
        self.parts.terminate();
    }

    fn state(&self) -> ActorState {
        self.parts.state()
    }
}

impl<A: TracedActor<Context = Self>> AsyncContext<A> for TracedContext<A> {
    fn address(&self) -> Addr<A> {
        self.parts.address()
    }

    fn spawn<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        let reply = self.offered_reply.take();
        self.parts.spawn(Scoped::new(future, reply))
    }

    fn wait<F>(&mut self, future: F)
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        let reply = self.offered_reply.take();
        self.parts.wait(Scoped::new(future, reply));
    }

    fn waiting(&self) -> bool {
        self.parts.waiting()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.parts.cancel_future(handle)
    }

    fn notify<M>(&mut self, message: M)
    where
        A: Handler<M>,
        M: Message + 'static,
    {
        if !self.is_stopped() {
            self.parts.spawn(timer::Notified::new(message));
        }
    }

    fn notify_later<M>(&mut self, message: M, after: Duration) -> SpawnHandle
    where
        A: Handler<M>,
        M: Message + 'static,
    {
        if self.is_stopped() {
            return SpawnHandle::default();
        }
        self.parts.spawn(timer::Delayed::new(after, timer::Notify(message)))
    }

    fn run_later<F>(&mut self, after: Duration, task: F) -> SpawnHandle
    where
        F: FnOnce(&mut A, &mut Self) + 'static,
    {
        self.parts.spawn(timer::Delayed::new(after, timer::Call(task)))
    }

    fn run_interval<F>(&mut self, interval: Duration, task: F) -> SpawnHandle
    where
        F: FnMut(&mut A, &mut Self) + 'static,
    {
        self.run_interval_at(Instant::now() + interval, interval, task)
    }

    fn run_interval_at<F>(&mut self, start: Instant, interval: Duration, task: F) -> SpawnHandle
    where
        F: FnMut(&mut A, &mut Self) + 'static,
    {
        self.parts.spawn(timer::every(start, interval, task))
    }

    fn add_stream<S>(&mut self, stream: S) -> SpawnHandle
    where
        S: Stream + 'static,
        A: StreamHandler<S::Item>,
    {
        if self.is_stopped() {
            return SpawnHandle::default();
        }
        self.parts.spawn(StreamItems::new::<A>(stream))
    }

    fn add_message_stream<S>(&mut self, stream: S)
    where
        S: Stream + 'static,
        S::Item: Message,
        A: Handler<S::Item>,
    {
        if !self.is_stopped() {
            self.parts.spawn(MessageItems::new::<A>(stream));
        }
    }
}
