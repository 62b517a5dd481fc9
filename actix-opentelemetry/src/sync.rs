//! Sync actors, which run on threads of their own, for work that blocks.
//!
//! [`actix::SyncArbiter`] is bound to `actix::SyncContext`, to whose messages nothing can be added.
//! This is its traced counterpart.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::{io, thread};

use actix::dev::channel::{AddressReceiver, channel};
use actix::dev::{Envelope, EnvelopeProxy, MessageResponse, OneshotSender, ToEnvelope};
use actix::{Actor, ActorContext, ActorState, Addr, Handler, Message};
use actix_rt::System;
use crossbeam_channel::{Receiver, Sender, unbounded};
use futures_util::Stream;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::actor::{CarriesContext, TracedActor, sealed};
use crate::envelope::TracedEnvelope;
use crate::life::count_panic;
use crate::measure::Live;
use crate::outcome::Outcome;
use crate::reply::{peek, send};
use crate::span::MessageSpan;

/// Starts `threads` threads, each with an actor made by `factory`, that share one mailbox; the
/// counterpart of [`actix::SyncArbiter::start`].
///
/// The actor's context is [`TracedSyncContext`].
///
/// # Panics
///
/// Outside an actix system, or if the operating system gives no more threads, as actix does. See
/// [`try_start_traced`].
pub fn start_traced<A, F>(threads: usize, factory: F) -> Addr<A>
where
    A: TracedActor<Context = TracedSyncContext<A>>,
    F: Fn() -> A + Send + Sync + 'static,
{
    try_start_traced(threads, thread::Builder::new, factory)
        .expect("the operating system has a thread to give")
}

/// Does the same as [`start_traced`], with threads that `builder` describes (names, stack sizes).
///
/// # Errors
///
/// If the operating system gives no more threads.
///
/// # Panics
///
/// Outside an actix system.
pub fn try_start_traced<A, F, B>(threads: usize, mut builder: B, factory: F) -> io::Result<Addr<A>>
where
    A: TracedActor<Context = TracedSyncContext<A>>,
    F: Fn() -> A + Send + Sync + 'static,
    B: FnMut() -> thread::Builder,
{
    let factory: Arc<dyn Fn() -> A + Send + Sync> = Arc::new(factory);
    let (queue, messages) = unbounded();
    // The mailbox needs no bound of its own: a task moves its messages to the threads' queue at
    // once.
    let (tx, rx) = channel(0);
    for _ in 0..threads {
        let worker = Worker { factory: Arc::clone(&factory), messages: messages.clone() };
        let producer = rx.sender_producer();
        let addr = move || Addr::new(producer.sender());
        let system = System::current();
        builder().spawn(move || {
            System::set_current(system);
            count_panic::<A, _>(|| worker.run(Box::new(addr)));
        })?;
    }
    System::current().arbiter().spawn(Dispatcher { mailbox: rx, queue });
    Ok(Addr::new(tx))
}

/// The context of a traced sync actor, in the place of [`actix::SyncContext`].
pub struct TracedSyncContext<A: TracedActor<Context = Self>> {
    state: ActorState,
    is_stopping: bool,
    addr: Box<dyn Fn() -> Addr<A>>,
}

impl<A: TracedActor<Context = Self>> TracedSyncContext<A> {
    /// The address shared by all the threads of this actor.
    pub fn address(&self) -> Addr<A> {
        (self.addr)()
    }
}

impl<A: TracedActor<Context = Self>> sealed::Sealed for TracedSyncContext<A> {}

impl<A: TracedActor<Context = Self>> CarriesContext for TracedSyncContext<A> {}

impl<A: TracedActor<Context = Self>> std::fmt::Debug for TracedSyncContext<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TracedSyncContext").field("state", &self.state).finish_non_exhaustive()
    }
}

impl<A: TracedActor<Context = Self>> ActorContext for TracedSyncContext<A> {
    /// Ends this actor; its thread goes on with a new one from the factory.
    fn stop(&mut self) {
        self.is_stopping = true;
        self.state = ActorState::Stopping;
    }

    fn terminate(&mut self) {
        self.stop();
    }

    fn state(&self) -> ActorState {
        self.state
    }
}

impl<A, M> ToEnvelope<A, M> for TracedSyncContext<A>
where
    A: TracedActor<Context = Self> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, tx: Option<OneshotSender<M::Result>>) -> Envelope<A> {
        let mut envelope = Box::new(SyncEnvelope(TracedEnvelope::<A, M>::new(message, tx)));
        envelope.0.send();
        Envelope::with_proxy(envelope)
    }
}

struct SyncEnvelope<A: TracedActor + Handler<M>, M: Message + 'static>(TracedEnvelope<A, M>);

impl<A, M> EnvelopeProxy<A> for SyncEnvelope<A, M>
where
    A: TracedActor<Context = TracedSyncContext<A>> + Handler<M>,
    M: Message + 'static,
    M::Result: Send,
{
    fn handle(&mut self, actor: &mut A, ctx: &mut TracedSyncContext<A>) {
        self.0.handle_with(actor, ctx, respond::<A, M>);
    }
}

/// Sends a handler's return value, and ends the message's span. A value of a type that is not known
/// goes through a channel of this crate's own, as in `reply.rs`.
fn respond<A, M>(
    response: A::Result,
    span: &mut MessageSpan,
    ctx: &mut TracedSyncContext<A>,
    tx: Option<OneshotSender<M::Result>>,
) where
    A: TracedActor<Context = TracedSyncContext<A>> + Handler<M>,
    M: Message + 'static,
    M::Result: Send,
{
    if !span.is_open() {
        return response.handle(ctx, tx);
    }
    if let Some(reply) = peek::<A, M>(&response) {
        span.end_with::<A, _>(reply);
        return response.handle(ctx, tx);
    }
    let mut span = span.take();
    let (inner, mut rx) = oneshot::channel();
    response.handle(ctx, Some(inner));
    match rx.try_recv() {
        Ok(reply) => {
            span.end_with::<A, _>(&reply);
            send(tx, reply);
        }
        Err(TryRecvError::Closed) => span.end(Outcome::NoReply),
        // The reply will be sent later, from another thread. This thread has no runtime to wait for
        // it.
        Err(TryRecvError::Empty) => {
            System::current().arbiter().spawn(async move {
                match rx.await {
                    Ok(reply) => {
                        span.end_with::<A, _>(&reply);
                        send(tx, reply);
                    }
                    Err(_) => span.end(Outcome::NoReply),
                }
            });
        }
    }
}

/// Passes messages from the mailbox, which one task reads, to the queue, which all threads read.
struct Dispatcher<A: Actor> {
    mailbox: AddressReceiver<A>,
    queue: Sender<Envelope<A>>,
}

impl<A: Actor> Future for Dispatcher<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<()> {
        while let Poll::Ready(Some(message)) = Pin::new(&mut self.mailbox).poll_next(task) {
            if self.queue.send(message).is_err() {
                // All threads have panicked. Ending drops the mailbox, which closes the address.
                return Poll::Ready(());
            }
        }
        if self.mailbox.connected() { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// One of the threads, with its actor.
struct Worker<A: Actor> {
    factory: Arc<dyn Fn() -> A + Send + Sync>,
    messages: Receiver<Envelope<A>>,
}

impl<A: TracedActor<Context = TracedSyncContext<A>>> Worker<A> {
    fn run(self, addr: Box<dyn Fn() -> Addr<A>>) {
        let _live = Live::new(A::NAME);
        let mut ctx = TracedSyncContext { state: ActorState::Started, is_stopping: false, addr };
        let mut actor = self.begin(&mut ctx);
        for mut message in &self.messages {
            message.handle(&mut actor, &mut ctx);
            if ctx.is_stopping {
                end(&mut actor, &mut ctx);
                actor = self.begin(&mut ctx);
            }
        }
        end(&mut actor, &mut ctx);
    }

    fn begin(&self, ctx: &mut TracedSyncContext<A>) -> A {
        ctx.is_stopping = false;
        ctx.state = ActorState::Started;
        let mut actor = (self.factory)();
        actor.started(ctx);
        ctx.state = ActorState::Running;
        actor
    }
}

/// Ends an actor. As in actix, a sync actor cannot refuse to stop.
fn end<A: TracedActor<Context = TracedSyncContext<A>>>(
    actor: &mut A,
    ctx: &mut TracedSyncContext<A>,
) {
    ctx.state = ActorState::Stopping;
    actor.stopping(ctx);
    ctx.state = ActorState::Stopped;
    actor.stopped(ctx);
}
