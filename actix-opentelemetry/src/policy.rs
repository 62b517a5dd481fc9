//! What an actor may decide about its spans: each policy is a constant of
//! [`TracedActor`](crate::TracedActor) with a default that suits most actors.

use std::any::Any;

/// How many tells in a row, without an ask between them, stay in one trace:
/// [`TracedActor::HOP_LIMIT`](crate::TracedActor::HOP_LIMIT) unless the actor says otherwise.
pub const DEFAULT_HOP_LIMIT: u32 = 16;

/// How many rounds of asks and tells, as workers that pull their work make them (an ask for work, a
/// tell with work, the next ask), stay in one trace:
/// [`TracedActor::ROUND_LIMIT`](crate::TracedActor::ROUND_LIMIT) unless the actor says otherwise.
pub const DEFAULT_ROUND_LIMIT: u32 = 16;

/// Whether a timer or a stream item belongs to the trace of whoever registered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TimerPolicy {
    /// Each firing begins a trace of its own, for which the sampler decides anew, whatever became of
    /// the registrant's trace; if that is recorded there is a link to it. The default: an interval
    /// registered by a request would otherwise keep that request's trace growing for as long as the
    /// actor lives, and one registered by a request that is not sampled would never be seen.
    #[default]
    LinkedRoot,
    /// Each firing is a child of the registrant's span. For a timer that is one step of the work
    /// that registered it, such as a retry after a pause.
    Child,
}

/// What a message sent outside any trace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RootPolicy {
    /// No span; the context (baggage, values) is carried all the same, and the metric
    /// `actix.message.without_context` counts the message. The default: an actor is seldom where a
    /// story begins, and roots without one fill a backend with noise.
    #[default]
    Carry,
    /// No span, as with [`Carry`](Self::Carry); but the first message of each type is logged, with
    /// who sent it and what to do. For finding out where a context is lost: by a `tracing` event of
    /// level WARN with the feature `tracing`, else on standard error.
    Warn,
    /// The root of a new trace, if the sampler agrees. For an actor that is an entry point of the
    /// process: it reads a socket or a queue, or is driven by timers alone.
    Start,
}

/// Between what a batch of messages is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BatchPolicy {
    /// The batch's span has a link to each message's, and each message's that is still open gets one
    /// to the batch's. The default: links point one way, and few backends show what points at a span;
    /// so whoever looks at a message's trace finds the work that served it.
    #[default]
    BothWays,
    /// Only the batch's span has links.
    ToMessages,
}

/// In which context an actor starts and restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StartPolicy {
    /// In an empty one: outside any trace, without baggage and without values. The default: an actor
    /// lives on when the request that happened to start it is over, and what the actor does of its
    /// own accord (timers set in `started`, loops spawned there) is no part of that request.
    #[default]
    Outside,
    /// In that of whoever starts it; a restart in that of whatever stopped it. For an actor that
    /// lives no longer than the piece of work that starts it.
    Inherit,
}

/// A reply on its way to the sender, for
/// [`TracedActor::classify`](crate::TracedActor::classify) to look at.
///
/// An actor answers many types of message, so the reply's type is found out here.
///
/// ```
/// use actix_opentelemetry::Reply;
///
/// struct OutOfStock;
///
/// fn classify(reply: Reply<'_>) -> Option<&'static str> {
///     reply.err::<u32, OutOfStock>().map(|_| "OutOfStock")
/// }
///
/// assert_eq!(classify(Reply::new(&Err::<u32, _>(OutOfStock))), Some("OutOfStock"));
/// assert_eq!(classify(Reply::new(&Ok::<u32, OutOfStock>(3))), None);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a>(&'a dyn Any);

impl<'a> Reply<'a> {
    /// Wraps a reply of any type.
    pub fn new<R: 'static>(reply: &'a R) -> Self {
        Self(reply)
    }

    /// The reply, if it is an `R`.
    pub fn get<R: 'static>(&self) -> Option<&'a R> {
        self.0.downcast_ref()
    }

    /// The error, if the reply is a `Result<T, E>` and failed.
    pub fn err<T: 'static, E: 'static>(&self) -> Option<&'a E> {
        self.get::<Result<T, E>>()?.as_ref().err()
    }
}
