//! Makes the result of a run from what was counted.

use std::collections::BTreeMap;

use super::{Durations, Interval, Latency};
use crate::{
    outcome::Outcome,
    plan,
    result::{
        Bucket, Distribution, Exporter, FaultCounts, Generator, Histograms, Kind, Latencies,
        LatencyHistograms, Percentiles, Point, Quantile, Rate, RunResult, SCHEMA, Settings, Step,
        Telemetry, Trips, per_second,
    },
};

/// How many buckets of the histogram there are between a value and ten times that value.
const BUCKETS_PER_DECADE: f64 = 10.0;

/// How many points a percentile curve has between a percentile and the one half as far from 100,
/// such as between 90 and 95.
const POINTS_PER_HALVING: u32 = 5;

impl RunResult {
    /// The result of a run in which `total` was counted, and whose schedule asked for
    /// `scheduled_trips`. Spans, assertions and a comparison are added later.
    pub(crate) fn build(
        run: Settings,
        total: &Interval,
        timeline: Vec<Point>,
        scheduled_trips: Option<f64>,
    ) -> Self {
        let (mut outcomes, mut failures) = (BTreeMap::new(), BTreeMap::new());
        for (outcome, &count) in &total.outcomes {
            let failed = outcome.failure().is_some();
            let of_its_sort = if failed { &mut failures } else { &mut outcomes };
            of_its_sort.insert(outcome.name().into_owned(), count);
        }
        let (trips, requests) = (Trips::of(total), total.traffic());
        let per_second = |count: f64| per_second(count, run.scheduled);
        let rate = Rate {
            target_per_s: scheduled_trips.map(per_second),
            started_per_s: per_second(trips.started as f64),
            completed_per_s: per_second(trips.completed as f64),
            requests_per_s: per_second(requests.requests as f64),
        };
        let latency = |of: &Latency| Latencies {
            corrected: Percentiles::of(&of.corrected),
            service: Percentiles::of(&of.service),
        };
        let steps = plan::Step::ALL.iter().zip(&total.steps).map(|(step, counts)| Step {
            name: step.name().to_owned(),
            requests: counts.traffic.requests,
            retries: counts.traffic.retries,
            failures: counts.failures,
            gave_up: counts.gave_up,
            sent_bytes: counts.traffic.sent_bytes,
            received_bytes: counts.traffic.received_bytes,
            latency: latency(&counts.latency),
        });
        let kinds = plan::TripKind::ALL.iter().zip(&total.kinds).map(|(kind, counts)| Kind {
            name: kind.name().to_owned(),
            trips: counts.latency.count(),
            failures: counts.failures,
            p50_us: counts.latency.percentile_us(50.0),
            p99_us: counts.latency.percentile_us(99.0),
        });
        let reason = |(failure, reason): (&crate::outcome::Failure, &String)| {
            (failure.name().into_owned(), reason.clone())
        };
        Self {
            schema: SCHEMA.to_owned(),
            generator: Generator {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            trips,
            rate,
            requests,
            latency: latency(&total.latency),
            distribution: Distribution {
                corrected: curve(&total.latency.corrected),
                service: curve(&total.latency.service),
                histogram: buckets(&total.latency.corrected),
            },
            histograms: Histograms::of(total),
            steps: steps.collect(),
            kinds: kinds.collect(),
            outcomes,
            failures,
            failure_reasons: total.reasons.iter().map(reason).collect(),
            faults: total.faults.clone(),
            timeline,
            slowest: total.slowest.clone(),
            telemetry: Telemetry::default(),
            assertions: Vec::new(),
            comparison: None,
            run,
        }
    }

    /// Adds the counts of spans, and links to the traces if a backend has received any.
    pub(crate) fn account(&mut self, spans: &telemetry::Snapshot) {
        self.telemetry = Telemetry::from(spans);
        let page = self.telemetry.is_received().then(|| self.run.ui_url.trim_end_matches('/'));
        for trace in self.slowest.iter_mut().filter_map(|trip| trip.trace.as_mut()) {
            trace.url = page.map(|page| format!("{page}/trace/{}", trace.id));
        }
    }
}

impl Histograms {
    fn of(total: &Interval) -> Self {
        let stored = |of: &Latency| LatencyHistograms {
            corrected: of.corrected.stored(),
            service: of.service.stored(),
        };
        let steps = plan::Step::ALL.iter().zip(&total.steps);
        let visited = steps.filter(|(_, counts)| counts.latency.corrected.count() > 0);
        let kinds = plan::TripKind::ALL.iter().zip(&total.kinds);
        Self {
            trip: stored(&total.latency),
            steps: visited
                .map(|(step, counts)| (step.name().to_owned(), stored(&counts.latency)))
                .collect(),
            kinds: kinds
                .filter_map(|(kind, counts)| {
                    Some((kind.name().to_owned(), counts.latency.stored()?))
                })
                .collect(),
        }
    }
}

impl Telemetry {
    /// Whether a backend has received spans, or may still receive them. The console does not count,
    /// since it has no page to link to.
    fn is_received(&self) -> bool {
        self.exporters.iter().any(|exporter| {
            let lost = exporter.failed + exporter.dropped;
            exporter.name != "console" && (exporter.exported > 0 || lost == 0)
        })
    }

    /// Spans that were lost: the sum over all exporters of those that failed or were dropped.
    pub(crate) fn lost(&self) -> u64 {
        self.exporters.iter().map(|exporter| exporter.failed + exporter.dropped).sum()
    }
}

impl From<&telemetry::Snapshot> for Telemetry {
    fn from(spans: &telemetry::Snapshot) -> Self {
        let exporter = |totals: &telemetry::ExporterTotals| Exporter {
            name: totals.name.to_owned(),
            exported: totals.exported,
            failed: totals.failed,
            dropped: totals.dropped,
            queued: totals.queued,
        };
        Telemetry {
            started: spans.started,
            ended: spans.ended,
            exporters: spans.exporters.iter().map(exporter).collect(),
        }
    }
}

impl Trips {
    fn of(total: &Interval) -> Self {
        let Interval { started, missed, .. } = *total;
        let (finished, failed) = (total.finished(), total.failed());
        let gave_up = total.outcomes.get(&Outcome::GaveUp).copied().unwrap_or(0);
        Self {
            scheduled: started + missed,
            started,
            completed: finished - failed - gave_up,
            gave_up,
            failed,
            missed,
            in_flight: started.saturating_sub(finished),
        }
    }
}

impl Percentiles {
    fn of(durations: &Durations) -> Self {
        let at = |percent| durations.percentile_us(percent);
        Self {
            count: durations.count(),
            min_us: durations.min_us(),
            mean_us: durations.mean_us(),
            p50_us: at(50.0),
            p90_us: at(90.0),
            p95_us: at(95.0),
            p99_us: at(99.0),
            p99_9_us: at(99.9),
            max_us: durations.max_us(),
        }
    }
}

impl FaultCounts {
    /// The reason that counts for a fault if the answer does not mention faults.
    pub(crate) const SILENT: &'static str = "not-answered-for";
}

impl Point {
    /// The figures of an interval. The caller sets when it was.
    pub(crate) fn of(interval: &Interval) -> Self {
        let latency = &interval.latency.corrected;
        Self {
            started: interval.started,
            completed: interval.finished() - interval.failed(),
            failed: interval.failed(),
            missed: interval.missed,
            p50_us: latency.percentile_us(50.0),
            p90_us: latency.percentile_us(90.0),
            p99_us: latency.percentile_us(99.0),
            max_us: latency.max_us(),
            ..Self::default()
        }
    }

    /// Joins neighbouring points into one; `None` if there are none.
    pub(crate) fn joined(points: &[Self]) -> Option<Self> {
        let (first, others) = points.split_first()?;
        let mut joined = first.clone();
        others.iter().for_each(|next| joined.join(next));
        Some(joined)
    }

    /// Adds the next point to this one, which becomes as long as both.
    pub(crate) fn join(&mut self, next: &Self) {
        let asked = |point: &Self| Some(point.target_per_s? * point.length.as_secs_f64());
        let length = self.length + next.length;
        self.target_per_s = match (asked(self), asked(next)) {
            (None, None) => None,
            (before, after) => {
                Some(per_second(before.unwrap_or(0.0) + after.unwrap_or(0.0), length))
            }
        };
        self.p50_us = match (self.p50_us, next.p50_us) {
            (Some(before), Some(after)) => {
                let (n, m) = (u128::from(self.finished()), u128::from(next.finished()));
                let sum = u128::from(before) * n + u128::from(after) * m;
                Some(sum.checked_div(n + m).map_or(0, |mean| mean as u64))
            }
            (before, after) => before.or(after),
        };
        self.length = length;
        self.started += next.started;
        self.completed += next.completed;
        self.failed += next.failed;
        self.missed += next.missed;
        self.p90_us = self.p90_us.max(next.p90_us);
        self.p99_us = self.p99_us.max(next.p99_us);
        self.max_us = self.max_us.max(next.max_us);
    }

    /// Trips that ended in it.
    pub(crate) fn finished(&self) -> u64 {
        self.completed.saturating_add(self.failed)
    }

    /// A count of something that happened in it, per second.
    pub(crate) fn per_second(&self, count: u64) -> f64 {
        per_second(count as f64, self.length)
    }
}

fn curve(durations: &Durations) -> Vec<Quantile> {
    let points = durations.curve(POINTS_PER_HALVING);
    points.map(|(percentile, us)| Quantile { percentile, us }).collect()
}

fn buckets(durations: &Durations) -> Vec<Bucket> {
    let (Some(min), Some(max)) = (durations.min_us(), durations.max_us()) else {
        return Vec::new();
    };
    let index = |us: u64| ((us.max(1) as f64).log10() * BUCKETS_PER_DECADE).floor() as i32;
    let bound = |index: i32| 10_f64.powf(f64::from(index) / BUCKETS_PER_DECADE).ceil() as u64;
    let mut buckets: Vec<Bucket> = (index(min)..=index(max))
        .map(|index| Bucket { from_us: bound(index), to_us: bound(index + 1), count: 0 })
        // Below 10 µs some buckets contain no whole number.
        .filter(|bucket| bucket.to_us > bucket.from_us)
        .collect();
    for (us, count) in durations.recorded() {
        let above = buckets.partition_point(|bucket| bucket.from_us <= us);
        if let Some(bucket) = buckets.get_mut(above.saturating_sub(1)) {
            bucket.count += count;
        }
    }
    buckets
}
