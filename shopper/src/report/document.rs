//! The report as data: what `--output json` prints and `--compare` reads again.
//!
//! The text, the page and the comparison are all drawn from this one document, so they cannot
//! disagree. Its form is versioned by [`SCHEMA`] and described by `report.schema.json` beside the
//! crate: a field may be added within a version, none may change its meaning or go.

mod course;
mod draw_up;
mod judgement;
mod latency;
#[cfg(test)]
mod tests;

pub use course::{Point, SlowTrip, Trace};
pub use judgement::{Comparison, Difference, Direction, Unit, Verdict};
pub use latency::{Bucket, Distribution, Latencies, Percentiles, Quantile};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the document's form, in its `schema` field.
pub const SCHEMA: &str = "grocery-shopper-report/1";

/// One run of the shopper, from its settings to its slowest trips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// What wrote the document.
    pub generator: Generator,
    /// What was run.
    pub run: Settings,
    /// What became of the trips.
    pub trips: Trips,
    /// How fast trips came.
    pub rate: Rate,
    /// What the trips sent.
    pub requests: Requests,
    /// How long whole trips took.
    pub latency: Latencies,
    /// The shape of the trips' latency, for charts.
    pub distribution: Distribution,
    /// The steps of a trip, in their order.
    pub steps: Vec<Step>,
    /// The kinds of trip.
    pub kinds: Vec<Kind>,
    /// How the trips that did not fail ended, such as `bought`.
    pub outcomes: BTreeMap<String, u64>,
    /// How the others failed: `connect`, `timeout`, a status such as `503`.
    pub failures: BTreeMap<String, u64>,
    /// The run second by second, oldest first; a long run has longer points.
    pub timeline: Vec<Point>,
    /// The slowest trips, slowest first.
    pub slowest: Vec<SlowTrip>,
    /// What became of the spans of this process, at its end.
    pub telemetry: Telemetry,
    /// What `--assert` asked for, and what was measured.
    pub assertions: Vec<Verdict>,
    /// How this run differs from the one that `--compare` named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// What wrote a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// The program.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// When it started, as RFC 3339 in UTC.
    pub started_at: String,
    /// How long it ran, in seconds.
    pub elapsed_s: f64,
    /// The store that was visited.
    pub store_url: String,
    /// Where its traces can be seen.
    pub ui_url: String,
    /// The model of arrivals, in words.
    pub model: String,
    /// The kinds of trip and their weights, in words.
    pub mix: String,
    /// What decided the sequence of trips.
    pub seed: u64,
    /// Threads that shopped.
    pub threads: usize,
    /// Faults that trips asked for.
    pub faults: Vec<String>,
}

/// What became of the trips: `scheduled = started + missed`, and
/// `started = completed + gave_up + failed + in_flight`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trips {
    /// Trips that the schedule asked for.
    pub scheduled: u64,
    /// Trips that set out.
    pub started: u64,
    /// Trips that ended well.
    pub completed: u64,
    /// Trips whose shopper lost patience, as planned.
    pub gave_up: u64,
    /// Trips that failed.
    pub failed: u64,
    /// Trips that never set out, because too many were under way.
    pub missed: u64,
    /// Trips still under way when the run ended.
    pub in_flight: u64,
}

/// How fast trips came, per second of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// What the schedule asked for over the whole run; none when it asked for no rate.
    pub target_per_s: Option<f64>,
    /// Trips that set out.
    pub started_per_s: f64,
    /// Trips that ended well.
    pub completed_per_s: f64,
    /// Requests, retries among them.
    pub requests_per_s: f64,
}

/// What the trips sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// Requests, retries among them.
    pub total: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Bytes of request bodies.
    pub sent_bytes: u64,
    /// Bytes of response bodies.
    pub received_bytes: u64,
}

/// One step of a trip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its request, such as `POST /checkout`.
    pub name: String,
    /// Requests, retries among them.
    pub requests: u64,
    /// How often the step failed, after its retries.
    pub failures: u64,
    /// Bytes of request bodies.
    pub sent_bytes: u64,
    /// Bytes of response bodies.
    pub received_bytes: u64,
    /// How long it took, retries and the pauses before them included.
    pub latency: Latencies,
}

/// One kind of trip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kind {
    /// Its name, such as `quick-buy`.
    pub name: String,
    /// How many ended.
    pub trips: u64,
    /// How many of them failed.
    pub failures: u64,
    /// Their median latency from the intended start, in microseconds.
    pub p50_us: u64,
    /// The 99th percentile of it, in microseconds.
    pub p99_us: u64,
}

/// What became of the spans of the shopper.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Telemetry {
    /// Spans started.
    pub started: u64,
    /// Spans ended.
    pub ended: u64,
    /// What each exporter did with them.
    pub exporters: Vec<Exporter>,
}

/// What one exporter did: `ended = exported + failed + dropped + queued`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exporter {
    /// Its name.
    pub name: String,
    /// Spans that the backend took.
    pub exported: u64,
    /// Spans whose export failed.
    pub failed: u64,
    /// Spans that were dropped.
    pub dropped: u64,
    /// Spans on their way.
    pub queued: u64,
}
