//! A distribution of whole numbers in little memory, whose percentiles are right to within a known
//! share, and which can be added to another and taken away from it without any loss.
//!
//! Bins are those of HdrHistogram: each power of two is divided into [`PARTS`] bins of one width. A
//! value is off from the middle of its bin by at most half of that width, which is at most
//! [`RELATIVE_ERROR`] of the value. So every sketch has the same bins, and to merge two is to add
//! their counts.

use crate::store::footprint::heap;

/// How many bits of a value tell its bin within a power of two.
const BITS: u32 = 5;
/// Bins in each power of two.
const PARTS: u64 = 1 << BITS;
/// Bins that there are for all values of 64 bits.
const BINS: usize = (64 - BITS as usize + 1) << BITS;

/// How far a percentile may be from the true one, as a share of it.
pub(crate) const RELATIVE_ERROR: f64 = 0.5 / PARTS as f64;

/// Which bin has `value`.
fn bin_of(value: u64) -> u16 {
    if value < PARTS {
        return value as u16;
    }
    // The first bit that is set, and the BITS after it.
    let shift = value.ilog2() - BITS;
    ((u64::from(shift) << BITS) + (value >> shift)) as u16
}

/// The value that stands for all of a bin: its middle.
fn middle_of(bin: usize) -> u64 {
    let bin = bin as u64;
    if bin < 2 * PARTS {
        return bin;
    }
    let shift = (bin >> BITS) - 1;
    let lowest = ((bin & (PARTS - 1)) | PARTS) << shift;
    lowest + (1 << (shift - 1))
}

/// How many values are in a bin.
#[derive(Clone, Copy, Debug)]
struct Bin {
    index: u16,
    count: u32,
}

/// The bins that have values, by their index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sketch(Vec<Bin>);

impl Sketch {
    /// Adds a value.
    pub(crate) fn add(&mut self, value: u64) {
        let index = bin_of(value);
        match self.place(index) {
            Ok(at) => self.0[at].count = self.0[at].count.saturating_add(1),
            Err(at) => self.0.insert(at, Bin { index, count: 1 }),
        }
    }

    /// Takes a value away that was added; nothing, if there is none in its bin.
    pub(crate) fn take(&mut self, value: u64) {
        if let Ok(at) = self.place(bin_of(value)) {
            let count = &mut self.0[at].count;
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(at);
            }
        }
    }

    /// Adds all that is in `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        for bin in &other.0 {
            match self.place(bin.index) {
                Ok(at) => self.0[at].count = self.0[at].count.saturating_add(bin.count),
                Err(at) => self.0.insert(at, *bin),
            }
        }
    }

    /// The most bytes that the bins can take, with room for as many more.
    pub(crate) const MOST_BYTES: usize = 2 * BINS * size_of::<Bin>();

    /// The bytes that the bins take.
    pub(crate) fn bytes(&self) -> usize {
        heap(self.0.capacity() * size_of::<Bin>())
    }

    fn place(&self, index: u16) -> Result<usize, usize> {
        self.0.binary_search_by_key(&index, |bin| bin.index)
    }
}

/// Several sketches added up.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    counts: Box<[u64]>,
    count: u64,
    /// The bins with values are among these.
    first: usize,
    end: usize,
}

impl Default for Distribution {
    fn default() -> Self {
        Self { counts: vec![0; BINS].into(), count: 0, first: BINS, end: 0 }
    }
}

impl Distribution {
    /// What one takes in memory.
    pub(crate) const BYTES: usize = BINS * size_of::<u64>();

    /// Adds all that is in `sketch`.
    pub(crate) fn add(&mut self, sketch: &Sketch) {
        for bin in &sketch.0 {
            let index = usize::from(bin.index);
            self.counts[index] += u64::from(bin.count);
            self.count += u64::from(bin.count);
            self.first = self.first.min(index);
            self.end = self.end.max(index + 1);
        }
    }

    /// Takes away what was added of `sketch`.
    pub(crate) fn take(&mut self, sketch: &Sketch) {
        for bin in &sketch.0 {
            self.counts[usize::from(bin.index)] -= u64::from(bin.count);
            self.count -= u64::from(bin.count);
        }
    }

    /// Takes everything away.
    pub(crate) fn clear(&mut self) {
        if self.first < self.end {
            self.counts[self.first..self.end].fill(0);
        }
        (self.count, self.first, self.end) = (0, BINS, 0);
    }

    /// The value that a share of all values, `quantile`, does not exceed: the nearest rank. `None`
    /// when there are no values.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let rank = (quantile.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for index in self.first..self.end {
            seen += self.counts[index];
            if seen >= rank {
                return Some(middle_of(index));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|&value| sketch.add(value));
        sketch
    }

    fn of(sketches: &[&Sketch]) -> Distribution {
        let mut distribution = Distribution::default();
        sketches.iter().for_each(|sketch| distribution.add(sketch));
        distribution
    }

    const QUANTILES: [f64; 6] = [0.0, 0.25, 0.5, 0.95, 0.99, 1.0];

    /// Values of every size: nanoseconds and centuries.
    fn values(most: usize) -> impl Strategy<Value = Vec<u64>> {
        let value = (any::<u64>(), 0..64u32).prop_map(|(value, shift)| value >> shift);
        prop::collection::vec(value, 1..most)
    }

    #[test]
    fn every_value_lies_in_its_bin_and_every_bin_is_used() {
        for value in [0, 1, 31, 32, 63, 64, 65, 1_000, u64::MAX / 2, u64::MAX] {
            let middle = middle_of(usize::from(bin_of(value)));
            let off = middle.abs_diff(value) as f64;
            assert!(off <= RELATIVE_ERROR * value as f64, "{value} is {middle}");
        }
        assert_eq!(usize::from(bin_of(u64::MAX)), BINS - 1);
        assert!((0..BINS).all(|bin| usize::from(bin_of(middle_of(bin))) == bin));
    }

    proptest! {
        #[test]
        fn percentiles_are_within_the_error_of_the_exact_ones(mut values in values(300)) {
            let distribution = of(&[&sketch(&values)]);
            values.sort_unstable();

            for quantile in QUANTILES {
                let rank = (quantile * values.len() as f64).ceil().max(1.0) as usize;
                let exact = values[rank - 1];
                let told = distribution.quantile(quantile).expect("a value");
                let off = told.abs_diff(exact) as f64;
                prop_assert!(off <= RELATIVE_ERROR * exact as f64, "{quantile}: {told} for {exact}");
            }
        }

        #[test]
        fn merging_is_adding_and_taking_away_undoes_it(one in values(100), two in values(100)) {
            let (first, second) = (sketch(&one), sketch(&two));
            let both = of(&[&sketch(&[one.clone(), two.clone()].concat())]);

            let mut sum = first.clone();
            sum.merge(&second);
            let mut merged = of(&[&first, &second]);
            prop_assert_eq!(&merged.counts, &both.counts);
            prop_assert_eq!(&of(&[&sum]).counts, &both.counts);

            merged.take(&second);
            prop_assert_eq!(&merged.counts, &of(&[&first]).counts);
            for quantile in QUANTILES {
                prop_assert_eq!(merged.quantile(quantile), of(&[&first]).quantile(quantile));
            }

            let mut emptied = first;
            one.iter().for_each(|&value| emptied.take(value));
            prop_assert!(emptied.0.is_empty());
        }
    }

    #[test]
    fn no_values_have_no_percentile_and_what_was_never_added_is_not_taken_away() {
        let mut empty = Sketch::default();
        empty.take(7);

        assert_eq!(of(&[&empty]).quantile(0.5), None);
        let mut cleared = of(&[&sketch(&[5, 6])]);
        cleared.clear();
        assert_eq!((cleared.count, cleared.quantile(0.5)), (0, None));
    }
}
