//! The course of the run: its rate against its target, its latency, what failed.

use super::chart::{Chart, figure};
use super::distribution::short_micros;
use super::scale::Scale;
use crate::report::document::{Document, Point};
use crate::report::units;
use maud::{Markup, html};
use std::time::Duration;

/// More points than this are joined: the chart has no pixels for them.
const MOST_POINTS: usize = 500;

/// Trips per second against the target, with those that failed or never started.
pub(super) fn rates(points: &[Point]) -> Markup {
    let target = |point: &Point| point.target_per_s;
    let most = points.iter().flat_map(|point| {
        [per_second(point, point.started), target(point).unwrap_or(0.0), troubles(point)]
    });
    let chart = Chart {
        label: "Trips per second over the run, against the target",
        x: (time_axis(points), ""),
        y: Scale::from_zero(most.fold(0.0, f64::max)),
        x_tick: clock,
        y_tick: units::rate,
    };
    let has_target = points.iter().any(|point| target(point).is_some());
    let marks = html! {
        @for point in points {
            @let failed = per_second(point, point.failed);
            @if point.failed + point.missed > 0 {
                (chart.bar("bar-missed", span(point), troubles(point)))
                (chart.bar("bar-failed", span(point), failed))
            }
        }
        @if has_target {
            (chart.line("target", points.iter().map(|p| Some((middle(p), target(p)?)))))
        }
        (chart.line("started", points.iter().map(|p| Some((middle(p), per_second(p, p.started))))))
        @for point in points { (chart.tooltip(span(point), &about(point))) }
    };
    let mut legend = vec![("started", "started")];
    legend.extend(has_target.then_some(("target", "target")));
    legend.extend([("bar-failed", "failed"), ("bar-missed", "missed")]);
    figure(
        "Trips per second",
        &legend,
        "The bars are trips that failed and, on top of them, trips that never started.",
        &chart.draw(&marks),
    )
}

/// The median, the 99th percentile and the slowest of each second.
pub(super) fn latencies(points: &[Point]) -> Markup {
    let busy = || points.iter().filter(|point| point.max_us > 0);
    let low = busy().map(|point| point.p50_us).min().unwrap_or(1);
    let high = busy().map(|point| point.max_us).max().unwrap_or(1);
    let chart = Chart {
        label: "Latency of each second over the run",
        x: (time_axis(points), ""),
        y: Scale::logarithmic(low as f64, high as f64),
        x_tick: clock,
        y_tick: short_micros,
    };
    let line = |class, read: fn(&Point) -> u64| {
        let at = |p: &Point| (p.max_us > 0).then(|| (middle(p), read(p) as f64));
        chart.line(class, points.iter().map(at))
    };
    let marks = html! {
        (line("max", |p| p.max_us))
        (line("p99", |p| p.p99_us))
        (line("p50", |p| p.p50_us))
        @for point in points { (chart.tooltip(span(point), &about(point))) }
    };
    figure(
        "Latency each second",
        &[("p50", "p50"), ("p99", "p99"), ("max", "max")],
        "Of the trips that ended in it, from the intended start.",
        &chart.draw(&marks),
    )
}

/// The points to draw: all of them, or neighbours joined into one.
pub(super) fn points(document: &Document) -> Vec<Point> {
    let together = document.timeline.len().div_ceil(MOST_POINTS).max(1);
    document.timeline.chunks(together).filter_map(join).collect()
}

/// Neighbours as one: counts added up, the worst of their latencies.
fn join(points: &[Point]) -> Option<Point> {
    let worst = |read: fn(&Point) -> u64| points.iter().map(read).max().unwrap_or(0);
    let sum = |read: fn(&Point) -> u64| points.iter().map(read).sum();
    let first = points.first()?;
    Some(Point {
        offset_s: first.offset_s,
        length_s: points.iter().map(|point| point.length_s).sum(),
        target_per_s: first.target_per_s,
        started: sum(|p| p.started),
        completed: sum(|p| p.completed),
        failed: sum(|p| p.failed),
        missed: sum(|p| p.missed),
        p50_us: worst(|p| p.p50_us),
        p90_us: worst(|p| p.p90_us),
        p99_us: worst(|p| p.p99_us),
        max_us: worst(|p| p.max_us),
    })
}

fn about(point: &Point) -> String {
    let rate = |count| units::rate(per_second(point, count));
    let mut text = format!("at {}\nstarted {}", clock(point.offset_s), rate(point.started));
    if let Some(target) = point.target_per_s {
        text += &format!(" of {}", units::rate(target));
    }
    text += &format!("\nfailed {}, missed {}", rate(point.failed), rate(point.missed));
    if point.max_us > 0 {
        let [p50, p99, max] = [point.p50_us, point.p99_us, point.max_us].map(units::micros);
        text += &format!("\np50 {p50}, p99 {p99}, max {max}");
    }
    text
}

fn troubles(point: &Point) -> f64 {
    per_second(point, point.failed + point.missed)
}

fn per_second(point: &Point, count: u64) -> f64 {
    if point.length_s > 0.0 { count as f64 / point.length_s } else { 0.0 }
}

fn span(point: &Point) -> (f64, f64) {
    (point.offset_s, point.offset_s + point.length_s)
}

fn middle(point: &Point) -> f64 {
    point.offset_s + point.length_s / 2.0
}

fn time_axis(points: &[Point]) -> Scale {
    Scale::time(points.last().map_or(0.0, |last| span(last).1))
}

fn clock(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds.max(0.0)) {
        Ok(time) if seconds < 60.0 => format!("{} s", time.as_secs()),
        Ok(time) => units::clock(time),
        Err(_) => String::new(),
    }
}
