//! When to stop: the signals that end a process, and the end of the parent that started it.

use std::{
    io::{self, Read},
    thread,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// Listens from now on for the moment when this process should stop; the future resolves then,
/// with the reason, for the log.
///
/// That is at SIGINT (Ctrl-C), at SIGTERM, and with `parent_pipe` also at the end of standard
/// input: a parent that holds the other end of it closes it when it dies, however it dies.
///
/// Call it inside a runtime, before anybody is told that the process runs: a signal that comes
/// earlier ends it at once, and nothing is flushed.
///
/// # Errors
/// When the operating system refuses a signal handler or a thread.
pub fn shutdown(parent_pipe: bool) -> io::Result<impl Future<Output = &'static str> + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let parent_gone = if parent_pipe { Some(end_of_stdin()?) } else { None };
    Ok(async move {
        let parent_gone = async {
            match parent_gone {
                // An error says that the thread has ended, and it ends only at the end of input.
                Some(gone) => drop(gone.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
            () = parent_gone => "the parent process is gone",
        }
    })
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
