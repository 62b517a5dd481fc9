//! The columns of the tables that the text and the page both have.

use super::units::{self, some_micros};
use crate::result::{Difference, FaultCounts, Percentiles, Unit};

/// A latency: its percentiles, how many values it has, and how many trips or steps failed.
pub(super) const LATENCY: [&str; 9] =
    ["p50", "p90", "p95", "p99", "p99.9", "max", "mean", "count", "failed"];

/// A kind of trip.
pub(super) const KIND: [&str; 4] = ["p50", "p99", "count", "failed"];

/// A fault that trips asked for.
pub(super) const FAULT: [&str; 5] = ["asked", "honoured", "struck", "ignored", "no answer"];

/// A metric in two runs: the change also in percent, and the direction of the change.
pub(super) const DIFFERENCE: [&str; 6] = ["before", "now", "change", "", "noise", ""];

/// The cells of a latency, without the two counts at its end.
pub(super) fn percentiles(of: &Percentiles) -> [String; 7] {
    [of.p50_us, of.p90_us, of.p95_us, of.p99_us, of.p99_9_us, of.max_us, of.mean_us]
        .map(some_micros)
}

/// The cells of a fault.
pub(super) fn fault(counts: &FaultCounts) -> [String; 5] {
    let FaultCounts { asked, honoured, struck, ignored, unanswered, .. } = *counts;
    [asked, honoured, struck, ignored, unanswered].map(units::count)
}

/// The cells of a difference.
pub(super) fn difference(difference: &Difference) -> [String; 6] {
    let Difference { unit, before, after, percent, noise, direction, .. } = *difference;
    let apart = |difference: f64| match unit {
        // A difference of two percentages is in percentage points.
        Unit::Share => format!("{:.2} points", difference * 100.0),
        unit => unit.show(difference),
    };
    let (change, percent) = if after == before {
        ("0".to_owned(), None)
    } else {
        let sign = if after < before { '-' } else { '+' };
        (format!("{sign}{}", apart((after - before).abs())), percent)
    };
    let percent = percent.map(|percent| format!("{percent:+.1}%")).unwrap_or_default();
    let noise = noise.map(|noise| format!("±{}", apart(noise))).unwrap_or_default();
    [unit.show(before), unit.show(after), change, percent, noise, direction.to_string()]
}
