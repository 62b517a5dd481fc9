//! `--assert 'p99<50ms,failures<0.1%'`: what a run must have been for the exit code to be 0.

use super::document::{Document, Verdict};
use super::metric::{Measure, Metric, Reading};
use std::fmt;
use std::str::FromStr;

/// What a run is asserted to be: one or more assertions, separated by commas.
#[derive(Clone, Debug)]
pub struct Assertions(Vec<Assertion>);

/// One assertion: a metric, a comparison, a bound.
#[derive(Clone, Debug)]
struct Assertion {
    metric: &'static Metric,
    comparison: Comparison,
    bound: Bound,
    /// As it was written, without its spaces.
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
    /// In the unit of the metric.
    Absolute(f64),
    /// A part of the whole, 0 to 1.
    Share(f64),
}

/// Why a text is no assertion.
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
        /// What stands in the place of a metric.
        metric: String,
    },
    /// The bound does not fit the metric.
    #[error("{text:?}: {bound:?} is no bound for {metric}: expected {expected}")]
    Bound {
        /// The assertion.
        text: String,
        /// What stands in the place of a bound.
        bound: String,
        /// The metric.
        metric: &'static str,
        /// What a bound of this metric looks like.
        expected: &'static str,
    },
}

impl Assertions {
    /// Holds every assertion against a run.
    pub(crate) fn judge(&self, document: &Document) -> Vec<Verdict> {
        self.0.iter().map(|assertion| assertion.judge(document)).collect()
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
    fn judge(&self, document: &Document) -> Verdict {
        let (measured, passed) = match self.metric.read(document) {
            Some(reading) => (self.metric.measures.show(reading), self.holds(reading)),
            None => ("nothing, for want of trips".to_owned(), false),
        };
        Verdict { assertion: self.text.clone(), measured, passed }
    }

    fn holds(&self, reading: Reading) -> bool {
        let (value, bound) = match self.bound {
            Bound::Absolute(bound) => (reading.value, bound),
            Bound::Share(bound) => (reading.share(), bound),
        };
        match self.comparison {
            Comparison::Less => value < bound,
            Comparison::LessOrEqual => value <= bound,
            Comparison::Greater => value > bound,
            Comparison::GreaterOrEqual => value >= bound,
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
        let value = parse_bound(metric.measures, bound).ok_or_else(|| AssertionError::Bound {
            text: text.to_owned(),
            bound: bound.to_owned(),
            metric: metric.name,
            expected: metric.measures.example(),
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

/// The bound, in the unit of the measure.
fn parse_bound(measure: Measure, text: &str) -> Option<Bound> {
    // A unit begins where the number ends; `e` is no unit, so 1e3ms isn't a number with a unit.
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.parse().ok()?;
    match (measure, unit.trim()) {
        (Measure::Time, "us" | "µs" | "μs") => Some(Bound::Absolute(number)),
        (Measure::Time, "ms") => Some(Bound::Absolute(number * 1e3)),
        (Measure::Time, "s") => Some(Bound::Absolute(number * 1e6)),
        (Measure::Rate, "/s") => Some(Bound::Absolute(number)),
        (Measure::Share, "%") if number <= 100.0 => Some(Bound::Share(number / 100.0)),
        (Measure::Share, "") if number.fract() == 0.0 => Some(Bound::Absolute(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
