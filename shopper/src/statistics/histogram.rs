//! A distribution of durations, with an exact minimum and maximum.

use std::{borrow::Cow, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2Serializer},
};

use crate::result;

/// The longest duration that percentiles can show: longer ones count as this long there. The
/// maximum and the mean are exact for any duration.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// Significant decimal digits kept of every duration.
const SIGNIFICANT_DIGITS: u8 = 3;

/// How many bytes come before the counts in the encoding V2 of an HdrHistogram: what it is, the length of
/// the counts, and the bounds. See <https://github.com/HdrHistogram/HdrHistogram>.
const HEADER_BYTES: usize = 40;

/// Where in the header the length of the counts is.
const LENGTH: std::ops::Range<usize> = 4..8;

/// The longest text of a histogram that is read: each count takes nine bytes at most, and base64 makes
/// four characters of three bytes.
const LONGEST_TEXT: usize = 300_000;

/// So many durations are kept as they are, before they are counted in buckets.
const FEW: usize = 64;

/// Durations: their percentiles to three digits, their count, minimum, maximum and mean exactly.
///
/// The exact figures are kept beside the HdrHistogram, which knows of a value only its bucket and
/// reports the upper bound of that: a maximum of 413 ms where the slowest took 412.
///
/// A histogram has more than 20,000 buckets, and adding it to another or emptying it goes through all of them,
/// each second and for each step and kind of trip. So the durations of a slow run, of which there are few in a
/// second, are kept in a list.
#[derive(Clone, Debug)]
pub(crate) struct Durations {
    /// All durations in microseconds, as long as they are no more than [`FEW`]. Afterwards it is empty.
    few: Vec<u64>,
    /// All durations, once they are more. All histograms have the same bounds, so that they can be added to each
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
        let few = Vec::with_capacity(FEW);
        Self { few, buckets, min: Duration::MAX, max: Duration::ZERO, sum_ns: 0 }
    }

    /// Adds one duration. Never allocates.
    pub(crate) fn record(&mut self, duration: Duration) {
        self.count_in(micros(duration));
        self.min = self.min.min(duration);
        self.max = self.max.max(duration);
        self.sum_ns += duration.as_nanos();
    }

    /// Adds all durations of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        // Most steps and kinds have nothing to add in most seconds.
        if other.count() == 0 {
            return;
        }
        other.few.iter().for_each(|us| self.count_in(*us));
        if !other.buckets.is_empty() {
            self.fill_buckets();
            self.buckets.add(&other.buckets).expect("all histograms have the same bounds");
        }
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
    }

    /// Counts a duration of so many microseconds.
    fn count_in(&mut self, us: u64) {
        // The buckets decide as what a duration counts that is longer than the longest.
        let is_few = self.few.len() < FEW && u128::from(us) <= LONGEST.as_micros();
        if is_few && self.buckets.is_empty() {
            self.few.push(us);
        } else {
            self.fill_buckets();
            self.buckets.saturating_record(us);
        }
    }

    /// Counts in the buckets what was kept in the list.
    fn fill_buckets(&mut self) {
        self.few.drain(..).for_each(|us| self.buckets.saturating_record(us));
    }

    /// The buckets with all durations.
    fn buckets(&self) -> Cow<'_, Histogram<u64>> {
        if self.few.is_empty() {
            return Cow::Borrowed(&self.buckets);
        }
        let mut all = self.clone();
        all.fill_buckets();
        Cow::Owned(all.buckets)
    }

    /// Removes all durations, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        if !self.buckets.is_empty() {
            self.buckets.reset();
        }
        self.few.clear();
        (self.min, self.max, self.sum_ns) = (Duration::MAX, Duration::ZERO, 0);
    }

    pub(crate) fn count(&self) -> u64 {
        self.few.len() as u64 + self.buckets.len()
    }

    /// The duration that `percent` of all durations do not exceed, in microseconds; `None` if there
    /// are none.
    pub(crate) fn percentile_us(&self, percent: f64) -> Option<u64> {
        let us = match self.few.is_empty() {
            true => self.buckets.value_at_percentile(percent),
            false => self.percentile_of_few(percent),
        };
        (self.count() > 0).then(|| self.within(us))
    }

    /// What [`Histogram::value_at_percentile`] would find in the buckets.
    fn percentile_of_few(&self, percent: f64) -> u64 {
        let mut few = self.few.clone();
        few.sort_unstable();
        let quantile = (percent / 100.0).min(1.0);
        let rank = (quantile * few.len() as f64).ceil() as usize;
        let us = few[rank.clamp(1, few.len()) - 1];
        match quantile {
            0.0 => self.buckets.lowest_equivalent(us),
            _ => self.buckets.highest_equivalent(us),
        }
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
        let buckets = self.buckets();
        let curve = buckets
            .iter_quantiles(points)
            .map(|at| (at.quantile_iterated_to() * 100.0, self.within(at.value_iterated_to())));
        curve.collect::<Vec<_>>().into_iter()
    }

    /// Durations in microseconds and how many there are of each, shortest first.
    pub(crate) fn recorded(&self) -> impl Iterator<Item = (u64, u64)> {
        let buckets = self.buckets();
        let recorded = buckets
            .iter_recorded()
            .map(|at| (self.within(at.value_iterated_to()), at.count_since_last_iteration()));
        recorded.collect::<Vec<_>>().into_iter()
    }

    /// All of it for a report; `None` if there are no durations.
    pub(crate) fn stored(&self) -> Option<result::Histogram> {
        Some(result::Histogram {
            v2: STANDARD.encode(encode(&self.buckets())),
            min_us: self.min_us()?,
            max_us: self.max_us()?,
            sum_ns: self.sum_ns,
        })
    }

    /// The durations that a report has, or what is wrong with them.
    pub(crate) fn restore(stored: Option<&result::Histogram>) -> Result<Self, &'static str> {
        let Some(stored) = stored else { return Ok(Self::new()) };
        if stored.v2.len() > LONGEST_TEXT {
            return Err("is longer than a histogram of a shopper");
        }
        let bytes = STANDARD.decode(&stored.v2).map_err(|_| "is not in base64")?;
        let empty = encode(&Self::new().buckets);
        let (Some(header), Some(counts)) = (bytes.get(..HEADER_BYTES), bytes.get(HEADER_BYTES..))
        else {
            return Err("ends too early");
        };
        // The reader takes memory for the bounds that are in the header, so they are compared first.
        let is_same = (0..HEADER_BYTES).all(|at| LENGTH.contains(&at) || header[at] == empty[at]);
        if !is_same {
            return Err("is not an HdrHistogram V2 of 1 us to an hour with three digits");
        }
        if header[LENGTH] != u32::try_from(counts.len()).unwrap_or(u32::MAX).to_be_bytes() {
            return Err("is shorter or longer than it says");
        }
        let buckets: Histogram<u64> =
            Deserializer::new().deserialize(&mut &bytes[..]).map_err(|_| "has wrong counts")?;
        if buckets.is_empty() || stored.min_us > stored.max_us {
            return Err("has no values, or ends that are in the wrong order");
        }
        let (min, max) =
            (Duration::from_micros(stored.min_us), Duration::from_micros(stored.max_us));
        Ok(Self { few: Vec::new(), buckets, min, max, sum_ns: stored.sum_ns })
    }

    /// Limits the bound of a bucket to the shortest and longest duration that was recorded.
    fn within(&self, us: u64) -> u64 {
        us.min(micros(self.max)).max(micros(self.min))
    }
}

/// A histogram in the encoding V2.
fn encode(buckets: &Histogram<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    V2Serializer::new()
        .serialize(buckets, &mut bytes)
        .expect("memory takes all bytes, and no count reaches 2^63");
    bytes
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

    proptest! {
        #[test]
        fn a_list_of_few_says_what_its_buckets_say(
            ns in prop::collection::vec(0_u64..5_000_000_000_000, 1..2 * FEW),
            percents in prop::collection::vec(0_f64..101.0, 1..20),
        ) {
            let mut listed = Durations::new();
            ns.iter().for_each(|ns| listed.record(Duration::from_nanos(*ns)));
            let mut counted = listed.clone();
            counted.fill_buckets();
            prop_assert_eq!(counted.count(), ns.len() as u64);
            prop_assert_eq!(listed.count(), counted.count());
            for percent in percents.into_iter().chain([0.0, 50.0, 99.9, 100.0]) {
                prop_assert_eq!(listed.percentile_us(percent), counted.percentile_us(percent));
            }
            prop_assert_eq!(listed.stored(), counted.stored());
            prop_assert!(listed.curve(5).eq(counted.curve(5)));
            prop_assert!(listed.recorded().eq(counted.recorded()));
            let (mut merged, mut twice) = (counted.clone(), listed.clone());
            merged.merge(&listed);
            twice.merge(&counted);
            prop_assert_eq!(merged.count(), 2 * counted.count());
            prop_assert_eq!(merged.stored(), twice.stored());
            listed.clear();
            prop_assert_eq!((listed.count(), listed.max_us(), listed.stored()), (0, None, None));
        }

        #[test]
        fn what_is_stored_is_restored_and_merges_as_if_one_had_recorded_all(
            parts in prop::collection::vec(
                prop::collection::vec(0_u64..5_000_000_000_000, 0..60), 1..5),
        ) {
            let (mut one, mut merged) = (Durations::new(), Durations::new());
            for part in &parts {
                let mut durations = Durations::new();
                for ns in part {
                    one.record(Duration::from_nanos(*ns));
                    durations.record(Duration::from_nanos(*ns));
                }
                let stored = durations.stored();
                prop_assert_eq!(stored.is_none(), part.is_empty());
                merged.merge(&Durations::restore(stored.as_ref()).unwrap());
            }
            prop_assert_eq!(merged.stored(), one.stored());
            prop_assert_eq!(merged.count(), one.count());
            prop_assert_eq!(merged.mean_us(), one.mean_us());
            prop_assert!(merged.curve(5).eq(one.curve(5)));
            for percent in [0.0, 50.0, 90.0, 99.0, 99.9, 100.0] {
                prop_assert_eq!(merged.percentile_us(percent), one.percentile_us(percent));
            }
        }

        #[test]
        fn a_histogram_of_a_stranger_is_read_or_refused(
            counts in prop::collection::vec(any::<u8>(), 0..200),
            length in prop::option::of(any::<u32>()),
            changed in prop::option::of((0_usize..HEADER_BYTES, any::<u8>())),
        ) {
            let mut bytes = encode(&Durations::new().buckets)[..HEADER_BYTES].to_vec();
            bytes[LENGTH].copy_from_slice(&length.unwrap_or(counts.len() as u32).to_be_bytes());
            bytes.extend(counts);
            if let Some((at, byte)) = changed {
                bytes[at] = byte;
            }
            let v2 = STANDARD.encode(bytes);
            let stored = result::Histogram { v2, min_us: 5, max_us: 500, sum_ns: 7 };
            if let Ok(durations) = Durations::restore(Some(&stored)) {
                prop_assert!(durations.count() > 0);
                let mut twice = durations.clone();
                twice.merge(&durations);
                prop_assert!(twice.percentile_us(99.0).is_some());
            }
        }
    }

    #[test]
    fn what_is_no_histogram_of_a_shopper_is_refused_and_it_is_said_why() {
        let mut durations = Durations::new();
        durations.record(Duration::from_millis(3));
        let good = durations.stored().unwrap();
        let with = |v2: String| result::Histogram { v2, ..good.clone() };
        let other = Histogram::new_with_bounds(1, u64::MAX, 5).unwrap();
        let empty = encode(&Durations::new().buckets);
        for (stored, problem) in [
            (with("A".repeat(LONGEST_TEXT + 1)), "is longer than a histogram of a shopper"),
            (with("?".to_owned()), "is not in base64"),
            (with("AAAA".to_owned()), "ends too early"),
            (
                with(STANDARD.encode(encode(&other))),
                "is not an HdrHistogram V2 of 1 us to an hour with three digits",
            ),
            (with(good.v2.clone() + "AAAA"), "is not in base64"),
            (
                with(STANDARD.encode([encode(&durations.buckets()), vec![2]].concat())),
                "is shorter or longer than it says",
            ),
            (with(STANDARD.encode(&empty)), "has no values, or ends that are in the wrong order"),
            (
                result::Histogram { min_us: 4000, ..good.clone() },
                "has no values, or ends that are in the wrong order",
            ),
        ] {
            assert_eq!(Durations::restore(Some(&stored)).unwrap_err(), problem);
        }
        assert_eq!(Durations::restore(Some(&good)).unwrap().stored(), Some(good));
    }

    #[test]
    fn the_largest_histogram_is_not_longer_than_what_is_read() {
        let mut durations = Durations::new();
        let mut us = 1;
        while us < LONGEST.as_micros() as u64 {
            durations.buckets.record_n(us, 1 << 50).unwrap();
            us = durations.buckets.next_non_equivalent(us);
        }
        (durations.min, durations.max) = (Duration::from_micros(1), LONGEST);
        let stored = durations.stored().unwrap();
        assert!(stored.v2.len() <= LONGEST_TEXT, "{}", stored.v2.len());
        assert_eq!(Durations::restore(Some(&stored)).unwrap().stored(), Some(stored));
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
