//! How many requests an actor works on at a time, so that its mailbox is a limit.
//!
//! An actor that answers with a future is done with a message at once, and would take in any
//! number. One that reads its mailbox only while it has a place free lets the mailbox fill, and
//! whoever finds it full hears so at once.

use std::sync::Arc;

use actix::{Actor, AsyncContext, WrapFuture as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one actor; clones share them.
#[derive(Clone)]
pub(super) struct ConcurrencyLimit(Arc<Semaphore>);

impl ConcurrencyLimit {
    /// So many places.
    pub(super) fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// Takes a place for the message that is being handled, until the permit is dropped. After the
    /// last one the actor reads no further message until a place is free.
    ///
    /// There is none only for the first message of an actor that took over from one that panicked.
    pub(super) fn acquire<A: Actor>(
        &self,
        actor: &A,
        ctx: &mut A::Context,
    ) -> Option<OwnedSemaphorePermit>
    where
        A::Context: AsyncContext<A>,
    {
        let place = Arc::clone(&self.0).try_acquire_owned().ok();
        if self.0.available_permits() == 0 {
            let places = Arc::clone(&self.0);
            // It is never closed, so this ends with a place or not at all.
            ctx.wait(
                async move { places.acquire().await.map(drop).unwrap_or(()) }.into_actor(actor),
            );
        }
        place
    }

    /// Lasts until all places are free.
    pub(super) async fn idle(&self, places: usize) {
        let all = u32::try_from(places).unwrap_or(u32::MAX);
        self.0.acquire_many(all).await.map(drop).unwrap_or(());
    }
}
