//! A distribution of durations, with an exact minimum and maximum.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest duration that percentiles can show: longer ones count as this long there. The
/// maximum and the mean are exact for any duration.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// Significant decimal digits kept of every duration.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Durations: their percentiles to three digits, their count, minimum, maximum and mean exactly.
///
/// The exact figures are kept beside the HdrHistogram, which knows of a value only its bucket and
/// reports the upper bound of that: a maximum of 413 ms where the slowest took 412.
#[derive(Clone, Debug)]
pub(crate) struct Durations {
    /// In microseconds. All histograms have the same bounds, so that they can be added to each
    /// other.
    buckets: Histogram<u64>,
    min: Duration,
    max: Duration,
    sum_ns: u128,
}

impl Durations {
    pub(crate) fn new() -> Self {
        let buckets = Histogram::new_with_bounds(1, LONGEST.as_micros() as u64, SIGNIFICANT_DIGITS)
            .expect("the bounds are constants that HdrHistogram accepts");
        Self { buckets, min: Duration::MAX, max: Duration::ZERO, sum_ns: 0 }
    }

    /// Adds one duration. Never allocates.
    pub(crate) fn record(&mut self, duration: Duration) {
        self.buckets.saturating_record(micros(duration));
        self.min = self.min.min(duration);
        self.max = self.max.max(duration);
        self.sum_ns += duration.as_nanos();
    }

    /// Adds all durations of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        // Most steps and kinds have nothing to add in most seconds.
        if !other.buckets.is_empty() {
            self.buckets.add(&other.buckets).expect("all histograms have the same bounds");
            self.min = self.min.min(other.min);
            self.max = self.max.max(other.max);
            self.sum_ns += other.sum_ns;
        }
    }

    /// Removes all durations, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        if !self.buckets.is_empty() {
            self.buckets.reset();
            (self.min, self.max, self.sum_ns) = (Duration::MAX, Duration::ZERO, 0);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets.len()
    }

    /// The duration that `percent` of all durations do not exceed, in microseconds; `None` if there
    /// are none.
    pub(crate) fn percentile_us(&self, percent: f64) -> Option<u64> {
        let us = self.buckets.value_at_percentile(percent);
        (self.count() > 0).then(|| self.within(us))
    }

    /// The shortest, in microseconds.
    pub(crate) fn min_us(&self) -> Option<u64> {
        (self.count() > 0).then(|| micros(self.min))
    }

    /// The longest, in microseconds.
    pub(crate) fn max_us(&self) -> Option<u64> {
        (self.count() > 0).then(|| micros(self.max))
    }

    /// The mean, in microseconds.
    pub(crate) fn mean_us(&self) -> Option<u64> {
        let mean_ns = self.sum_ns.checked_div(u128::from(self.count()))?;
        Some(u64::try_from((mean_ns + 500) / 1000).unwrap_or(u64::MAX))
    }

    /// The percentile curve: percentiles, each with its duration in microseconds. Between a
    /// percentile and the one half as far from 100, such as 90 and 95, there are `points` of them.
    pub(crate) fn curve(&self, points: u32) -> impl Iterator<Item = (f64, u64)> {
        self.buckets
            .iter_quantiles(points)
            .map(|at| (at.quantile_iterated_to() * 100.0, self.within(at.value_iterated_to())))
    }

    /// Durations in microseconds and how many there are of each, shortest first.
    pub(crate) fn recorded(&self) -> impl Iterator<Item = (u64, u64)> {
        self.buckets
            .iter_recorded()
            .map(|at| (self.within(at.value_iterated_to()), at.count_since_last_iteration()))
    }

    /// Limits the bound of a bucket to the shortest and longest duration that was recorded.
    fn within(&self, us: u64) -> u64 {
        us.min(micros(self.max)).max(micros(self.min))
    }
}

/// A duration in whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_ends_are_exact_and_all_between_has_three_digits(
            mut ns in prop::collection::vec(0_u64..10_000_000_000, 1..200),
            split: prop::sample::Index,
        ) {
            let (mut durations, mut other) = (Durations::new(), Durations::new());
            let (first, second) = ns.split_at(split.index(ns.len()));
            first.iter().for_each(|ns| durations.record(Duration::from_nanos(*ns)));
            second.iter().for_each(|ns| other.record(Duration::from_nanos(*ns)));
            durations.merge(&other);
            let mean = ns.iter().map(|ns| u128::from(*ns)).sum::<u128>() as f64 / ns.len() as f64;
            ns.sort_unstable();
            let us: Vec<_> = ns.iter().map(|ns| ns / 1000).collect();
            prop_assert_eq!(durations.count(), us.len() as u64);
            prop_assert_eq!(durations.min_us(), us.first().copied());
            prop_assert_eq!(durations.max_us(), us.last().copied());
            prop_assert!((durations.mean_us().unwrap() as f64 - mean / 1e3).abs() <= 0.51);
            for percent in [1.0, 50.0, 90.0, 99.0, 99.9, 100.0] {
                let rank = (percent / 100.0 * us.len() as f64 - 1e-9).ceil().max(1.0) as usize;
                let (exact, shown) = (us[rank - 1], durations.percentile_us(percent).unwrap());
                prop_assert!(shown <= *us.last().unwrap(), "{percent}%: {shown} of {us:?}");
                prop_assert!(
                    shown.abs_diff(exact) as f64 <= 1.0 + exact as f64 / 1000.0,
                    "{percent}%: {shown} for {exact}"
                );
            }
            durations.clear();
            prop_assert_eq!((durations.count(), durations.max_us()), (0, None));
        }
    }

    #[test]
    fn durations_keep_three_digits() {
        let mut durations = Durations::new();
        for ms in 1..=1000 {
            durations.record(Duration::from_millis(ms));
        }
        let p99 = durations.percentile_us(99.0).unwrap() as f64 / 1e6;
        assert!((p99 / 0.990 - 1.0).abs() < 0.001, "{p99}");
    }

    #[test]
    fn a_duration_without_end_counts_as_the_longest() {
        let mut durations = Durations::new();
        durations.record(Duration::MAX);
        durations.record(Duration::ZERO);
        assert!(durations.percentile_us(100.0).unwrap() >= LONGEST.as_micros() as u64);
        assert_eq!(durations.count(), 2);
        assert_eq!(durations.max_us(), Some(u64::MAX));
    }
}
