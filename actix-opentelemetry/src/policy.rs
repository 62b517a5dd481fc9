//! The policies by which an actor decides about its spans. Each is a constant of
//! [`TracedActor`](crate::TracedActor), with a default that suits most actors.

use std::any::Any;

/// How many tells in a row, without an ask between them, stay in one trace:
/// [`TracedActor::HOP_LIMIT`](crate::TracedActor::HOP_LIMIT) unless the actor says otherwise.
pub const DEFAULT_HOP_LIMIT: u32 = 16;

/// How many rounds of asks and tells, as workers that pull their work make them (an ask for work, a
/// tell with work, the next ask), stay in one trace:
/// [`TracedActor::ROUND_LIMIT`](crate::TracedActor::ROUND_LIMIT) unless the actor says otherwise.
pub const DEFAULT_ROUND_LIMIT: u32 = 16;

/// Whether a timer or a stream item belongs to the trace of the code that registered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TimerPolicy {
    /// Each firing begins a trace of its own. The sampler decides anew, also if the registrant's
    /// trace is not sampled; if it is recorded, there is a link to it.
    ///
    /// This is the default: an interval registered by a request would otherwise keep that request's
    /// trace growing for as long as the actor lives, and one registered by a request that is not
    /// sampled would never be seen.
    #[default]
    LinkedRoot,
    /// Each firing is a child of the registrant's span. This is for a timer that is one step of the
    /// work that registered it, such as a retry after a pause.
    Child,
}

/// What becomes of a message that is sent outside any trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RootPolicy {
    /// No span. The rest of the context (baggage, values) is carried, and the metric
    /// `actix.message.without_context` counts the message.
    ///
    /// This is the default: work seldom begins in an actor, and roots of work that has no beginning
    /// fill a backend with noise.
    #[default]
    Carry,
    /// No span, as with [`Carry`](Self::Carry), but the first message of each type is logged, with
    /// the function that sent it and what to do. This is for finding out where a context is lost.
    /// It is a `tracing` event of level WARN with the feature `tracing`, and a line on standard
    /// error without it.
    Warn,
    /// The message's span is the root of a new trace, if the sampler agrees. This is for an actor
    /// that is an entry point of the process: it reads a socket or a queue, or is driven by timers
    /// alone.
    Start,
}

/// Which way the links between a batch and its messages point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BatchPolicy {
    /// The batch's span has a link to the span of each message, and each of these that is still
    /// open gets a link to the batch's.
    ///
    /// This is the default: few backends show which links point at a span, and with a link of its
    /// own the trace of a message leads to the work that served it.
    #[default]
    BothWays,
    /// Only the batch's span has links, one to each message's.
    ToMessages,
}

/// The context in which an actor starts and restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StartPolicy {
    /// An empty context: outside any trace, without baggage and without values.
    ///
    /// This is the default: an actor lives on when the request that happened to start it is over,
    /// and the actor's own work (timers set in `started`, loops spawned there) is no part of that
    /// request.
    #[default]
    Outside,
    /// The context of the code that starts the actor, and for a restart the context in which it was
    /// stopped. This is for an actor that lives no longer than the piece of work that starts it.
    Inherit,
}

/// A reply on its way to the sender, for
/// [`TracedActor::classify`](crate::TracedActor::classify) to look at.
///
/// An actor answers several types of message, so the type of the reply is asked for here.
///
/// ```
/// use actix_opentelemetry::Reply;
///
/// struct OutOfStock;
///
/// fn classify(reply: Reply<'_>) -> Option<&'static str> {
///     reply.err::<u32, OutOfStock>().map(|_| "out_of_stock")
/// }
///
/// assert_eq!(classify(Reply::new(&Err::<u32, _>(OutOfStock))), Some("out_of_stock"));
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
