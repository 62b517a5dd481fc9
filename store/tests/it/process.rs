//! A store as a process of its own, which is killed when the test drops it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use crate::support::StoreClient;

/// The `store` program, without any of the test's own variables that would change what it does.
pub(crate) fn store_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_store"));
    without_variables(&mut command);
    command
}

/// A running store.
pub(crate) struct StoreProcess {
    child: Child,
    client: StoreClient,
    stderr: Option<JoinHandle<String>>,
}

impl StoreProcess {
    /// Starts a store on a SQLite file by this command, which may be the program itself or one that
    /// becomes it, and waits until it is open.
    pub(crate) fn start(mut command: Command, database: &Path) -> Self {
        command
            .args(["--listen", "127.0.0.1:0", "--database"])
            .arg(format!("sqlite:{}", database.display()))
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let base = loop {
            let from = said.len();
            assert!(lines.read_line(&mut said).unwrap() > 0, "the store does not open:\n{said}");
            if let Some(base) = said[from..].strip_prefix("grocery store: open on ") {
                break base.trim_end().to_owned();
            }
        };
        // What nobody reads would fill the pipe and stop the process.
        let stderr = std::thread::spawn(move || {
            lines.read_to_string(&mut said).unwrap();
            said
        });
        Self { child, client: StoreClient::of(base), stderr: Some(stderr) }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as by `kill -9`, and returns what it has written to stderr.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.stderr.take().unwrap().join().unwrap()
    }
}

impl std::ops::Deref for StoreProcess {
    type Target = StoreClient;

    fn deref(&self) -> &StoreClient {
        &self.client
    }
}

impl Drop for StoreProcess {
    fn drop(&mut self) {
        // Nothing is left to do for one that has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Keeps the test's own variables from a command.
pub(crate) fn without_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = ["OTEL_", "STORE_", "GROCERY_", "DATABASE_URL", "RUST_LOG"];
        if ours.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
}
