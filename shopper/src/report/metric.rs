//! The figures of a result that have a name: those that `--assert` can check and `--compare`
//! compares.

use std::{cmp::Ordering, time::Duration};

use super::units;
use crate::result::{Direction, FaultCounts, Percentiles, Point, RunResult, Unit};

/// A figure with a name.
#[derive(Debug)]
pub(crate) struct Metric {
    /// Its name in `--assert`.
    pub(crate) name: &'static str,
    /// The unit of its values.
    pub(crate) unit: Unit,
    /// Whether lower or higher is better; `None` if it cannot be compared between runs.
    pub(crate) better: Option<Better>,
    /// Which figure of each second shows how much this metric varies by chance.
    pub(crate) varies: Varies,
    read: fn(&RunResult) -> Option<Reading>,
}

/// Whether lower or higher figures of a metric are better.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Better {
    Lower,
    Higher,
}

/// How the seconds of a run show by how much a metric varies by chance.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Varies {
    /// The seconds do not show it.
    Unseen,
    /// By the typical differences between seconds. A few unusual seconds hardly affect the metric,
    /// as for a median.
    Steadily(fn(&Point) -> Option<f64>),
    /// By all differences between seconds. A few unusual seconds decide the metric, as for a 99th
    /// percentile.
    InBursts(fn(&Point) -> Option<f64>),
}

/// The value of a metric in a run, as whole numbers, so that it can be compared with a bound
/// exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A time in microseconds.
    Time(u64),
    /// A number of events, and the time in which they happened.
    Rate(u64, Duration),
    /// A part and the whole.
    Share(u64, u64),
    /// A count.
    Count(u64),
}

/// A decimal number as it was written: `digits / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) digits: u64,
    pub(crate) scale: u32,
}

impl Decimal {
    /// The most digits: more than any figure needs, and few enough for exact arithmetic.
    const MOST_DIGITS: usize = 15;

    /// Reads `50`, `0.7` or `1.001`: no sign, no exponent.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = [whole, fraction].concat();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || digits.len() > Self::MOST_DIGITS {
            return None;
        }
        Some(Self { digits: digits.parse().ok()?, scale: fraction.len() as u32 })
    }

    pub(crate) fn is_whole(self) -> bool {
        self.digits.is_multiple_of(10_u64.pow(self.scale))
    }

    pub(crate) fn as_f64(self) -> f64 {
        self.digits as f64 / 10_f64.powi(self.scale as i32)
    }

    /// Compares `value / of` with `self * unit`. Both sides are multiplied by `of`, instead of
    /// dividing one of them, so that nothing is rounded.
    pub(crate) fn compare(self, value: u128, of: u128, unit: u128) -> Ordering {
        let value = value.saturating_mul(10_u128.pow(self.scale));
        let bound = u128::from(self.digits).saturating_mul(unit).saturating_mul(of);
        value.cmp(&bound)
    }
}

impl Reading {
    /// The value as one number, which can be compared between runs of any length.
    pub(crate) fn plain(self) -> f64 {
        match self {
            Reading::Time(us) => us as f64,
            Reading::Rate(count, time) => count as f64 / time.as_secs_f64(),
            Reading::Share(count, of) => count as f64 / of as f64,
            Reading::Count(count) => count as f64,
        }
    }

    /// The value with its unit, for people.
    pub(crate) fn show(self) -> String {
        match self {
            Reading::Time(us) => units::micros(us),
            Reading::Rate(..) => units::rate(self.plain()),
            Reading::Share(count, of) => {
                format!("{} ({})", units::part(count, of), units::count(count))
            }
            Reading::Count(count) => units::count(count),
        }
    }
}

impl Unit {
    /// What a bound with this unit looks like, for errors.
    pub(super) fn example(self) -> &'static str {
        match self {
            Unit::Us => "a time such as 50ms (units: us, µs, ms, s)",
            Unit::PerS => "a rate such as 200/s",
            Unit::Share => "a share such as 0.1% or a whole count",
            Unit::Count => "a whole count such as 1",
        }
    }

    /// A figure with this unit, for people.
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Unit::Us => units::micros(value.round() as u64),
            Unit::PerS => units::rate(value),
            Unit::Share => units::share(value),
            Unit::Count => units::count(value.round() as u64),
        }
    }
}

impl Metric {
    /// The value of the metric; `None` if nothing was measured for it.
    pub(crate) fn read(&self, result: &RunResult) -> Option<Reading> {
        (self.read)(result)
    }

    /// The metric of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Metric> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// All names, for help and errors.
    pub(crate) fn names() -> String {
        METRICS.iter().map(|metric| metric.name).collect::<Vec<_>>().join(", ")
    }

    /// Whether it exists only if there is an earlier run.
    pub(crate) fn is_about_earlier(&self) -> bool {
        self.name == WORSE
    }
}

/// The name of the metric that counts the differences for the worse.
const WORSE: &str = "worse";

type Read = fn(&RunResult) -> Option<Reading>;

const fn time(name: &'static str, varies: Varies, read: Read) -> Metric {
    Metric { name, unit: Unit::Us, better: Some(Better::Lower), varies, read }
}

const fn rate(name: &'static str, varies: Varies, read: Read) -> Metric {
    Metric { name, unit: Unit::PerS, better: Some(Better::Higher), varies, read }
}

const fn share(name: &'static str, varies: Varies, read: Read) -> Metric {
    Metric { name, unit: Unit::Share, better: Some(Better::Lower), varies, read }
}

/// A metric that is not compared between runs.
const fn own(name: &'static str, unit: Unit, read: Read) -> Metric {
    Metric { name, unit, better: None, varies: Varies::Unseen, read }
}

/// Every metric, in the order of a report.
pub(crate) static METRICS: [Metric; 24] = [
    rate("rate", STARTED, |r| per_second(r.trips.started, r)),
    rate("throughput", COMPLETED, |r| per_second(r.trips.completed, r)),
    share("failures", FAILED, |r| part(r.trips.failed, r.trips.started)),
    share("missed", MISSED, |r| part(r.trips.missed, r.trips.scheduled)),
    share("gave_up", Varies::Unseen, |r| part(r.trips.gave_up, r.trips.started)),
    share("retries", Varies::Unseen, |r| part(r.requests.retries, r.requests.requests)),
    time("p50", P50, |r| corrected(r, |p| p.p50_us)),
    time("p90", P90, |r| corrected(r, |p| p.p90_us)),
    time("p95", P90, |r| corrected(r, |p| p.p95_us)),
    time("p99", P99, |r| corrected(r, |p| p.p99_us)),
    time("p99.9", MAX, |r| corrected(r, |p| p.p99_9_us)),
    time("max", MAX, |r| corrected(r, |p| p.max_us)),
    time("mean", P99, |r| corrected(r, |p| p.mean_us)),
    time("service_p50", P50, |r| service(r, |p| p.p50_us)),
    time("service_p90", P90, |r| service(r, |p| p.p90_us)),
    time("service_p95", P90, |r| service(r, |p| p.p95_us)),
    time("service_p99", P99, |r| service(r, |p| p.p99_us)),
    time("service_p99.9", MAX, |r| service(r, |p| p.p99_9_us)),
    time("service_max", MAX, |r| service(r, |p| p.max_us)),
    time("service_mean", P99, |r| service(r, |p| p.mean_us)),
    own("faults_honoured", Unit::Share, |r| faults(r, |counts| counts.honoured)),
    own("faults_ignored", Unit::Share, |r| faults(r, |counts| counts.ignored)),
    own("faults_struck", Unit::Count, |r| {
        faults(r, |counts| counts.asked)?;
        Some(Reading::Count(r.faults.values().map(|counts| counts.struck).sum()))
    }),
    own(WORSE, Unit::Count, |r| {
        let comparison = r.comparison.as_ref().filter(|comparison| comparison.unlike.is_none())?;
        let worse = comparison.differences.iter().filter(|d| d.direction == Direction::Worse);
        Some(Reading::Count(worse.count() as u64))
    }),
];

const STARTED: Varies = Varies::Steadily(|p| Some(p.per_second(p.started)));
const COMPLETED: Varies = Varies::Steadily(|p| Some(p.per_second(p.completed)));
const FAILED: Varies = Varies::InBursts(|p| ratio(p.failed, p.finished()));
const MISSED: Varies = Varies::InBursts(|p| ratio(p.missed, p.started.saturating_add(p.missed)));
pub(crate) const P50: Varies = Varies::Steadily(|p| p.p50_us.map(|us| us as f64));
const P90: Varies = Varies::Steadily(|p| p.p90_us.map(|us| us as f64));
pub(crate) const P99: Varies = Varies::InBursts(|p| p.p99_us.map(|us| us as f64));
const MAX: Varies = Varies::InBursts(|p| p.max_us.map(|us| us as f64));

fn ratio(count: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

fn per_second(count: u64, result: &RunResult) -> Option<Reading> {
    (!result.run.scheduled.is_zero()).then_some(Reading::Rate(count, result.run.scheduled))
}

fn part(count: u64, of: u64) -> Option<Reading> {
    (of > 0).then_some(Reading::Share(count, of))
}

fn faults(result: &RunResult, read: fn(&FaultCounts) -> u64) -> Option<Reading> {
    let sum = |read: fn(&FaultCounts) -> u64| {
        result.faults.values().map(read).fold(0, u64::saturating_add)
    };
    part(sum(read), sum(|counts| counts.asked))
}

fn corrected(result: &RunResult, read: fn(&Percentiles) -> Option<u64>) -> Option<Reading> {
    read(&result.latency.corrected).map(Reading::Time)
}

fn service(result: &RunResult, read: fn(&Percentiles) -> Option<u64>) -> Option<Reading> {
    read(&result.latency.service).map(Reading::Time)
}
