//! The result of a run as data: the one model that the live view, the text, the page, the JSON, the
//! comparison and the assertions all read, so that no two of them can disagree.
//!
//! Its form as JSON is versioned by [`SCHEMA`] and described by `report.schema.json` beside the
//! crate: a field may be added within a version, none may change its meaning or go.

mod build;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::statistics::Traffic;
pub(crate) use build::per_second;

/// The version of the form, in its `schema` field.
pub const SCHEMA: &str = "grocery-shopper-report/2";

/// One run of the shopper, from its settings to its slowest trips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// What wrote it.
    pub generator: Generator,
    /// What was run.
    pub run: Settings,
    /// What became of the trips.
    pub trips: Trips,
    /// How fast trips came.
    pub rate: Rate,
    /// What the trips sent.
    pub requests: Traffic,
    /// How long whole trips took.
    pub latency: Latencies,
    /// The shape of the trips' latency, for charts.
    pub distribution: Distribution,
    /// The steps of a trip, in their order: always all of them.
    pub steps: Vec<Step>,
    /// The kinds of trip: always all of them.
    pub kinds: Vec<Kind>,
    /// How the trips that did not fail ended (`bought`, `browsed`, `left`, `out-of-stock`,
    /// `gave-up`): the counts add up to `completed + gave_up`.
    pub outcomes: BTreeMap<String, u64>,
    /// How the others failed (`connect`, `timeout`, `disconnect`, `503`, `body`, `abandoned`): the
    /// counts add up to `failed`.
    pub failures: BTreeMap<String, u64>,
    /// What is known of the first failure of a kind, such as which field of which answer could not
    /// be understood.
    pub failure_reasons: BTreeMap<String, String>,
    /// What the store said of each fault that trips asked for.
    pub faults: BTreeMap<String, FaultCounts>,
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

/// What wrote a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// The program.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The settings of a run, in the words of its report, and how long it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// When it started, as RFC 3339 in UTC.
    pub started_at: String,
    /// How long it ran, until the last answer.
    #[serde(rename = "elapsed_s", with = "seconds")]
    pub elapsed: Duration,
    /// How long its schedule went on: the time that every rate is of. It ends with `--duration`,
    /// the last stage, a signal, or when the trip after the last would have been due.
    #[serde(rename = "scheduled_s", with = "seconds")]
    pub scheduled: Duration,
    /// The store that was visited.
    pub store_url: String,
    /// Where its traces can be seen.
    pub ui_url: String,
    /// The model of arrivals, in words, such as `open: 200 trips/s, Poisson`.
    pub model: String,
    /// The kinds of trip and their weights, in words.
    pub mix: String,
    /// What decided the sequence of trips. A text, since many programs read numbers to 53 bits.
    #[serde(with = "as_text")]
    pub seed: u64,
    /// Threads that shopped.
    pub threads: usize,
    /// Faults that trips asked for, each with the share of the trips.
    pub faults: Vec<String>,
}

/// What became of the trips: `scheduled = started + missed`, and
/// `started = completed + gave_up + failed + in_flight`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trips {
    /// Trips that the schedule has asked for.
    pub scheduled: u64,
    /// Trips started.
    pub started: u64,
    /// Trips that ended well.
    pub completed: u64,
    /// Trips that an impatient shopper broke off, as planned.
    pub gave_up: u64,
    /// Trips that failed.
    pub failed: u64,
    /// Trips that could not start, because as many shoppers as allowed were under way.
    pub missed: u64,
    /// Trips under way.
    pub in_flight: u64,
}

/// How fast trips came, per second of the schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// What the schedule asked for; none when it asked for no rate.
    pub target_per_s: Option<f64>,
    /// Trips started.
    pub started_per_s: f64,
    /// Trips that ended well, also those that did so after the schedule's end.
    pub completed_per_s: f64,
    /// Requests, retries among them.
    pub requests_per_s: f64,
}

/// A latency, measured both ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latencies {
    /// From the intended start: what a user would have waited.
    pub corrected: Percentiles,
    /// From the real start: what the service took.
    pub service: Percentiles,
}

/// A distribution in a few figures, in whole microseconds; there are none of nothing.
///
/// The percentiles have three significant digits; all else is exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many values there are.
    pub count: u64,
    /// The smallest.
    pub min_us: Option<u64>,
    /// The mean.
    pub mean_us: Option<u64>,
    /// The median.
    pub p50_us: Option<u64>,
    /// The 90th percentile.
    pub p90_us: Option<u64>,
    /// The 95th percentile.
    pub p95_us: Option<u64>,
    /// The 99th percentile.
    pub p99_us: Option<u64>,
    /// The 99.9th percentile.
    pub p99_9_us: Option<u64>,
    /// The largest.
    pub max_us: Option<u64>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its lower bound, in microseconds, inclusive.
    pub from_us: u64,
    /// Its upper bound, in microseconds, exclusive.
    pub to_us: u64,
    /// Values within.
    pub count: u64,
}

/// One step of a trip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its request, such as `POST /checkout`.
    pub name: String,
    /// Requests sent, retries among them.
    pub requests: u64,
    /// How often the step failed, after its retries.
    pub failures: u64,
    /// How often its shopper gave up in it, as planned.
    pub gave_up: u64,
    /// Bytes of request bodies.
    pub sent_bytes: u64,
    /// Bytes of response bodies.
    pub received_bytes: u64,
    /// How long it took, retries and the pauses before them included; `corrected` also has the
    /// delay of its trip's start.
    pub latency: Latencies,
}

/// One kind of trip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    /// Its name, such as `quick-buy`.
    pub name: String,
    /// How many ended.
    pub trips: u64,
    /// How many of them failed.
    pub failures: u64,
    /// Their median latency from the intended start, in microseconds.
    pub p50_us: Option<u64>,
    /// The 99th percentile of it, in microseconds.
    pub p99_us: Option<u64>,
}

/// What became of one fault: `asked = honoured + ignored + unanswered`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCounts {
    /// Requests that asked for it.
    pub asked: u64,
    /// Requests whose answer said that the store honoured it.
    pub honoured: u64,
    /// Messages to actors that it befell. A request that it befell nowhere honoured it all the
    /// same: it did not reach the actor, or the share of an `error` spared it.
    pub struck: u64,
    /// Requests whose answer said that it was ignored, or did not speak of faults.
    pub ignored: u64,
    /// Requests that got no answer.
    pub unanswered: u64,
    /// Why it was ignored, and how often.
    pub reasons: BTreeMap<String, u64>,
}

/// A stretch of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// When it began, since the start of the run.
    #[serde(rename = "offset_s", with = "seconds")]
    pub offset: Duration,
    /// How long it is: a second, or in a long run a multiple.
    #[serde(rename = "length_s", with = "seconds")]
    pub length: Duration,
    /// The trips that the schedule asked for in it, per second; none in the closed model and after
    /// the schedule's end.
    pub target_per_s: Option<f64>,
    /// Trips started.
    pub started: u64,
    /// Trips that ended well, or gave up as planned.
    pub completed: u64,
    /// Trips that failed.
    pub failed: u64,
    /// Trips that could not start.
    pub missed: u64,
    /// The median latency of the trips that ended in it, from the intended start, in microseconds;
    /// in a point made of several, the mean of theirs by their number of trips.
    pub p50_us: Option<u64>,
    /// Their 90th percentile; in a point made of several, that of the worst.
    pub p90_us: Option<u64>,
    /// Their 99th percentile; in a point made of several, that of the worst.
    pub p99_us: Option<u64>,
    /// The slowest of them.
    pub max_us: Option<u64>,
}

/// A trip worth a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowTrip {
    /// Its latency from the intended start, in microseconds.
    pub latency_us: u64,
    /// When it ended, since the start of the run.
    #[serde(rename = "offset_s", with = "seconds")]
    pub offset: Duration,
    /// Its kind.
    pub kind: String,
    /// What failed in it, if anything did.
    pub failure: Option<String>,
    /// Its trace, if it was sampled.
    pub trace: Option<Trace>,
}

/// A trace and where to see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// Its page; none when no backend received any trace.
    pub url: Option<String>,
}

/// What became of the spans of the shopper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry {
    /// Spans started.
    pub started: u64,
    /// Spans ended.
    pub ended: u64,
    /// What each exporter did with them.
    pub exporters: Vec<Exporter>,
}

/// What one exporter did: `ended = exported + failed + dropped + queued`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// One assertion and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Why the two runs cannot be held against each other, if they cannot: they were not asked for
    /// the same load.
    pub unlike: Option<String>,
    /// The metrics that both runs have.
    pub differences: Vec<Difference>,
}

/// A metric in two runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The metric; one of a step stands behind the name of the step, such as `POST /checkout p99`.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// What it was in the earlier run.
    pub before: f64,
    /// What it is in this one.
    pub after: f64,
    /// How much more it is now, in percent of what it was; none when that was 0.
    pub percent: Option<f64>,
    /// How far two runs of the same thing may well differ, in the metric's unit; none when the
    /// runs are too short to tell.
    pub noise: Option<f64>,
    /// Whether that is for the better.
    pub direction: Direction,
    /// Why it cannot be told, where the direction is unclear.
    pub unclear: Option<String>,
}

/// Which way a metric went.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// As it should go.
    Better,
    /// Not at all.
    Same,
    /// As it should not.
    Worse,
    /// No further than two runs of the same thing may well differ.
    Noise,
    /// Nobody knows: the runs are too short for their noise, or were not asked for the same.
    Unclear,
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

/// A duration as seconds, exact to the microsecond.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    /// Some thirty thousand years.
    const LONGEST_S: f64 = 1e12;

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(time.as_micros() as f64 / 1e6)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        if !(0.0..=LONGEST_S).contains(&seconds) {
            return Err(D::Error::custom(format!("{seconds} is no number of seconds")));
        }
        Ok(Duration::from_micros((seconds * 1e6).round() as u64))
    }
}

/// A number as a text.
mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| D::Error::custom(format!("{text:?} is not a whole number")))
    }
}
