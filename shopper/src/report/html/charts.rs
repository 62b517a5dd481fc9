//! The charts of the page: the run second by second, and how its latency is distributed.

use std::time::Duration;

use maud::{Markup, html};

use super::chart::{Chart, Scale, figure};
use crate::{
    report::units,
    result::{Point, Quantile, RunResult},
};

/// The most points that a chart has pixels for. If there are more, neighbours are joined.
const MOST_POINTS: usize = 500;

/// Trips per second, with the target, and with trips that failed or were missed.
pub(super) fn rates(points: &[Point]) -> Markup {
    let target = |point: &Point| point.target_per_s;
    let most = points.iter().flat_map(|point| {
        [point.per_second(point.started), target(point).unwrap_or(0.0), troubles(point)]
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
            @let failed = point.per_second(point.failed);
            @if point.failed + point.missed > 0 {
                (chart.bar("bar-missed", span(point), troubles(point)))
                (chart.bar("bar-failed", span(point), failed))
            }
        }
        @if has_target {
            (chart.line("target", points.iter().map(|p| Some((middle(p), target(p)?)))))
        }
        (chart.line("started", points.iter().map(|p| Some((middle(p), p.per_second(p.started))))))
        @for point in points { (chart.tooltip(span(point), &about(point))) }
    };
    let mut legend = vec![("started", "started")];
    legend.extend(has_target.then_some(("target", "target")));
    legend.extend([("bar-failed", "failed"), ("bar-missed", "missed")]);
    figure(
        "Trips per second",
        &legend,
        "The bars are trips that failed and, on top of them, trips that never started. The target ends with the schedule.",
        &chart.draw(&marks),
    )
}

/// The median, the 99th percentile and the maximum of each second.
pub(super) fn latencies(points: &[Point]) -> Markup {
    let low = points.iter().filter_map(|point| point.p50_us).min().unwrap_or(1);
    let high = points.iter().filter_map(|point| point.max_us).max().unwrap_or(1);
    let chart = Chart {
        label: "Latency of each second over the run",
        x: (time_axis(points), ""),
        y: Scale::logarithmic(low as f64, high as f64),
        x_tick: clock,
        y_tick: short_micros,
    };
    let line = |class, read: fn(&Point) -> Option<u64>| {
        let at = |p: &Point| read(p).map(|us| (middle(p), us as f64));
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

/// The points to draw: at most [`MOST_POINTS`], some of them joined from neighbours.
pub(super) fn points(result: &RunResult) -> Vec<Point> {
    let together = result.timeline.len().div_ceil(MOST_POINTS).max(1);
    result.timeline.chunks(together).filter_map(Point::joined).collect()
}

fn about(point: &Point) -> String {
    let rate = |count| units::rate(point.per_second(count));
    let mut text =
        format!("at {}\nstarted {}", clock(point.offset.as_secs_f64()), rate(point.started));
    if let Some(target) = point.target_per_s {
        text += &format!(" of {}", units::rate(target));
    }
    text += &format!("\nfailed {}, missed {}", rate(point.failed), rate(point.missed));
    if point.max_us.is_some() {
        let [p50, p99, max] = [point.p50_us, point.p99_us, point.max_us].map(units::some_micros);
        text += &format!("\np50 {p50}, p99 {p99}, max {max}");
    }
    text
}

fn troubles(point: &Point) -> f64 {
    point.per_second(point.failed + point.missed)
}

fn span(point: &Point) -> (f64, f64) {
    let from = point.offset.as_secs_f64();
    (from, from + point.length.as_secs_f64())
}

fn middle(point: &Point) -> f64 {
    (point.offset + point.length / 2).as_secs_f64()
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

/// The latency at each percentile. The axis has the same width for 90 to 99% as for 99 to 99.9%.
pub(super) fn percentiles(result: &RunResult) -> Markup {
    let (corrected, service) = (&result.distribution.corrected, &result.distribution.service);
    let count = result.latency.corrected.count;
    let ends = corrected.iter().chain(service).map(|at| at.us);
    let low = ends.clone().min().unwrap_or(1) as f64;
    let high = ends.max().unwrap_or(1) as f64;
    // With a thousand values the 99.9th percentile is known, and no higher one.
    let rarest = (count.max(10) as f64).log10();
    let ticks = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999];
    let ticks = ticks.map(rarity).into_iter().filter(|tick| *tick <= rarest + 1e-9).collect();
    let chart = Chart {
        label: "Latency at each percentile; the table of steps has its figures",
        x: (Scale::between(0.0, rarest, ticks), "percentile"),
        y: Scale::logarithmic(low, high),
        x_tick: |tick| format!("{}%", trimmed(100.0 * (1.0 - 10_f64.powf(-tick)))),
        y_tick: |us| short_micros(us),
    };
    let points = |curve: &[Quantile]| {
        let points = curve.iter().map(|at| Some((rarity(at.percentile / 100.0), at.us as f64)));
        points.collect::<Vec<_>>().into_iter()
    };
    let marks = html! {
        (chart.line("service", points(service)))
        (chart.line("corrected", points(corrected)))
        @for pair in corrected.windows(2) {
            (chart.tooltip(
                (rarity(pair[0].percentile / 100.0), rarity(pair[1].percentile / 100.0)),
                &format!("{}%: {}", trimmed(pair[1].percentile), units::micros(pair[1].us)),
            ))
        }
    };
    figure(
        "Latency by percentile",
        &[("corrected", "from the intended start"), ("service", "service time")],
        "Where the lines part, trips waited before they could start.",
        &chart.draw(&marks),
    )
}

/// How many trips took how long, as bars.
pub(super) fn histogram(result: &RunResult) -> Markup {
    let buckets = &result.distribution.histogram;
    let low = buckets.first().map_or(1, |bucket| bucket.from_us.max(1)) as f64;
    let high = buckets.last().map_or(10, |bucket| bucket.to_us) as f64;
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0) as f64;
    let chart = Chart {
        label: "How many trips took how long",
        x: (Scale::logarithmic(low, high), "latency from the intended start"),
        y: Scale::from_zero(most),
        x_tick: short_micros,
        y_tick: |count| units::count(count.round() as u64),
    };
    let marks = html! {
        @for bucket in buckets {
            @let span = (bucket.from_us as f64, bucket.to_us as f64);
            @if bucket.count > 0 { (chart.bar("bar-trips", span, bucket.count as f64)) }
            (chart.tooltip(span, &format!(
                "{} to {}: {}",
                units::micros(bucket.from_us),
                units::micros(bucket.to_us),
                units::counted(bucket.count, "trip"),
            )))
        }
    };
    figure(
        "Latency histogram",
        &[],
        "Ten buckets a decade; the axis is logarithmic.",
        &chart.draw(&marks),
    )
}

/// How rare it is to be beyond a share of the values, as a power of ten: 0.9 gives 1, 0.99 gives 2.
fn rarity(share: f64) -> f64 {
    // The last point of a curve is at 1, which would be infinite. It is drawn at the edge.
    -(1.0 - share).max(1e-12).log10()
}

/// A tick of a latency axis, without trailing zeros: `2 ms`.
fn short_micros(us: f64) -> String {
    match us {
        ..1e3 => format!("{} µs", trimmed(us)),
        ..1e6 => format!("{} ms", trimmed(us / 1e3)),
        _ => format!("{} s", trimmed(us / 1e6)),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
