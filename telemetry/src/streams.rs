//! Where a process writes what people read: log lines and the accounting line to one stream,
//! console spans and metrics to another.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// The streams of a process, and how they are written to.
///
/// The default is standard error and standard output themselves. A process that must not wait for
/// whoever reads its log gives [`Streams::new`] a writer that never waits.
pub struct Streams {
    logs: BoxMakeWriter,
    last_line: Box<dyn Fn() -> Box<dyn Write> + Send + Sync>,
    console: Console,
}

impl Streams {
    /// Streams of one's own.
    ///
    /// `logs` makes the writer of each log line and of the accounting line, which is written by
    /// whatever thread has something to log. It gets each line in one call of `write_all`.
    ///
    /// `console` is written to by the threads of the console exporters, which may wait: what waits
    /// behind them is bounded and counted.
    pub fn new<W: Write + 'static>(
        logs: impl Fn() -> W + Clone + Send + Sync + 'static,
        console: impl Write + Send + 'static,
    ) -> Self {
        let line = logs.clone();
        Streams {
            logs: BoxMakeWriter::new(logs),
            last_line: Box::new(move || Box::new(line())),
            console: Console(Arc::new(Mutex::new(console))),
        }
    }

    /// The stream of the console exporters.
    pub(super) fn console(&self) -> Console {
        self.console.clone()
    }

    /// Takes the streams apart: the writers of log lines, and of the one line after them.
    pub(super) fn into_logs(self) -> (BoxMakeWriter, LastLine) {
        (self.logs, LastLine(self.last_line))
    }
}

impl Default for Streams {
    fn default() -> Self {
        Streams::new(io::stderr, io::stdout())
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

/// Writes the accounting line.
pub(super) struct LastLine(Box<dyn Fn() -> Box<dyn Write> + Send + Sync>);

impl LastLine {
    pub(super) fn write(&self, line: &str) {
        // Nobody is left to tell when the stream is closed.
        (self.0)().write_all(format!("{line}\n").as_bytes()).ok();
    }
}

impl fmt::Debug for LastLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastLine").finish_non_exhaustive()
    }
}

/// The stream of the console exporters, which all write to the same.
#[derive(Clone)]
pub(super) struct Console(Arc<Mutex<dyn Write + Send>>);

impl Console {
    /// Writes `text`, and waits until it is written.
    pub(super) fn write(&self, text: &str) -> io::Result<()> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(text.as_bytes())?;
        stream.flush()
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}
