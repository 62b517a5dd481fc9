//! A separate process, for tests of things of which each process has only one: the environment, the
//! global provider, standard output and standard error.
//!
//! The process is this test program again. It runs only [`run`], which reads orders from its
//! standard input, one a line.

use opentelemetry::trace::{TraceContextExt as _, Tracer as _, TracerProvider as _};
use std::cell::Cell;
use std::ffi::OsString;
use std::process::ChildStdout;
use telemetry::Telemetry;
use testing::process::{self, Ended, Program};

/// A running process that is waiting for orders.
pub(crate) struct Process {
    process: process::Process,
    /// How many orders it has answered.
    answers: Cell<usize>,
}

impl Process {
    /// Starts a process with these variables, and no others that telemetry reads.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_with(variables, &[])
    }

    /// The same, with more variables, which need not be text.
    pub(crate) fn start_with(variables: &[(&str, &str)], more: &[(&str, OsString)]) -> Self {
        let more = more.iter().map(|(name, value)| (name, value));
        Process { process: program(variables).envs(more).start(), answers: Cell::new(0) }
    }

    /// The same, with its stdout, which is not read and can be closed.
    pub(crate) fn start_with_stdout(variables: &[(&str, &str)]) -> (Self, Option<ChildStdout>) {
        let (process, stdout) = program(variables).start_with_stdout();
        (Process { process, answers: Cell::new(0) }, stdout)
    }

    /// Gives an order and waits for the answer.
    pub(crate) fn order(&self, order: &str) -> String {
        self.process.write_line(order);
        let earlier = self.answers.replace(self.answers.get() + 1);
        self.process.await_lines("answer", |lines| {
            lines.iter().filter_map(|line| answer(line)).nth(earlier).map(str::to_owned)
        })
    }

    /// Lets the process end, and returns what it wrote to stderr, without the answers.
    pub(crate) fn end(self) -> Vec<String> {
        self.ended().stderr
    }

    /// Lets the process end, and returns what it wrote, without the answers.
    pub(crate) fn ended(mut self) -> Ended {
        self.process.close_stdin();
        let mut ended = self.process.end();
        assert!(ended.status.success(), "{ended:#?}");
        ended.stderr.retain(|line| answer(line).is_none());
        ended
    }
}

/// This program, to be started with exactly these variables.
fn program(variables: &[(&str, &str)]) -> Program {
    Program::new(std::env::current_exe().expect("this program"))
        .args(["global::obey", "--exact", "--ignored", "--nocapture"])
        .env_clear()
        .envs(variables.iter().copied())
}

fn answer(line: &str) -> Option<&str> {
    line.strip_prefix("answer: ")
}

/// Runs in the started process: obeys the orders, one a line, until there are no more.
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
    // Ends here, because the test program would write to standard output, which may be stuck.
    std::process::exit(0);
}
