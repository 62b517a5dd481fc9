use super::panel::{Panel, Progress, Size, rows_for};
use super::scroll_region::BottomRows;
use crate::report::sample;
use crate::result::Point;
use crate::statistics::Statistics;

use std::cell::RefCell;
use std::io::{self, Write};
use std::num::NonZero;
use std::rc::Rc;
use std::time::Duration;

fn panel() -> Panel {
    Panel { result: sample::result(), last_second: sample::statistics().last_second() }
}

/// What a terminal of this size shows of the panel.
fn drawn(panel: &Panel, width: u16, height: u16) -> String {
    let lines = panel.lines(Size { width, height });
    let texts = lines.iter().map(|line| line.iter().map(|part| part.content().as_str()).collect());
    texts.map(|text: String| text.trim_end().to_owned() + "\n").collect()
}

#[test]
fn a_wide_terminal_shows_everything() {
    let view = "\
── shopping for 20s ────────────────────────────────────────────────────────────────────────────────
trips       11/s of 10/s   in flight 1   failed 6 (3%)   missed 20
latency            p50       p90       p99     p99.9       max
last 1 s       5.90 ms   8.00 ms   9.14 ms             9.14 ms
whole run      6.80 ms   9.26 ms    805 ms    1.01 s    1.01 s
p99 each s  ▁▁▁▁▁▁▁▁▁▁█▁▁▁▁▁▁▁▁▁
spans lost  otlp 1,204 exported, 0 failed, 0 dropped   zipkin 1,192 exported, 0 failed, 12 dropped
slowest    1.01 s  http://127.0.0.1:16686/trace/0000000000000064000000000000feed
           907 ms  http://127.0.0.1:16686/trace/0000000000000065000000000000feed
           805 ms  http://127.0.0.1:16686/trace/0000000000000066000000000000feed
";
    assert_eq!(drawn(&panel(), 100, 30), view);
}

#[test]
fn a_lower_or_narrower_terminal_shows_less_and_never_half_a_link() {
    let longest = drawn(&panel(), 80, 20).lines().map(|line| line.chars().count()).max();
    assert_eq!(longest, Some(80), "a link to the local viewer fits 80 columns");
    assert!(drawn(&panel(), 80, 20).contains("http://127.0.0.1:16686/trace/"));
    let view = drawn(&panel(), 70, 20);
    assert_eq!(view.lines().count(), 8, "{view}");
    assert!(view.contains("  0000000000000064000000000000feed\n"), "{view}");
    assert!(!view.contains("http"), "{view}");
    let status = "20s  11/s of 10/s  trips 201  failed 6  p50 6.80 ms  p99 805 ms\n";
    assert_eq!(drawn(&panel(), 66, 10), status);
    assert_eq!(drawn(&panel(), 30, 24), "20s  11/s of 10/s  trips 201\n");
    assert_eq!(drawn(&panel(), 19, 24), "");
    assert_eq!(drawn(&panel(), 200, 3), "");
}

/// A figure looks the same in every form.
#[test]
fn the_maximum_shares_and_rates_are_the_same_in_every_form() {
    let mut panel = panel();
    // Figures that could be rounded differently.
    panel.result.trips.failed = 2_999;
    panel.result.trips.started = 3_000;
    panel.result.latency.corrected.max_us = Some(412_000);
    panel.last_second.target_per_s = Some(49.9);
    panel.result.rate.target_per_s = Some(49.9);
    let json = serde_json::to_value(&panel.result).unwrap();
    assert_eq!(json["latency"]["corrected"]["max_us"], 412_000);
    let view = drawn(&panel, 100, 30);
    for form in [crate::report::text(&panel.result), crate::report::page(&panel.result), view] {
        let form = form.replace("&gt;", ">");
        for figure in ["412 ms", ">99.9%", "of 49.9/s"] {
            assert!(form.contains(figure), "{figure} is not in\n{form}");
        }
        assert!(!form.contains("413 ms") && !form.contains(" (100%"), "{form}");
    }
}

#[test]
fn a_run_without_a_trip_shows_no_figures_rather_than_zeros() {
    let result = Statistics::new(sample::settings()).result();
    let nothing = Panel { result, last_second: Point::default() };
    let view = drawn(&nothing, 80, 20);
    assert!(view.contains("\nlast 1 s\nwhole run\n"), "{view}");
}

#[test]
fn every_size_has_a_view_that_fits() {
    let panel = panel();
    for (width, height) in [0, 19, 20, 63, 64, 80, 129]
        .into_iter()
        .flat_map(|width| (0..40).map(move |height| (width, height)))
    {
        let rows = rows_for(Size { width, height });
        assert!(rows < height.max(1), "{width}x{height}: {rows} rows leave none for anything else");
        let lines = panel.lines(Size { width, height });
        assert_eq!(lines.len(), usize::from(rows), "{width}x{height}");
        for line in lines {
            let columns: usize = line.iter().map(|part| part.content().chars().count()).sum();
            assert_eq!(columns, usize::from(width), "{width}x{height}: {line:?}");
        }
    }
}

#[test]
fn a_line_has_the_rate_since_the_line_before() {
    let at = |seconds, started| {
        let mut panel = panel();
        panel.result.run.elapsed = Duration::from_secs(seconds);
        panel.result.trips.started = started;
        panel
    };
    let mut progress = Progress::default();
    let first = progress.line(&at(10, 50));
    let second = progress.line(&at(20, 250));
    assert_eq!(
        first,
        "10s  5/s of 10/s  trips 50  failed 6  p50 6.80 ms  p99 805 ms  in flight 1  missed 20  \
         spans lost 12"
    );
    assert!(second.starts_with("20s  20/s of 10/s  trips 250  "), "{second}");
}

/// A terminal that the view and a log both write to.
#[derive(Clone)]
struct Terminal(Rc<RefCell<vt100::Parser>>);

impl Terminal {
    fn new(width: u16, height: u16) -> Self {
        Terminal(Rc::new(RefCell::new(vt100::Parser::new(nonzero(height), nonzero(width), 100))))
    }

    fn resize(&self, width: u16, height: u16) {
        self.0.borrow_mut().screen_mut().set_size(nonzero(height), nonzero(width));
    }

    fn rows(&self) -> Vec<String> {
        let terminal = self.0.borrow();
        terminal.screen().rows(0, 200).map(|row| row.trim_end().to_owned()).collect()
    }
}

fn nonzero(n: u16) -> NonZero<u16> {
    NonZero::new(n).unwrap()
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A real terminal turns `\n` into `\r\n` like this.
        let text = String::from_utf8_lossy(bytes).replace('\n', "\r\n");
        self.0.borrow_mut().process(text.as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const SMALL: Size = Size { width: 60, height: 8 };

#[test]
fn what_others_write_scrolls_above_the_view_and_is_never_torn() {
    let mut terminal = Terminal::new(SMALL.width, SMALL.height);
    let mut foot = BottomRows::new(terminal.clone());
    writeln!(terminal, "started").unwrap();
    foot.show(&panel(), SMALL).unwrap();
    for n in 0..20 {
        // A slow writer: half a line, then the view is drawn, then the rest of the line.
        write!(terminal, "log line {n} ").unwrap();
        foot.show(&panel(), SMALL).unwrap();
        writeln!(terminal, "goes on").unwrap();
    }
    foot.show(&panel(), SMALL).unwrap();
    let mut expected: Vec<_> = (14..20).map(|n| format!("log line {n} goes on")).collect();
    expected.push(String::new());
    expected.push("20s  11/s of 10/s  trips 201  failed 6".to_owned());
    assert_eq!(terminal.rows(), expected);
}

#[test]
fn a_resized_terminal_has_one_view_at_its_new_foot() {
    let mut terminal = Terminal::new(100, 30);
    let mut foot = BottomRows::new(terminal.clone());
    writeln!(terminal, "a log line").unwrap();
    for (width, height) in [(100, 30), (80, 24), (120, 40), (60, 24), (100, 30)] {
        terminal.resize(width, height);
        foot.show(&panel(), Size { width, height }).unwrap();
        let rows = terminal.rows();
        let views = rows.iter().filter(|row| row.contains("/s of 10/s")).count();
        assert_eq!(views, 1, "{width}x{height}: {rows:#?}");
        let view = drawn(&panel(), width, height);
        let foot: Vec<_> = rows[rows.len() - view.lines().count()..].to_vec();
        assert_eq!(foot.join("\n") + "\n", view, "{width}x{height}");
        assert!(rows.contains(&"a log line".to_owned()), "{width}x{height}: {rows:#?}");
    }
}

#[test]
fn a_view_that_is_gone_leaves_the_terminal_as_it_was() {
    let mut terminal = Terminal::new(SMALL.width, SMALL.height);
    let mut foot = BottomRows::new(terminal.clone());
    writeln!(terminal, "before").unwrap();
    foot.show(&panel(), SMALL).unwrap();
    drop(foot);
    assert_eq!(terminal.rows().join(" ").trim_end(), "before");
    let screen = terminal.0.borrow().screen().clone();
    assert_eq!((screen.cursor_position(), screen.hide_cursor()), ((1, 0), false));
    // The whole terminal scrolls again.
    for n in 0..20 {
        writeln!(terminal, "after {n}").unwrap();
    }
    assert_eq!(terminal.rows()[SMALL.height as usize - 2], "after 19");
}

#[test]
fn a_panic_takes_the_view_away_too() {
    let terminal = Terminal::new(SMALL.width, SMALL.height);
    let other = terminal.clone();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let mut foot = BottomRows::new(other);
        foot.show(&panel(), SMALL).unwrap();
        panic!("as a broken source of figures would");
    }));
    assert!(result.is_err());
    assert_eq!(terminal.rows().concat(), "");
}

#[test]
fn nothing_is_drawn_where_there_is_no_room() {
    let terminal = Terminal::new(10, 3);
    let mut foot = BottomRows::new(terminal.clone());
    foot.show(&panel(), Size { width: 10, height: 3 }).unwrap();
    foot.close().unwrap();
    assert_eq!(terminal.rows().concat(), "");
}

/// The view shows the counts of the telemetry crate, with its words.
#[test]
fn spans_that_no_exporter_lost_are_no_alarm() {
    let mut spans: telemetry::Snapshot = sample::spans();
    spans.exporters.truncate(1);
    let mut panel = panel();
    panel.result.account(&spans);
    let view = drawn(&panel, 100, 30);
    assert!(view.contains("\nspans       otlp 1,204 exported, 0 failed, 0 dropped\n"), "{view}");
}
