//! Processes of a lesson's own: another service, or a caller, as the store's own program in another
//! role. `role` is what such a process does.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    process::Stdio,
    str::FromStr,
};

use opentelemetry::KeyValue;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::UnixStream,
    process::{Child, Command},
};

use super::tracer::{LessonTracer, RUN_ATTRIBUTE};

/// What a process of a lesson does. It is the value of the hidden argument `--lesson-process`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The run that its spans belong to.
    pub(super) run: String,
    /// What it does.
    pub(super) role: Role,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Role {
    /// Answers `GET /stock`: it counts its stock, or asks the service at this URL.
    Service { asks: Option<String> },
    /// Asks the service at this URL, and ends by `std::process::exit`.
    Caller { url: String, flushes: bool },
}

/// A running process of a lesson. It is killed when this is dropped.
///
/// Its standard input is one end of a pair of sockets, and this holds the other. When this end closes,
/// also because the store has ended, the process ends.
pub(super) struct Process {
    child: Child,
    socket: BufReader<UnixStream>,
}

/// A process that has said where it listens.
pub(super) struct Service {
    process: Process,
    addr: SocketAddr,
}

impl Process {
    /// Starts the program with this role. It inherits the environment of the store, so its spans go to
    /// the same place, with the name of the service and `settings` changed.
    pub(super) fn start(
        tracer: &LessonTracer,
        service: &str,
        role: Role,
        settings: &[(&str, &str)],
    ) -> io::Result<Self> {
        let program = tracer.program()?;
        let part = serde_json::to_string(&Part { run: tracer.run_name().to_owned(), role })?;
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let child = Command::new(&program.file)
            .args(&program.args)
            .args(["--lesson-process", &part])
            .env("OTEL_SERVICE_NAME", service)
            .env("OTEL_METRICS_EXPORTER", "none")
            .envs(settings.iter().copied())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            // Ctrl-C reaches the store only, which ends this.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { child, socket: BufReader::new(UnixStream::from_std(ours)?) })
    }

    /// Waits until the process ends by itself.
    pub(super) async fn ended(mut self) -> io::Result<()> {
        let status = self.child.wait().await?;
        match status.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("a process of the lesson ended: {status}"))),
        }
    }

    /// Tells the process to end, and waits until it has sent its spans and has ended.
    async fn end(self) -> io::Result<()> {
        let Self { mut child, socket } = self;
        drop(socket);
        child.wait().await?;
        Ok(())
    }
}

impl Service {
    /// Starts a service, which asks the one at the URL `asks` if there is one, and waits until it
    /// listens.
    pub(super) async fn start(
        tracer: &LessonTracer,
        name: &str,
        asks: Option<String>,
        settings: &[(&str, &str)],
    ) -> io::Result<Self> {
        let mut process = Process::start(tracer, name, Role::Service { asks }, settings)?;
        let mut line = String::new();
        process.socket.read_line(&mut line).await?;
        let Ok(addr) = line.trim_end().parse() else {
            return Err(io::Error::other(format!("the service {name} did not start")));
        };
        Ok(Self { process, addr })
    }

    /// Where it counts its stock.
    pub(super) fn url(&self) -> String {
        format!("http://{}/stock", self.addr)
    }

    /// Ends it. Its spans have been sent then.
    pub(super) async fn end(self) -> io::Result<()> {
        self.process.end().await
    }
}

impl Part {
    /// The attribute of all its spans.
    pub(super) fn run(&self) -> KeyValue {
        KeyValue::new(RUN_ATTRIBUTE, self.run.clone())
    }
}

impl FromStr for Part {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
    }
}

/// Where a service of a lesson listens: a free port that this machine alone reaches.
pub(super) const LISTEN: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
