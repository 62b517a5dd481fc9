//! The two streams that a process writes to: one for log lines and the accounting line, one for the
//! spans and metrics of the console exporters.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// The streams that a process writes to.
///
/// The default is standard error and standard output. Writing to them waits while their reader
/// takes nothing; a process that must not wait gives [`Streams::new`] a writer that never does.
pub struct Streams {
    logs: BoxMakeWriter,
    plain_lines: Box<dyn Fn() -> Box<dyn Write> + Send + Sync>,
    console: Console,
}

impl Streams {
    /// Other streams than the default.
    ///
    /// `logs` is called for each log line and for the accounting line, on the thread that logs, and
    /// makes the writer for that line. The line is written by one call of `write_all`.
    ///
    /// `console` is written to by the threads of the console exporters, which may wait: their
    /// queues are bounded, and spans that are dropped are counted.
    pub fn new<W: Write + 'static>(
        logs: impl Fn() -> W + Clone + Send + Sync + 'static,
        console: impl Write + Send + 'static,
    ) -> Self {
        let line = logs.clone();
        Streams {
            logs: BoxMakeWriter::new(logs),
            plain_lines: Box::new(move || Box::new(line())),
            console: Console(Arc::new(Mutex::new(console))),
        }
    }

    /// The stream of the console exporters.
    pub(super) fn console(&self) -> Console {
        self.console.clone()
    }

    /// Takes out the writer of log lines, and that of lines that are no events.
    pub(super) fn into_logs(self) -> (BoxMakeWriter, PlainLines) {
        (self.logs, PlainLines(self.plain_lines))
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

/// Writes lines that are no events of `tracing`: the accounting line, and those of panics.
pub(super) struct PlainLines(Box<dyn Fn() -> Box<dyn Write> + Send + Sync>);

impl PlainLines {
    /// Writes `line`, which ends with a line break, in one piece.
    pub(super) fn write(&self, line: &str) {
        // When the stream is closed, there is no other place to report that.
        (self.0)().write_all(line.as_bytes()).ok();
    }
}

impl fmt::Debug for PlainLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainLines").finish_non_exhaustive()
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
