//! What the live view shows: the panel at the bottom of a terminal, and the status as one line
//! where there is no room for the panel.

use std::time::Duration;

use crossterm::style::{Color, StyledContent, Stylize as _};

use crate::{
    report::units::{clock, count, micros, part, rate, some_micros},
    result::{Point, RunResult},
};

/// How many columns and rows a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u16,
    pub(super) height: u16,
}

impl Size {
    pub(super) const ZERO: Size = Size { width: 0, height: 0 };
}

/// A part of a line, in one style. Everything shown has one column for each character.
pub(super) type Part = StyledContent<String>;

/// With fewer columns or rows than this, there is room for the one-line status only.
const FULL: Size = Size { width: 64, height: 18 };

/// With fewer columns or rows than this, nothing is shown.
const SMALLEST: Size = Size { width: 20, height: 4 };

/// Rows of the whole view without the slowest trips.
const ROWS: u16 = 7;

/// Columns of the labels on the left.
const LABEL: usize = 10;

/// Columns between the labels and what they are for.
const GAP: usize = 2;

/// The bars of the sparkline, from none to the highest.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

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
    /// The lines to show on a terminal of this size, as many as [`rows_for`] says. Each fills the whole width.
    pub(super) fn lines(&self, size: Size) -> Vec<Vec<Part>> {
        let rows = usize::from(rows_for(size));
        let mut lines = match rows {
            0 => Vec::new(),
            1 => vec![vec![fitting(self, size.width).stylize()]],
            _ => vec![
                self.title(size.width),
                self.trips(),
                heads(),
                self.last_second(),
                self.run(),
                self.sparkline(size.width),
                self.spans(),
            ],
        };
        lines.extend(self.slowest(size.width).take(rows.saturating_sub(lines.len())));
        lines.resize(rows, Vec::new());
        lines.into_iter().map(|line| filling(line, size.width)).collect()
    }

    fn title(&self, width: u16) -> Vec<Part> {
        let title = format!("── shopping for {} ", clock(self.result.run.elapsed));
        let rest = usize::from(width).saturating_sub(title.chars().count());
        vec![format!("{title}{}", "─".repeat(rest)).dim()]
    }

    fn trips(&self) -> Vec<Part> {
        let trips = &self.result.trips;
        let now = self.last_rate();
        let mut parts = vec![rate(now).bold()];
        if let Some(target) = self.last_second.target_per_s {
            // In a single second a Poisson schedule may well start fewer trips than its rate.
            let late = now < target * 0.7;
            let colour = if late { Color::DarkYellow } else { Color::DarkGreen };
            parts.push(format!(" of {}", rate(target)).with(colour));
        }
        parts.push(format!("   in flight {}   ", count(trips.in_flight)).stylize());
        let share = part(trips.failed, trips.started);
        parts.push(alarming(
            format!("failed {} ({share})", count(trips.failed)),
            trips.failed,
            Color::DarkRed,
        ));
        parts.push("   ".to_owned().stylize());
        parts.push(alarming(
            format!("missed {}", count(trips.missed)),
            trips.missed,
            Color::DarkYellow,
        ));
        labelled("trips", parts)
    }

    /// Trips started per second, in the last second.
    pub(super) fn last_rate(&self) -> f64 {
        self.last_second.per_second(self.last_second.started)
    }

    fn last_second(&self) -> Vec<Part> {
        let Point { p50_us, p90_us, p99_us, max_us, .. } = self.last_second;
        labelled("last 1 s", columns([p50_us, p90_us, p99_us, None, max_us]))
    }

    fn run(&self) -> Vec<Part> {
        let run = &self.result.latency.corrected;
        let times = [run.p50_us, run.p90_us, run.p99_us, run.p99_9_us, run.max_us];
        labelled("whole run", columns(times))
    }

    /// The 99th percentile of the last seconds, the newest at the right end. The scale is
    /// logarithmic, so that the other seconds stay visible beside one with a stall.
    fn sparkline(&self, width: u16) -> Vec<Part> {
        let timeline = &self.result.timeline;
        let room = usize::from(width).saturating_sub(LABEL + GAP);
        let first = timeline.len().saturating_sub(room);
        let micros = || timeline[first..].iter().map(|point| point.p99_us.unwrap_or(0) as f64);
        let lowest = micros().filter(|us| *us > 0.0).fold(f64::INFINITY, f64::min);
        let level = |us: f64| (us > 0.0).then(|| 100.0 * (us / lowest).log10());
        let highest = micros().filter_map(level).fold(100.0, f64::max);
        // The lowest gets an eighth of the row, the highest all of it.
        let floor = highest / 7.0;
        let most = (floor + highest) as usize;
        let bar = |us| {
            let height = level(us).map_or(0, |level| (floor + level).ceil() as usize);
            BARS[(height * (BARS.len() - 1) / most).min(BARS.len() - 1)]
        };
        labelled("p99 each s", vec![micros().map(bar).collect::<String>().dark_cyan()])
    }

    fn spans(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        for exporter in &self.result.telemetry.exporters {
            let gap = if parts.is_empty() { "" } else { "   " };
            parts.push(
                format!("{gap}{} {} exported", exporter.name, count(exporter.exported)).stylize(),
            );
            let lost = exporter.failed + exporter.dropped;
            let text =
                format!(", {} failed, {} dropped", count(exporter.failed), count(exporter.dropped));
            parts.push(alarming(text, lost, Color::DarkRed));
        }
        if parts.is_empty() {
            parts.push("not exported".to_owned().stylize());
        }
        labelled(if self.result.telemetry.lost() > 0 { "spans lost" } else { "spans" }, parts)
    }

    fn slowest(&self, width: u16) -> impl Iterator<Item = Vec<Part>> {
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
            vec![format!("{label:<8}").dim(), latency.stylize(), link.dark_cyan()]
        })
    }
}

fn heads() -> Vec<Part> {
    let heads = ["p50", "p90", "p99", "p99.9", "max"].map(|head| format!("{head:>10}"));
    labelled("latency", vec![heads.concat().dim()])
}

fn columns(times: [Option<u64>; 5]) -> Vec<Part> {
    times.map(|us| format!("{:>10}", us.map(micros).unwrap_or_default()).stylize()).into()
}

fn labelled(label: &'static str, parts: Vec<Part>) -> Vec<Part> {
    let mut line = vec![format!("{label:<LABEL$}{:GAP$}", "").dim()];
    line.extend(parts);
    line
}

/// A text that is coloured if `count` is not 0.
fn alarming(text: String, count: u64, colour: Color) -> Part {
    if count > 0 { text.with(colour) } else { text.stylize() }
}

/// `line` without what has no room in `width` columns, or with blanks up to there.
fn filling(line: Vec<Part>, width: u16) -> Vec<Part> {
    let mut room = usize::from(width);
    let mut parts = Vec::with_capacity(line.len() + 1);
    for part in line {
        let text: String = part.content().chars().take(room).collect();
        room -= text.chars().count();
        parts.push(part.style().apply(text));
    }
    parts.push(" ".repeat(room).stylize());
    parts
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
