//! What happened to operations and actors over time, read from the [monitor](crate::store::monitor):
//! copied under a short lock, and added up afterwards for one stretch of time after the other.

use std::ops::Range;

use crate::answer::{Answer, Failure};
use crate::ingest::SharedStore;
use crate::store::monitor::sketch::{Distribution, Sketch};
use crate::store::monitor::{Bucket, Monitor, SLOT, SLOTS, Series};

/// The most that the history of several series can take, in bytes.
const MOST_BYTES: usize = (SLOTS as usize + 2) * (size_of::<Bucket>() + 3 * Sketch::MOST_BYTES);

/// What happened, slot by slot.
#[derive(Debug, Default)]
pub(crate) struct History(Vec<Bucket>);

/// What happened in a stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) errors: u64,
    /// Nanoseconds.
    pub(crate) total: u128,
    /// Nanoseconds that messages have waited.
    pub(crate) waited: u128,
    pub(crate) batch_count: u64,
    pub(crate) batched: u128,
}

impl History {
    /// What happened in these slots to the series that `pick` picks, all together. Its memory is
    /// reserved beside the `held` bytes that the answer has taken already.
    ///
    /// # Errors
    ///
    /// 503, when all readers together would hold more than they may.
    pub(crate) fn read(
        answer: &mut Answer,
        held: usize,
        store: &SharedStore,
        slots: &Range<u64>,
        pick: impl for<'m> FnOnce(&'m Monitor) -> Vec<&'m Series>,
    ) -> Result<Self, Failure> {
        let store = store.read();
        let series = pick(&store.monitor);
        match series.as_slice() {
            [] => Ok(Self::default()),
            [one] => {
                answer.hold(held + one.bytes())?;
                Ok(Self(one.between(slots.start, slots.end).cloned().collect()))
            }
            several => {
                let bytes: usize = several.iter().map(|series| series.bytes()).sum();
                answer.hold(held + bytes.min(MOST_BYTES))?;
                let mut merged: Vec<Bucket> = Vec::new();
                for bucket in several.iter().flat_map(|one| one.between(slots.start, slots.end)) {
                    match merged.binary_search_by_key(&bucket.slot, |known| known.slot) {
                        Ok(at) => merged[at].merge(bucket),
                        Err(at) => merged.insert(at, bucket.clone()),
                    }
                }
                Ok(Self(merged))
            }
        }
    }

    /// The first slot in which anything happened.
    pub(crate) fn first(&self) -> Option<u64> {
        self.0.first().map(|bucket| bucket.slot)
    }

    /// What happened in these slots.
    pub(crate) fn of(&self, slots: Range<u64>) -> &[Bucket] {
        let at = |slot| self.0.partition_point(|bucket| bucket.slot < slot);
        &self.0[at(slots.start)..at(slots.end).max(at(slots.start))]
    }
}

impl Tally {
    /// Everything in `buckets` together.
    pub(crate) fn of(buckets: &[Bucket]) -> Self {
        let mut tally = Self::default();
        for bucket in buckets {
            tally.count += bucket.count;
            tally.errors += bucket.errors;
            tally.total += bucket.total;
            if let Some(mailbox) = &bucket.mailbox {
                tally.waited += mailbox.waited;
                tally.batch_count += mailbox.batch_count;
                tally.batched += mailbox.batched;
            }
        }
        tally
    }
}

/// The sketches that `which` finds in `buckets`, added up in `sum`.
pub(crate) fn add_up<'b>(
    sum: &mut Distribution,
    buckets: &'b [Bucket],
    which: impl Fn(&'b Bucket) -> Option<&'b Sketch>,
) {
    sum.clear();
    buckets.iter().filter_map(which).for_each(|sketch| sum.add(sketch));
}

/// The seconds of `slots` from the moment `from` on, as far as they have passed at `now`; both in
/// nanoseconds since the epoch. It is one at least, since a rate over no time is none.
pub(crate) fn seconds(from: u64, slots: &Range<u64>, now: u64) -> f64 {
    let end = slots.end.saturating_mul(SLOT).min(now);
    let start = slots.start.saturating_mul(SLOT).max(from);
    (end.saturating_sub(start) as f64 / 1e9).max(1.0)
}
