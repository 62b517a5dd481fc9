//! A server as a process: the store, with more stock than the benchmark can sell, or actix-web alone.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use store::{
    domain::{CATALOGUE, CatalogueEntry},
    storage::Storage,
};
use tempfile::TempDir;

/// The unit of processor time in `/proc`: `USER_HZ`, which is 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// The argument that makes this program a server of actix-web alone.
pub(crate) const BARE: &str = "--bare-server";

/// A running server, which is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    url: String,
    _folder: Option<TempDir>,
}

impl Server {
    /// A store with these variables and so many threads that serve HTTP. `program` is that of `grocery`;
    /// without it, the program `store` is built and used.
    pub(crate) async fn store(
        program: Option<&str>,
        variables: &[(&str, &str)],
        workers: Option<u16>,
    ) -> Self {
        // Not in /tmp, which may be in memory, where a commit costs nothing.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let database = format!("sqlite:{}/grocery.db", folder.path().display());
        let stock = |entry: CatalogueEntry| CatalogueEntry { initial_stock: u32::MAX, ..entry };
        let catalogue = CATALOGUE.map(stock);
        let storage = Storage::open_with(&database.parse().unwrap(), &catalogue).await.unwrap();
        storage.close().await;

        let mut command = match program {
            Some(grocery) => {
                let mut command = Command::new(grocery);
                command.arg("store");
                command
            }
            None => Command::new(env!("CARGO_BIN_EXE_store")),
        };
        command
            .args(["--listen=127.0.0.1:0", "--database", &database])
            .args(workers.map(|workers| format!("--workers={workers}")))
            .envs(variables.iter().copied());
        Self::start(command, Some(folder))
    }

    /// actix-web alone, see [`bare`](crate::bare).
    pub(crate) fn bare() -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg(BARE);
        Self::start(command, None)
    }

    fn start(mut command: Command, folder: Option<TempDir>) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| Some(line[line.find("http://127.0.0.1:")?..].to_owned()));
        // A pipe that is not read fills up and would stop the process.
        std::thread::spawn(move || lines.for_each(drop));
        let url = url.unwrap().split_whitespace().next().unwrap().to_owned();
        Self { child, url, _folder: folder }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The processor time that all its threads have used: see proc_pid_stat(5).
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        let ticks = after_name.split_whitespace().skip(11).take(2);
        TICK * ticks.map(|ticks| ticks.parse::<u32>().unwrap()).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
