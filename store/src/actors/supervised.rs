//! Actors that are started again. When an actor panics, actix drops it; here a new one takes its
//! place.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use actix::{Addr, Handler, Message, dev::ToEnvelope};
use actix_opentelemetry::{Ask, TracedActor, ask, metrics};
use futures_util::FutureExt as _;
use shared::notice::Notice;
use tokio::time::Instant;

use super::error::{ActorError, Answers};

/// The address of an actor that is started again when it has stopped.
///
/// The messages in the mailbox of an actor that stops are lost: those who sent them get
/// [`ActorError::Stopped`]. The next message starts a new actor, which handles it first.
///
/// The address is never cloned, because the bound of the mailbox would grow: actix lets each clone
/// of an address put one more message into a full mailbox.
pub(crate) struct Supervised<A: TracedActor> {
    addr: RwLock<Addr<A>>,
    start: Box<dyn Fn() -> Addr<A> + Send + Sync>,
    /// Logs that actors are started again, once for all actors of the store.
    restarts: Arc<Notice>,
}

impl<A: TracedActor> Supervised<A> {
    /// Starts the actor now, and again whenever it has stopped.
    pub(crate) fn new(
        start: impl Fn() -> Addr<A> + Send + Sync + 'static,
        restarts: Arc<Notice>,
    ) -> Self {
        Self { addr: RwLock::new(start()), start: Box::new(start), restarts }
    }

    /// Asks the actor. Fails at once when its mailbox is full.
    pub(crate) fn ask<M, T>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<T, ActorError>> + use<A, M, T>
    where
        A: Handler<M> + Answers<T>,
        A::Context: ToEnvelope<A, M>,
        M: Message<Result = Result<T, ActorError>> + Send + 'static,
        T: Send + 'static,
    {
        flatten(self.request(message))
    }

    /// Asks the actor, and waits for its reply until `deadline`.
    pub(crate) fn ask_until<M, T>(
        &self,
        deadline: Instant,
        message: M,
    ) -> impl Future<Output = Result<T, ActorError>> + use<A, M, T>
    where
        A: Handler<M> + Answers<T>,
        A::Context: ToEnvelope<A, M>,
        M: Message<Result = Result<T, ActorError>> + Send + 'static,
        T: Send + 'static,
    {
        flatten(self.request(message).timeout(deadline.saturating_duration_since(Instant::now())))
    }

    /// Tells the actor something that must not be lost, even if its mailbox is full.
    pub(crate) fn tell<M>(&self, message: M)
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.addr().do_send(message);
    }

    /// Tells the actor something, unless it has stopped.
    pub(crate) fn tell_if_running<M>(&self, message: M)
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.addr.read().unwrap_or_else(PoisonError::into_inner).do_send(message);
    }

    /// A question that can be asked later: is the actor still running? It does not keep it alive.
    #[cfg(test)]
    pub(crate) fn running(&self) -> Box<dyn Fn() -> bool>
    where
        A: actix::Actor<Context = actix_opentelemetry::TracedContext<A>>,
    {
        let addr = self.addr.read().unwrap().downgrade();
        Box::new(move || addr.upgrade().is_some_and(|addr| addr.connected()))
    }

    fn request<M>(&self, message: M) -> Ask<A, M>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        ask(&self.addr(), message).fail_when_full()
    }

    fn addr(&self) -> RwLockReadGuard<'_, Addr<A>> {
        let addr = self.addr.read().unwrap_or_else(PoisonError::into_inner);
        if addr.connected() {
            return addr;
        }
        drop(addr);
        self.restart();
        self.addr.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn restart(&self) {
        let mut addr = self.addr.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have started it since it was found stopped.
        if !addr.connected() {
            if self.restarts.occurred() {
                tracing::warn!(name: "grocery.actor.restarted", actor = A::NAME, "an actor has stopped and is started again");
            }
            metrics::count_restart::<A>();
            *addr = (self.start)();
        }
    }
}

fn flatten<A, M, T>(
    request: Ask<A, M>,
) -> impl Future<Output = Result<T, ActorError>> + use<A, M, T>
where
    A: TracedActor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message<Result = Result<T, ActorError>> + Send + 'static,
    T: Send + 'static,
{
    request.map(|reply| reply.unwrap_or_else(|error| Err(ActorError::no_reply(A::NAME, error))))
}
