//! How the latency is distributed: the percentile curve and the histogram.

use super::chart::{Chart, figure};
use super::scale::Scale;
use crate::report::document::{Document, Quantile};
use crate::report::units;
use maud::{Markup, html};

/// The latency at each percentile, the rare ones drawn as wide as the common ones.
pub(super) fn percentiles(document: &Document) -> Markup {
    let (corrected, service) = (&document.distribution.corrected, &document.distribution.service);
    let count = document.latency.corrected.count;
    let ends = corrected.iter().chain(service).map(|at| at.us);
    let low = ends.clone().min().unwrap_or(1) as f64;
    let high = ends.max().unwrap_or(1) as f64;
    // A percentile is known as far as there are values to tell it from the largest.
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

/// How many trips took how long.
pub(super) fn histogram(document: &Document) -> Markup {
    let buckets = &document.distribution.histogram;
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

/// How rare it is to be beyond a share of the values, in powers of ten: 0.99 is 2.
fn rarity(share: f64) -> f64 {
    // The last point of a curve is all of them, beyond any scale: it is drawn at the edge.
    -(1.0 - share).max(1e-12).log10()
}

/// A tick of a latency axis: `2 ms`, without places that say nothing.
pub(super) fn short_micros(us: f64) -> String {
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
