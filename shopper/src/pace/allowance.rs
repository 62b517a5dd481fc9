//! The limit that a run has of its trips.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

/// How many trips a run may have, on all threads together.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    trips: u64,
    taken: Arc<AtomicU64>,
    stopping: CancellationToken,
}

impl Allowance {
    /// Cancels `stopping` when the last of these trips is taken; without a limit, never.
    pub(crate) fn new(trips: Option<NonZeroU64>, stopping: CancellationToken) -> Self {
        let trips = trips.map_or(u64::MAX, NonZeroU64::get);
        Self { trips, taken: Arc::default(), stopping }
    }

    /// How many trips the whole run may have.
    pub(super) fn trips(&self) -> u64 {
        self.trips
    }

    /// Takes one trip; false if there is none left.
    pub(super) fn take(&self) -> bool {
        let one_more = |taken| (taken < self.trips).then_some(taken + 1);
        let before = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        if before.is_ok_and(|taken| taken + 1 == self.trips) {
            self.stopping.cancel();
        }
        before.is_ok()
    }
}
