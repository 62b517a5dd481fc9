//! Whether the store can be reached, said once when that changes.

use std::{
    fmt::Display,
    sync::atomic::{AtomicBool, Ordering},
};

use url::Url;

/// Whether the store can be reached: one for all threads, so that it is said once.
#[derive(Debug)]
pub(crate) struct Availability {
    store_url: Url,
    down: AtomicBool,
    misunderstood: AtomicBool,
}

impl Availability {
    pub(crate) fn new(store_url: Url) -> Self {
        Self { store_url, down: AtomicBool::new(false), misunderstood: AtomicBool::new(false) }
    }

    /// Notes that no connection could be made.
    pub(crate) fn unreachable(&self, reason: &impl Display) {
        if !self.down.load(Ordering::Relaxed) && !self.down.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the store at {} cannot be reached ({reason}): trips fail until it is back",
                self.store_url
            );
        }
    }

    /// Notes that the store answered.
    pub(crate) fn reached(&self) {
        if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed) {
            tracing::info!("the store at {} is back", self.store_url);
        }
    }

    /// Notes that an answer is not what the contract says: the first is said, the report counts
    /// them all.
    pub(crate) fn not_understood(&self, reason: &impl Display) {
        if !self.misunderstood.swap(true, Ordering::Relaxed) {
            tracing::warn!("the store at {} cannot be understood: {reason}", self.store_url);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_and_comes_back() {
        let availability = Availability::new("http://127.0.0.1:1".parse().unwrap());
        availability.reached();
        assert!(!availability.is_down());
        availability.unreachable(&"refused");
        availability.unreachable(&"refused");
        assert!(availability.is_down());
        availability.reached();
        assert!(!availability.is_down());
    }
}
