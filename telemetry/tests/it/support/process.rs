//! A process of its own, for what a process has one of: the environment, the global provider,
//! stdout and stderr.
//!
//! The process is this test program again, told to run only [`run`], which obeys the lines that
//! it is sent.

use opentelemetry::trace::{TraceContextExt as _, Tracer as _, TracerProvider as _};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use telemetry::Telemetry;
use testing::PATIENCE;

/// A running process that is waiting for orders.
pub(crate) struct Process {
    child: Child,
    stderr: Receiver<String>,
    said: Vec<String>,
}

impl Process {
    /// Starts a process with exactly these variables that telemetry obeys.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_with(variables, &[])
    }

    /// The same, with more variables, which may be no text.
    pub(crate) fn start_with(variables: &[(&str, &str)], more: &[(&str, OsString)]) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["global::obey", "--exact", "--ignored", "--nocapture"])
            .env_clear()
            .envs(variables.iter().copied())
            .envs(more.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this program can be started again");
        let lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
        let (send, stderr) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|l| send.send(l)));
        Process { child, stderr, said: Vec::new() }
    }

    /// What the process writes to stdout, to be read, kept or closed.
    pub(crate) fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("stdout, once")
    }

    /// Gives an order and waits for the answer.
    pub(crate) fn order(&mut self, order: &str) -> String {
        writeln!(self.child.stdin.as_ref().expect("stdin"), "{order}").expect("it listens");
        loop {
            let line = self.stderr.recv_timeout(PATIENCE).expect("an answer");
            match line.strip_prefix("answer: ") {
                Some(answer) => return answer.to_owned(),
                None => self.said.push(line),
            }
        }
    }

    /// Lets the process end, and returns all that it wrote to stderr but the answers.
    pub(crate) fn end(mut self) -> Vec<String> {
        drop(self.child.stdin.take());
        while let Ok(line) = self.stderr.recv_timeout(PATIENCE) {
            self.said.push(line);
        }
        assert!(self.child.wait().expect("it was started").success(), "{:#?}", self.said);
        std::mem::take(&mut self.said)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What the started process does: one order a line, until there are no more.
pub(crate) fn run() -> ! {
    let telemetry = match Telemetry::init(super::SERVICE) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("answer: {error}");
            std::process::exit(1);
        }
    };
    let provider = opentelemetry::global::tracer_provider();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match line.split_once(' ') {
            Some(("spans", count)) => {
                let tracer = provider.tracer("child");
                for _ in 0..count.parse().expect("a number") {
                    tracer.in_span("potato", |_| ());
                }
            }
            Some(("log", text)) => provider.tracer("child").in_span("potato", |cx| {
                tracing::info!(answer = 42, "{text}");
                let span = cx.span();
                let span = span.span_context();
                eprintln!("answer: trace_id={} span_id={}", span.trace_id(), span.span_id());
            }),
            _ => {
                super::settle(&telemetry.accounting());
            }
        }
        if !line.starts_with("log") {
            eprintln!("answer: {}", telemetry.accounting());
        }
    }
    telemetry.shutdown();
    telemetry.shutdown();
    drop(telemetry);
    // The test program would write to stdout, which may be stuck.
    std::process::exit(0);
}
