//! A store as a process, which is killed when the test drops it.

use std::path::Path;

use nix::sys::signal::Signal;
use testing::process::{Ended, Process, Program};

use crate::support::StoreClient;

/// The `store` program with these arguments.
pub(crate) fn store_program<'a>(args: impl IntoIterator<Item = &'a str>) -> Program {
    Program::new(env!("CARGO_BIN_EXE_store")).args(args)
}

/// A running store.
pub(crate) struct StoreProcess {
    process: Process,
    client: StoreClient,
}

impl StoreProcess {
    /// Starts a store on a SQLite file, and waits until it is open. The program is the store, or
    /// one that executes it.
    pub(crate) fn start(program: Program, database: &Path) -> Self {
        let program = program.envs([("OTEL_TRACES_EXPORTER", "none")]);
        Self::start_with_spans(program, database)
    }

    /// The same with spans, which go where the variables of the program say.
    pub(crate) fn start_with_spans(program: Program, database: &Path) -> Self {
        let database = format!("sqlite:{}", database.display());
        let process = program.args(["--listen", "127.0.0.1:0", "--database", &database]).start();
        let base = process.await_line("address", |line| {
            line.strip_prefix("grocery store: open on ").map(str::to_owned)
        });
        Self { process, client: StoreClient::of(base) }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> i32 {
        self.process.id()
    }

    /// Waits until this is in so many of the lines that it has written to stderr.
    pub(crate) fn await_said(&self, text: &str, times: usize) {
        let is_said = |lines: &[String]| {
            let count = lines.iter().filter(|line| line.contains(text)).count();
            (count >= times).then_some(())
        };
        self.process.await_lines(text, is_said);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end.
    pub(crate) fn ended(self) -> Ended {
        self.process.end()
    }

    /// Tells it to stop, and returns what it has written to stderr.
    pub(crate) fn terminate(self) -> String {
        self.process.signal(Signal::SIGTERM);
        self.process.end().errors()
    }

    /// Kills it as by `kill -9`, and returns what it has written to stderr.
    pub(crate) fn kill(self) -> String {
        self.process.signal(Signal::SIGKILL);
        self.process.end().errors()
    }
}

impl std::ops::Deref for StoreProcess {
    type Target = StoreClient;

    fn deref(&self) -> &StoreClient {
        &self.client
    }
}
