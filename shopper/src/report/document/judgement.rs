//! What a run is held against: assertions, and an earlier run.

use serde::{Deserialize, Serialize};

/// One assertion and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was asserted, such as `p99<50ms`.
    pub assertion: String,
    /// What was measured, with its unit.
    pub measured: String,
    /// Whether it holds.
    pub passed: bool,
}

/// How a run differs from an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// When the earlier run started, as RFC 3339 in UTC.
    pub earlier_started_at: String,
    /// Settings that are not the same, so that a difference may come from them.
    pub settings: Vec<String>,
    /// The metrics that both runs have.
    pub differences: Vec<Difference>,
}

/// A metric in two runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The metric; one of a step stands behind the name of the step, such as `checkout p99`.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// What it was in the earlier run.
    pub before: f64,
    /// What it is in this one.
    pub after: f64,
    /// How much more it is now, in percent of what it was; none when that was 0.
    pub percent: Option<f64>,
    /// Whether that is for the better.
    pub direction: Direction,
}

/// Which way a metric went.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// As it should go.
    Better,
    /// Not at all.
    Same,
    /// As it should not.
    Worse,
}

/// The unit of a compared metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Microseconds.
    Us,
    /// Per second.
    PerS,
    /// A part of a whole, 0 to 1.
    Share,
}
