//! A chart as inline SVG: a frame with axes that lines, bars and tooltips are drawn into.
//!
//! Drawn by hand because the page must look right in light and in dark: every mark has a class and
//! takes its colour from the style sheet. Tooltips are `<title>`s: the page runs no script.

use super::scale::Scale;
use maud::{Markup, html};
use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

/// A chart in the making.
pub(super) struct Chart<'a> {
    /// What it shows, for who cannot see it.
    pub(super) label: &'a str,
    /// The axis below, and the name under it.
    pub(super) x: (Scale, &'a str),
    /// The axis on the left.
    pub(super) y: Scale,
    /// How a tick below is written.
    pub(super) x_tick: fn(f64) -> String,
    /// How a tick on the left is written.
    pub(super) y_tick: fn(f64) -> String,
}

impl Chart<'_> {
    /// The chart with its axes and what is drawn in it.
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

    /// A line through the points, broken where there is none.
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
            // A String takes everything.
            write!(path, "{command}{} {}", round(self.x_at(x)), round(self.y_at(y))).ok();
            // A point alone would draw nothing; a line to itself draws a dot, with round caps.
            if command == 'M' {
                path.push_str("h0");
            }
            command = 'L';
        }
        html! { path class=(class) d=(path) {} }
    }

    /// A bar from the axis below up to `y`, between two places on it.
    pub(super) fn bar(&self, class: &str, (from, to): (f64, f64), y: f64) -> Markup {
        let (left, right) = (self.x_at(from), self.x_at(to));
        let top = self.y_at(y);
        // A gap keeps neighbours apart, where they are wide enough for one.
        let gap = if right - left > 6.0 { 1.5 } else { 0.0 };
        let width = (right - left - gap).max(0.75);
        html! {
            rect class=(class) x=(round(left)) y=(round(top)) width=(round(width))
                height=(round((HEIGHT - BOTTOM - top).max(0.0))) {}
        }
    }

    /// A strip over the whole height that shows `text` when it is pointed at.
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

/// A label at the right edge ends there, or it would be cut off.
fn anchor(x: f64) -> &'static str {
    if x > WIDTH - 2.0 * RIGHT { "end" } else { "middle" }
}

/// A tenth of a pixel is enough, and keeps the page small.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A chart with its title, its legend (class of the mark, name) and a word on how to read it.
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
