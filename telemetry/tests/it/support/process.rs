//! A separate process, for tests of things of which each process has only one: the environment, the
//! global provider, standard output and standard error.
//!
//! The process is this test program again. It runs only [`run`], which reads orders from its
//! standard input, one a line.

use opentelemetry::trace::{TraceContextExt as _, Tracer as _, TracerProvider as _};
use std::cell::Cell;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ChildStdout;
use telemetry::{Streams, Telemetry};
use testing::process::{self, Ended, Program};
use tracing::level_filters::LevelFilter;
use tracing_log::log;

/// The test that runs in the process.
const OBEY: &str = "global::obey";

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
        Process { process: program(OBEY, variables).envs(more).start(), answers: Cell::new(0) }
    }

    /// The same, with its stdout, which is not read and can be closed.
    pub(crate) fn start_with_stdout(variables: &[(&str, &str)]) -> (Self, Option<ChildStdout>) {
        let (process, stdout) = program(OBEY, variables).start_with_stdout();
        (Process { process, answers: Cell::new(0) }, stdout)
    }

    /// The same, with console exporters that panic when they write.
    pub(crate) fn start_with_a_broken_console(variables: &[(&str, &str)]) -> Self {
        let program = program("panics::obey_with_a_broken_console", variables);
        Process { process: program.start(), answers: Cell::new(0) }
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
fn program(run: &str, variables: &[(&str, &str)]) -> Program {
    Program::new(std::env::current_exe().expect("this program"))
        .args([run, "--exact", "--ignored", "--nocapture"])
        .env_clear()
        .envs(variables.iter().copied())
}

fn answer(line: &str) -> Option<&str> {
    line.strip_prefix("answer: ")
}

/// Runs in the started process: obeys the orders, one a line, until there are no more.
pub(crate) fn run(streams: Streams) -> ! {
    let telemetry = match Telemetry::init_with(super::SERVICE, streams) {
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
            Some(("quiet", text)) => in_span(|| tracing::info!(target: "it::quiet", "{text}")),
            Some(("log", text)) => in_span(|| tracing::info!(answer = 42, "{text}")),
            // A library says the same again and again.
            Some(("flood", count)) => {
                for _ in 0..count.parse().expect("a number") {
                    tracing::error!(target: "actix_http", "no HTTP");
                }
                eprintln!("answer: {count}");
            }
            Some(("level", _)) => {
                let (of_tracing, of_log) = (LevelFilter::current(), log::max_level());
                eprintln!("answer: {of_tracing} {of_log}");
            }
            Some(("panic", text)) => panic_on("worker", text, &|text| panic!("{text}")),
            // The main thread of a Rust program is known by this name.
            Some(("panic-on-main", text)) => panic_on("main", text, &|text| panic!("{text}")),
            Some(("panic-in-log", text)) => panic_on("worker", text, &|text| {
                tracing::error!(field = ?Panics(text), "a field that cannot be shown");
            }),
            _ => {
                super::settle(&telemetry.accounting());
            }
        }
        if line.starts_with("spans") || !line.contains(' ') {
            eprintln!("answer: {}", telemetry.accounting());
        }
    }
    telemetry.shutdown();
    telemetry.shutdown();
    drop(telemetry);
    // Ends here, because the test program would write to standard output, which may be stuck.
    std::process::exit(0);
}

/// Does something in a span, and answers with its ids.
fn in_span(work: impl FnOnce()) {
    opentelemetry::global::tracer_provider().tracer("child").in_span("potato", |cx| {
        work();
        let span = cx.span();
        let span = span.span_context();
        eprintln!("answer: trace_id={} span_id={}", span.trace_id(), span.span_id());
    });
}

/// Does something that panics, on a thread of this name, in a span.
fn panic_on(thread: &str, text: &str, work: &(dyn Fn(&str) + Sync)) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(thread.to_owned());
        let panicking = || in_span(|| drop(catch_unwind(AssertUnwindSafe(|| work(text)))));
        thread.spawn_scoped(scope, panicking).expect("a thread").join().expect("it is caught");
    });
}

/// A value that panics when it is shown.
struct Panics<'a>(&'a str);

impl std::fmt::Debug for Panics<'_> {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("{}", self.0)
    }
}
