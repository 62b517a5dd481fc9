//! The viewer as a process: logs, signals, exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use shared::output;
use shared::signal::{self, STOP_TIMEOUT};
use tracing_subscriber::EnvFilter;

use crate::config::{Args, Config};
use crate::server::serve;

/// Runs the viewer until SIGINT, SIGTERM or SIGHUP, or the end of stdin with `--parent-pipe`.
///
/// The exit code is 0 when it was asked to stop, and 1 when it could not start.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    output::report_panics();
    let code = match try_run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    };
    output::finish();
    code
}

fn try_run(args: &Args) -> anyhow::Result<()> {
    start_logs(&args.log);
    allow_descriptors();
    let stop = signal::watch(args.parent_pipe, STOP_TIMEOUT).context("cannot wait for signals")?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().context("cannot wait for signals")?;
    let handle = serve(Config::from(args))?;
    tracing::info!(
        "the traces are at http://{}{}/ ; OTLP goes to http://{} or, over gRPC, http://{}",
        handle.listen(),
        args.base_path.as_str(),
        handle.otlp(),
        handle.otlp_grpc(),
    );
    runtime.block_on(stop.requested());
    handle.stop();
    Ok(())
}

fn start_logs(filter: &str) {
    let logs = tracing_subscriber::fmt()
        .with_ansi(std::io::stderr().is_terminal())
        // A thread that serves requests must not wait for the log to be read.
        .with_writer(output::stderr)
        .with_env_filter(EnvFilter::new(filter));
    // The process that the viewer runs in may have set up its logs already.
    drop(logs.try_init());
}

/// Raises the limit of file descriptors as far as the system allows: each connection takes one.
fn allow_descriptors() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::debug!("cannot raise the limit of descriptors: {error}");
    }
}
