//! How long things took: a few figures, and the shape for charts.

use serde::{Deserialize, Serialize};

/// A latency, measured both ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latencies {
    /// From the intended start: what a user would have waited.
    pub corrected: Percentiles,
    /// From the real start: what the service took.
    pub service: Percentiles,
}

/// A distribution in a few figures, in whole microseconds; all 0 when `count` is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many values there are.
    pub count: u64,
    /// The smallest.
    pub min_us: u64,
    /// The mean.
    pub mean_us: u64,
    /// The median.
    pub p50_us: u64,
    /// The 90th percentile.
    pub p90_us: u64,
    /// The 95th percentile.
    pub p95_us: u64,
    /// The 99th percentile.
    pub p99_us: u64,
    /// The 99.9th percentile.
    pub p99_9_us: u64,
    /// The largest.
    pub max_us: u64,
}

/// The shape of the trips' latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// The percentile curve from the intended start.
    pub corrected: Vec<Quantile>,
    /// The percentile curve from the real start.
    pub service: Vec<Quantile>,
    /// The histogram from the intended start, ten buckets a decade, without gaps.
    pub histogram: Vec<Bucket>,
}

/// A point of a percentile curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// The percentile, 0 to 100.
    pub percentile: f64,
    /// That share of the values is at most this, in microseconds.
    pub us: u64,
}

/// A bucket of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its lower bound, in microseconds, inclusive.
    pub from_us: u64,
    /// Its upper bound, in microseconds, exclusive.
    pub to_us: u64,
    /// Values within.
    pub count: u64,
}
