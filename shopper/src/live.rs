//! The live view: what a run shows while it goes on.
//!
//! On a terminal it is a few lines at the bottom (`scroll_region`), which are drawn again each
//! second (`panel`). Without a terminal, or on one that is `dumb`, it is one line every ten
//! seconds. Both go to standard error, so standard output has only the report.

mod panel;
mod scroll_region;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use shared::output::{self, BoundedWriter};
use signal_hook::{
    consts::{SIGQUIT, SIGTSTP},
    low_level::emulate_default_handler,
};
use telemetry::Accounting;

use crate::{report::ReportArgs, statistics::Statistics};
use panel::{Panel, Progress, Size};
use scroll_region::BottomRows;

/// How often the view shows new figures: as often as the statistics have new ones.
const REFRESH: Duration = Duration::from_secs(1);

/// How often the view looks whether its terminal was resized or a signal came.
const LOOK: Duration = Duration::from_millis(100);

/// How long the process waits, at a signal that ends or stops it, for the view to be removed.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The live view of a run. It goes on until it is stopped or dropped, and then restores the
/// terminal.
#[derive(Debug)]
pub struct View(Option<(Sender<()>, JoinHandle<()>)>);

impl View {
    /// Starts to show `statistics` and `spans` on standard error, as a panel or as lines.
    ///
    /// If the view cannot be shown, that is logged, and the run goes on without it.
    pub fn start(args: &ReportArgs, statistics: Statistics, spans: Accounting) -> Self {
        if args.quiet {
            return View(None);
        }
        let source = Source { statistics, spans };
        let is_terminal = io::stderr().is_terminal() && args.term.as_deref() != Some("dumb");
        let (stop, stopped) = channel();
        let show = move || match is_terminal {
            true => source.show_panel(&stopped),
            false => source.write_lines(&stopped),
        };
        let thread = thread::Builder::new().name("live-view".to_owned()).spawn(move || {
            if let Err(error) = show() {
                tracing::warn!(name: "shopper.live_view.failed", %error, "the live view ended");
            }
        });
        match thread {
            Ok(thread) => View(Some((stop, thread))),
            Err(error) => {
                tracing::warn!(name: "shopper.live_view.failed", %error, "there is no thread for the live view");
                View(None)
            }
        }
    }

    /// Ends the view and restores the terminal.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            if thread.join().is_err() {
                tracing::warn!(name: "shopper.live_view.failed", "the live view panicked");
            }
        }
    }
}

/// Where the figures come from.
struct Source {
    statistics: Statistics,
    spans: Accounting,
}

impl Source {
    /// The figures of this moment.
    fn panel(&self) -> Panel {
        let mut result = self.statistics.result();
        result.account(&self.spans.snapshot());
        Panel { result, last_second: self.statistics.last_second() }
    }

    /// Shows the panel at the bottom of the terminal, until `stopped`.
    fn show_panel(&self, stopped: &Receiver<()>) -> io::Result<()> {
        let interruptions = Interruptions::register()?;
        let terminal = output::stderr();
        let mut rows: BottomRows<BoundedWriter> = BottomRows::new(terminal.clone());
        let mut panel = self.panel();
        let mut refreshed = Instant::now();
        loop {
            let due = refreshed.elapsed() >= REFRESH;
            if due {
                panel = self.panel();
                refreshed = Instant::now();
            }
            let size = terminal_size()?;
            // If the terminal does not take what was written before, this view is left out. The
            // next one has newer figures anyway.
            if (due || rows.size() != size) && terminal.is_idle() {
                rows.show(&panel, size)?;
                terminal.set_epilogue(rows.closing()?);
            }
            if is_over(stopped, LOOK) {
                terminal.open_reserve();
                terminal.set_epilogue(Vec::new());
                return rows.close();
            }
            if let Some(signal) = interruptions.take() {
                rows.close()?;
                terminal.flush_within(FLUSH_TIMEOUT);
                // This returns only after Ctrl-Z and `fg`. Then the rows are drawn again.
                signal.obey()?;
            }
        }
    }

    /// Writes a line every ten seconds, until `stopped`.
    fn write_lines(&self, stopped: &Receiver<()>) -> io::Result<()> {
        let mut progress = Progress::default();
        while !is_over(stopped, LINE_EVERY) {
            writeln!(output::stderr(), "{}", progress.line(&self.panel()))?;
        }
        Ok(())
    }
}

/// Waits for `time`, or until the view has to end, and returns whether it has to.
fn is_over(stopped: &Receiver<()>, time: Duration) -> bool {
    !matches!(stopped.recv_timeout(time), Err(RecvTimeoutError::Timeout))
}

fn terminal_size() -> io::Result<Size> {
    let (width, height) = crossterm::terminal::size()?;
    Ok(Size { width, height })
}

/// Catches SIGQUIT (Ctrl-\) and SIGTSTP (Ctrl-Z) while it lives, so that the view can be removed
/// before they end or stop the process.
///
/// The signals that end the run in good order are not among them, since the view ends with the run.
#[derive(Debug)]
struct Interruptions {
    /// The last signal that came; 0 if none has.
    came: Arc<AtomicUsize>,
    /// Set when the signals are to have their default effect again.
    over: Arc<AtomicBool>,
}

/// A signal that was caught.
#[derive(Debug)]
struct Interruption(i32);

impl Interruptions {
    fn register() -> io::Result<Self> {
        let (came, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        for signal in [SIGQUIT, SIGTSTP] {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&over))?;
            signal_hook::flag::register_usize(signal, Arc::clone(&came), signal as usize)?;
        }
        Ok(Interruptions { came, over })
    }

    /// The signal that came since the last call.
    fn take(&self) -> Option<Interruption> {
        let signal = i32::try_from(self.came.swap(0, Ordering::AcqRel)).ok()?;
        (signal != 0).then_some(Interruption(signal))
    }
}

impl Drop for Interruptions {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
    }
}

impl Interruption {
    /// Lets the signal have its default effect: the process ends, or stops until it is continued.
    fn obey(self) -> io::Result<()> {
        emulate_default_handler(self.0)
    }
}
