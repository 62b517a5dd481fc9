//! The running status as one line.

use crate::report::units::{clock, count, duration, rate};
use crate::statistics::Snapshot;

use std::time::Duration;

/// The status, line by line: each line's rate is that since the line before.
#[derive(Debug, Default)]
pub(super) struct Progress {
    elapsed: Duration,
    started: u64,
}

impl Progress {
    /// The status since the line before.
    pub(super) fn line(&mut self, snapshot: &Snapshot, spans: &telemetry::Snapshot) -> String {
        let time = snapshot.elapsed.saturating_sub(self.elapsed).as_secs_f64();
        let started = snapshot.trips.started.saturating_sub(self.started);
        (self.elapsed, self.started) = (snapshot.elapsed, snapshot.trips.started);
        let rate = if time > 0.0 { started as f64 / time } else { 0.0 };
        status(snapshot, spans, rate).join("  ")
    }
}

/// As much of the status as `width` columns hold.
pub(super) fn fitting(snapshot: &Snapshot, spans: &telemetry::Snapshot, width: u16) -> String {
    let mut line = String::new();
    for part in status(snapshot, spans, last_rate(snapshot)) {
        let gap = if line.is_empty() { "" } else { "  " };
        if line.chars().count() + gap.len() + part.chars().count() > usize::from(width) {
            break;
        }
        line += gap;
        line += &part;
    }
    line
}

/// Trips started per second, in the last second.
pub(super) fn last_rate(snapshot: &Snapshot) -> f64 {
    let last = &snapshot.last_second;
    let length = last.length.as_secs_f64();
    if length > 0.0 { last.started as f64 / length } else { 0.0 }
}

/// Spans that no backend will ever get, by all exporters.
pub(super) fn lost(spans: &telemetry::Snapshot) -> u64 {
    spans.exporters.iter().map(|exporter| exporter.failed + exporter.dropped).sum()
}

/// The parts of the status, the most important first.
fn status(snapshot: &Snapshot, spans: &telemetry::Snapshot, per_second: f64) -> Vec<String> {
    let trips = &snapshot.trips;
    let latency = &snapshot.latency.corrected;
    let target = snapshot.target_rate.map(|target| format!(" of {}", rate(target)));
    let at = |percent| duration(Duration::from_micros(latency.value_at_percentile(percent)));
    let mut parts = vec![
        clock(snapshot.elapsed),
        format!("{}{}", rate(per_second), target.unwrap_or_default()),
        format!("trips {}", count(trips.started)),
        format!("failed {}", count(trips.failed)),
    ];
    if !latency.is_empty() {
        parts.push(format!("p50 {}  p99 {}", at(50.0), at(99.0)));
    }
    parts.push(format!("in flight {}", count(trips.in_flight)));
    if trips.missed > 0 {
        parts.push(format!("missed {}", count(trips.missed)));
    }
    if lost(spans) > 0 {
        parts.push(format!("spans lost {}", count(lost(spans))));
    }
    parts
}
