//! One role as a child process of `grocery`.

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
    os::fd::OwnedFd,
    os::unix::net::UnixStream as StdUnixStream,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpStream, UnixStream},
    process,
    time::{self, Instant},
};

/// How long a role may take from its start until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How often it is checked whether a starting role listens.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running role.
///
/// It is in a process group of its own, so that Ctrl-C reaches the parent only, which decides in
/// which order the roles end. Its standard input is one end of a pair of sockets, and this struct
/// holds the other. When the parent dies, even by SIGKILL, its end closes, and the role ends too.
/// By the same sockets the shopper tells the parent that its trips are over and it no longer needs
/// the store.
#[derive(Debug)]
pub(crate) struct Child {
    role: &'static str,
    process: process::Child,
    socket: UnixStream,
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
        let (ours, theirs) = StdUnixStream::pair().context("cannot make a pair of sockets")?;
        ours.set_nonblocking(true)?;
        let process = process::Command::new(program)
            .args([OsStr::new(role), OsStr::new("--parent-pipe")])
            .args(args)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start the {role}"))?;
        Ok(Self { role, process, socket: UnixStream::from_std(ours)? })
    }

    /// Which role it is.
    pub(crate) fn role(&self) -> &'static str {
        self.role
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

    /// Waits until the role ends by itself, and returns how.
    pub(crate) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Asks the role to end.
    pub(crate) fn ask_to_stop(&self) {
        if let Some(pid) = self.process.id().and_then(|id| i32::try_from(id).ok()) {
            // It fails if the role has ended a moment ago, which is what was wanted.
            let _gone = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }

    /// Waits until the role says that it no longer needs the other roles, or ends.
    pub(crate) async fn needs_no_other(&mut self) {
        // When the role ends, its end of the socket closes.
        let _said_or_closed = self.socket.read_u8().await;
    }

    /// Waits for the end of the role, which has been asked to stop, and ends it by force at
    /// `deadline`.
    ///
    /// # Errors
    /// When it had to be ended by force.
    pub(crate) async fn stopped(&mut self, deadline: Instant) -> anyhow::Result<ExitStatus> {
        if let Ok(status) = time::timeout_at(deadline, self.process.wait()).await {
            return Ok(status?);
        }
        self.process.kill().await?;
        bail!("the {} did not stop in time and was killed", self.role)
    }
}
