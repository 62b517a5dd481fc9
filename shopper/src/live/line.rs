//! The running status as one line.

use std::time::Duration;

use super::panel::Panel;
use crate::report::units::{clock, count, rate, some_micros};

/// The status, line by line: each line's rate is that since the line before.
#[derive(Debug, Default)]
pub(super) struct Progress {
    elapsed: Duration,
    started: u64,
}

impl Progress {
    /// The status since the line before.
    pub(super) fn line(&mut self, now: &Panel) -> String {
        let (elapsed, all) = (now.result.run.elapsed, now.result.trips.started);
        let time = elapsed.saturating_sub(self.elapsed).as_secs_f64();
        let started = all.saturating_sub(self.started);
        (self.elapsed, self.started) = (elapsed, all);
        let rate = if time > 0.0 { started as f64 / time } else { 0.0 };
        status(now, rate).join("  ")
    }
}

/// As much of the status as `width` columns hold.
pub(super) fn fitting(now: &Panel, width: u16) -> String {
    let mut line = String::new();
    for part in status(now, now.last_rate()) {
        let gap = if line.is_empty() { "" } else { "  " };
        if line.chars().count() + gap.len() + part.chars().count() > usize::from(width) {
            break;
        }
        line += gap;
        line += &part;
    }
    line
}

/// The parts of the status, the most important first.
fn status(now: &Panel, per_second: f64) -> Vec<String> {
    let (trips, latency) = (&now.result.trips, &now.result.latency.corrected);
    let target = now.last_second.target_per_s.map(|target| format!(" of {}", rate(target)));
    let mut parts = vec![
        clock(now.result.run.elapsed),
        format!("{}{}", rate(per_second), target.unwrap_or_default()),
        format!("trips {}", count(trips.started)),
        format!("failed {}", count(trips.failed)),
    ];
    if latency.count > 0 {
        let (p50, p99) = (some_micros(latency.p50_us), some_micros(latency.p99_us));
        parts.push(format!("p50 {p50}  p99 {p99}"));
    }
    parts.push(format!("in flight {}", count(trips.in_flight)));
    if trips.missed > 0 {
        parts.push(format!("missed {}", count(trips.missed)));
    }
    let lost = now.result.telemetry.lost();
    if lost > 0 {
        parts.push(format!("spans lost {}", count(lost)));
    }
    parts
}
