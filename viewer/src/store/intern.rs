//! One copy of everything that repeats. Senders say the same few keys, names and resources over
//! and over: kept once, a span costs a fraction of its size on the wire.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use super::footprint::Footprint;

/// A set of shared values. What nobody refers to any more goes at the next [`sweep`](Self::sweep),
/// so a sender of ever new names cannot make it grow past what the store itself may hold.
#[derive(Debug)]
pub(crate) struct Interner<T: ?Sized + Hash + Eq> {
    held: HashSet<Arc<T>>,
    bytes: usize,
}

impl<T: ?Sized + Hash + Eq> Default for Interner<T> {
    fn default() -> Self {
        Self { held: HashSet::new(), bytes: 0 }
    }
}

impl<T: ?Sized + Hash + Eq + Footprint> Interner<T> {
    /// The shared copy of `value`.
    pub(crate) fn intern<V>(&mut self, value: V) -> Arc<T>
    where
        V: AsRef<T> + Into<Arc<T>>,
    {
        if let Some(held) = self.held.get(value.as_ref()) {
            return Arc::clone(held);
        }
        let shared: Arc<T> = value.into();
        self.bytes += shared.footprint() + PER_ENTRY;
        self.held.insert(Arc::clone(&shared));
        shared
    }

    /// Lets go of what only this set still holds.
    pub(crate) fn sweep(&mut self) {
        self.held.retain(|shared| Arc::strong_count(shared) > 1);
        self.held.shrink_to(self.held.len() * 2);
        self.bytes = self.held.iter().map(|shared| shared.footprint() + PER_ENTRY).sum();
    }

    /// An estimate of what it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The entry in the set and the two counts of the `Arc`.
const PER_ENTRY: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_one_copy() {
        let mut names = Interner::<str>::default();

        let (one, two) = (names.intern("GET"), names.intern(String::from("GET")));

        assert!(Arc::ptr_eq(&one, &two));
    }

    #[test]
    fn a_sweep_lets_go_of_what_nobody_else_holds() {
        let mut names = Interner::<str>::default();
        let kept = names.intern("kept");
        drop(names.intern("dropped"));
        let before = names.bytes();

        names.sweep();

        assert!(names.bytes() < before);
        assert!(Arc::ptr_eq(&kept, &names.intern("kept")));
        drop(kept);
        names.sweep();
        assert_eq!(names.bytes(), 0);
    }
}
