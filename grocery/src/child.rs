//! One role as a child process of `grocery`.

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    net::TcpStream,
    process::{self, ChildStdin},
    time,
};

/// How long a role may take from its start until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a role may take to finish what it has in flight and flush its spans.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// How often a starting role is asked whether it listens.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running role.
///
/// It is in a process group of its own, so that Ctrl-C reaches the parent alone and the parent
/// decides in which order the roles end. It holds the other end of a pipe as its standard input:
/// however the parent dies, the pipe closes, and the role ends too.
pub(crate) struct Child {
    role: &'static str,
    process: process::Child,
    /// Held until the role has ended. Not left in `process`: waiting for a process closes it.
    _parent_pipe: Option<ChildStdin>,
}

impl Child {
    /// Starts `grocery ROLE ARGS` with these variables added to the environment.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub(crate) fn start(
        role: &'static str,
        args: impl IntoIterator<Item = OsString>,
        variables: &[(&str, OsString)],
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let mut process = process::Command::new(program)
            .args([OsStr::new(role), OsStr::new("--parent-pipe")])
            .args(args)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start the {role}"))?;
        let parent_pipe = process.stdin.take();
        Ok(Self { role, process, _parent_pipe: parent_pipe })
    }

    /// Waits until the role listens on `addr`.
    ///
    /// # Errors
    /// When it ends before that, or takes longer than [`START_TIMEOUT`].
    pub(crate) async fn listening(&mut self, addr: SocketAddr) -> anyhow::Result<()> {
        let listening = async {
            while TcpStream::connect(addr).await.is_err() {
                time::sleep(POLL_INTERVAL).await;
            }
        };
        tokio::select! {
            status = self.process.wait() => bail!("the {} did not start: {}", self.role, status?),
            outcome = time::timeout(START_TIMEOUT, listening) => outcome
                .with_context(|| format!("the {} does not listen on {addr} after {START_TIMEOUT:?}", self.role)),
        }
    }

    /// Waits until the role ends by itself, and tells which it was.
    pub(crate) async fn ended(&mut self) -> &'static str {
        // `stop` reports how it ended, and a failure to wait for it.
        let _reported_later = self.process.wait().await;
        self.role
    }

    /// Asks the role to end, gives it time to flush, and ends it by force if it takes too long.
    ///
    /// # Errors
    /// When it had to be ended by force, or failed.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.process.id().and_then(|id| i32::try_from(id).ok()) {
            // It may have ended a moment ago: then there is nobody to signal, and that is fine.
            let _gone = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        match time::timeout(STOP_TIMEOUT, self.process.wait()).await {
            Ok(status) => match status? {
                status if status.success() => Ok(()),
                status => bail!("the {} failed: {status}", self.role),
            },
            Err(_) => {
                self.process.kill().await?;
                bail!("the {} did not stop within {STOP_TIMEOUT:?} and was killed", self.role)
            }
        }
    }
}
