//! How many requests an actor works on at a time.
//!
//! An actor that answers with a future is done with a message at once. Left alone it would take any
//! number of messages out of its mailbox, and the mailbox would never be full. With this limit it
//! stops reading while it works on as many requests as it may. The mailbox fills, and whoever finds
//! it full hears so at once.

use std::sync::Arc;

use actix::{Actor, AsyncContext, WrapFuture as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The limit of one actor. Clones share it, so that it outlives an actor that panicked.
#[derive(Clone, Debug)]
pub(super) struct ConcurrencyLimit {
    permits: Arc<Semaphore>,
    count: usize,
}

impl ConcurrencyLimit {
    /// So many requests at a time.
    pub(super) fn new(count: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(count)), count }
    }

    /// Takes a permit for the message that is being handled; the request has it until it is dropped.
    /// With the last permit the actor stops reading its mailbox, until one is free again.
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

    /// Whether nothing is being worked on.
    pub(super) fn is_idle(&self) -> bool {
        self.permits.available_permits() == self.count
    }

    /// Waits until nothing is being worked on.
    pub(super) async fn idle(&self) {
        let all = u32::try_from(self.count).unwrap_or(u32::MAX);
        // As above.
        self.permits.acquire_many(all).await.map(drop).unwrap_or(());
    }
}
