//! What the live view shows: the panel at the bottom of a terminal, and the status as one line
//! where there is no room for the panel.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Sparkline, Widget as _};

use crate::{
    report::units::{clock, count, micros, part, rate, some_micros},
    result::{Point, RunResult},
};

/// With fewer columns or rows than this, there is room for the one-line status only.
const FULL: Size = Size { width: 64, height: 18 };

/// With fewer columns or rows than this, nothing is shown.
const SMALLEST: Size = Size { width: 20, height: 4 };

/// Rows of the whole view without the slowest trips.
const ROWS: u16 = 7;

/// Columns of the labels on the left.
const LABEL: usize = 10;

/// How many columns come before the link of a slow trip.
const SLOWEST: usize = 19;

/// How many rows of a terminal of this size the view takes.
pub(super) fn rows_for(size: Size) -> u16 {
    if size.width < SMALLEST.width || size.height < SMALLEST.height {
        0
    } else if size.width < FULL.width || size.height < FULL.height {
        1
    } else {
        ROWS + slowest_for(size.height)
    }
}

/// How many of the slowest trips a terminal of this height has room for.
fn slowest_for(height: u16) -> u16 {
    if height < 24 { 1 } else { 3 }
}

/// The figures of one moment.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) result: RunResult,
    pub(super) last_second: Point,
}

impl Panel {
    /// Draws into the whole of `frame`, which has as many rows as [`rows_for`] said.
    pub(super) fn draw(&self, frame: &mut Buffer) {
        let area = *frame.area();
        if area.height < ROWS {
            let status = fitting(self, area.width);
            frame.set_line(0, 0, &Line::from(status), area.width);
            return;
        }
        let mut lines = vec![
            self.title(area.width),
            self.trips(),
            heads(),
            self.last_second(),
            self.run(),
            labelled("p99 each s", Vec::new()),
            self.spans(),
        ];
        lines.extend(self.slowest(area.width).take(usize::from(area.height - ROWS)));
        for (row, line) in (0..).zip(&lines) {
            frame.set_line(0, row, line, area.width);
        }
        self.sparkline(
            Rect { x: LABEL as u16 + 2, y: 5, width: area.width - LABEL as u16 - 2, height: 1 },
            frame,
        );
    }

    fn title(&self, width: u16) -> Line<'static> {
        let title = format!("── shopping for {} ", clock(self.result.run.elapsed));
        let rest = usize::from(width).saturating_sub(title.chars().count());
        Line::from(format!("{title}{}", "─".repeat(rest))).dim()
    }

    fn trips(&self) -> Line<'static> {
        let trips = &self.result.trips;
        let now = self.last_rate();
        let mut parts = vec![Span::from(rate(now)).bold()];
        if let Some(target) = self.last_second.target_per_s {
            // In a single second a Poisson schedule may well start fewer trips than its rate.
            let late = now < target * 0.7;
            let colour = if late { Color::Yellow } else { Color::Green };
            parts.push(Span::styled(format!(" of {}", rate(target)), colour));
        }
        parts.push(format!("   in flight {}   ", count(trips.in_flight)).into());
        let share = part(trips.failed, trips.started);
        parts.push(alarming(
            format!("failed {} ({share})", count(trips.failed)),
            trips.failed,
            Color::Red,
        ));
        parts.push("   ".into());
        parts.push(alarming(
            format!("missed {}", count(trips.missed)),
            trips.missed,
            Color::Yellow,
        ));
        labelled("trips", parts)
    }

    /// Trips started per second, in the last second.
    pub(super) fn last_rate(&self) -> f64 {
        self.last_second.per_second(self.last_second.started)
    }

    fn last_second(&self) -> Line<'static> {
        let Point { p50_us, p90_us, p99_us, max_us, .. } = self.last_second;
        labelled("last 1 s", columns([p50_us, p90_us, p99_us, None, max_us]))
    }

    fn run(&self) -> Line<'static> {
        let run = &self.result.latency.corrected;
        let times = [run.p50_us, run.p90_us, run.p99_us, run.p99_9_us, run.max_us];
        labelled("whole run", columns(times))
    }

    /// The 99th percentile of the last seconds, the newest at the right end. The scale is
    /// logarithmic, so that the other seconds stay visible beside one with a stall.
    fn sparkline(&self, area: Rect, frame: &mut Buffer) {
        let timeline = &self.result.timeline;
        let first = timeline.len().saturating_sub(usize::from(area.width));
        let micros = || timeline[first..].iter().map(|point| point.p99_us.unwrap_or(0) as f64);
        let lowest = micros().filter(|us| *us > 0.0).fold(f64::INFINITY, f64::min);
        let level = |us: f64| (us > 0.0).then(|| 100.0 * (us / lowest).log10());
        let highest = micros().filter_map(level).fold(100.0, f64::max);
        // The lowest gets an eighth of the row, the highest all of it.
        let floor = highest / 7.0;
        let heights: Vec<u64> =
            micros().map(|us| level(us).map_or(0, |level| (floor + level).ceil() as u64)).collect();
        let highest = (floor + highest) as u64;
        let style = Style::new().fg(Color::Cyan);
        Sparkline::default().data(heights).max(highest).style(style).render(area, frame);
    }

    fn spans(&self) -> Line<'static> {
        let mut parts = Vec::new();
        for exporter in &self.result.telemetry.exporters {
            let gap = if parts.is_empty() { "" } else { "   " };
            parts.push(
                format!("{gap}{} {} exported", exporter.name, count(exporter.exported)).into(),
            );
            let lost = exporter.failed + exporter.dropped;
            let text =
                format!(", {} failed, {} dropped", count(exporter.failed), count(exporter.dropped));
            parts.push(alarming(text, lost, Color::Red));
        }
        if parts.is_empty() {
            parts.push("not exported".into());
        }
        labelled(if self.result.telemetry.lost() > 0 { "spans lost" } else { "spans" }, parts)
    }

    fn slowest(&self, width: u16) -> impl Iterator<Item = Line<'static>> {
        // What comes before the link is so short that a link to the local viewer fits 80 columns.
        let room = usize::from(width).saturating_sub(SLOWEST);
        self.result.slowest.iter().enumerate().map(move |(index, trip)| {
            let link = match &trip.trace {
                // A link that was cut off would be of no use, so without room only the id is shown.
                Some(trace) => match &trace.url {
                    Some(url) if url.len() <= room => url.clone(),
                    _ => trace.id.clone(),
                },
                None => "not sampled".to_owned(),
            };
            let label = if index == 0 { "slowest" } else { "" };
            let latency = format!("{:>9}  ", micros(trip.latency_us));
            Line::from(vec![format!("{label:<8}").dim(), latency.into(), link.cyan()])
        })
    }
}

fn heads() -> Line<'static> {
    let heads = ["p50", "p90", "p99", "p99.9", "max"].map(|head| format!("{head:>10}"));
    labelled("latency", vec![Span::from(heads.concat()).dim()])
}

fn columns(times: [Option<u64>; 5]) -> Vec<Span<'static>> {
    times.map(|us| format!("{:>10}", us.map(micros).unwrap_or_default()).into()).into()
}

fn labelled(label: &'static str, parts: Vec<Span<'static>>) -> Line<'static> {
    let mut spans = vec![Span::from(format!("{label:<LABEL$}  ")).dim()];
    spans.extend(parts);
    Line::from(spans)
}

/// A text that is coloured if `count` is not 0.
fn alarming(text: String, count: u64, colour: Color) -> Span<'static> {
    if count > 0 { Span::styled(text, colour) } else { Span::from(text) }
}

/// Writes the status as lines. The rate in a line is that since the line before.
#[derive(Debug, Default)]
pub(super) struct Progress {
    elapsed: Duration,
    started: u64,
}

impl Progress {
    /// The next line.
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
fn fitting(now: &Panel, width: u16) -> String {
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
