//! When to stop: the signals that end a process, and the end of the parent that started it.

use std::io;

use tokio::{
    io::AsyncReadExt,
    signal::unix::{SignalKind, signal},
};

/// Resolves when this process should stop, and says why, for the log.
///
/// That is at SIGINT (Ctrl-C), at SIGTERM, and with `parent_pipe` also at the end of standard
/// input: a parent that holds the other end of it closes it when it dies, however it dies.
///
/// # Errors
/// When the runtime cannot register the signal handlers.
pub async fn shutdown(parent_pipe: bool) -> io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
        () = parent_gone(), if parent_pipe => "the parent process is gone",
    })
}

/// Reads standard input to its end.
async fn parent_gone() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 64];
    while matches!(stdin.read(&mut buffer).await, Ok(1..)) {}
}
