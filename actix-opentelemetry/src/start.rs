//! Starting a traced actor: the counterparts of `Actor::start` and `Supervisor::start`.

use actix::dev::channel::channel;
use actix::{Addr, Supervised};
use actix_rt::ArbiterHandle;

use crate::actor::TracedActor;
use crate::context::{DEFAULT_MAILBOX_CAPACITY, TracedContext};
use crate::life::starter;
use crate::origin::{attach, within};
use crate::supervisor::TracedSupervisor;

/// Starts traced actors, as [`actix::Actor::start`] and similar functions start others. Those are
/// bound to actix's own context.
///
/// An actor starts outside any trace, even if a request starts it. In [`actix::Actor::started`],
/// and in the closures given here, the current context is empty, unless [`TracedActor::START`] says
/// otherwise.
pub trait TracedStart: TracedActor<Context = TracedContext<Self>> {
    /// Starts the actor on the current arbiter; the counterpart of [`actix::Actor::start`].
    fn start_traced(self) -> Addr<Self> {
        TracedContext::new().run(self)
    }

    /// Starts an actor that needs its own context, or its address, to be made; the counterpart of
    /// [`actix::Actor::create`].
    fn create_traced<F>(make: F) -> Addr<Self>
    where
        F: FnOnce(&mut TracedContext<Self>) -> Self,
    {
        let mut ctx = TracedContext::new();
        let actor = within(&starter::<Self>(), || make(&mut ctx));
        ctx.run(actor)
    }

    /// Starts the actor on another arbiter, where `make` runs too; the counterpart of
    /// [`actix::Actor::start_in_arbiter`].
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
            // The caller holds an address too, so the actor stays reachable.
            drop(TracedSupervisor::spawn(ctx, actor));
        });
        Addr::new(tx)
    }
}

impl<A: TracedActor<Context = TracedContext<A>>> TracedStart for A {}
