//! A message in the mailbox, with the context of its sender.
//!
//! This is where the context is handed over. actix calls [`ToEnvelope::pack`] on the sender's side
//! for every way of sending (`Addr`, `Recipient` and their weak forms), so the context is captured
//! there. It calls [`EnvelopeProxy::handle`] in the receiver, where the context is made current and
//! the message's span is started.

use std::cell::Cell;

use actix::dev::{Envelope, EnvelopeProxy, OneshotSender, ToEnvelope};
use actix::{Handler, Message};

use crate::actor::TracedActor;
use crate::context::TracedContext;
use crate::lost;
use crate::measure;
use crate::operation::{self, Kind};
use crate::origin::Sent;
use crate::outcome::Outcome;
use crate::reply::respond;
use crate::span::MessageSpan;

thread_local! {
    /// Whether a message was packed on this thread since the flag was last cleared. By this
    /// [`ask`](crate::ask()) learns that a mailbox had room.
    static PACKED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `send`, and says whether it put a message into a mailbox.
pub(crate) fn observe_packing<R>(send: impl FnOnce() -> R) -> (R, bool) {
    PACKED.set(false);
    let result = send();
    (result, PACKED.get())
}

/// A message on its way to a traced actor.
pub(crate) struct TracedEnvelope<A: TracedActor + Handler<M>, M: Message + 'static> {
    message: Option<M>,
    tx: Option<OneshotSender<M::Result>>,
    /// Holds the sender's context until the message's span is started in it.
    span: MessageSpan,
    sent: Sent,
    /// Counts this message among those in the mailbox until it is handled.
    slot: Option<measure::MailboxSlot<A>>,
}

impl<A: TracedActor + Handler<M>, M: Message + 'static> TracedEnvelope<A, M> {
    /// A message that is still to be [sent](Self::send).
    #[inline]
    pub(crate) fn new(message: M, tx: Option<OneshotSender<M::Result>>) -> Self {
        let (span, sent) = (MessageSpan::default(), Sent::default());
        Self { message: Some(message), tx, span, sent, slot: None }
    }

    /// Captures the context in which the message is sent. Call it when the envelope is in its box, so
    /// that what is captured is written once and not moved.
    #[inline]
    pub(crate) fn send(&mut self) {
        PACKED.set(true);
        self.slot = measure::MailboxSlot::take();
        let kind = self.kind();
        self.span.send::<A>(kind, || operation::of_message::<A, M>(kind));
        lost::check::<A, M>(self.span.cx(), kind);
        self.sent = self.span.sending_time::<A>();
    }

    fn kind(&self) -> Kind {
        if self.tx.is_some() { Kind::Ask } else { Kind::Tell }
    }

    /// Handles the message in its span; `respond` sends the reply. As in actix, the message of an
    /// ask is not handled if its sender has stopped waiting.
    pub(crate) fn handle_with(
        &mut self,
        actor: &mut A,
        ctx: &mut A::Context,
        respond: impl FnOnce(
            A::Result,
            &mut MessageSpan,
            &mut A::Context,
            Option<OneshotSender<M::Result>>,
        ),
    ) {
        self.slot = None;
        if self.tx.as_ref().is_some_and(|tx| tx.is_closed()) {
            return self.lose(Outcome::Abandoned);
        }
        let kind = self.kind();
        let Some(message) = self.message.take() else { return };
        let Self { span, sent, tx, .. } = self;
        let operation = || operation::of_message::<A, M>(kind);
        let cx = span.start(actor, kind, operation, || sent.arrive());
        span.run(
            cx,
            ctx,
            |ctx| actor.handle(message, ctx),
            |response, span, ctx| respond(response, span, ctx, tx.take()),
        );
    }

    #[cold]
    fn lose(&mut self, outcome: Outcome) {
        let kind = self.kind();
        let operation = || operation::of_message::<A, M>(kind);
        self.span.lose::<A>(self.sent, operation, kind, outcome);
        // The destructor of the message runs in the sender's context.
        let Self { message, span, .. } = self;
        span.within(|| *message = None);
    }
}

impl<A: TracedActor + Handler<M>, M: Message + 'static> Drop for TracedEnvelope<A, M> {
    fn drop(&mut self) {
        if self.message.is_some() {
            self.lose(Outcome::Undelivered);
        }
    }
}

impl<A, M> EnvelopeProxy<A> for TracedEnvelope<A, M>
where
    A: TracedActor<Context = TracedContext<A>> + Handler<M>,
    M: Message + 'static,
{
    fn handle(&mut self, actor: &mut A, ctx: &mut TracedContext<A>) {
        self.handle_with(actor, ctx, respond::<A, M>);
    }
}

impl<A, M> ToEnvelope<A, M> for TracedContext<A>
where
    A: TracedActor<Context = Self> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, tx: Option<OneshotSender<M::Result>>) -> Envelope<A> {
        let mut envelope = Box::new(TracedEnvelope::<A, M>::new(message, tx));
        envelope.send();
        Envelope::with_proxy(envelope)
    }
}
