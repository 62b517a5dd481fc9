//! Sending a message so that a failure to deliver it is seen in the sender's trace.

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

/// Asks an actor: `addr.send(message)`, with the context and the failures of the caller.
///
/// The context is the one that is current at this call, whenever the future is polled and whatever
/// context it is polled in, also when the mailbox is full and the message enters it later. If no
/// reply comes, the reason is on the caller's span: an event `actix.ask.failed` with `error.type`.
/// Whether the caller has failed too is for the caller to say: see [`fail_caller`](Asking::fail_caller).
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
    let room = match is_sent {
        true => Room::Found,
        false if addr.connected() => Room::Awaited,
        false => Room::Gone,
    };
    Asking::new(request, room, || operation::of_message::<A, M>(Kind::Ask))
}

/// Asks whoever a [`Recipient`] stands for: [`ask`](ask()) where the actor's type is not known.
///
/// Where the caller's span says that no reply came, it names the message but not the actor.
pub fn ask_recipient<M>(recipient: &Recipient<M>, message: M) -> AskRecipient<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    let (request, is_sent) = observe_packing(|| recipient.send(message));
    let room = match is_sent {
        true => Room::Found,
        false if recipient.connected() => Room::Unknown,
        false => Room::Gone,
    };
    Asking::new(request, room, || operation::of_recipient::<M>(Kind::Ask))
}

/// Tells an actor: `addr.try_send(message)`, with a failure on the caller's span, as an event
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

/// Tells whoever a [`Recipient`] stands for: [`tell`] where the actor's type is not known.
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
    /// The mailbox had no room, and the caller had asked to be told with
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

/// For code that is written against actix's own error: a mailbox without room is a message that was
/// not delivered in time.
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

/// Whether the message has found room in the mailbox.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Room {
    Found,
    /// Not yet: actix looks for it at each poll.
    Awaited,
    /// It may have, in the mailbox of an actor that is not traced; or not yet.
    Unknown,
    /// Not, and the caller does not want to wait.
    Demanded,
    /// The mailbox was closed, as the request itself will say.
    Gone,
}

pin_project! {
    /// The future of an ask: the reply. See [`Ask`] and [`AskRecipient`].
    #[must_use = "a message to a full mailbox is sent only when this is polled"]
    pub struct Asking<R> {
        #[pin]
        request: R,
        cx: Context,
        log: LogSpan,
        room: Room,
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
    /// What "full" is belongs to actix: each clone of an `Addr` has room for one message more than
    /// the mailbox's capacity, so share one `Addr` between the senders that are to be limited.
    pub fn fail_when_full(mut self) -> Self {
        if let Room::Awaited = self.room {
            self.room = Room::Demanded;
        }
        self
    }
}

impl<R> Asking<R> {
    fn new(request: R, room: Room, name: fn() -> &'static Operation) -> Self {
        // What has been sent has its span already.
        let log = if room == Room::Found { LogSpan::default() } else { LogSpan::current() };
        Self { request, cx: current(), log, room, timeout: None, fails_caller: false, name }
    }

    /// Waits for the reply no longer than this, from now.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(sleep(limit));
        self
    }

    /// Sets the status of the caller's span to Error if no reply comes.
    ///
    /// For a caller that does not go on without the reply. One that tries again, or answers from
    /// elsewhere, has not failed, and the
    /// [specification](https://opentelemetry.io/docs/specs/semconv/general/recording-errors/) would
    /// not have its span say so.
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
        let reply = match *this.room {
            Room::Found | Room::Gone => this.request.poll(task),
            // The message is packed at the poll that finds room, in the context of the call.
            Room::Awaited | Room::Unknown => {
                let poll = || {
                    let _entered = this.log.enter();
                    within(this.cx, || this.request.poll(task))
                };
                let (reply, is_sent) = observe_packing(poll);
                if is_sent {
                    *this.room = Room::Found;
                }
                reply
            }
            Room::Demanded => Poll::Pending,
        };
        let error = match reply {
            Poll::Ready(Ok(reply)) => return Poll::Ready(Ok(reply)),
            Poll::Ready(Err(MailboxError::Closed)) => AskError::Closed,
            Poll::Ready(Err(MailboxError::Timeout)) => AskError::Timeout,
            Poll::Pending if *this.room == Room::Demanded => AskError::Full,
            Poll::Pending => match this.timeout.as_pin_mut() {
                Some(timeout) => {
                    ready!(timeout.poll(task));
                    AskError::Timeout
                }
                None => return Poll::Pending,
            },
        };
        failed(error, *this.room, *this.name);
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
fn failed(error: AskError, room: Room, name: fn() -> &'static Operation) {
    if !measure::is_enabled() {
        return;
    }
    measure::ask_failed(name(), error.error_type());
    // One that has entered the mailbox is counted where it is dropped.
    if !matches!(room, Room::Found | Room::Unknown) {
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
