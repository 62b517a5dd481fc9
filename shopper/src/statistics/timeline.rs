//! The run as a line of buckets: a second each, or longer ones when the run is long.

use std::time::Duration;

use super::{interval::Interval, latency::percentile};

/// The most buckets that a time line has: when it is full, neighbours become one and the buckets
/// twice as long, so that a run for ever takes no memory for ever.
pub const MAX_BUCKETS: usize = 3600;

/// What happened in one bucket of the time line.
///
/// Percentiles are of the latency from the intended start of the trips that ended in it, zero when
/// none did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Second {
    /// When it begins, since the start of the run.
    pub offset: Duration,
    /// How long it is: a second, or in a long run a multiple.
    pub length: Duration,
    /// Trips per second that the schedule asked for at its end; `None` in the closed model.
    pub target_rate: Option<f64>,
    /// Trips started.
    pub started: u64,
    /// Trips that ended well, or gave up as planned.
    pub completed: u64,
    /// Trips that failed.
    pub failed: u64,
    /// Trips that could not start.
    pub missed: u64,
    /// The median; in a bucket made of several, the mean of theirs by their number of trips.
    pub p50: Duration,
    /// The 90th percentile; in a bucket made of several, that of the worst.
    pub p90: Duration,
    /// The 99th percentile; in a bucket made of several, that of the worst.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Second {
    fn of(interval: &Interval) -> Self {
        let counts = Self {
            started: interval.started,
            completed: interval.finished() - interval.failed(),
            failed: interval.failed(),
            missed: interval.missed,
            ..Self::default()
        };
        if counts.finished() == 0 {
            return counts;
        }
        let percentile = |percent| percentile(&interval.latency.corrected, percent);
        Self {
            p50: percentile(50.0),
            p90: percentile(90.0),
            p99: percentile(99.0),
            max: percentile(100.0),
            ..counts
        }
    }

    fn finished(&self) -> u64 {
        self.completed + self.failed
    }

    fn join(&mut self, next: &Self) {
        let finished = self.finished() + next.finished();
        if finished > 0 {
            let weight = next.finished() as f64 / finished as f64;
            self.p50 = self.p50.mul_f64(1.0 - weight) + next.p50.mul_f64(weight);
        }
        self.length += next.length;
        self.target_rate = next.target_rate;
        self.started += next.started;
        self.completed += next.completed;
        self.failed += next.failed;
        self.missed += next.missed;
        self.p90 = self.p90.max(next.p90);
        self.p99 = self.p99.max(next.p99);
        self.max = self.max.max(next.max);
    }
}

/// The buckets so far.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    buckets: Vec<Second>,
    /// How many ticks make a bucket now.
    ticks_a_bucket: u32,
    /// How many ticks are in the last bucket.
    ticks_in_last: u32,
}

impl Timeline {
    pub(super) fn new() -> Self {
        Self { buckets: Vec::new(), ticks_a_bucket: 1, ticks_in_last: 0 }
    }

    /// Adds what happened since the last call, up to `end` since the start of the run, and
    /// returns it.
    pub(super) fn push(
        &mut self,
        interval: &Interval,
        end: Duration,
        target_rate: Option<f64>,
    ) -> Second {
        let offset = self.buckets.last().map_or(Duration::ZERO, |last| last.offset + last.length);
        let length = end.saturating_sub(offset);
        let second = Second { offset, length, target_rate, ..Second::of(interval) };
        match self.buckets.last_mut() {
            Some(last) if self.ticks_in_last < self.ticks_a_bucket => {
                last.join(&second);
                self.ticks_in_last += 1;
            }
            _ => {
                self.buckets.push(second.clone());
                self.ticks_in_last = 1;
            }
        }
        if self.buckets.len() == MAX_BUCKETS && self.ticks_in_last == self.ticks_a_bucket {
            self.halve();
        }
        second
    }

    fn halve(&mut self) {
        let pairs = self.buckets.chunks(2).map(|pair| {
            let mut joined = pair[0].clone();
            pair[1..].iter().for_each(|next| joined.join(next));
            joined
        });
        self.buckets = pairs.collect();
        self.ticks_a_bucket *= 2;
        self.ticks_in_last = self.ticks_a_bucket;
    }

    pub(super) fn buckets(&self) -> &[Second] {
        &self.buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_keeps_every_trip_in_few_buckets() {
        let mut timeline = Timeline::new();
        let mut second = Interval::new();
        second.started = 3;
        for end in 1..=20_000 {
            timeline.push(&second, Duration::from_secs(end), Some(3.0));
        }
        let buckets = timeline.buckets();
        assert!(buckets.len() < MAX_BUCKETS);
        assert_eq!(buckets.iter().map(|bucket| bucket.started).sum::<u64>(), 60_000);
        assert_eq!(buckets.iter().map(|bucket| bucket.length.as_secs()).sum::<u64>(), 20_000);
        let gapless = buckets.windows(2).all(|two| two[0].offset + two[0].length == two[1].offset);
        assert!(gapless);
    }

    #[test]
    fn a_short_run_has_a_bucket_each_second() {
        let mut timeline = Timeline::new();
        for end in 1..=90 {
            timeline.push(&Interval::new(), Duration::from_secs(end), None);
        }
        assert_eq!(timeline.buckets().len(), 90);
        assert!(timeline.buckets().iter().all(|bucket| bucket.length == Duration::from_secs(1)));
    }

    #[test]
    fn joined_buckets_keep_the_worst_and_the_middle() {
        let second = |completed, ms| Second {
            completed,
            p50: Duration::from_millis(ms),
            p99: Duration::from_millis(ms * 2),
            ..Second::default()
        };
        let mut joined = second(30, 10);
        joined.join(&second(10, 50));
        joined.join(&second(0, 0));
        assert_eq!(
            joined,
            Second { completed: 40, p99: Duration::from_millis(100), ..second(40, 20) }
        );
    }
}
