//! `--compare OLD.json`: how this run differs from an earlier one.

use super::document::{Comparison, Difference, Direction, Document, SCHEMA, Settings, Step, Unit};
use super::error::ReportError;
use super::metric::{Better, METRICS, Measure, Reading, percentile};
use super::units;
use serde::Deserialize;
use std::cmp::Ordering;
use std::fmt;
use std::path::Path;

/// The document in the file at `path`.
pub(super) fn read(path: &Path) -> Result<Document, ReportError> {
    let text = std::fs::read(path)
        .map_err(|source| ReportError::Unreadable { path: path.to_owned(), source })?;
    let malformed = |error: serde_json::Error| ReportError::Malformed {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    // The version first: a document in another form may well lack what this one asks for.
    let Version { schema } = serde_json::from_slice(&text).map_err(malformed)?;
    if schema != SCHEMA {
        let (path, found) = (path.to_owned(), schema);
        return Err(ReportError::OtherSchema { path, found, expected: SCHEMA });
    }
    serde_json::from_slice(&text).map_err(malformed)
}

#[derive(Deserialize)]
struct Version {
    schema: String,
}

/// How `now` differs from `earlier`: every metric that both have, then the steps that both have.
#[must_use]
pub fn compare(earlier: &Document, now: &Document) -> Comparison {
    let metrics = METRICS.iter().filter_map(|metric| {
        let (before, after) = (metric.read(earlier)?, metric.read(now)?);
        Some(difference(metric.name.to_owned(), metric.measures, metric.better, before, after))
    });
    let steps = now.steps.iter().filter_map(|step| {
        let same = earlier.steps.iter().find(|before| before.name == step.name)?;
        Some(step_differences(same, step))
    });
    Comparison {
        earlier_started_at: earlier.run.started_at.clone(),
        settings: other_settings(&earlier.run, &now.run),
        differences: metrics.chain(steps.flatten()).collect(),
    }
}

fn step_differences(before: &Step, after: &Step) -> impl Iterator<Item = Difference> {
    let of = |read, percentile_name: &str| {
        let before = percentile(&before.latency.corrected, read)?;
        let after_it = percentile(&after.latency.corrected, read)?;
        let name = format!("{} {percentile_name}", after.name);
        Some(difference(name, Measure::Time, Better::Lower, before, after_it))
    };
    [of(|p| p.p50_us, "p50"), of(|p| p.p99_us, "p99")].into_iter().flatten()
}

fn difference(
    metric: String,
    measure: Measure,
    better: Better,
    before: Reading,
    after: Reading,
) -> Difference {
    let (before, after) = (measure.plain(before), measure.plain(after));
    let percent = (before != 0.0).then(|| (after - before) / before * 100.0);
    let direction = match (after.total_cmp(&before), better) {
        (Ordering::Equal, _) => Direction::Same,
        (Ordering::Less, Better::Lower) | (Ordering::Greater, Better::Higher) => Direction::Better,
        _ => Direction::Worse,
    };
    Difference { metric, unit: measure.unit(), before, after, percent, direction }
}

fn faults(settings: &Settings) -> String {
    if settings.faults.is_empty() { "none".to_owned() } else { settings.faults.join(" ") }
}

impl Difference {
    /// How much more or less it is now, with its unit, and the same in percent of what it was.
    pub(super) fn shown(&self) -> [String; 2] {
        let sign = if self.after < self.before { '-' } else { '+' };
        let change = (self.after - self.before).abs();
        let change = match (self.direction, self.unit) {
            (Direction::Same, _) => return ["0".to_owned(), String::new()],
            // The difference of two percentages is no percentage.
            (_, Unit::Share) => format!("{sign}{:.2} points", change * 100.0),
            (_, unit) => format!("{sign}{}", unit.show(change)),
        };
        [change, self.percent.map(|percent| format!("{percent:+.1}%")).unwrap_or_default()]
    }
}

impl Unit {
    /// A figure of this unit.
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Unit::Us => units::micros(value.round() as u64),
            Unit::PerS => units::rate(value),
            Unit::Share => units::share(value),
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Better => "better",
            Direction::Same => "same",
            Direction::Worse => "worse",
        })
    }
}

/// `model: open, 100/s -> open, 200/s`, for each setting that may explain a difference.
fn other_settings(earlier: &Settings, now: &Settings) -> Vec<String> {
    let changed = |name: &str, before: String, after: String| {
        (before != after).then(|| format!("{name}: {before} -> {after}"))
    };
    [
        changed("model", earlier.model.clone(), now.model.clone()),
        changed("mix", earlier.mix.clone(), now.mix.clone()),
        changed("faults", faults(earlier), faults(now)),
        changed("threads", earlier.threads.to_string(), now.threads.to_string()),
        changed("seed", earlier.seed.to_string(), now.seed.to_string()),
        changed("store", earlier.store_url.clone(), now.store_url.clone()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests;
