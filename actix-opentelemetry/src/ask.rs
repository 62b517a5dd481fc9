//! Asking and telling an actor so that a message that is not delivered or not answered shows in the
//! sender's trace.

use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use actix::dev::{RecipientRequest, Request, SendError, ToEnvelope};
use actix::{Addr, Handler, MailboxError, Message, Recipient};
use actix_rt::time::{Sleep, sleep};
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use pin_project_lite::pin_project;

use crate::actor::TracedActor;
use crate::attribute::{self, error_type};
use crate::envelope::observe_packing;
use crate::logspan::LogSpan;
use crate::measure;
use crate::operation::{self, Kind, Operation};
use crate::origin::{current, within};

/// Asks an actor: `addr.send(message)`, and if no reply comes, the caller's span says why.
///
/// The message carries the context that is current at this call, even if the future is polled later
/// and in another context, as when the mailbox is full and the message has to wait for room. The
/// reason why no reply came is an event `actix.ask.failed` with `error.type` on the caller's span.
/// The caller decides whether it has failed too: see [`fail_caller`](Asking::fail_caller).
///
/// ```no_run
/// # use actix::prelude::*;
/// # use actix_opentelemetry::{AskError, TracedActor, TracedContext, ask};
/// # struct Till;
/// # impl Actor for Till { type Context = TracedContext<Self>; }
/// # impl TracedActor for Till { const NAME: &'static str = "Till"; }
/// # #[derive(Message)]
/// # #[rtype(u32)]
/// # struct Total;
/// # impl Handler<Total> for Till {
/// #     type Result = u32;
/// #     fn handle(&mut self, _: Total, _: &mut Self::Context) -> u32 { 7 }
/// # }
/// # async fn example(till: Addr<Till>) -> Result<u32, AskError> {
/// use std::time::Duration;
///
/// let total = ask(&till, Total).timeout(Duration::from_secs(1)).await?;
/// # Ok(total)
/// # }
/// ```
pub fn ask<A, M>(addr: &Addr<A>, message: M) -> Ask<A, M>
where
    A: TracedActor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    let (request, is_sent) = observe_packing(|| addr.send(message));
    let delivery = match is_sent {
        true => Delivery::InMailbox,
        false if addr.connected() => Delivery::WaitsForRoom,
        false => Delivery::Closed,
    };
    Asking::new(request, delivery, || operation::of_message::<A, M>(Kind::Ask))
}

/// Asks a [`Recipient`]: as [`ask`](ask()), where the actor's type is not known.
///
/// If no reply comes, the event on the caller's span names the message but not the actor.
pub fn ask_recipient<M>(recipient: &Recipient<M>, message: M) -> AskRecipient<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    let (request, is_sent) = observe_packing(|| recipient.send(message));
    let delivery = match is_sent {
        true => Delivery::InMailbox,
        false if recipient.connected() => Delivery::Unknown,
        false => Delivery::Closed,
    };
    Asking::new(request, delivery, || operation::of_recipient::<M>(Kind::Ask))
}

/// Tells an actor: `addr.try_send(message)`, and if it fails, the caller's span has an event
/// `actix.tell.failed`.
///
/// # Errors
///
/// [`SendError`] with the message in it, when the mailbox is full or closed.
pub fn tell<A, M>(addr: &Addr<A>, message: M) -> Result<(), SendError<M>>
where
    A: TracedActor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    let name = || operation::of_message::<A, M>(Kind::Tell);
    addr.try_send(message).inspect_err(|error| not_told(error, name))
}

/// Tells a [`Recipient`]: as [`tell`], where the actor's type is not known.
///
/// # Errors
///
/// [`SendError`] with the message in it, when the mailbox is full or closed.
pub fn tell_recipient<M>(recipient: &Recipient<M>, message: M) -> Result<(), SendError<M>>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    let name = || operation::of_recipient::<M>(Kind::Tell);
    recipient.try_send(message).inspect_err(|error| not_told(error, name))
}

#[cold]
fn not_told<M>(error: &SendError<M>, name: fn() -> &'static Operation) {
    let reason = match error {
        SendError::Full(_) => error_type::MAILBOX_FULL,
        SendError::Closed(_) => error_type::MAILBOX_CLOSED,
    };
    if measure::is_enabled() {
        measure::dropped(name(), reason);
    }
    record_failure(&current(), name, reason, false);
}

/// Why an [`ask`](ask()) has no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The mailbox had no room, and the caller did not want to wait:
    /// [`fail_when_full`](Asking::fail_when_full). The message was not sent.
    #[error("the actor's mailbox is full")]
    Full,
    /// The actor has stopped, or it stopped or gave no reply while the caller waited.
    #[error("the actor's mailbox is closed, or it gave no reply")]
    Closed,
    /// No reply in the time given with [`timeout`](Asking::timeout). If the message is still in the
    /// mailbox it will not be handled.
    #[error("the actor did not reply in time")]
    Timeout,
}

/// For code that is written against actix's own error, which has no word for a full mailbox: it
/// becomes a timeout.
impl From<AskError> for MailboxError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Closed => Self::Closed,
            AskError::Full | AskError::Timeout => Self::Timeout,
        }
    }
}

/// The future of an [`ask`](ask()).
pub type Ask<A, M> = Asking<Request<A, M>>;

/// The future of an [`ask_recipient`].
pub type AskRecipient<M> = Asking<RecipientRequest<M>>;

/// How far the message has come on its way into the mailbox.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Delivery {
    /// It is in the mailbox.
    InMailbox,
    /// The mailbox is full. actix looks for room at each poll.
    WaitsForRoom,
    /// Either of the two: only the mailbox of a traced actor tells.
    Unknown,
    /// The mailbox is full, and the caller does not want to wait.
    FailsWhenFull,
    /// The mailbox is closed, as the request itself will say.
    Closed,
}

pin_project! {
    /// The future of an ask: the reply. See [`Ask`] and [`AskRecipient`].
    #[must_use = "a message to a full mailbox is sent only when this is polled"]
    pub struct Asking<R> {
        #[pin]
        request: R,
        cx: Context,
        log: LogSpan,
        delivery: Delivery,
        #[pin]
        timeout: Option<Sleep>,
        fails_caller: bool,
        name: fn() -> &'static Operation,
    }
}

impl<A, M> Ask<A, M>
where
    A: TracedActor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    /// Gives up at once when the mailbox is full, instead of waiting for room.
    ///
    /// actix decides when a mailbox is full: each clone of an `Addr` has room for one message more
    /// than the mailbox's capacity. So share one `Addr` between the senders that are to be limited.
    pub fn fail_when_full(mut self) -> Self {
        if let Delivery::WaitsForRoom = self.delivery {
            self.delivery = Delivery::FailsWhenFull;
        }
        self
    }
}

impl<R> Asking<R> {
    fn new(request: R, delivery: Delivery, name: fn() -> &'static Operation) -> Self {
        // A message in the mailbox has its `tracing` span already.
        let log =
            if delivery == Delivery::InMailbox { LogSpan::default() } else { LogSpan::current() };
        Self { request, cx: current(), log, delivery, timeout: None, fails_caller: false, name }
    }

    /// Waits for the reply no longer than this, counted from now.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(sleep(limit));
        self
    }

    /// Sets the status of the caller's span to Error if no reply comes.
    ///
    /// Use it for a caller that cannot go on without the reply. A caller that tries again, or gets
    /// its answer elsewhere, has not failed, and by the
    /// [specification](https://opentelemetry.io/docs/specs/semconv/general/recording-errors/) its
    /// span must not say so.
    pub fn fail_caller(mut self) -> Self {
        self.fails_caller = true;
        self
    }
}

impl<R, T> Future for Asking<R>
where
    R: Future<Output = Result<T, MailboxError>>,
{
    type Output = Result<T, AskError>;

    fn poll(self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let reply = match *this.delivery {
            Delivery::InMailbox | Delivery::Closed => this.request.poll(task),
            // The poll that finds room packs the message, which captures the current context: it
            // has to be that of the call.
            Delivery::WaitsForRoom | Delivery::Unknown => {
                let poll = || {
                    let _entered = this.log.enter();
                    within(this.cx, || this.request.poll(task))
                };
                let (reply, is_sent) = observe_packing(poll);
                if is_sent {
                    *this.delivery = Delivery::InMailbox;
                }
                reply
            }
            Delivery::FailsWhenFull => Poll::Pending,
        };
        let error = match reply {
            Poll::Ready(Ok(reply)) => return Poll::Ready(Ok(reply)),
            Poll::Ready(Err(MailboxError::Closed)) => AskError::Closed,
            Poll::Ready(Err(MailboxError::Timeout)) => AskError::Timeout,
            Poll::Pending if *this.delivery == Delivery::FailsWhenFull => AskError::Full,
            Poll::Pending => match this.timeout.as_pin_mut() {
                Some(timeout) => {
                    ready!(timeout.poll(task));
                    AskError::Timeout
                }
                None => return Poll::Pending,
            },
        };
        failed(error, *this.delivery, *this.name);
        record_failure(this.cx, *this.name, error.error_type(), *this.fails_caller);
        Poll::Ready(Err(error))
    }
}

impl AskError {
    fn error_type(self) -> &'static str {
        match self {
            Self::Full => error_type::MAILBOX_FULL,
            Self::Closed => error_type::MAILBOX_CLOSED,
            Self::Timeout => error_type::TIMEOUT,
        }
    }
}

#[cold]
fn failed(error: AskError, delivery: Delivery, name: fn() -> &'static Operation) {
    if !measure::is_enabled() {
        return;
    }
    measure::ask_failed(name(), error.error_type());
    // A message that has entered the mailbox is counted where it is dropped.
    if !matches!(delivery, Delivery::InMailbox | Delivery::Unknown) {
        measure::dropped(name(), error.error_type());
    }
}

#[cold]
fn record_failure(
    cx: &Context,
    name: fn() -> &'static Operation,
    reason: &'static str,
    fails_caller: bool,
) {
    let span = cx.span();
    if !span.is_recording() {
        return;
    }
    let operation = name();
    let event = match operation.kind {
        Kind::Ask => "actix.ask.failed",
        _ => "actix.tell.failed",
    };
    let mut attributes = vec![KeyValue::new(attribute::ERROR_TYPE, reason)];
    if !operation.actor.is_empty() {
        attributes.push(KeyValue::new(attribute::ACTOR_NAME, operation.actor));
    }
    attributes.extend(operation.message.map(|it| KeyValue::new(attribute::MESSAGE_TYPE, it)));
    span.add_event(event, attributes);
    if fails_caller {
        span.set_status(Status::error(format!("{}: {reason}", operation.span_name)));
    }
}
