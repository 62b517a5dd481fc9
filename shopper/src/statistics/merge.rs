//! Merges the results of several shoppers into one, as if one had made and counted all their trips.
//!
//! What was counted in each run is made again from its result, and added up as the counts of threads
//! are. So percentiles come from all values, and not from the percentiles of the parts.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, UNIX_EPOCH},
};

use super::{
    Durations, Interval, Latency, MAX_POINTS,
    interval::{KindCounts, StepCounts},
};
use crate::{
    config::RunShare,
    outcome::{Failure, Outcome},
    plan::{Step, TripKind},
    result::{
        Exporter, Histogram, LatencyHistograms, Percentiles, Point, RunResult, Settings, Telemetry,
        Traffic, per_second,
    },
};

/// The largest count that is read: what a number of JSON holds exactly in any program. A thousand
/// results of such counts can be added up.
const LARGEST_COUNT: u64 = 1 << 53;

/// The most results that are merged.
pub const MOST_MERGED: usize = 1000;

/// Results that are being merged.
#[derive(Debug)]
pub(crate) struct Merge {
    settings: Settings,
    total: Interval,
    scheduled_trips: Option<f64>,
    /// The time lines by seconds since 1970.
    seconds: BTreeMap<u64, Together>,
    stores: BTreeSet<String>,
    shares: BTreeSet<RunShare>,
    telemetry: Telemetry,
    /// Since 1970: when the first began, and when the last ended.
    first_start: Duration,
    last_end: Duration,
}

impl Merge {
    /// Nothing yet. `settings` are those that all results have.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            settings: Settings {
                elapsed: Duration::ZERO,
                scheduled: Duration::ZERO,
                threads: 0,
                ..settings.clone()
            },
            total: Interval::new(),
            scheduled_trips: None,
            seconds: BTreeMap::new(),
            stores: BTreeSet::new(),
            shares: BTreeSet::new(),
            telemetry: Telemetry::default(),
            first_start: Duration::MAX,
            last_end: Duration::ZERO,
        }
    }

    /// Adds a result.
    ///
    /// # Errors
    /// What is wrong in it, such as counts that contradict each other. Nothing is added then.
    pub(crate) fn add(&mut self, result: &RunResult) -> Result<(), String> {
        let start = start_of(&result.run)?;
        let mut counted = restore(result)?;
        for trip in &mut counted.slowest {
            trip.offset += start;
        }
        if result.timeline.len() > MAX_POINTS {
            return Err(format!("timeline: expected at most {MAX_POINTS} points"));
        }
        for point in &result.timeline {
            let of_point = [point.started, point.completed, point.failed, point.missed];
            of_point.into_iter().try_for_each(|number| count("timeline", number).map(drop))?;
        }
        let telemetry = &result.telemetry;
        let spans = [telemetry.started, telemetry.ended].into_iter();
        let of = |e: &Exporter| [e.exported, e.failed, e.dropped, e.queued];
        let spans = spans.chain(telemetry.exporters.iter().flat_map(of));
        spans.into_iter().try_for_each(|number| count("telemetry", number).map(drop))?;

        self.total.merge(&counted);
        let run = &result.run;
        self.first_start = self.first_start.min(start);
        self.last_end = self.last_end.max(start + run.elapsed);
        // The shares of a run have one schedule. A start that is a second late makes it no longer.
        self.settings.scheduled = self.settings.scheduled.max(run.scheduled);
        self.settings.threads = self.settings.threads.saturating_add(run.threads);
        if let Some(target) = result.rate.target_per_s {
            *self.scheduled_trips.get_or_insert(0.0) += target * run.scheduled.as_secs_f64();
        }
        self.stores.insert(run.store_url.clone());
        self.shares.extend(&run.shares);
        for point in &result.timeline {
            let middle = start + point.offset + point.length / 2;
            let asked = point.target_per_s.map(|target| target * point.length.as_secs_f64());
            self.seconds.entry(middle.as_secs()).or_default().add(point, asked);
        }
        self.add_spans(telemetry);
        Ok(())
    }

    fn add_spans(&mut self, spans: &Telemetry) {
        self.telemetry.started += spans.started;
        self.telemetry.ended += spans.ended;
        for exporter in &spans.exporters {
            let same = self.telemetry.exporters.iter_mut().find(|same| same.name == exporter.name);
            match same {
                Some(same) => {
                    same.exported += exporter.exported;
                    same.failed += exporter.failed;
                    same.dropped += exporter.dropped;
                    same.queued += exporter.queued;
                }
                None => self.telemetry.exporters.push(exporter.clone()),
            }
        }
    }

    /// The result of all.
    pub(crate) fn finish(mut self) -> RunResult {
        let start = self.first_start.min(self.last_end);
        let started_at = humantime::format_rfc3339_seconds(UNIX_EPOCH + start).to_string();
        for trip in &mut self.total.slowest {
            trip.offset = trip.offset.saturating_sub(start);
        }
        let elapsed = self.last_end - start;
        let timeline = timeline(&self.seconds, start, elapsed);
        let settings = Settings {
            started_at,
            elapsed,
            store_url: self.stores.into_iter().collect::<Vec<_>>().join(" "),
            shares: self.shares.into_iter().collect(),
            ..self.settings
        };
        let mut result = RunResult::build(settings, &self.total, timeline, self.scheduled_trips);
        result.telemetry = self.telemetry;
        result
    }
}

/// What all shoppers did in one second or in several.
#[derive(Clone, Debug, Default)]
struct Together {
    /// The counts. Its length is that of the longest point in it.
    point: Point,
    /// How many trips the schedules asked for, if they asked for a rate.
    asked: Option<f64>,
}

impl Together {
    fn add(&mut self, point: &Point, asked: Option<f64>) {
        let length = self.point.length.max(point.length);
        self.point.join(point);
        self.point.length = length;
        if let Some(asked) = asked {
            *self.asked.get_or_insert(0.0) += asked;
        }
    }
}

/// The time line of all results: a second a point, or several if it would be too long.
fn timeline(seconds: &BTreeMap<u64, Together>, start: Duration, elapsed: Duration) -> Vec<Point> {
    let longest = seconds.values().map(|second| second.point.length).max().unwrap_or_default();
    let mut width = longest.as_secs_f64().round().max(1.0) as u64;
    while elapsed.as_secs() / width >= MAX_POINTS as u64 {
        width *= 2;
    }
    let mut points = BTreeMap::<u64, Together>::new();
    for (second, Together { point, asked }) in seconds {
        let index = second.saturating_sub(start.as_secs()) / width;
        points.entry(index).or_default().add(point, *asked);
    }
    let point = |(index, Together { point, asked }): (u64, Together)| {
        let offset = Duration::from_secs(index * width);
        let length = Duration::from_secs(width).min(elapsed.saturating_sub(offset));
        let target_per_s = asked.map(|trips| per_second(trips, length));
        Point { offset, length, target_per_s, ..point }
    };
    points.into_iter().map(point).collect()
}

/// When a run started, since 1970.
fn start_of(run: &Settings) -> Result<Duration, String> {
    let start = humantime::parse_rfc3339(&run.started_at).ok();
    let start = start.and_then(|start| start.duration_since(UNIX_EPOCH).ok());
    start.ok_or_else(|| format!("run.started_at: {:?} is no time by RFC 3339", run.started_at))
}

/// A count that can be added to others.
fn count(name: &str, count: u64) -> Result<u64, String> {
    match count {
        0..=LARGEST_COUNT => Ok(count),
        _ => Err(format!("{name}: {count} is larger than any shopper counts")),
    }
}

/// What was counted in the run of this result.
fn restore(result: &RunResult) -> Result<Interval, String> {
    let trips = &result.trips;
    let mut interval = Interval::new();
    interval.started = count("trips.started", trips.started)?;
    interval.missed = count("trips.missed", trips.missed)?;
    for (tally, is_failure, name) in
        [(&result.outcomes, false, "outcomes"), (&result.failures, true, "failures")]
    {
        for (ending, &number) in tally {
            let outcome = Outcome::named(ending)
                .filter(|outcome| outcome.failure().is_some() == is_failure)
                .ok_or_else(|| format!("{name}: {ending:?} is not among them"))?;
            interval.outcomes.insert(outcome, count(name, number)?);
        }
    }
    let finished = interval.outcomes.values().fold(0, |sum: u64, n| sum.saturating_add(*n));
    if finished > interval.started || interval.failed() != trips.failed {
        return Err("outcomes and failures do not add up to trips".to_owned());
    }
    for (name, reason) in &result.failure_reasons {
        let failure = Failure::named(name)
            .ok_or_else(|| format!("failure_reasons: {name:?} is no kind of failure"))?;
        interval.keep_reason(failure, reason);
    }
    interval.latency =
        restore_latency("trip", Some(&result.histograms.trip), &result.latency.corrected)?;
    if interval.latency.corrected.count() != finished {
        return Err(format!("histograms.trip: expected {finished} values, as trips ended"));
    }
    for (step, counts) in Step::ALL.iter().zip(&mut interval.steps) {
        *counts = restore_step(result, step.name())?;
    }
    for (kind, counts) in TripKind::ALL.iter().zip(&mut interval.kinds) {
        *counts = restore_kind(result, kind.name())?;
    }
    for (fault, counts) in &result.faults {
        let all = [counts.asked, counts.honoured, counts.struck, counts.ignored, counts.unanswered];
        let all = all.iter().chain(counts.reasons.values());
        all.copied().try_for_each(|number| count("faults", number).map(drop))?;
        interval.faults.insert(fault.clone(), counts.clone());
    }
    interval.slowest.clone_from(&result.slowest);
    Ok(interval)
}

fn restore_step(result: &RunResult, name: &str) -> Result<StepCounts, String> {
    let step = result.steps.iter().find(|step| step.name == name);
    let step = step.ok_or_else(|| format!("steps: there is no {name:?}"))?;
    let number = |number| count("steps", number);
    Ok(StepCounts {
        failures: number(step.failures)?,
        gave_up: number(step.gave_up)?,
        traffic: Traffic {
            requests: number(step.requests)?,
            retries: number(step.retries)?,
            sent_bytes: number(step.sent_bytes)?,
            received_bytes: number(step.received_bytes)?,
        },
        latency: restore_latency(name, result.histograms.steps.get(name), &step.latency.corrected)?,
    })
}

fn restore_kind(result: &RunResult, name: &str) -> Result<KindCounts, String> {
    let kind = result.kinds.iter().find(|kind| kind.name == name);
    let kind = kind.ok_or_else(|| format!("kinds: there is no {name:?}"))?;
    Ok(KindCounts {
        failures: count("kinds", kind.failures)?,
        latency: restore_durations(name, result.histograms.kinds.get(name), kind.trips)?,
    })
}

fn restore_latency(
    name: &str,
    stored: Option<&LatencyHistograms>,
    shown: &Percentiles,
) -> Result<Latency, String> {
    let of = |stored| restore_durations(name, stored, shown.count);
    Ok(Latency {
        corrected: of(stored.and_then(|stored| stored.corrected.as_ref()))?,
        service: of(stored.and_then(|stored| stored.service.as_ref()))?,
    })
}

/// The durations of a histogram, which must have as many as the result says elsewhere.
fn restore_durations(
    name: &str,
    stored: Option<&Histogram>,
    expected: u64,
) -> Result<Durations, String> {
    let wrong = |problem| format!("histograms: that of {name:?} {problem}");
    let durations = Durations::restore(stored).map_err(wrong)?;
    match durations.count() == count("histograms", expected)? {
        true => Ok(durations),
        false => Err(format!(
            "histograms: that of {name:?} has {} values, expected {expected}",
            durations.count()
        )),
    }
}

#[cfg(test)]
mod tests;
