//! A bound on memory that several users share: requests that come in or wait for the store share
//! one, readers of answers another.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A number of bytes to share. A part of them is a [`Reservation`].
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    used: Arc<Mutex<Used>>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Used {
    bytes: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// The part of a budget that one peer may hold, so that it cannot keep the others out.
const fn share(bytes: usize) -> usize {
    bytes / 2
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { used: Arc::default(), bytes }
    }

    /// A reservation of nothing, to grow.
    pub(crate) fn reservation(&self) -> Reservation {
        Reservation { budget: self.clone(), peer: None, bytes: 0 }
    }

    /// The same for `peer`: all reservations for one peer come out of its share.
    pub(crate) fn reservation_for(&self, peer: IpAddr) -> Reservation {
        Reservation { budget: self.clone(), peer: Some(peer), bytes: 0 }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        // Nothing between locking and unlocking can panic.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Budget,
    peer: Option<IpAddr>,
    bytes: usize,
}

impl Reservation {
    /// Takes `bytes` more. When the budget or the peer's share has not so many left, takes nothing
    /// and returns false.
    #[must_use]
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let most = self.budget.bytes;
        let mut used = self.budget.used();
        let of_peer =
            self.peer.and_then(|peer| used.by_peer.get(&peer)).copied().unwrap_or_default();
        let most_of_peer = if self.peer.is_some() { share(most) } else { most };
        if bytes > most.saturating_sub(used.bytes) || bytes > most_of_peer.saturating_sub(of_peer) {
            return false;
        }
        used.bytes += bytes;
        if let Some(peer) = self.peer {
            used.by_peer.insert(peer, of_peer + bytes);
        }
        drop(used);
        self.bytes += bytes;
        true
    }

    /// How much it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back all but `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let back = self.bytes.saturating_sub(bytes);
        let mut used = self.budget.used();
        used.bytes -= back;
        if let Some(Entry::Occupied(mut of_peer)) = self.peer.map(|peer| used.by_peer.entry(peer)) {
            *of_peer.get_mut() -= back;
            if *of_peer.get() == 0 {
                of_peer.remove();
            }
        }
        drop(used);
        self.bytes -= back;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    #[test]
    fn what_is_dropped_can_be_taken_again() {
        let budget = Budget::new(10);
        let mut first = budget.reservation();
        let mut second = budget.reservation();

        assert!(first.grow(8));
        assert!(!second.grow(3));
        drop(first);
        assert!(second.grow(10));
        second.shrink_to(4);
        assert!(budget.reservation().grow(6));
    }

    #[test]
    fn a_peer_cannot_hold_more_than_half() {
        let budget = Budget::new(20);
        let mut greedy = [(); 10].map(|()| budget.reservation_for(peer(1)));
        let taken = greedy.iter_mut().filter_map(|one| one.grow(3).then_some(3)).sum::<usize>();

        assert_eq!(taken, 9);
        assert!(budget.reservation_for(peer(2)).grow(10));
        assert!(!budget.reservation_for(peer(2)).grow(11));
    }

    #[test]
    fn a_peer_that_holds_nothing_is_forgotten() {
        let budget = Budget::new(20);
        let mut reservation = budget.reservation_for(peer(1));
        assert!(reservation.grow(1));

        drop(reservation);

        assert!(budget.used().by_peer.is_empty());
    }
}
