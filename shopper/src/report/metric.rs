//! The figures of a report that have a name: what `--assert` can ask for and `--compare` compares.

use super::document::{Document, Percentiles, Unit};
use super::units;

/// A figure with a name.
#[derive(Debug)]
pub(crate) struct Metric {
    /// The name that `--assert` knows it by.
    pub(crate) name: &'static str,
    /// What it measures, for the help and for errors.
    pub(crate) measures: Measure,
    /// Which way it should go.
    pub(crate) better: Better,
    read: fn(&Document) -> Option<Reading>,
}

/// What a metric measures, and so in which units it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Measure {
    /// A time, in microseconds.
    Time,
    /// Events per second.
    Rate,
    /// A count that also is a share of a whole.
    Share,
}

/// Which way a metric should go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Better {
    Lower,
    Higher,
}

/// What a metric was in a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    /// In the unit of its [`Measure`].
    pub(crate) value: f64,
    /// The whole that a [`Measure::Share`] is a part of.
    pub(crate) of: f64,
}

impl Reading {
    /// The part of the whole, 0 to 1.
    pub(crate) fn share(self) -> f64 {
        if self.of > 0.0 { self.value / self.of } else { 0.0 }
    }
}

impl Measure {
    /// What a bound looks like, for errors.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Measure::Time => "a time such as 50ms (units: us, µs, ms, s)",
            Measure::Rate => "a rate such as 200/s",
            Measure::Share => "a share such as 0.1% or a whole count",
        }
    }

    /// The unit of a [`plain`](Self::plain) reading.
    pub(crate) fn unit(self) -> Unit {
        match self {
            Measure::Time => Unit::Us,
            Measure::Rate => Unit::PerS,
            Measure::Share => Unit::Share,
        }
    }

    /// A reading as one number that can be compared between runs of any length.
    pub(crate) fn plain(self, reading: Reading) -> f64 {
        if self == Measure::Share { reading.share() } else { reading.value }
    }

    /// A reading with its unit.
    pub(crate) fn show(self, reading: Reading) -> String {
        match self {
            Measure::Time => units::micros(reading.value as u64),
            Measure::Rate => units::rate(reading.value),
            Measure::Share => {
                format!(
                    "{} ({})",
                    units::share(reading.share()),
                    units::count(reading.value as u64)
                )
            }
        }
    }
}

impl Metric {
    /// What the metric was; none when nothing was measured that it could be read from.
    pub(crate) fn read(&self, document: &Document) -> Option<Reading> {
        (self.read)(document)
    }

    /// The metric of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Metric> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// All names, for help and errors.
    pub(crate) fn names() -> String {
        METRICS.iter().map(|metric| metric.name).collect::<Vec<_>>().join(", ")
    }
}

const fn time(name: &'static str, read: fn(&Document) -> Option<Reading>) -> Metric {
    Metric { name, measures: Measure::Time, better: Better::Lower, read }
}

const fn rate(name: &'static str, read: fn(&Document) -> Option<Reading>) -> Metric {
    Metric { name, measures: Measure::Rate, better: Better::Higher, read }
}

const fn share(name: &'static str, read: fn(&Document) -> Option<Reading>) -> Metric {
    Metric { name, measures: Measure::Share, better: Better::Lower, read }
}

/// Every metric, in the order of a report.
pub(crate) static METRICS: [Metric; 20] = [
    rate("rate", |d| plain(d.rate.started_per_s)),
    rate("throughput", |d| plain(d.rate.completed_per_s)),
    share("failures", |d| part(d.trips.failed, d.trips.started)),
    share("missed", |d| part(d.trips.missed, d.trips.scheduled)),
    share("gave_up", |d| part(d.trips.gave_up, d.trips.started)),
    share("retries", |d| part(d.requests.retries, d.requests.total)),
    time("p50", |d| corrected(d, |p| p.p50_us)),
    time("p90", |d| corrected(d, |p| p.p90_us)),
    time("p95", |d| corrected(d, |p| p.p95_us)),
    time("p99", |d| corrected(d, |p| p.p99_us)),
    time("p99.9", |d| corrected(d, |p| p.p99_9_us)),
    time("max", |d| corrected(d, |p| p.max_us)),
    time("mean", |d| corrected(d, |p| p.mean_us)),
    time("service_p50", |d| service(d, |p| p.p50_us)),
    time("service_p90", |d| service(d, |p| p.p90_us)),
    time("service_p95", |d| service(d, |p| p.p95_us)),
    time("service_p99", |d| service(d, |p| p.p99_us)),
    time("service_p99.9", |d| service(d, |p| p.p99_9_us)),
    time("service_max", |d| service(d, |p| p.max_us)),
    time("service_mean", |d| service(d, |p| p.mean_us)),
];

fn plain(value: f64) -> Option<Reading> {
    Some(Reading { value, of: 0.0 })
}

fn part(count: u64, of: u64) -> Option<Reading> {
    (of > 0).then_some(Reading { value: count as f64, of: of as f64 })
}

fn corrected(document: &Document, read: fn(&Percentiles) -> u64) -> Option<Reading> {
    percentile(&document.latency.corrected, read)
}

fn service(document: &Document, read: fn(&Percentiles) -> u64) -> Option<Reading> {
    percentile(&document.latency.service, read)
}

/// A percentile of nothing is not 0: it does not exist.
pub(crate) fn percentile(of: &Percentiles, read: fn(&Percentiles) -> u64) -> Option<Reading> {
    (of.count > 0).then(|| Reading { value: read(of) as f64, of: 0.0 })
}
