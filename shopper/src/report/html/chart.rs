//! A chart as inline SVG: a frame with axes, the scales of the axes, and lines, bars and tooltips
//! within the frame.
//!
//! No library is used, because the charts must look right on light and dark pages: every mark has a
//! class, and the style sheet gives it its colour. Tooltips are `<title>` elements, since the page
//! runs no script.

use std::fmt::Write as _;

use maud::{Markup, html};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

/// The frame of a chart.
pub(super) struct Chart<'a> {
    /// What the chart shows, in words, for screen readers.
    pub(super) label: &'a str,
    /// The horizontal axis, and its name.
    pub(super) x: (Scale, &'a str),
    /// The vertical axis.
    pub(super) y: Scale,
    /// Formats a tick of the horizontal axis.
    pub(super) x_tick: fn(f64) -> String,
    /// Formats a tick of the vertical axis.
    pub(super) y_tick: fn(f64) -> String,
}

impl Chart<'_> {
    /// The chart with its axes and marks.
    pub(super) fn draw(&self, marks: &Markup) -> Markup {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.label) {
                g class="grid" {
                    @for tick in &self.y.ticks {
                        @let y = round(self.y_at(*tick));
                        line x1=(LEFT) x2=(right) y1=(y) y2=(y) {}
                        text x=(LEFT - 8.0) y=(y + 4.0) text-anchor="end" { ((self.y_tick)(*tick)) }
                    }
                    @for tick in &self.x.0.ticks {
                        @let x = round(self.x_at(*tick));
                        line class="tick" x1=(x) x2=(x) y1=(bottom) y2=(bottom + 4.0) {}
                        text x=(x) y=(bottom + 17.0) text-anchor=(anchor(x)) { ((self.x_tick)(*tick)) }
                    }
                    text class="axis" x=((LEFT + right) / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" {
                        (self.x.1)
                    }
                }
                (marks)
                line class="base" x1=(LEFT) x2=(right) y1=(bottom) y2=(bottom) {}
            }
        }
    }

    /// A line through the points. It has a gap where there is no point.
    pub(super) fn line(
        &self,
        class: &str,
        points: impl Iterator<Item = Option<(f64, f64)>>,
    ) -> Markup {
        let mut path = String::new();
        let mut command = 'M';
        for point in points {
            let Some((x, y)) = point else {
                command = 'M';
                continue;
            };
            // Writing to a String never fails.
            write!(path, "{command}{} {}", round(self.x_at(x)), round(self.y_at(y))).ok();
            // A single point would draw nothing. A line of length 0 draws a dot, since line caps
            // are round.
            if command == 'M' {
                path.push_str("h0");
            }
            command = 'L';
        }
        html! { path class=(class) d=(path) {} }
    }

    /// A bar from the horizontal axis up to `y`, between two values of the axis.
    pub(super) fn bar(&self, class: &str, (from, to): (f64, f64), y: f64) -> Markup {
        let (left, right) = (self.x_at(from), self.x_at(to));
        let top = self.y_at(y);
        // Neighbouring bars have a gap between them if they are wide enough.
        let gap = if right - left > 6.0 { 1.5 } else { 0.0 };
        let width = (right - left - gap).max(0.75);
        html! {
            rect class=(class) x=(round(left)) y=(round(top)) width=(round(width))
                height=(round((HEIGHT - BOTTOM - top).max(0.0))) {}
        }
    }

    /// An invisible strip over the whole height, which shows `text` when the pointer is on it.
    pub(super) fn tooltip(&self, (from, to): (f64, f64), text: &str) -> Markup {
        let (left, right) = (self.x_at(from), self.x_at(to));
        html! {
            rect class="hover" x=(round(left)) y=(TOP) width=(round((right - left).max(1.0)))
                height=(HEIGHT - BOTTOM - TOP) { title { (text) } }
        }
    }

    fn x_at(&self, value: f64) -> f64 {
        LEFT + self.x.0.place(value) * (WIDTH - RIGHT - LEFT)
    }

    fn y_at(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - BOTTOM - TOP)
    }
}

/// The alignment of a label: at the right edge it ends there, so that it is not cut off.
fn anchor(x: f64) -> &'static str {
    if x > WIDTH - 2.0 * RIGHT { "end" } else { "middle" }
}

/// Rounds to a tenth of a pixel, which is exact enough and keeps the page small.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A chart with its title, its legend (class and name of each mark) and a note on how to read it.
pub(super) fn figure(title: &str, legend: &[(&str, &str)], note: &str, chart: &Markup) -> Markup {
    html! {
        figure {
            figcaption {
                h2 { (title) }
                @if !legend.is_empty() {
                    ul class="legend" {
                        @for (class, name) in legend {
                            li {
                                svg viewBox="0 0 22 10" aria-hidden="true" {
                                    @if class.starts_with("bar") {
                                        rect class=(class) x="5" y="0" width="10" height="10" {}
                                    } @else {
                                        path class=(class) d="M2 5H20" {}
                                    }
                                }
                                (name)
                            }
                        }
                    }
                }
            }
            (chart)
            p class="note" { (note) }
        }
    }
}

/// The first digits of ticks, in every decade.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];

/// Steps of a time axis, in seconds: whole seconds, minutes and hours that people count in.
const TIME_STEPS: [f64; 13] =
    [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0];

/// An axis from its lowest value to its highest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// The values that get a label, lowest first.
    pub(super) ticks: Vec<f64>,
}

impl Scale {
    /// A scale from 0 to a round number not below `high`.
    pub(super) fn from_zero(high: f64) -> Self {
        let high = if high > 0.0 { high } else { 1.0 };
        let step = steps_around(high / 4.0).into_iter().find(|step| step * 5.0 >= high);
        let step = step.unwrap_or(high);
        let count = (high / step).ceil().max(1.0) as u32;
        let ticks: Vec<f64> = (0..=count).map(|n| f64::from(n) * step).collect();
        Scale { low: 0.0, high: f64::from(count) * step, logarithmic: false, ticks }
    }

    /// A scale from exactly 0 to exactly `seconds`, with ticks at whole seconds, minutes or hours.
    pub(super) fn time(seconds: f64) -> Self {
        let high = seconds.max(1.0);
        let step = TIME_STEPS.into_iter().find(|step| high / step <= 8.0);
        // For very long runs: about eight ticks, at whole hours.
        let step = step.unwrap_or_else(|| (high / 8.0 / 3600.0).ceil() * 3600.0);
        let ticks = (0..=(high / step) as u32).map(|n| f64::from(n) * step).collect();
        Scale { low: 0.0, high, logarithmic: false, ticks }
    }

    /// A logarithmic scale between round numbers around `low` and `high`, both above 0.
    pub(super) fn logarithmic(low: f64, high: f64) -> Self {
        let low = low.max(1.0);
        let high = high.max(low);
        let below = steps_around(low).into_iter().rfind(|step| *step <= low).unwrap_or(low);
        let above = steps_around(high).into_iter().find(|step| *step > below && *step >= high);
        let above = above.unwrap_or(high * 2.0);
        let decades = (above / below).log10();
        let ticks = (below.log10().floor() as i32..=above.log10().ceil() as i32)
            .flat_map(|decade| STEPS.map(|step| step * 10_f64.powi(decade)))
            // Over many decades, only powers of ten have room for a label.
            .filter(|tick| decades < 3.5 || tick.log10().fract().abs() < 1e-9)
            .filter(|tick| (below..=above).contains(tick))
            .collect();
        Scale { low: below, high: above, logarithmic: true, ticks }
    }

    /// A linear scale between two values, with these ticks.
    pub(super) fn between(low: f64, high: f64, ticks: Vec<f64>) -> Self {
        Scale { low, high, logarithmic: false, ticks }
    }

    /// The place of `value` on the axis: from 0 at the low end to 1 at the high end, never outside.
    pub(super) fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

/// Round numbers from about a tenth of `value` to a hundred times it, lowest first.
fn steps_around(value: f64) -> Vec<f64> {
    let decade = value.log10().floor() as i32;
    (decade - 1..=decade + 2).flat_map(|d| STEPS.map(|step| step * 10_f64.powi(d))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(Scale::from_zero(187.0).ticks, [0.0, 50.0, 100.0, 150.0, 200.0]);
        assert_eq!(Scale::from_zero(0.0).ticks, [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(Scale::logarithmic(1_300.0, 7_000.0).ticks, [1e3, 2e3, 5e3, 1e4]);
        assert_eq!(Scale::logarithmic(300.0, 1.2e6).ticks, [1e3, 1e4, 1e5, 1e6]);
        assert_eq!(Scale::time(20.0).ticks, [0.0, 5.0, 10.0, 15.0, 20.0]);
    }

    proptest! {
        #[test]
        fn every_value_of_the_data_has_a_place_in_order(a in 0.0..1e12_f64, b in 0.0..1e12_f64) {
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            let scales = [Scale::from_zero(high), Scale::logarithmic(low, high), Scale::time(high)];
            for scale in scales {
                let (low, high) = (scale.place(low), scale.place(high));
                prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
                prop_assert!(low <= high);
                prop_assert!(scale.ticks.len() <= 14, "{:?}", scale.ticks);
                prop_assert!(scale.ticks.is_sorted());
            }
        }
    }
}
