//! Stopping a process: on a signal, or when the parent that started it has ended, and within a time
//! limit from then on.
//!
//! A separate thread waits for all of these, so that the process ends even if its other threads are
//! stuck:
//!
//! ```text
//! SIGINT, SIGTERM, SIGHUP, the parent is gone  →  the process is asked to stop, and begins to
//! SIGINT again, or the parent gone meanwhile   →  it ends at once
//! the deadline                                 →  it ends at once, with exit code 1
//! ```

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::AsFd,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT},
    low_level::{emulate_default_handler, exit},
};
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
    time::sleep,
};

use crate::output;

/// How long a process may take to stop, unless it is told otherwise.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of that time is kept for the very end, such as for writing the last lines.
const LAST_MOMENT: Duration = Duration::from_millis(600);

/// How long the process waits at its end for those that use [`Stop::at_once`].
const AT_ONCE: Duration = Duration::from_millis(50);

/// The exit code of a process that stops because the reader of its output has gone: 128 and the
/// number of SIGPIPE, as a shell has it for `yes` in `yes | head -1`.
pub const READER_GONE: u8 = 141;

/// Why a process stops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal has gone.
    HangUp,
    /// The process that started this one has gone.
    ParentGone,
    /// The reader of standard output has gone.
    ReaderGone,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
            Self::ParentGone => "the parent process is gone",
            Self::ReaderGone => "the reader of standard output is gone",
        })
    }
}

/// Says whether this process is to stop, and how long that may take.
#[derive(Clone, Debug)]
pub struct Stop {
    requested: Arc<watch::Sender<Option<Request>>>,
    timeout: Duration,
    parent_pipe: bool,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    reason: Reason,
    at: Instant,
    /// Whether the process ends without finishing anything.
    at_once: bool,
}

/// Watches from now on for what stops this process. Once it is asked to stop, it has `timeout` to
/// end by itself.
///
/// With `parent_pipe` the end of standard input stops the process too. A parent that holds the
/// other end of that pipe closes it when it ends, even if it is killed.
///
/// A SIGHUP that was ignored when the process started stays ignored, as `nohup` wants it.
///
/// Call this before the process says that it is ready. A signal that comes earlier ends it at once,
/// and nothing is flushed.
///
/// # Errors
/// When the operating system refuses a signal handler or a thread.
pub fn watch(parent_pipe: bool, timeout: Duration) -> io::Result<Stop> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _entered = runtime.enter();
        Signals::listen()?
    };
    let parent = if parent_pipe { Some(end_of_stdin()?) } else { None };
    let stop = Stop { requested: Arc::new(watch::Sender::new(None)), timeout, parent_pipe };
    let watched = stop.clone();
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(watched.watch(signals, parent)))?;
    Ok(stop)
}

impl Stop {
    /// For tests: a process that only [`Stop::request`] stops.
    pub fn never() -> Self {
        let requested = Arc::new(watch::Sender::new(None));
        Self { requested, timeout: STOP_TIMEOUT, parent_pipe: false }
    }

    /// Asks the process to stop, unless it has been asked already.
    pub fn request(&self, reason: Reason) {
        self.requested.send_if_modified(|request| {
            let is_first = request.is_none();
            request.get_or_insert(Request { reason, at: Instant::now(), at_once: false });
            is_first
        });
    }

    /// Waits until the process is asked to stop, and returns why.
    pub async fn requested(&self) -> Reason {
        let mut requests = self.requested.subscribe();
        // There is always a sender, since `self` holds it.
        let request = requests.wait_for(Option::is_some).await;
        request
            .ok()
            .and_then(|request| *request)
            .map_or(Reason::Terminate, |request| request.reason)
    }

    /// Waits until the process is about to end at once, without finishing its work. A short time is
    /// left for things that must not stay behind, such as child processes.
    pub async fn at_once(&self) {
        let mut requests = self.requested.subscribe();
        let is_at_once = |request: &Option<Request>| request.is_some_and(|request| request.at_once);
        requests.wait_for(is_at_once).await.ok();
    }

    /// Standard output of this process, which is asked to stop when its reader has gone.
    pub fn stdout(&self) -> output::Stdout {
        let stop = self.clone();
        output::Stdout::new(move || stop.request(Reason::ReaderGone))
    }

    /// Why the process was asked to stop, if it was.
    pub fn reason(&self) -> Option<Reason> {
        self.requested.borrow().map(|request| request.reason)
    }

    /// How long the caller may take for something that should take `wanted`. It is less if the
    /// process has been asked to stop and has to end before that.
    pub fn time_for(&self, wanted: Duration) -> Duration {
        let request = *self.requested.borrow();
        request.map_or(wanted, |request| {
            let deadline = request.at + self.timeout;
            let left = deadline.saturating_duration_since(Instant::now());
            left.saturating_sub(LAST_MOMENT).min(wanted)
        })
    }

    /// Tells the parent, through the other end of standard input, that this process no longer needs
    /// the parent's other children. The parent may stop those while this process ends.
    pub fn tell_parent(&self) {
        if self.parent_pipe
            && let Ok(stdin) = io::stdin().as_fd().try_clone_to_owned()
        {
            // This fails for a parent that gave no socket or has ended. Then there is no one to
            // tell.
            File::from(stdin).write_all(b"\n").ok();
        }
    }

    /// Runs on the thread that watches.
    async fn watch(self, mut signals: Signals, mut parent: Option<oneshot::Receiver<()>>) {
        let reason = tokio::select! {
            reason = signals.next() => reason,
            () = parent_gone(&mut parent) => Reason::ParentGone,
            reason = self.requested() => reason,
        };
        self.request(reason);
        if reason == Reason::ParentGone {
            parent = None;
        }
        let again = async { while signals.next().await != Reason::Interrupt {} };
        tokio::select! {
            () = again => {
                self.end_at_once().await;
                // This ends the process. If it fails, the exit below does.
                emulate_default_handler(SIGINT).ok();
            }
            () = parent_gone(&mut parent) => self.end_at_once().await,
            () = sleep(self.timeout) => {
                let mut stderr = output::stderr();
                stderr.open_reserve();
                writeln!(stderr, "{reason}: not all was done within {:?}", self.timeout).ok();
            }
        }
        self.end_at_once().await;
        exit(1);
    }

    async fn end_at_once(&self) {
        self.requested.send_modify(|request| {
            if let Some(request) = request {
                request.at_once = true;
            }
        });
        sleep(AT_ONCE).await;
        output::stderr().end();
    }
}

/// The signals that ask a process to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` if the process was started with SIGHUP ignored, as by `nohup`: it goes on without its
    /// terminal.
    hang_up: Option<Signal>,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if is_hang_up_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    async fn next(&mut self) -> Reason {
        tokio::select! {
            _ = self.interrupt.recv() => Reason::Interrupt,
            _ = self.terminate.recv() => Reason::Terminate,
            () = hung_up(&mut self.hang_up) => Reason::HangUp,
        }
    }
}

async fn hung_up(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether this process was started with SIGHUP ignored. It must be asked before a handler is set.
fn is_hang_up_ignored() -> bool {
    match std::fs::read_to_string("/proc/self/status") {
        Ok(status) => ignores(&status, SIGHUP),
        // macOS has no /proc.
        Err(_) => child_survives_hang_up(),
    }
}

/// Whether a process with this `/proc/PID/status` ignores a signal.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & 1 << (signal - 1) != 0
}

/// Whether a child process survives a SIGHUP that it sends to itself. A child inherits which
/// signals are ignored, so this tells whether this process ignores it, on every Unix.
fn child_survives_hang_up() -> bool {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "kill -HUP $$"]);
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.status().is_ok_and(|status| status.success())
}

async fn parent_gone(parent: &mut Option<oneshot::Receiver<()>>) {
    match parent {
        // An error means that the reading thread has ended, which it does only at the end of input.
        Some(gone) => drop(gone.await),
        None => std::future::pending().await,
    }
}

/// Reads standard input to its end on a thread of its own: tokio's standard input would keep the
/// runtime from ending while a read is under way.
fn end_of_stdin() -> io::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    thread::Builder::new().name("parent-pipe".into()).spawn(move || {
        let mut buffer = [0; 64];
        while matches!(io::stdin().read(&mut buffer), Ok(1..)) {}
        // The receiver is gone if the process is stopping already.
        ended.send(()).ok();
    })?;
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the test below starts as a process of its own, with SIGHUP ignored or not.
    #[test]
    #[ignore = "what the other test starts as a process of its own"]
    fn say_whether_hang_up_is_ignored() {
        println!("\nfound: {} {}", is_hang_up_ignored(), child_survives_hang_up());
    }

    #[test]
    fn a_process_finds_out_whether_it_was_started_with_hang_up_ignored() {
        let found = |prepare: &str| {
            let output = Command::new("/bin/sh")
                .args(["-c", &format!("{prepare} exec \"$0\" \"$@\"")])
                .arg(std::env::current_exe().expect("this program has a file"))
                .args(["signal::tests::say_whether_hang_up_is_ignored", "--exact"])
                .args(["--ignored", "--nocapture"])
                .output()
                .expect("a shell can be started");
            let text = String::from_utf8(output.stdout).expect("the answer is text");
            text.lines().find_map(|line| line.strip_prefix("found: ")).map(str::to_owned)
        };
        assert_eq!(found("trap '' HUP;").as_deref(), Some("true true"));
        // The test itself may run under `nohup`, and then a shell cannot undo it.
        if !is_hang_up_ignored() {
            assert_eq!(found("").as_deref(), Some("false false"));
        }
    }
}
