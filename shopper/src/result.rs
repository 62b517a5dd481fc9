//! The result of a run as data: the one model that the live view, the text, the page, the JSON, the
//! comparison and the assertions all read, so that no two of them can disagree.
//!
//! Its form as JSON has a version, [`SCHEMA`], and is described by `report.schema.json` in the
//! folder of the crate. Within a version a field may be added, but none may change its meaning or
//! be removed.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ops::AddAssign, time::Duration};

use serde::{Deserialize, Serialize};

use crate::config::RunShare;

/// The version of the form, in its `schema` field.
pub const SCHEMA: &str = "grocery-shopper-report/3";

/// One run of the shopper, from its settings to its slowest trips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The program that wrote it.
    pub generator: Generator,
    /// The settings of the run, and how long it was.
    pub run: Settings,
    /// How many trips started, and how they ended.
    pub trips: Trips,
    /// How fast trips came.
    pub rate: Rate,
    /// How many requests the trips sent, and how many bytes.
    pub requests: Traffic,
    /// How long whole trips took.
    pub latency: Latencies,
    /// The distribution of the trips' latency, for charts.
    pub distribution: Distribution,
    /// The distributions behind all percentiles, by which the results of several shoppers are
    /// merged.
    pub histograms: Histograms,
    /// The steps of a trip, in their order: always all of them.
    pub steps: Vec<Step>,
    /// The kinds of trip: always all of them.
    pub kinds: Vec<Kind>,
    /// How the trips that did not fail ended (`bought`, `browsed`, `left`, `out-of-stock`,
    /// `gave-up`): the counts add up to `completed + gave_up`.
    pub outcomes: BTreeMap<String, u64>,
    /// How the trips that failed did so (`connect`, `timeout`, `disconnect`, `503`, `body`,
    /// `abandoned`): the counts add up to `failed`.
    pub failures: BTreeMap<String, u64>,
    /// The reason of the first failure of each kind, such as which field of which answer could not
    /// be understood.
    pub failure_reasons: BTreeMap<String, String>,
    /// What the store said about each fault that trips asked for.
    pub faults: BTreeMap<String, FaultCounts>,
    /// The run second by second, oldest first. In a long run a point is longer than a second.
    pub timeline: Vec<Point>,
    /// The slowest trips, slowest first.
    pub slowest: Vec<SlowTrip>,
    /// How many spans of this process were exported, at its end.
    pub telemetry: Telemetry,
    /// The assertions of `--assert`, with what was measured.
    pub assertions: Vec<Verdict>,
    /// How this run differs from the one that `--compare` named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// The program that wrote a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// The program.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The settings of a run, as the report words them, and how long it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// When it started, as RFC 3339 in UTC.
    pub started_at: String,
    /// How long it ran, until the last answer.
    #[serde(rename = "elapsed_s", with = "seconds")]
    pub elapsed: Duration,
    /// How long its schedule was. Every rate of the report is per second of this time. The schedule
    /// ends after `--duration`, with the last stage, at a signal, or when the trip after the last
    /// one would have been due.
    #[serde(rename = "scheduled_s", with = "seconds")]
    pub scheduled: Duration,
    /// The store that was visited.
    pub store_url: String,
    /// The page on which its traces can be seen.
    pub ui_url: String,
    /// The model of arrivals, in words, such as `open: 200 trips/s, Poisson`.
    pub model: String,
    /// The kinds of trip and their weights, in words.
    pub mix: String,
    /// The seed that decided the sequence of trips. It is a text in JSON, since many programs read
    /// only 53 bits of a number.
    #[serde(with = "as_text")]
    pub seed: u64,
    /// Which shares of a run that was divided among shoppers this is, such as `1/3`; none if one
    /// shopper made the whole run. All other settings are those of the whole run.
    pub shares: Vec<RunShare>,
    /// How many threads made trips.
    pub threads: usize,
    /// Faults that trips asked for, each with the share of the trips.
    pub faults: Vec<String>,
}

/// How many trips started, and how they ended: `scheduled = started + missed`, and
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
    /// The rate of the schedule; `None` in the closed model, which has no rate.
    pub target_per_s: Option<f64>,
    /// Trips started.
    pub started_per_s: f64,
    /// Trips that ended well, including those that ended after the schedule.
    pub completed_per_s: f64,
    /// Requests, including retries.
    pub requests_per_s: f64,
}

/// The requests and bytes that were sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests sent, including retries. A request that found no connection is not counted.
    #[serde(rename = "total")]
    pub requests: u64,
    /// Retries among them.
    pub retries: u64,
    /// Bytes of request bodies.
    pub sent_bytes: u64,
    /// Bytes of response bodies.
    pub received_bytes: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.retries = self.retries.saturating_add(other.retries);
        self.sent_bytes = self.sent_bytes.saturating_add(other.sent_bytes);
        self.received_bytes = self.received_bytes.saturating_add(other.received_bytes);
    }
}

/// A latency, measured in two ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latencies {
    /// From the intended start: what a user would have waited.
    pub corrected: Percentiles,
    /// From the real start: what the service took.
    pub service: Percentiles,
}

/// A distribution in a few figures, in whole microseconds. Without any values they are all `None`.
///
/// The percentiles have three significant digits; the other figures are exact.
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

/// The distributions of a run. Those without any values are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histograms {
    /// Of whole trips.
    pub trip: LatencyHistograms,
    /// Of the steps, by their names.
    pub steps: BTreeMap<String, LatencyHistograms>,
    /// Of the kinds of trip, by their names, from the intended start.
    pub kinds: BTreeMap<String, Histogram>,
}

/// The distributions of a latency that was measured in two ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyHistograms {
    /// From the intended start.
    pub corrected: Option<Histogram>,
    /// From the real start.
    pub service: Option<Histogram>,
}

/// All durations that were recorded, each to three digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// The counts in microseconds: an HdrHistogram in its encoding V2, without compression, in
    /// base64. All have the same bounds, 1 µs to an hour, so it takes 100 kB at the very most.
    pub v2: String,
    /// The shortest, exactly.
    pub min_us: u64,
    /// The longest, exactly.
    pub max_us: u64,
    /// The sum in nanoseconds, exactly. A text in JSON, as the seed is.
    #[serde(with = "as_text")]
    pub sum_ns: u128,
}

/// The distribution of the trips' latency.
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
    /// The value that this share of the values does not exceed, in microseconds.
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
    /// Requests sent, including retries.
    pub requests: u64,
    /// Retries among them.
    pub retries: u64,
    /// How often the step failed, after its retries.
    pub failures: u64,
    /// How often its shopper gave up in it, as planned.
    pub gave_up: u64,
    /// Bytes of request bodies.
    pub sent_bytes: u64,
    /// Bytes of response bodies.
    pub received_bytes: u64,
    /// How long it took, including retries and the pauses before them. `corrected` also includes
    /// the delay with which its trip started.
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
    /// The 99th percentile of their latency, in microseconds.
    pub p99_us: Option<u64>,
}

/// What the store did about one fault: `asked = honoured + ignored + unanswered`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCounts {
    /// Requests that asked for it.
    pub asked: u64,
    /// Requests whose answer said that the store honoured it.
    pub honoured: u64,
    /// Messages to actors that it struck. A request may be honoured without any: it did not reach
    /// the actor that the fault names, or the share of an `error` fault left it out.
    pub struck: u64,
    /// Requests whose answer said that it was ignored, or did not mention faults.
    pub ignored: u64,
    /// Requests that got no answer.
    pub unanswered: u64,
    /// Why it was ignored, and how often.
    pub reasons: BTreeMap<String, u64>,
}

/// A part of the run, usually a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// When it began, since the start of the run.
    #[serde(rename = "offset_s", with = "seconds")]
    pub offset: Duration,
    /// How long it is: a second, or in a long run several.
    #[serde(rename = "length_s", with = "seconds")]
    pub length: Duration,
    /// The trips that the schedule asked for in it, per second; `None` in the closed model and
    /// after the end of the schedule.
    pub target_per_s: Option<f64>,
    /// Trips started.
    pub started: u64,
    /// Trips that ended well, or gave up as planned.
    pub completed: u64,
    /// Trips that failed.
    pub failed: u64,
    /// Trips that could not start.
    pub missed: u64,
    /// The median latency of the trips that ended in it, from the intended start, in microseconds.
    /// If seconds were joined into one point, it is the mean of their medians, weighted by their
    /// trips.
    pub p50_us: Option<u64>,
    /// The 90th percentile of the same. If seconds were joined, it is that of the slowest second.
    pub p90_us: Option<u64>,
    /// The 99th percentile of the same. If seconds were joined, it is that of the slowest second.
    pub p99_us: Option<u64>,
    /// The slowest of these trips.
    pub max_us: Option<u64>,
}

/// One of the slowest trips.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowTrip {
    /// Its latency from the intended start, in microseconds.
    pub latency_us: u64,
    /// When it ended, since the start of the run.
    #[serde(rename = "offset_s", with = "seconds")]
    pub offset: Duration,
    /// Its kind.
    pub kind: String,
    /// The kind of failure, if it failed.
    pub failure: Option<String>,
    /// Its trace, if it was sampled.
    pub trace: Option<Trace>,
}

/// A trace and the page that shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// Its page; `None` if no backend received any trace.
    pub url: Option<String>,
}

/// How many spans the shopper made, and how many were exported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry {
    /// Spans started.
    pub started: u64,
    /// Spans ended.
    pub ended: u64,
    /// The counts of each exporter.
    pub exporters: Vec<Exporter>,
}

/// The counts of one exporter: `ended = exported + failed + dropped + queued`.
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
    /// Spans that wait to be exported.
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
    /// Settings that are not the same, and so may explain a difference.
    pub settings: Vec<String>,
    /// Why the two runs cannot be compared, if they cannot: their load was not the same.
    pub unlike: Option<String>,
    /// The metrics that both runs have.
    pub differences: Vec<Difference>,
}

/// A metric in two runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The metric. That of a step has the name of the step in front, such as `POST /checkout p99`.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// What it was in the earlier run.
    pub before: f64,
    /// What it is in this one.
    pub after: f64,
    /// The change in percent of what it was; `None` if that was 0.
    pub percent: Option<f64>,
    /// How far two runs of the same software differ by chance, in the metric's unit; `None` if the
    /// runs are too short to tell.
    pub noise: Option<f64>,
    /// Whether the change is for the better.
    pub direction: Direction,
    /// Why the direction is unclear, if it is.
    pub unclear: Option<String>,
}

/// Which way a metric went.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The change is an improvement.
    Better,
    /// There is no change.
    Same,
    /// The change is a regression.
    Worse,
    /// The change is no larger than two runs of the same software differ by chance.
    Noise,
    /// It cannot be told: the runs are too short, or their load was not the same.
    Unclear,
}

/// The unit of a metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Microseconds.
    Us,
    /// Per second.
    PerS,
    /// A part of a whole, 0 to 1.
    Share,
    /// A count of something that is no part of a whole. Such metrics are not compared.
    Count,
}

/// A count per second of `time`, rounded to three places, since people read the JSON too.
pub(crate) fn per_second(count: f64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { (count / seconds * 1e3).round() / 1e3 } else { 0.0 }
}

/// A duration as seconds, exact to the microsecond.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    /// About thirty thousand years.
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
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<T: Display, S: Serializer>(
        number: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| D::Error::custom(format!("{text:?} is not a whole number")))
    }
}
