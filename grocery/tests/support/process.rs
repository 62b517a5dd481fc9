//! A role of `grocery` as a real process, for tests: started with the environment the test gives
//! it and no other, watched line by line, and never left behind.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testing::unread::Unread;

/// How long a test waits for what should come at once: only a failing test waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running `grocery`.
pub(crate) struct Grocery {
    child: Child,
    stderr: Arc<Lines>,
    readers: Vec<JoinHandle<()>>,
}

/// The lines that a process has written so far.
#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Grocery {
    /// Starts `grocery ARGS` with these variables, and without any of the test's own that would
    /// change what it does.
    pub(crate) fn start<'a>(
        args: impl IntoIterator<Item = &'a str>,
        variables: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Self {
        let mut command = command(args, variables);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("grocery starts");
        let stderr = Arc::<Lines>::default();
        let mut stdout = child.stdout.take().expect("it is piped");
        let readers = vec![
            collect(child.stderr.take().expect("it is piped"), stderr.clone()),
            // What nobody reads would fill the pipe and stop the process.
            std::thread::spawn(move || drop(std::io::copy(&mut stdout, &mut std::io::sink()))),
        ];
        Self { child, stderr, readers }
    }

    /// Starts `grocery ARGS` with its standard output and error on a stream that nobody reads.
    pub(crate) fn start_unread<'a>(
        args: impl IntoIterator<Item = &'a str>,
        variables: impl IntoIterator<Item = (&'a str, String)>,
        stream: &Unread,
    ) -> Self {
        let mut command = command(args, variables);
        let child = command.stdout(stream.stdio()).stderr(stream.stdio()).spawn();
        let child = child.expect("grocery starts");
        Self { child, stderr: Arc::default(), readers: Vec::new() }
    }

    /// Waits for a line on stderr of which `find` makes something.
    pub(crate) fn await_line<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.stderr.lines.lock().expect("no reader panics");
        loop {
            if let Some(found) = lines.iter().find_map(|line| find(line)) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} on stderr:\n{}", lines.join("\n"));
            lines = self.stderr.grown.wait_timeout(lines, left).expect("no reader panics").0;
        }
    }

    /// Where a store says that it is open, such as `http://127.0.0.1:41234`.
    pub(crate) fn url(&self) -> String {
        self.await_line("address", |line| {
            line.strip_prefix("grocery store: open on ").map(str::to_owned)
        })
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id fits");
        kill(Pid::from_raw(pid), signal).expect("it is running");
    }

    /// Waits for its end, and returns how it ended and all it wrote to stderr.
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.lines().join("\n"));
            std::thread::sleep(Duration::from_millis(10));
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("no reader panics");
        }
        (status, self.lines())
    }

    fn lines(&self) -> Vec<String> {
        self.stderr.lines.lock().expect("no reader panics").clone()
    }
}

impl Drop for Grocery {
    fn drop(&mut self) {
        // Nothing is left to do for one that has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command<'a>(
    args: impl IntoIterator<Item = &'a str>,
    variables: impl IntoIterator<Item = (&'a str, String)>,
) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grocery"));
    command.args(args).stdin(Stdio::null());
    #[expect(clippy::disallowed_methods, reason = "to keep it from the process")]
    for name in std::env::vars().map(|(name, _)| name) {
        let ours =
            ["OTEL_", "STORE_", "SHOPPER_", "GROCERY_", "VIEWER_", "DATABASE_URL", "RUST_LOG"];
        if ours.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.envs(variables);
    command
}

fn collect(pipe: impl Read + Send + 'static, into: Arc<Lines>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            into.lines.lock().expect("no test panics while it holds them").push(line);
            into.grown.notify_all();
        }
    })
}
