//! A distribution of durations, twice: as its users felt it, and as the store served it.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest duration that is told from longer ones: what takes longer counts as this long.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// Significant decimal digits kept of every duration.
const SIGNIFICANT_DIGITS: u8 = 3;

/// How long something took, in microseconds with three significant digits.
#[derive(Clone, Debug)]
pub struct Latency {
    /// From the moment it should have started: whatever held it up counts.
    pub corrected: Histogram<u64>,
    /// From the moment it did start.
    pub service: Histogram<u64>,
}

impl Latency {
    /// A distribution of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { corrected: histogram(), service: histogram() }
    }

    /// Adds something that took `service` and started `delay` late.
    pub(super) fn record(&mut self, service: Duration, delay: Duration) {
        record(&mut self.corrected, service + delay);
        record(&mut self.service, service);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        merge(&mut self.corrected, &other.corrected);
        merge(&mut self.service, &other.service);
    }

    pub(super) fn clear(&mut self) {
        clear(&mut self.corrected);
        clear(&mut self.service);
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

/// An empty histogram of microseconds. All have the same bounds, so each can be added to each.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST.as_micros() as u64, SIGNIFICANT_DIGITS)
        .expect("the bounds are constants that HdrHistogram accepts")
}

/// Adds one duration. Never allocates.
pub(super) fn record(histogram: &mut Histogram<u64>, duration: Duration) {
    histogram.saturating_record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
}

/// Adds all durations of another histogram.
pub(super) fn merge(histogram: &mut Histogram<u64>, other: &Histogram<u64>) {
    // Most steps and kinds have nothing to add in most seconds.
    if !other.is_empty() {
        histogram.add(other).expect("all histograms have the same bounds");
    }
}

/// Forgets all durations; keeps the memory.
pub(super) fn clear(histogram: &mut Histogram<u64>) {
    if !histogram.is_empty() {
        histogram.reset();
    }
}

/// The duration that `percent` of all are not longer than; zero when there are none.
pub(super) fn percentile(histogram: &Histogram<u64>, percent: f64) -> Duration {
    Duration::from_micros(histogram.value_at_percentile(percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_digits() {
        let mut histogram = histogram();
        for ms in 1..=1000 {
            record(&mut histogram, Duration::from_millis(ms));
        }
        let p99 = percentile(&histogram, 99.0).as_secs_f64();
        assert!((p99 / 0.990 - 1.0).abs() < 0.001, "{p99}");
    }

    #[test]
    fn a_duration_without_end_counts_as_the_longest() {
        let mut histogram = histogram();
        record(&mut histogram, Duration::MAX);
        record(&mut histogram, Duration::ZERO);
        assert!(percentile(&histogram, 100.0) >= LONGEST);
        assert_eq!(histogram.len(), 2);
    }
}
