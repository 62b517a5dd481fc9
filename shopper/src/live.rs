//! What a run shows of itself while it goes on.
//!
//! On a terminal that is a few lines that stay at its foot (`foot`) and are drawn again each
//! second (`panel`); anywhere else, and on a terminal that can do no more, it is a line every ten
//! seconds (`line`). Both go to standard error, so standard output is the report's alone.

mod foot;
mod interruption;
mod line;
mod panel;
#[cfg(test)]
mod tests;

use crate::report::ReportArgs;
use crate::statistics::Statistics;
use foot::Foot;
use interruption::Interruptions;
use line::Progress;
use panel::Panel;
use ratatui::layout::Size;
use shared::output::{self, BoundedWriter};
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use telemetry::Accounting;

/// How often the view shows new figures: as often as the statistics have any.
const REFRESH: Duration = Duration::from_secs(1);

/// How often the view looks whether its terminal was resized or a signal came.
const LOOK: Duration = Duration::from_millis(100);

/// How long the view may take to go when a signal would end or stop the process.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The live view of a run: it goes on until it is stopped or dropped, and then leaves the terminal
/// as it found it.
#[derive(Debug)]
pub struct View(Option<(Sender<()>, JoinHandle<()>)>);

impl View {
    /// Starts to show what `statistics` and `spans` say, in the way that suits standard error.
    ///
    /// A view that cannot be shown is said in the log and is no reason to stop the run.
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
                tracing::warn!(%error, "the live view ended");
            }
        });
        match thread {
            Ok(thread) => View(Some((stop, thread))),
            Err(error) => {
                tracing::warn!(%error, "there is no thread for the live view");
                View(None)
            }
        }
    }

    /// Takes the view away and restores the terminal.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            if thread.join().is_err() {
                tracing::warn!("the live view panicked");
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

    /// The view at the foot of the terminal, until `stopped`.
    fn show_panel(&self, stopped: &Receiver<()>) -> io::Result<()> {
        let interruptions = Interruptions::register()?;
        let terminal = output::stderr();
        let mut foot: Foot<BoundedWriter> = Foot::new(terminal.clone());
        let mut panel = self.panel();
        let mut refreshed = Instant::now();
        loop {
            let due = refreshed.elapsed() >= REFRESH;
            if due {
                panel = self.panel();
                refreshed = Instant::now();
            }
            let size = terminal_size()?;
            // A terminal that nobody reads gets no more of it: the next view has newer figures.
            if (due || foot.size() != size) && terminal.is_idle() {
                foot.show(&panel, size)?;
                terminal.set_epilogue(foot.closing()?);
            }
            if is_over(stopped, LOOK) {
                terminal.open_reserve();
                terminal.set_epilogue(Vec::new());
                return foot.close();
            }
            if let Some(signal) = interruptions.take() {
                foot.close()?;
                terminal.flush_within(FLUSH_TIMEOUT);
                // Comes back after a stop (Ctrl-Z) only; the foot is opened again by its new size.
                signal.obey()?;
            }
        }
    }

    /// A line every ten seconds, until `stopped`.
    fn write_lines(&self, stopped: &Receiver<()>) -> io::Result<()> {
        let mut progress = Progress::default();
        while !is_over(stopped, LINE_EVERY) {
            writeln!(output::stderr(), "{}", progress.line(&self.panel()))?;
        }
        Ok(())
    }
}

/// Waits for `time`; true if the view has to end.
fn is_over(stopped: &Receiver<()>, time: Duration) -> bool {
    !matches!(stopped.recv_timeout(time), Err(RecvTimeoutError::Timeout))
}

fn terminal_size() -> io::Result<Size> {
    let (width, height) = crossterm::terminal::size()?;
    Ok(Size { width, height })
}
