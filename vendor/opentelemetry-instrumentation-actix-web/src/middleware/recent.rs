//! What was made of the last few texts: most requests have one of the same.

use std::{borrow::Borrow, cell::RefCell};

/// How many are kept.
const KEPT: usize = 8;

/// The values that were made of the last few keys.
#[derive(Debug)]
pub(super) struct Recent<K, V>(RefCell<Ring<K, V>>);

/// Pairs in a ring: when it is full, a new one takes the place of the oldest.
#[derive(Debug)]
struct Ring<K, V> {
    values: Vec<(K, V)>,
    /// Which the next one replaces, once it is full.
    oldest: usize,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(RefCell::new(Ring { values: Vec::new(), oldest: 0 }))
    }
}

impl<K, V: Clone> Recent<K, V> {
    /// The value of this key. `make` makes both if the key was not among the last.
    pub(super) fn get<Q: PartialEq + ?Sized>(&self, key: &Q, make: impl FnOnce() -> (K, V)) -> V
    where
        K: Borrow<Q>,
    {
        self.find(|kept| kept.borrow() == key, make)
    }

    /// The value of the key that is the one that is looked for. `make` makes both if it was not among the last.
    pub(super) fn find(&self, is_it: impl Fn(&K) -> bool, make: impl FnOnce() -> (K, V)) -> V {
        let found = (self.0.borrow().values.iter())
            .find(|(kept, _)| is_it(kept))
            .map(|(_, value)| value.clone());
        found.unwrap_or_else(|| {
            let made = make();
            let value = made.1.clone();
            let mut ring = self.0.borrow_mut();
            if ring.values.len() < KEPT {
                ring.values.push(made);
            } else {
                let oldest = ring.oldest;
                ring.values[oldest] = made;
                ring.oldest = (oldest + 1) % KEPT;
            }
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_few_are_made_once() {
        let recent = Recent::<String, usize>::default();
        let made = RefCell::new(0);
        let get = |key: &str| {
            recent.get(key, || {
                *made.borrow_mut() += 1;
                (key.to_owned(), key.len())
            })
        };
        let keys: Vec<_> = (1..=KEPT).map(|length| "k".repeat(length)).collect();
        for _ in 0..2 {
            for key in &keys {
                assert_eq!(get(key), key.len());
            }
        }
        assert_eq!(*made.borrow(), KEPT);
        assert_eq!((get("another"), get(&keys[1]), *made.borrow()), (7, 2, KEPT + 1));
        assert_eq!((get(&keys[0]), *made.borrow()), (1, KEPT + 2), "it was replaced");
    }
}
