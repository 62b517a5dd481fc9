//! A message in the mailbox, with the context of whoever sent it.
//!
//! [`ToEnvelope::pack`] runs on the sender's side for every way of sending (`Addr`, `Recipient`,
//! their weak forms), so that is where the context is captured; the proxy's `handle` runs in the
//! receiver.

use std::cell::Cell;
use std::marker::PhantomData;

use actix::dev::{Envelope, EnvelopeProxy, OneshotSender, ToEnvelope};
use actix::{Handler, Message};

use crate::actor::TracedActor;
use crate::context::TracedContext;
use crate::measure;
use crate::operation::{self, Kind};
use crate::origin::{Origin, within};
use crate::outcome::Outcome;
use crate::reply::respond;
use crate::span::MessageSpan;

thread_local! {
    /// Whether a message was packed on this thread since the flag was last cleared: how
    /// [`ask`](crate::ask()) learns that a mailbox had room.
    static PACKED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `send`, and says whether it put a message into a mailbox.
pub(crate) fn observe_packing<R>(send: impl FnOnce() -> R) -> (R, bool) {
    PACKED.set(false);
    let result = send();
    (result, PACKED.get())
}

/// A message on its way to an actor whose context is traced.
pub(crate) struct Parcel<A: TracedActor + Handler<M>, M: Message + 'static> {
    message: Option<M>,
    tx: Option<OneshotSender<M::Result>>,
    origin: Origin,
    /// Counts it among the messages that wait, until it is taken out.
    place: Option<measure::Place>,
    actor: PhantomData<fn(A)>,
}

/// A message taken out of the mailbox, to be handled now.
pub(crate) struct Opened<M: Message> {
    pub(crate) message: M,
    pub(crate) tx: Option<OneshotSender<M::Result>>,
    pub(crate) span: MessageSpan,
}

impl<A: TracedActor + Handler<M>, M: Message + 'static> Parcel<A, M> {
    pub(crate) fn new(message: M, tx: Option<OneshotSender<M::Result>>) -> Self {
        PACKED.set(true);
        Self {
            message: Some(message),
            tx,
            origin: Origin::capture::<A>(),
            place: measure::Place::take(A::NAME),
            actor: PhantomData,
        }
    }

    fn kind(&self) -> Kind {
        if self.tx.is_some() { Kind::Ask } else { Kind::Tell }
    }

    /// Starts the message's span. `None` if nobody waits for the answer any more: like actix, an
    /// ask whose sender has gone is not handled.
    pub(crate) fn open(&mut self, actor: &A) -> Option<Opened<M>> {
        self.place = None;
        if self.tx.as_ref().is_some_and(|tx| tx.is_closed()) {
            self.lose(Outcome::Abandoned);
            return None;
        }
        let kind = self.kind();
        let message = self.message.take()?;
        let operation = || operation::of_message::<A, M>(kind);
        let cx = std::mem::take(&mut self.origin.cx);
        let span = MessageSpan::start(actor, cx, kind, operation, || self.origin.arrive());
        Some(Opened { message, tx: self.tx.take(), span })
    }

    fn lose(&mut self, outcome: Outcome) {
        if self.message.is_some() {
            let kind = self.kind();
            let operation = || operation::of_message::<A, M>(kind);
            MessageSpan::lost::<A>(&self.origin, operation, kind, outcome);
            // Its destructor belongs to whoever sent it.
            let Self { message, origin, .. } = self;
            within(&origin.cx, || *message = None);
        }
    }
}

impl<A: TracedActor + Handler<M>, M: Message + 'static> Drop for Parcel<A, M> {
    fn drop(&mut self) {
        self.lose(Outcome::Undelivered);
    }
}

impl<A, M> EnvelopeProxy<A> for Parcel<A, M>
where
    A: TracedActor<Context = TracedContext<A>> + Handler<M>,
    M: Message + 'static,
{
    fn handle(&mut self, actor: &mut A, ctx: &mut TracedContext<A>) {
        let Some(Opened { message, tx, span }) = self.open(actor) else { return };
        span.run(
            ctx,
            |ctx| actor.handle(message, ctx),
            |response, span, ctx| respond::<A, M>(response, span, ctx, tx),
        );
    }
}

impl<A, M> ToEnvelope<A, M> for TracedContext<A>
where
    A: TracedActor<Context = Self> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, tx: Option<OneshotSender<M::Result>>) -> Envelope<A> {
        Envelope::with_proxy(Box::new(Parcel::<A, M>::new(message, tx)))
    }
}
