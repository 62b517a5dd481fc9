//! The viewer as a process: logs, signals, exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::config::{Args, Config};
use crate::server::serve;

/// Runs the viewer until SIGINT or SIGTERM, or the end of stdin with `--parent-pipe`.
///
/// The exit code is 0 when it was asked to stop, and 1 when it could not start.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    match try_run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(args: &Args) -> anyhow::Result<()> {
    start_logs(&args.log);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot wait for signals")?;
    let mut interrupt = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let handle = serve(Config::from(args))?;
    tracing::info!(
        "the traces are at http://{}/ ; OTLP goes to http://{} or, over gRPC, http://{}",
        handle.listen(),
        handle.otlp(),
        handle.otlp_grpc(),
    );
    let parent = args.parent_pipe.then(end_of_stdin);
    runtime.block_on(async {
        tokio::select! {
            _ = interrupt.0.recv() => {}
            _ = interrupt.1.recv() => {}
            () = parent_gone(parent) => {}
        }
    });
    handle.stop();
    Ok(())
}

fn start_logs(filter: &str) {
    let (filter, fault) = match EnvFilter::try_new(filter) {
        Ok(filter) => (filter, None),
        Err(fault) => (EnvFilter::new("info"), Some(fault)),
    };
    let logs = tracing_subscriber::fmt()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_env_filter(filter);
    // Whoever runs the viewer inside another process may have set up logs already.
    drop(logs.try_init());
    if let Some(fault) = fault {
        tracing::warn!("--log is no filter, using \"info\": {fault}");
    }
}

/// Resolves when stdin has ended. On a thread of its own: a read of stdin cannot be cancelled.
fn end_of_stdin() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        // Nobody waits any more when it has been stopped otherwise.
        let _ = ended.send(());
    });
    end
}

async fn parent_gone(parent: Option<oneshot::Receiver<()>>) {
    match parent {
        Some(gone) => drop(gone.await),
        None => std::future::pending().await,
    }
}
