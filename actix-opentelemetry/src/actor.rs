//! [`TracedActor`], by which an actor says how its messages are traced.

use std::borrow::Cow;

use actix::Actor;
use opentelemetry::KeyValue;

use crate::policy::{
    BatchPolicy, DEFAULT_HOP_LIMIT, DEFAULT_ROUND_LIMIT, Reply, RootPolicy, StartPolicy,
    TimerPolicy,
};

/// An actor whose messages are spans.
///
/// Only [`NAME`](Self::NAME) has to be given; everything else is a policy with a default.
///
/// The actor's context has to be one of this crate's, since actix's own would lose the context:
///
/// ```compile_fail,E0277
/// # use actix::prelude::*;
/// # use actix_opentelemetry::TracedActor;
/// struct Aisle;
///
/// impl Actor for Aisle {
///     type Context = Context<Self>; // would be traced with `TracedContext<Self>`
/// }
///
/// impl TracedActor for Aisle {
///     const NAME: &'static str = "Aisle";
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` runs in a traced context but does not implement `TracedActor`",
    note = "add `impl TracedActor for {Self} {{ const NAME: &'static str = \"...\"; }}`"
)]
pub trait TracedActor: Actor<Context: CarriesContext> {
    /// The actor's name in span names and in `actix.actor.name`. It names the type of the actor;
    /// what tells one instance from another belongs in [`attributes`](Self::attributes).
    const NAME: &'static str;

    /// How many tells (`do_send`, `try_send`, `notify`) in a row, with no ask between them, stay
    /// in one trace before the next becomes a root with a link. Raise it for a pipeline with more
    /// stages than this; lower it for an actor that keeps itself going by messages to itself. With
    /// `u32::MAX` a trace is never cut.
    const HOP_LIMIT: u32 = DEFAULT_HOP_LIMIT;

    /// How many rows of tells, with asks between them, stay in one trace before the next tell
    /// becomes a root with a link. Workers that pull their work make such a chain without an end:
    /// each ask for work is under the work before, and each piece of work under the ask. An ask
    /// itself is always a child of the asking span. With `u32::MAX` a trace is never cut.
    const ROUND_LIMIT: u32 = DEFAULT_ROUND_LIMIT;

    /// Whether timers and stream items are traces of their own.
    const TIMERS: TimerPolicy = TimerPolicy::LinkedRoot;

    /// What a message from outside any trace becomes.
    const ROOT: RootPolicy = RootPolicy::Carry;

    /// Which way the links of the actor's batches ([`BatchLinks`](crate::BatchLinks)) point.
    const BATCHES: BatchPolicy = BatchPolicy::BothWays;

    /// In which context the actor starts and restarts.
    const START: StartPolicy = StartPolicy::Outside;

    /// Attributes that tell this instance from the others of its type, such as the name of the
    /// aisle. They are set on the spans of all its messages. Called only for messages that are
    /// recorded.
    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        []
    }

    /// Whether a reply is a failure: `Some` sets the span's status to Error and is its
    /// `error.type`, which should be one of a few fixed words.
    ///
    /// Called only for messages that are recorded. By default every reply is a success, even `Err`:
    /// the type alone does not say whether an error is a failure of the actor or a normal answer.
    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        let _ = reply;
        None
    }
}

/// A context in which an actor's messages carry the OpenTelemetry context:
/// [`TracedContext`](crate::TracedContext), or
/// [`TracedSyncContext`](crate::sync::TracedSyncContext) for an actor on threads of its own.
#[diagnostic::on_unimplemented(
    message = "messages to an actor whose context is `{Self}` would not be traced",
    label = "this actor's context does not carry the OpenTelemetry context",
    note = "in `impl Actor`, set `type Context = TracedContext<Self>`, or `TracedSyncContext<Self>` for a sync actor",
    note = "for a WebSocket, use `actix-ws` and an actor with a `TracedContext`"
)]
pub trait CarriesContext: sealed::Sealed {}

pub(crate) mod sealed {
    /// Keeps other crates from implementing [`CarriesContext`](super::CarriesContext).
    pub trait Sealed {}
}
