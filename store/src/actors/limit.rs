//! A limit on how many requests an actor works on at a time.
//!
//! An actor that answers with a future takes the next message at once, while the future still runs.
//! So it would take any number of messages out of its mailbox, and the mailbox would never be full.
//! With this limit, the actor stops reading its mailbox while it works on as many requests as it
//! may. The mailbox fills up, and further requests are refused at once.

use std::sync::Arc;

use actix::{Actor, AsyncContext, WrapFuture as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The limit of one actor. Clones share it, so it still counts after the actor has panicked and was
/// started again.
#[derive(Clone, Debug)]
pub(super) struct ConcurrencyLimit {
    permits: Arc<Semaphore>,
    count: usize,
}

impl ConcurrencyLimit {
    /// A limit of `count` requests at a time.
    pub(super) fn new(count: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(count)), count }
    }

    /// Takes a permit for the message that is being handled. The request keeps it until it is done.
    /// When the last permit is taken, the actor stops reading its mailbox until one is free again.
    ///
    /// There is no permit in one case: an actor panicked while all permits were taken, and this is
    /// the first message of the actor that was started in its place. That message is handled all
    /// the same, as one more than the limit.
    pub(super) fn acquire<A: Actor>(
        &self,
        actor: &A,
        ctx: &mut A::Context,
    ) -> Option<OwnedSemaphorePermit>
    where
        A::Context: AsyncContext<A>,
    {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        if self.permits.available_permits() == 0 {
            let permits = Arc::clone(&self.permits);
            let one_is_free = async move {
                // It fails only once the semaphore is closed, which it never is.
                permits.acquire().await.map(drop).unwrap_or(());
            };
            ctx.wait(one_is_free.into_actor(actor));
        }
        permit
    }

    /// Whether no request is being worked on.
    pub(super) fn is_idle(&self) -> bool {
        self.permits.available_permits() == self.count
    }

    /// Waits until no request is being worked on.
    pub(super) async fn idle(&self) {
        let all = u32::try_from(self.count).unwrap_or(u32::MAX);
        // As above.
        self.permits.acquire_many(all).await.map(drop).unwrap_or(());
    }
}
