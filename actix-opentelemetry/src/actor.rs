//! What an actor says about itself, and how a traced actor is started.

use std::borrow::Cow;

use actix::dev::channel::channel;
use actix::{Actor, Addr, Supervised};
use actix_rt::ArbiterHandle;
use opentelemetry::{Context, KeyValue};

use crate::context::{DEFAULT_MAILBOX_CAPACITY, TracedContext};
use crate::origin::{attach, current, within};
use crate::policy::{
    BatchPolicy, DEFAULT_HOP_LIMIT, DEFAULT_ROUND_LIMIT, Reply, RootPolicy, StartPolicy,
    TimerPolicy,
};
use crate::supervisor::TracedSupervisor;

/// An actor whose messages are spans.
///
/// Only [`NAME`](Self::NAME) has to be given; everything else is a policy with a default.
#[diagnostic::on_unimplemented(
    message = "`{Self}` runs in a traced context but does not implement `TracedActor`",
    note = "add `impl TracedActor for {Self} {{ const NAME: &'static str = \"...\"; }}`"
)]
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
pub trait TracedActor: Actor<Context: CarriesContext> {
    /// The actor's name in span names and in `actix.actor.name`. Few different values: the
    /// instance belongs in [`attributes`](Self::attributes).
    const NAME: &'static str;

    /// How many tells (`do_send`, `try_send`, `notify`) in a row, with no ask between them, stay
    /// in one trace before the next becomes a root with a link. Raise it for a pipeline with more
    /// stages than this; lower it for an actor that tells itself to go on for ever; `u32::MAX`
    /// never cuts.
    const HOP_LIMIT: u32 = DEFAULT_HOP_LIMIT;

    /// How many rows of tells, with asks between them, stay in one trace before the next tell becomes
    /// a root with a link. Workers that pull their work make such a chain without an end: each ask
    /// for work is under the work before, and each piece of work under the ask. An ask itself is
    /// always under whoever asks. `u32::MAX` never cuts.
    const ROUND_LIMIT: u32 = DEFAULT_ROUND_LIMIT;

    /// Whether timers and stream items are traces of their own.
    const TIMERS: TimerPolicy = TimerPolicy::LinkedRoot;

    /// What a message from outside any trace becomes.
    const ROOT: RootPolicy = RootPolicy::Carry;

    /// Between what the actor's batches ([`BatchLinks`](crate::BatchLinks)) are linked.
    const BATCHES: BatchPolicy = BatchPolicy::BothWays;

    /// In which context the actor starts and restarts.
    const START: StartPolicy = StartPolicy::Outside;

    /// What tells this instance from the others of its type, set on the spans of all its messages.
    /// Called only for messages that are recorded.
    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        []
    }

    /// Whether a reply is a failure: `Some` sets the span's status to Error and is its
    /// `error.type`, which should be one of a few fixed words.
    ///
    /// Called only for messages that are recorded. Without it every reply is a success, `Err` too,
    /// because a type alone does not say which errors are an actor's failure and which an answer.
    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        let _ = reply;
        None
    }
}

/// A context in which an actor's messages carry the OpenTelemetry context:
/// [`TracedContext`], or [`TracedSyncContext`](crate::sync::TracedSyncContext) for an actor on threads
/// of its own.
#[diagnostic::on_unimplemented(
    message = "messages to an actor whose context is `{Self}` would not be traced",
    label = "this actor's context does not carry the OpenTelemetry context",
    note = "in `impl Actor`, set `type Context = TracedContext<Self>`, or `TracedSyncContext<Self>` for a sync actor",
    note = "for a WebSocket, use `actix-ws` and an actor with a `TracedContext`"
)]
pub trait CarriesContext: sealed::Sealed {}

pub(crate) mod sealed {
    /// The contexts are this crate's own.
    pub trait Sealed {}
}

/// The traced counterparts of [`Actor::start`] and its kin, which are bound to actix's own context.
///
/// An actor starts outside any trace, whoever starts it: in [`Actor::started`], and in the closures
/// given here, the current context is empty, unless [`TracedActor::START`] says otherwise.
pub trait TracedStart: TracedActor<Context = TracedContext<Self>> {
    /// Starts the actor on the current arbiter; the counterpart of [`Actor::start`].
    fn start_traced(self) -> Addr<Self> {
        TracedContext::new().run(self)
    }

    /// Starts an actor that needs its own context, or its address, to be made; the counterpart of
    /// [`Actor::create`].
    fn create_traced<F>(make: F) -> Addr<Self>
    where
        F: FnOnce(&mut TracedContext<Self>) -> Self,
    {
        let mut ctx = TracedContext::new();
        let actor = within(&starter::<Self>(), || make(&mut ctx));
        ctx.run(actor)
    }

    /// Starts the actor on another arbiter, where `make` runs too; the counterpart of
    /// [`Actor::start_in_arbiter`].
    fn start_traced_in<F>(arbiter: &ArbiterHandle, make: F) -> Addr<Self>
    where
        F: FnOnce(&mut TracedContext<Self>) -> Self + Send + 'static,
    {
        let (tx, rx) = channel(DEFAULT_MAILBOX_CAPACITY);
        let starter = starter::<Self>();
        arbiter.spawn_fn(move || {
            let _guard = attach(starter);
            let mut ctx = TracedContext::with_receiver(rx);
            let actor = make(&mut ctx);
            ctx.spawn_actor(actor);
        });
        Addr::new(tx)
    }

    /// Starts the actor under a supervisor; the counterpart of [`actix::Supervisor::start`].
    ///
    /// An actor that stops while it still has addresses is restarted, and the restart is a span
    /// with a link to the message that stopped it.
    fn supervise_traced<F>(make: F) -> Addr<Self>
    where
        Self: Supervised,
        F: FnOnce(&mut TracedContext<Self>) -> Self,
    {
        let mut ctx = TracedContext::new();
        let actor = within(&starter::<Self>(), || make(&mut ctx));
        TracedSupervisor::spawn(ctx, actor)
    }

    /// Starts the actor under a supervisor on another arbiter; the counterpart of
    /// [`actix::Supervisor::start_in_arbiter`].
    fn supervise_traced_in<F>(arbiter: &ArbiterHandle, make: F) -> Addr<Self>
    where
        Self: Supervised,
        F: FnOnce(&mut TracedContext<Self>) -> Self + Send + 'static,
    {
        let (tx, rx) = channel(DEFAULT_MAILBOX_CAPACITY);
        let starter = starter::<Self>();
        arbiter.spawn_fn(move || {
            let _guard = attach(starter);
            let mut ctx = TracedContext::with_receiver(rx);
            let actor = make(&mut ctx);
            // The address outlives this one: the caller holds it.
            drop(TracedSupervisor::spawn(ctx, actor));
        });
        Addr::new(tx)
    }
}

impl<A: TracedActor<Context = TracedContext<A>>> TracedStart for A {}

/// The context in which an actor that is started now starts.
pub(crate) fn starter<A: TracedActor>() -> Context {
    match A::START {
        StartPolicy::Outside => Context::new(),
        StartPolicy::Inherit => current(),
    }
}
