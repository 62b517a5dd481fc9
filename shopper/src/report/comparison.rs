//! `--compare OLD.json`: how this run differs from an earlier one.
//!
//! Two runs of the same software differ too, by chance. How much is estimated from how much the
//! seconds within each run differ. A difference that is not larger than this counts as noise.

use std::fmt;

use super::{
    metric::{self, Better, METRICS, Metric, Reading, Varies},
    units,
};
use crate::result::{Comparison, Difference, Direction, Point, RunResult, Settings, Step, Unit};

/// The fewest seconds from which noise is estimated.
const FEWEST_POINTS: usize = 5;

/// How many standard errors wide the band of noise is, to either side. For two runs of the same
/// software, 19 of 20 differences lie within it.
const BAND: f64 = 2.0;

/// The resolution of a latency, as a share of it: its histogram has three digits.
const RESOLUTION: f64 = 0.001;

/// Compares `now` with `earlier`: every metric that both have, then the steps that both have.
#[must_use]
pub fn compare(earlier: &RunResult, now: &RunResult) -> Comparison {
    let [load, others] = changed_settings(&earlier.run, &now.run);
    // A different load explains every difference, so none is called better or worse.
    let unlike = (!load.is_empty())
        .then(|| format!("the runs were not asked for the same ({})", load.join("; ")));
    let compare = Compare { earlier, now, alike: unlike.is_none() };
    let metrics = METRICS.iter().filter_map(|metric| compare.metric(metric));
    let steps = now.steps.iter().filter_map(|step| {
        let same = earlier.steps.iter().find(|before| before.name == step.name)?;
        Some(compare.step(same, step))
    });
    let differences = metrics.chain(steps.flatten()).collect();
    Comparison {
        earlier_started_at: earlier.run.started_at.clone(),
        settings: [load, others].concat(),
        unlike,
        differences,
    }
}

/// Two runs that are compared.
struct Compare<'a> {
    earlier: &'a RunResult,
    now: &'a RunResult,
    /// Whether their load was the same.
    alike: bool,
}

impl Compare<'_> {
    fn metric(&self, metric: &Metric) -> Option<Difference> {
        let better = metric.better?;
        let (before, after) = (metric.read(self.earlier)?, metric.read(self.now)?);
        let mut difference = self.difference(
            metric.name.to_owned(),
            metric.unit,
            better,
            metric.varies,
            before,
            after,
        );
        // The slowest of ten times as many trips is slower, even if nothing else has changed.
        if metric.name.ends_with("max") && self.counts_differ() {
            difference.direction = Direction::Unclear;
            difference.unclear = Some("the slowest of more trips is slower".to_owned());
        }
        Some(difference)
    }

    fn step(&self, before: &Step, after: &Step) -> impl Iterator<Item = Difference> {
        let (before_it, after_it) = (&before.latency.corrected, &after.latency.corrected);
        let of = |name: &str, varies, before: Option<u64>, after_us: Option<u64>| {
            let (before, after_us) = (Reading::Time(before?), Reading::Time(after_us?));
            let name = format!("{} {name}", after.name);
            Some(self.difference(name, Unit::Us, Better::Lower, varies, before, after_us))
        };
        [
            of("p50", metric::P50, before_it.p50_us, after_it.p50_us),
            of("p99", metric::P99, before_it.p99_us, after_it.p99_us),
        ]
        .into_iter()
        .flatten()
    }

    fn difference(
        &self,
        metric: String,
        unit: Unit,
        better: Better,
        varies: Varies,
        reading_before: Reading,
        reading_after: Reading,
    ) -> Difference {
        let (before, after) = (reading_before.plain(), reading_after.plain());
        let percent = (before != 0.0).then(|| (after - before) / before * 100.0);
        let noise = noise_of_both(
            standard_error(reading_before, varies, self.earlier),
            standard_error(reading_after, varies, self.now),
        );
        let (direction, unclear) = match noise {
            _ if !self.alike => {
                (Direction::Unclear, Some("the runs were not asked for the same".to_owned()))
            }
            _ if before == after => (Direction::Same, None),
            None => {
                let why = format!("a run has fewer than {FEWEST_POINTS} seconds with trips");
                (Direction::Unclear, Some(why))
            }
            Some(noise) if (after - before).abs() <= noise => (Direction::Noise, None),
            Some(_) if (after < before) == (better == Better::Lower) => (Direction::Better, None),
            Some(_) => (Direction::Worse, None),
        };
        Difference { metric, unit, before, after, percent, noise, direction, unclear }
    }

    fn counts_differ(&self) -> bool {
        let [before, now] =
            [self.earlier, self.now].map(|result| result.latency.corrected.count as f64);
        (before / now - 1.0).abs() > 0.1
    }
}

/// How far two figures may differ by chance, from the standard error of each.
fn noise_of_both(before: Option<f64>, after: Option<f64>) -> Option<f64> {
    Some(BAND * before?.hypot(after?))
}

/// The standard error of a figure: how far it probably is from that of a much longer run. It is
/// estimated from the differences between the seconds of the run, and is never smaller than the
/// resolution of the figure.
fn standard_error(reading: Reading, varies: Varies, result: &RunResult) -> Option<f64> {
    let value = reading.plain();
    match reading {
        Reading::Time(_) => {
            let seconds = seconds(varies, result)?;
            let relative = if seconds.middle > 0.0 { seconds.error / seconds.middle } else { 0.0 };
            Some(value * relative.max(RESOLUTION))
        }
        Reading::Rate(_, time) => {
            Some(seconds(varies, result)?.error.max(1.0 / time.as_secs_f64()))
        }
        Reading::Share(_, of) => {
            // If trips fail independently of each other, this is the standard error of their share.
            // If they fail in bursts, the differences between seconds show a larger one.
            let independent = (value * (1.0 - value) / of as f64).sqrt();
            let seen = seconds(varies, result).map_or(0.0, |seconds| seconds.error);
            Some(independent.max(seen))
        }
        Reading::Count(_) => None,
    }
}

/// A figure over the seconds of a run: its middle, and the standard error of that.
struct Seconds {
    middle: f64,
    error: f64,
}

fn seconds(varies: Varies, result: &RunResult) -> Option<Seconds> {
    let values = |read: fn(&Point) -> Option<f64>| {
        let shortest = result.timeline.first().map(|first| first.length / 2).unwrap_or_default();
        // Seconds after the end of the schedule, and a last second that was cut short, are left
        // out.
        let whole = result
            .timeline
            .iter()
            .filter(move |point| point.length > shortest && point.offset < result.run.scheduled);
        let mut values: Vec<f64> = whole.filter_map(read).collect();
        values.sort_by(f64::total_cmp);
        (values.len() >= FEWEST_POINTS).then_some(values)
    };
    match varies {
        Varies::Unseen => None,
        Varies::Steadily(read) => {
            let values = values(read)?;
            let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
            // The quartiles of a normal distribution are 1.349 standard deviations apart.
            let deviation = (at(3) - at(1)) / 1.349;
            Some(Seconds { middle: at(2), error: deviation / (values.len() as f64).sqrt() })
        }
        Varies::InBursts(read) => {
            let values = values(read)?;
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
            let deviation = (squares / (count - 1.0)).sqrt();
            Some(Seconds { middle: mean, error: deviation / count.sqrt() })
        }
    }
}

/// The settings that differ between two runs, as `threads: 2 -> 4`: first those that are the load,
/// then the others.
fn changed_settings(earlier: &Settings, now: &Settings) -> [Vec<String>; 2] {
    /// The name of a setting, and how it is shown.
    type Setting = (&'static str, fn(&Settings) -> String);
    let changed = |settings: &[Setting]| {
        let changed = settings.iter().filter_map(|(name, read)| {
            let (before, after) = (read(earlier), read(now));
            (before != after).then(|| format!("{name}: {before} -> {after}"))
        });
        changed.collect()
    };
    let load = changed(&[
        ("model", |run| run.model.clone()),
        ("mix", |run| run.mix.clone()),
        ("faults", |run| match run.faults.as_slice() {
            [] => "none".to_owned(),
            faults => faults.join(" "),
        }),
        ("shares", |run| units::shares(&run.shares)),
    ]);
    let others = changed(&[
        ("threads", |run| run.threads.to_string()),
        ("seed", |run| run.seed.to_string()),
        ("store", |run| run.store_url.clone()),
    ]);
    [load, others]
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Better => "better",
            Direction::Same => "same",
            Direction::Worse => "worse",
            Direction::Noise => "noise",
            Direction::Unclear => "unclear",
        })
    }
}

#[cfg(test)]
mod tests;
