//! From what was measured to the document.

use super::{
    Bucket, Distribution, Document, Exporter, Generator, Kind, Latencies, Percentiles, Point,
    Quantile, Rate, Requests, SCHEMA, Settings, SlowTrip, Step, Telemetry, Trace, Trips,
};
use crate::report::{Run, trace_url};
use crate::statistics::{self, Latency, Snapshot};
use hdrhistogram::Histogram;

use std::time::Duration;

/// How many buckets of the histogram lie between a value and ten times that value.
const BUCKETS_PER_DECADE: f64 = 10.0;

/// Points of a percentile curve between a percentile and the one half as far from 100.
const POINTS_PER_HALVING: u32 = 5;

impl Document {
    /// The document of `run`, as `snapshot` says it went: without spans, and judged by nothing yet.
    #[must_use]
    pub fn new(run: &Run, snapshot: &Snapshot) -> Self {
        Document {
            schema: SCHEMA.to_owned(),
            generator: Generator {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            run: settings(run, snapshot),
            trips: trips(&snapshot.trips),
            rate: rate(snapshot),
            requests: Requests {
                total: snapshot.requests,
                retries: snapshot.retries,
                sent_bytes: snapshot.sent_bytes,
                received_bytes: snapshot.received_bytes,
            },
            latency: latencies(&snapshot.latency),
            distribution: Distribution {
                corrected: curve(&snapshot.latency.corrected),
                service: curve(&snapshot.latency.service),
                histogram: buckets(&snapshot.latency.corrected),
            },
            steps: snapshot.steps.iter().map(step).collect(),
            kinds: snapshot.kinds.iter().map(kind).collect(),
            outcomes: snapshot.outcomes.clone(),
            failures: snapshot.failures.clone(),
            timeline: snapshot.timeline.iter().map(point).collect(),
            slowest: snapshot.slowest.iter().map(|trip| slow_trip(trip, run)).collect(),
            telemetry: Telemetry::default(),
            assertions: Vec::new(),
            comparison: None,
        }
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

fn settings(run: &Run, snapshot: &Snapshot) -> Settings {
    Settings {
        started_at: humantime::format_rfc3339_seconds(run.started_at).to_string(),
        elapsed_s: seconds(snapshot.elapsed),
        store_url: run.store_url.clone(),
        ui_url: run.ui_url.clone(),
        model: run.model.clone(),
        mix: run.mix.clone(),
        seed: run.seed,
        threads: run.threads,
        faults: run.faults.clone(),
    }
}

fn trips(trips: &statistics::Trips) -> Trips {
    let statistics::Trips { scheduled, started, completed, gave_up, failed, missed, in_flight } =
        *trips;
    Trips { scheduled, started, completed, gave_up, failed, missed, in_flight }
}

fn rate(snapshot: &Snapshot) -> Rate {
    let elapsed = snapshot.elapsed.as_secs_f64();
    let per_second = |count: u64| if elapsed > 0.0 { rounded(count as f64 / elapsed) } else { 0.0 };
    Rate {
        target_per_s: target(snapshot).map(rounded),
        started_per_s: per_second(snapshot.trips.started),
        completed_per_s: per_second(snapshot.trips.completed),
        requests_per_s: per_second(snapshot.requests),
    }
}

/// What the schedule asked for, averaged over the run: stages ask for different rates.
fn target(snapshot: &Snapshot) -> Option<f64> {
    let (trips, length) = snapshot
        .timeline
        .iter()
        .filter_map(|bucket| Some((bucket.target_rate?, bucket.length.as_secs_f64())))
        .fold((0.0, 0.0), |(trips, all), (rate, length)| (trips + rate * length, all + length));
    if length > 0.0 { Some(trips / length) } else { snapshot.target_rate }
}

fn latencies(latency: &Latency) -> Latencies {
    Latencies { corrected: percentiles(&latency.corrected), service: percentiles(&latency.service) }
}

fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    let at = |percent| histogram.value_at_percentile(percent);
    Percentiles {
        count: histogram.len(),
        min_us: histogram.min(),
        mean_us: histogram.mean().round() as u64,
        p50_us: at(50.0),
        p90_us: at(90.0),
        p95_us: at(95.0),
        p99_us: at(99.0),
        p99_9_us: at(99.9),
        max_us: histogram.max(),
    }
}

fn curve(histogram: &Histogram<u64>) -> Vec<Quantile> {
    histogram
        .iter_quantiles(POINTS_PER_HALVING)
        .map(|at| Quantile {
            percentile: at.quantile_iterated_to() * 100.0,
            us: at.value_iterated_to(),
        })
        .collect()
}

fn buckets(histogram: &Histogram<u64>) -> Vec<Bucket> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let index = |us: u64| ((us.max(1) as f64).log10() * BUCKETS_PER_DECADE).floor() as i32;
    let bound = |index: i32| 10_f64.powf(f64::from(index) / BUCKETS_PER_DECADE).ceil() as u64;
    let mut buckets: Vec<Bucket> = (index(histogram.min())..=index(histogram.max()))
        .map(|index| Bucket { from_us: bound(index), to_us: bound(index + 1), count: 0 })
        // Below 10 µs some tenths of a decade hold no whole number.
        .filter(|bucket| bucket.to_us > bucket.from_us)
        .collect();
    for recorded in histogram.iter_recorded() {
        let above =
            buckets.partition_point(|bucket| bucket.from_us <= recorded.value_iterated_to());
        if let Some(bucket) = buckets.get_mut(above.saturating_sub(1)) {
            bucket.count += recorded.count_since_last_iteration();
        }
    }
    buckets
}

fn step(step: &statistics::Step) -> Step {
    Step {
        name: step.name.to_owned(),
        requests: step.requests,
        failures: step.failures,
        sent_bytes: step.sent_bytes,
        received_bytes: step.received_bytes,
        latency: latencies(&step.latency),
    }
}

fn kind(kind: &statistics::Kind) -> Kind {
    Kind {
        name: kind.name.to_owned(),
        trips: kind.trips,
        failures: kind.failures,
        p50_us: micros(kind.p50),
        p99_us: micros(kind.p99),
    }
}

fn point(second: &statistics::Second) -> Point {
    Point {
        offset_s: seconds(second.offset),
        length_s: seconds(second.length),
        target_per_s: second.target_rate.map(rounded),
        started: second.started,
        completed: second.completed,
        failed: second.failed,
        missed: second.missed,
        p50_us: micros(second.p50),
        p90_us: micros(second.p90),
        p99_us: micros(second.p99),
        max_us: micros(second.max),
    }
}

fn slow_trip(trip: &statistics::SlowTrip, run: &Run) -> SlowTrip {
    SlowTrip {
        latency_us: micros(trip.latency),
        offset_s: seconds(trip.offset),
        kind: trip.kind.to_owned(),
        failure: trip.failure.clone(),
        trace: trip
            .trace_id
            .map(|id| Trace { id: id.to_string(), url: trace_url(&run.ui_url, id) }),
    }
}

/// Seconds to the millisecond.
fn seconds(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64())
}

/// Three places after the point: more would be noise in a document that people read too.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
