//! Standard error and standard output for a process that must not wait for their readers.
//!
//! A pipe or a terminal that is not read (a frozen ssh, `| less`, a stalled log agent) becomes
//! full, and then a thread that writes to it waits. A thread that serves requests or handles
//! signals must not wait. So each stream is written by a thread that may wait:
//!
//! - Standard error has a queue, [`stderr`], and a thread behind it. Lines for which the queue has
//!   no room are dropped. As soon as something can be written again, a line says how many these
//!   were.
//! - Standard output is used for spans and metrics, which their exporters write on threads of their
//!   own and with queues of their own. So [`Stdout`] writes at once.
//!
//! `tracing-appender` has such a queue too, but it counts lines instead of bytes, does not say how
//! many lines were dropped, and prints to standard output when it cannot end in time.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    collections::VecDeque,
    fmt,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How many bytes may wait to be written to standard error.
const CAPACITY_BYTES: usize = 256 << 10;

/// How many bytes more there may be for the last lines of a process.
const RESERVE_BYTES: usize = 16 << 10;

/// How long a process that ends waits for its last lines to be written.
const LAST_LINES_TIMEOUT: Duration = Duration::from_millis(500);

static STDERR: OnceLock<BoundedWriter> = OnceLock::new();

/// Standard error of this process, behind a queue.
pub fn stderr() -> BoundedWriter {
    STDERR.get_or_init(|| BoundedWriter::new("stderr", io::stderr(), CAPACITY_BYTES)).clone()
}

/// Waits a short time for the last lines of this process to be written. Call it last: lines that
/// are written to [`stderr`] later may be lost.
pub fn finish() {
    if let Some(stderr) = STDERR.get() {
        stderr.flush_within(LAST_LINES_TIMEOUT);
    }
}

/// Makes the messages of panics go through [`stderr`].
///
/// A thread that catches a panic, such as one that runs actors, goes on afterwards. Without this it
/// would wait for the reader of standard error first.
///
/// It is for the time before the process has telemetry, and for processes without: telemetry makes
/// a panic a log line with its trace.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("<unnamed>");
        let mut text = format!("\nthread '{name}' {panic}\n");
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            text += &format!("stack backtrace:\n{backtrace}");
        }
        stderr().push(text.into_bytes());
        if name == "main" {
            // The process may be about to end.
            finish();
        }
    }));
}

/// A writer that never waits. It puts each message into a queue, from which a thread writes.
///
/// The text of one call of `write` or `writeln!` is written as a whole or not at all.
#[derive(Clone)]
pub struct BoundedWriter(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Signals that there is something to write.
    filled: Condvar,
    /// Signals that all has been written.
    emptied: Condvar,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Vec<u8>>,
    /// The bytes of all messages, and of the one that is being written.
    bytes: usize,
    capacity_bytes: usize,
    reserve_bytes: usize,
    /// Lines that were dropped since this was last reported.
    dropped_lines: u64,
    /// Whether the thread writes at this moment.
    is_writing: bool,
    /// What to write if the process ends at once.
    epilogue: Vec<u8>,
}

impl BoundedWriter {
    /// A writer to `stream` with a queue of so many bytes.
    pub fn new(name: &str, stream: impl Write + Send + 'static, capacity_bytes: usize) -> Self {
        let queue = Mutex::new(Queue { capacity_bytes, ..Queue::default() });
        let shared = Arc::new(Shared { queue, filled: Condvar::new(), emptied: Condvar::new() });
        let writing = Arc::clone(&shared);
        let thread = thread::Builder::new().name(format!("write-{name}"));
        if thread.spawn(move || writing.write_all_to(stream)).is_err() {
            // Without a thread all lines are dropped, which is better than no process at all.
            shared.lock().capacity_bytes = 0;
        }
        Self(shared)
    }

    /// Whether all that was written so far has reached the stream.
    pub fn is_idle(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Waits until all has reached the stream, but no longer than `timeout`. Returns whether it
    /// has.
    pub fn flush_within(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut queue = self.0.lock();
        while !queue.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.0.emptied.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Makes room for the last lines of a process, even if the earlier ones have not been read.
    pub fn open_reserve(&self) {
        self.0.lock().reserve_bytes = RESERVE_BYTES;
    }

    /// Sets what is written if the process ends at once, such as the codes that restore a terminal.
    /// Empty means nothing.
    pub fn set_epilogue(&self, bytes: Vec<u8>) {
        self.0.lock().epilogue = bytes;
    }

    /// Writes the epilogue, and waits a moment for it and everything before it to reach the stream.
    pub fn end(&self) {
        self.open_reserve();
        let epilogue = std::mem::take(&mut self.0.lock().epilogue);
        self.push(epilogue);
        self.flush_within(LAST_LINES_TIMEOUT / 5);
    }

    fn push(&self, message: Vec<u8>) {
        if message.is_empty() {
            return;
        }
        let mut queue = self.0.lock();
        if queue.has_room_for(message.len()) {
            queue.say_what_was_dropped();
            queue.push(message);
            self.0.filled.notify_one();
        } else {
            queue.dropped_lines +=
                message.iter().filter(|byte| **byte == b'\n').count().max(1) as u64;
        }
    }
}

impl Write for BoundedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.push(fmt::format(text).into_bytes());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for BoundedWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedWriter").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing can panic while it is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes messages as they come, for as long as the process runs.
    fn write_all_to(&self, mut stream: impl Write) {
        let mut queue = self.lock();
        loop {
            let Some(message) = queue.messages.pop_front() else {
                if queue.dropped_lines > 0 {
                    queue.say_what_was_dropped();
                    continue;
                }
                self.emptied.notify_all();
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            queue.is_writing = true;
            drop(queue);
            // A closed stream takes nothing more. Its reader has gone, so the text is not missed.
            stream.write_all(&message).and_then(|()| stream.flush()).ok();
            queue = self.lock();
            queue.is_writing = false;
            queue.bytes -= message.len();
        }
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.messages.is_empty() && !self.is_writing && self.dropped_lines == 0
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        self.bytes.saturating_add(bytes) <= self.capacity_bytes + self.reserve_bytes
    }

    fn push(&mut self, message: Vec<u8>) {
        self.bytes += message.len();
        self.messages.push_back(message);
    }

    fn say_what_was_dropped(&mut self) {
        if self.dropped_lines > 0 {
            let lines = self.dropped_lines;
            self.dropped_lines = 0;
            self.push(format!("(lines dropped here, because nobody read them: {lines})\n").into());
        }
    }
}

/// Standard output, for a thread that may wait for its reader.
///
/// It says when the reader has gone, so that the process can stop: a program whose output cannot be
/// read ends, as `yes` does in `yes | head -1`. [`Stop::stdout`](crate::signal::Stop::stdout) makes
/// one.
pub struct Stdout {
    reader_gone: Box<dyn Fn() + Send>,
}

impl Stdout {
    /// Standard output that calls `reader_gone` when its reader has gone.
    pub fn new(reader_gone: impl Fn() + Send + 'static) -> Self {
        Self { reader_gone: Box::new(reader_gone) }
    }

    fn checked<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            (self.reader_gone)();
        }
        outcome
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.checked(io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.checked(io::stdout().flush())
    }
}

impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdout").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A stream that takes a message only when its reader asks for one.
    struct Slow {
        asked: Receiver<()>,
        written: Sender<String>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.asked.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.written.send(String::from_utf8_lossy(bytes).into_owned()).ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Reader {
        ask: Sender<()>,
        written: Receiver<String>,
    }

    impl Reader {
        fn read(&self) -> String {
            self.ask.send(()).unwrap();
            self.written.recv_timeout(PATIENCE).unwrap()
        }
    }

    fn slow(capacity_bytes: usize) -> (BoundedWriter, Reader) {
        let ((ask, asked), (written, read)) = (channel(), channel());
        let writer = BoundedWriter::new("test", Slow { asked, written }, capacity_bytes);
        (writer, Reader { ask, written: read })
    }

    #[test]
    fn lines_that_are_not_read_are_dropped_and_counted() {
        let (mut writer, reader) = slow(20);
        writeln!(writer, "ten bytes").unwrap();
        let ten = "ten";
        writeln!(writer, "{ten} bytes").unwrap();
        for _ in 0..5 {
            writeln!(writer, "two lines\nin one message").unwrap();
        }
        assert!(!writer.flush_within(Duration::ZERO));

        assert_eq!(reader.read(), "ten bytes\n");
        assert_eq!(reader.read(), "ten bytes\n");
        assert_eq!(reader.read(), "(lines dropped here, because nobody read them: 10)\n");
        assert!(writer.flush_within(PATIENCE));
        writeln!(writer, "again").unwrap();
        assert_eq!(reader.read(), "again\n");
        assert!(writer.flush_within(PATIENCE) && writer.is_idle());
    }

    #[test]
    fn the_number_of_dropped_lines_comes_before_the_next_line() {
        let (mut writer, reader) = slow(12);
        writeln!(writer, "first line").unwrap();
        writeln!(writer, "dropped").unwrap();
        writer.open_reserve();
        writeln!(writer, "the last line").unwrap();
        let read: Vec<_> = (0..3).map(|_| reader.read()).collect();
        let dropped = "(lines dropped here, because nobody read them: 1)\n";
        assert_eq!(read, ["first line\n", dropped, "the last line\n"]);
    }

    #[test]
    fn a_process_that_ends_at_once_writes_its_epilogue() {
        let (writer, reader) = slow(100);
        writer.set_epilogue(b"scroll all rows again".to_vec());
        writer.end();
        writer.end();
        assert_eq!(reader.read(), "scroll all rows again");
        assert!(writer.flush_within(PATIENCE));
    }

    #[test]
    fn a_closed_stream_takes_everything() {
        let (mut writer, reader) = slow(100);
        drop(reader);
        for _ in 0..1_000 {
            writeln!(writer, "to a closed stream").unwrap();
        }
        assert!(writer.flush_within(PATIENCE));
    }
}
