//! `--assert 'p99<50ms,failures<0.1%'`: conditions on a run. The exit code is 0 only if all hold.

use std::{cmp::Ordering, fmt, str::FromStr};

use super::metric::{Decimal, Metric, Reading};
use crate::result::{Direction, RunResult, Unit, Verdict};

/// Nanoseconds in a second.
const SECOND_NS: u128 = 1_000_000_000;

/// One or more assertions about a run, separated by commas.
#[derive(Clone, Debug)]
pub struct Assertions(Vec<Assertion>);

/// One assertion: a metric, a comparison and a bound.
#[derive(Clone, Debug)]
struct Assertion {
    metric: &'static Metric,
    comparison: Comparison,
    bound: Bound,
    /// The assertion as it was written, without spaces.
    text: String,
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    /// A time: a number, and the nanoseconds of its unit.
    Time(Decimal, u128),
    /// Events per second.
    Rate(Decimal),
    /// A part of the whole.
    Percent(Decimal),
    /// A count.
    Count(Decimal),
    /// A change against the earlier run in percent; negative for a decrease.
    Change(f64),
}

/// Why a text is not an assertion.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionError {
    /// There is no comparison in it.
    #[error("{0:?}: expected METRIC, one of < <= > >=, and a bound, such as p99<50ms")]
    NoComparison(String),
    /// The metric is not known.
    #[error("{text:?}: there is no metric {metric:?}; there are {}", Metric::names())]
    UnknownMetric {
        /// The assertion.
        text: String,
        /// The text in the place of the metric.
        metric: String,
    },
    /// The bound does not fit the metric.
    #[error("{text:?}: {bound:?} is no bound for {metric}: expected {expected}")]
    Bound {
        /// The assertion.
        text: String,
        /// The text in the place of the bound.
        bound: String,
        /// The metric.
        metric: &'static str,
        /// What a bound of this metric looks like.
        expected: &'static str,
    },
}

impl Assertions {
    /// Checks every assertion against a run.
    pub(crate) fn judge(&self, result: &RunResult) -> Vec<Verdict> {
        self.0.iter().map(|assertion| assertion.judge(result)).collect()
    }

    /// The first assertion that needs an earlier run, as it was written.
    pub(super) fn first_against_earlier(&self) -> Option<&str> {
        let needs = |assertion: &&Assertion| {
            assertion.metric.is_about_earlier() || matches!(assertion.bound, Bound::Change(_))
        };
        self.0.iter().find(needs).map(|assertion| assertion.text.as_str())
    }
}

impl FromStr for Assertions {
    type Err = AssertionError;

    fn from_str(text: &str) -> Result<Self, AssertionError> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Assertions)
    }
}

impl fmt::Display for Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(|assertion| assertion.text.as_str()).collect();
        f.write_str(&texts.join(","))
    }
}

impl Assertion {
    fn judge(&self, result: &RunResult) -> Verdict {
        let (measured, passed) = match (self.bound, self.metric.read(result)) {
            (Bound::Change(percent), _) => self.judge_change(percent, result),
            (_, Some(reading)) => (reading.show(), self.holds(reading)),
            (_, None) => (self.why_not(result), false),
        };
        Verdict { assertion: self.text.clone(), measured, passed }
    }

    fn holds(&self, reading: Reading) -> bool {
        let ordering = match (self.bound, reading) {
            (Bound::Time(bound, unit_ns), Reading::Time(us)) => {
                bound.compare(u128::from(us) * 1000, 1, unit_ns)
            }
            (Bound::Rate(bound), Reading::Rate(count, time)) => {
                bound.compare(u128::from(count) * SECOND_NS, time.as_nanos(), 1)
            }
            (Bound::Percent(bound), Reading::Share(count, of)) => {
                bound.compare(u128::from(count) * 100, u128::from(of), 1)
            }
            (Bound::Count(bound), Reading::Share(count, _) | Reading::Count(count)) => {
                bound.compare(u128::from(count), 1, 1)
            }
            // This does not happen: a bound is parsed for the unit of its metric.
            _ => return false,
        };
        self.comparison.holds(ordering)
    }

    /// How much the metric has changed since the earlier run, and whether the assertion holds.
    fn judge_change(&self, bound: f64, result: &RunResult) -> (String, bool) {
        let difference = result.comparison.as_ref().and_then(|comparison| {
            comparison.differences.iter().find(|difference| difference.metric == self.metric.name)
        });
        match difference.map(|difference| (difference.direction, difference.percent)) {
            Some((Direction::Unclear, _)) | None => (self.why_not(result), false),
            Some((_, None)) => ("no change in percent of nothing".to_owned(), false),
            Some((_, Some(percent))) => {
                let ordering = percent.total_cmp(&bound);
                (format!("{percent:+.1}%"), self.comparison.holds(ordering))
            }
        }
    }

    /// Why the metric has no value.
    fn why_not(&self, result: &RunResult) -> String {
        let comparison = result.comparison.as_ref();
        let unlike = comparison.and_then(|comparison| comparison.unlike.as_deref());
        match (self.bound, unlike) {
            (Bound::Change(_), Some(why)) => format!("nothing: {why}"),
            (_, Some(why)) if self.metric.is_about_earlier() => format!("nothing: {why}"),
            (Bound::Change(_), None) => "nothing: the runs are too short".to_owned(),
            _ if self.metric.name.starts_with("faults") => "nothing, for want of faults".to_owned(),
            _ => "nothing, for want of trips".to_owned(),
        }
    }
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Less => ordering.is_lt(),
            Comparison::LessOrEqual => ordering.is_le(),
            Comparison::Greater => ordering.is_gt(),
            Comparison::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl FromStr for Assertion {
    type Err = AssertionError;

    fn from_str(text: &str) -> Result<Self, AssertionError> {
        let text = text.trim();
        let (name, comparison, bound) =
            split(text).ok_or_else(|| AssertionError::NoComparison(text.to_owned()))?;
        let metric = Metric::named(name).ok_or_else(|| AssertionError::UnknownMetric {
            text: text.to_owned(),
            metric: name.to_owned(),
        })?;
        let value = parse_bound(metric, bound).ok_or_else(|| AssertionError::Bound {
            text: text.to_owned(),
            bound: bound.to_owned(),
            metric: metric.name,
            expected: metric.unit.example(),
        })?;
        let text = text.split_whitespace().collect();
        Ok(Assertion { metric, comparison, bound: value, text })
    }
}

/// `p99 <= 50ms` as its three parts.
fn split(text: &str) -> Option<(&str, Comparison, &str)> {
    let at = text.find(['<', '>'])?;
    let (name, rest) = text.split_at(at);
    let (comparison, bound) = [
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ]
    .into_iter()
    .find_map(|(sign, comparison)| Some((comparison, rest.strip_prefix(sign)?)))?;
    Some((name.trim(), comparison, bound.trim()))
}

/// Parses the bound of a metric. A bound with a sign is a change against the earlier run.
fn parse_bound(metric: &Metric, text: &str) -> Option<Bound> {
    if let Some(change) = text.strip_prefix(['+', '-']) {
        let percent = Decimal::parse(change.strip_suffix('%')?.trim())?.as_f64();
        metric.better?;
        return Some(Bound::Change(if text.starts_with('-') { -percent } else { percent }));
    }
    // The unit begins where the number ends. Exponents are refused: in `1e3ms` the unit is `e3ms`.
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number = Decimal::parse(number)?;
    match (metric.unit, unit.trim()) {
        (Unit::Us, "us" | "µs" | "μs") => Some(Bound::Time(number, 1_000)),
        (Unit::Us, "ms") => Some(Bound::Time(number, 1_000_000)),
        (Unit::Us, "s") => Some(Bound::Time(number, SECOND_NS)),
        (Unit::PerS, "/s") => Some(Bound::Rate(number)),
        (Unit::Share, "%") if number.compare(100, 1, 1).is_ge() => Some(Bound::Percent(number)),
        (Unit::Share | Unit::Count, "") if number.is_whole() => Some(Bound::Count(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
