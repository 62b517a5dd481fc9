//! A program of the workspace as a real process. It gets only the settings that the test gives it,
//! its output is read line by line, and it is killed when the test ends.
//!
//! ```no_run
//! use nix::sys::signal::Signal;
//! use testing::process::Program;
//!
//! let store = Program::new("target/debug/store").args(["--listen", "127.0.0.1:0"]).start();
//! let url = store.await_line("address", |line| line.strip_prefix("open on ").map(str::to_owned));
//! store.signal(Signal::SIGTERM);
//! let ended = store.end();
//! assert!(ended.status.success(), "{url}: {ended:#?}");
//! ```

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{PATIENCE, unread::Unread};

/// The beginnings of the names of variables that change what the programs do.
const SETTINGS: [&str; 9] = [
    "OTEL_",
    "STORE_",
    "SHOPPER_",
    "GROCERY_",
    "VIEWER_",
    "PROBE_",
    "DATABASE_URL",
    "RUST_LOG",
    "TERM",
];

/// A program, and how it is to be started.
#[derive(Debug)]
pub struct Program(Command);

impl Program {
    /// The program in this file. Its streams are piped, and variables of the test's own environment
    /// that would change what it does are removed.
    pub fn new(file: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(file);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            let is_setting = |name: &str| SETTINGS.iter().any(|start| name.starts_with(start));
            if name.to_str().is_some_and(is_setting) {
                command.env_remove(name);
            }
        }
        Self(command)
    }

    /// Adds these arguments.
    pub fn args(mut self, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.0.args(args);
        self
    }

    /// Sets these variables.
    pub fn envs(
        mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Self {
        self.0.envs(variables);
        self
    }

    /// Gives it a stream that is not read as its standard output and standard error.
    pub fn unread(mut self, stream: &Unread) -> Self {
        self.0.stdout(stream.stdio()).stderr(stream.stdio());
        self
    }

    /// Gives it a pipe whose reader has gone as its standard output.
    ///
    /// # Panics
    /// When the system gives no pipe.
    pub fn closed_stdout(mut self) -> Self {
        let (_, writer) = std::io::pipe().expect("a pipe");
        self.0.stdout(writer);
        self
    }

    /// Removes all variables. Those that are set afterwards are the only ones.
    pub fn env_clear(mut self) -> Self {
        self.0.env_clear();
        self
    }

    /// Gives it this stream, such as a terminal, as its standard output.
    pub fn stdout(mut self, stream: impl Into<Stdio>) -> Self {
        self.0.stdout(stream);
        self
    }

    /// Gives it this stream, such as a terminal, as its standard error.
    pub fn stderr(mut self, stream: impl Into<Stdio>) -> Self {
        self.0.stderr(stream);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(self) -> Process {
        let (mut process, stdout) = self.start_with_stdout();
        process.stdout = stdout.map(Lines::of);
        process
    }

    /// Starts it, and returns its standard output too, for a test that does not read it or that
    /// closes it while the program runs.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_with_stdout(mut self) -> (Process, Option<ChildStdout>) {
        let mut child = self.0.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.0));
        let stdout = child.stdout.take();
        // It is read from the beginning, because a pipe that is full would stop the program.
        let stderr = child.stderr.take().map(Lines::of);
        (Process { stdin: child.stdin.take(), child, stdout: None, stderr }, stdout)
    }

    /// Starts it, and waits for its end.
    ///
    /// # Panics
    /// When it cannot be started, or does not end.
    pub fn run(self) -> Ended {
        self.start().end()
    }
}

/// A running program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<Lines>,
    stderr: Option<Lines>,
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// The lines that it wrote to standard error.
    pub stderr: Vec<String>,
    /// How long the test waited for its end.
    pub took: Duration,
}

impl Process {
    /// Waits for a line on standard error for which `find` returns something.
    ///
    /// # Panics
    /// When there is no such line within [`PATIENCE`].
    pub fn await_line<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        self.await_lines(what, |lines| lines.iter().find_map(|line| find(line)))
    }

    /// Waits until `find` returns something for the lines on standard error so far.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`].
    pub fn await_lines<T>(&self, what: &str, find: impl Fn(&[String]) -> Option<T>) -> T {
        self.stderr.as_ref().expect("its errors are piped").wait_for(what, find)
    }

    /// Its process id.
    ///
    /// # Panics
    /// Never: a process id fits.
    pub fn id(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id fits")
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is not running.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id()), signal).expect("it is running");
    }

    /// Writes a line to its standard input.
    ///
    /// # Panics
    /// When that has been closed.
    pub fn write_line(&self, line: &str) {
        let mut stdin = self.stdin.as_ref().expect("its input is open");
        // A program that has ended reads nothing. Then its output tells why it has ended.
        writeln!(stdin, "{line}").ok();
    }

    /// Closes its standard input, which also happens when its parent ends.
    pub fn close_stdin(&mut self) {
        drop(self.stdin.take());
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`].
    pub fn end(mut self) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                break status;
            }
            let said = self.stderr.as_ref().map(Lines::text).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{said}");
            thread::sleep(Duration::from_millis(5));
        };
        let took = start.elapsed();
        let stdout = self.stdout.take().map(Lines::all).unwrap_or_default();
        let stderr = self.stderr.take().map(Lines::all).unwrap_or_default();
        let stdout = stdout.iter().flat_map(|line| [line, "\n"]).collect();
        Ended { status, stdout, stderr, took }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // These fail for a program that has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Ended {
    /// All that it wrote to standard error.
    pub fn errors(&self) -> String {
        self.stderr.join("\n")
    }

    /// Its last line on standard error.
    ///
    /// # Panics
    /// When there is none.
    pub fn last_line(&self) -> &str {
        self.stderr.last().expect("it says something")
    }
}

/// The lines that a process has written to a stream so far.
#[derive(Debug)]
struct Lines {
    written: Arc<Written>,
    reader: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Written {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let written = Arc::<Written>::default();
        let into = Arc::clone(&written);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                into.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                into.grown.notify_all();
            }
        });
        Self { written, reader }
    }

    fn wait_for<T>(&self, what: &str, find: impl Fn(&[String]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.written.lines.lock().expect("no reader panics");
        loop {
            if let Some(found) = find(&lines) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !self.reader.is_finished(),
                "no {what}:\n{}",
                lines.join("\n")
            );
            let left = left.min(Duration::from_millis(100));
            lines = self.written.grown.wait_timeout(lines, left).expect("no reader panics").0;
        }
    }

    fn text(&self) -> String {
        self.written.lines.lock().expect("no reader panics").join("\n")
    }

    /// Waits for the end of the stream, and returns all lines.
    fn all(self) -> Vec<String> {
        self.reader.join().expect("no reader panics");
        std::mem::take(&mut *self.written.lines.lock().expect("no reader panics"))
    }
}
