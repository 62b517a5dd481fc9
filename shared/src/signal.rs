//! When to stop, and how long that may take: the signals that end a process, the end of the parent
//! that started it, and the deadline from then on.
//!
//! A thread of its own listens, so that a process ends also when all its other threads are stuck:
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

/// What is kept of that time for the very end, when all that can be done is done.
const LAST_MOMENT: Duration = Duration::from_millis(600);

/// How long those who wait for [`Stop::at_once`] have.
const AT_ONCE: Duration = Duration::from_millis(50);

/// The exit code of a process whose output nobody reads any more: 128 and the number of SIGPIPE, as
/// a shell tells it of `yes` in `yes | head -1`.
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
    /// Whoever read standard output has gone.
    ReaderGone,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
            Self::ParentGone => "the parent process is gone",
            Self::ReaderGone => "nobody reads standard output any more",
        })
    }
}

/// Whether this process is to stop, and until when it has to.
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

/// Listens from now on for what should stop this process, which then has `timeout` to end by
/// itself.
///
/// With `parent_pipe` that is also the end of standard input: a parent that holds the other end of
/// it closes it when it dies, however it dies.
///
/// Call it before anybody is told that the process runs: a signal that comes earlier ends it at
/// once, and nothing is flushed.
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
    /// A process that nothing stops but [`Stop::request`], for tests.
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

    /// Lasts until the process is asked to stop, and tells why.
    pub async fn requested(&self) -> Reason {
        let mut requests = self.requested.subscribe();
        // The sender cannot have gone, since it is ours.
        let request = requests.wait_for(Option::is_some).await;
        request
            .ok()
            .and_then(|request| *request)
            .map_or(Reason::Terminate, |request| request.reason)
    }

    /// Lasts until the process is about to end without finishing anything: a moment for what must
    /// not stay behind, such as child processes.
    pub async fn at_once(&self) {
        let mut requests = self.requested.subscribe();
        let is_at_once = |request: &Option<Request>| request.is_some_and(|request| request.at_once);
        requests.wait_for(is_at_once).await.ok();
    }

    /// Why the process was asked to stop, if it was.
    pub fn reason(&self) -> Option<Reason> {
        self.requested.borrow().map(|request| request.reason)
    }

    /// How long the process has for what it does now, and would like to take `wanted` for: less
    /// than that when it has to end soon.
    pub fn time_for(&self, wanted: Duration) -> Duration {
        let request = *self.requested.borrow();
        request.map_or(wanted, |request| {
            let deadline = request.at + self.timeout;
            let left = deadline.saturating_duration_since(Instant::now());
            left.saturating_sub(LAST_MOMENT).min(wanted)
        })
    }

    /// Tells the parent that holds the other end of standard input that it need not wait for this
    /// process any longer to stop others that this one needed.
    pub fn tell_parent(&self) {
        if self.parent_pipe
            && let Ok(stdin) = io::stdin().as_fd().try_clone_to_owned()
        {
            // A parent that wants to know has given a socket; others have not, or have gone.
            File::from(stdin).write_all(b"\n").ok();
        }
    }

    /// The thread that listens.
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
                // It ends the process; if it cannot, the exit does.
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
    /// None where it is ignored, as `nohup` has it: then the process goes on without its terminal.
    hang_up: Option<Signal>,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if is_ignored(SIGHUP) { None } else { Some(signal(SignalKind::hangup())?) },
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

/// Whether whoever started this process has it ignore a signal. Linux tells; elsewhere none is.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & 1 << (signal - 1) != 0
}

async fn parent_gone(parent: &mut Option<oneshot::Receiver<()>>) {
    match parent {
        // An error says that the thread has ended, and it ends only at the end of input.
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
        // Nobody listens if the process is stopping already.
        ended.send(()).ok();
    })?;
    Ok(end)
}
