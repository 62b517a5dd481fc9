//! The course of a run: second by second, and the trips in it that are worth a look.

use serde::{Deserialize, Serialize};

/// A stretch of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// When it began, in seconds from the start of the run.
    pub offset_s: f64,
    /// How long it is, in seconds.
    pub length_s: f64,
    /// The rate that the schedule asked for, in trips per second.
    pub target_per_s: Option<f64>,
    /// Trips that set out.
    pub started: u64,
    /// Trips that ended well, or gave up as planned.
    pub completed: u64,
    /// Trips that failed.
    pub failed: u64,
    /// Trips that were due and never set out.
    pub missed: u64,
    /// The median latency of the trips that ended in it, in microseconds; 0 when none did.
    pub p50_us: u64,
    /// Their 90th percentile.
    pub p90_us: u64,
    /// Their 99th percentile.
    pub p99_us: u64,
    /// The slowest of them.
    pub max_us: u64,
}

/// A trip worth a look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlowTrip {
    /// Its latency from the intended start, in microseconds.
    pub latency_us: u64,
    /// When it ended, in seconds from the start of the run.
    pub offset_s: f64,
    /// Its kind.
    pub kind: String,
    /// What failed in it, if anything did.
    pub failure: Option<String>,
    /// Its trace and where to see it, if it was sampled.
    pub trace: Option<Trace>,
}

/// A trace and where to see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// Its page.
    pub url: String,
}
