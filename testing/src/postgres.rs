//! A PostgreSQL server of a test's own. It lives in a temporary folder and listens on a Unix socket
//! in it, so that it does not clash with another server or another test.
//!
//! A small shell script looks after the server. When its standard input ends, the script stops the
//! server and removes the folder. The input ends when the test's process ends, even if that is
//! killed.

use std::{
    fmt::Debug,
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::{self, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{daemon::unprivileged, installed};

/// Where Debian puts the programs of each version. Elsewhere `pg_config --bindir` says where they
/// are.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Starts the server and prints that it has. Then it reads a line: a line means to stop the server,
/// and the end of input means to stop it and to remove its folder.
const LOOK_AFTER: &str = r#"
trap '' INT TERM HUP
pg_ctl=$1 folder=$2 options=$3
"$pg_ctl" start --pgdata="$folder/data" --log="$folder/log" --wait --silent \
    --options="$options" </dev/null >/dev/null 2>&1 && echo started || echo failed
if read -r stop; then
    "$pg_ctl" stop --pgdata="$folder/data" --mode=fast --silent </dev/null >/dev/null 2>&1
    echo stopped
else
    "$pg_ctl" stop --pgdata="$folder/data" --mode=immediate --silent </dev/null >/dev/null 2>&1
    rm -rf "$folder"
fi
"#;

/// A server that runs until it is stopped or the process ends.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    options: String,
    owner: Option<(u32, u32)>,
    script: Option<Script>,
    databases: AtomicU32,
}

/// The shell that looks after a running server.
#[derive(Debug)]
struct Script {
    shell: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// The server that all tests of this process share, each with a database of its own. `None` if
/// PostgreSQL is not installed, which is also printed to standard error.
///
/// # Panics
/// When PostgreSQL is missing although `CI=true`, or does not start.
pub fn shared() -> Option<&'static Postgres> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    // No test depends on data that survives a power failure, so files need not be flushed.
    let start = || Postgres::start(&["fsync=off"]);
    SERVER.get_or_init(start).as_ref()
}

impl Postgres {
    /// Starts a server with these settings. `None` if PostgreSQL is not installed, which is also
    /// printed to standard error.
    ///
    /// # Panics
    /// When PostgreSQL is missing although `CI=true`, or does not start.
    pub fn start(settings: &[&str]) -> Option<Self> {
        let found = programs().ok_or_else(|| {
            format!("PostgreSQL is not installed (no initdb on the PATH or under {VERSIONS})")
        });
        let programs = installed(found)?;
        let server = Self::set_up(programs, settings);
        Some(server.unwrap_or_else(|error| panic!("cannot start PostgreSQL: {error}")))
    }

    /// Makes a new, empty database and returns its URL, as a text or as a type that is parsed from
    /// one.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn database<U: FromStr<Err: Debug>>(&self) -> U {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        let created = Command::new(self.programs.join("createdb"))
            .arg("--host")
            .arg(&self.folder)
            .args(["--username=postgres", "--template=template0", &name])
            .output()
            .expect("createdb stands beside initdb");
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        let host = self.folder.display().to_string().replace('/', "%2F");
        let url = format!("postgres://postgres@{host}/{name}");
        url.parse().expect("a URL of a database")
    }

    /// Stops the server. Its databases stay as they are.
    ///
    /// # Panics
    /// When the server does not stop.
    pub fn stop(&mut self) {
        if let Some(mut script) = self.script.take() {
            script.stdin.write_all(b"stop\n").expect("the script waits for it");
            assert_eq!(script.says(), "stopped");
            script.shell.wait().expect("the script has nothing left to do");
        }
    }

    /// Starts the server again after [`Postgres::stop`].
    ///
    /// # Panics
    /// When the server does not start.
    pub fn start_again(&mut self) {
        self.run().expect("it has run before");
    }

    /// The folder in which its Unix socket is.
    pub(crate) fn socket_folder(&self) -> &Path {
        &self.folder
    }

    fn set_up(programs: PathBuf, settings: &[&str]) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir()?.keep();
        let owner = unprivileged()?;
        if let Some((user, group)) = owner {
            unix::fs::chown(&folder, Some(user), Some(group))?;
        }
        let mut options =
            format!("-k {} -c listen_addresses='' -c max_connections=300", folder.display());
        for setting in settings {
            options += &format!(" -c {setting}");
        }
        let databases = AtomicU32::new(0);
        let mut server = Self { programs, folder, options, owner, script: None, databases };
        let made = server
            .command(&server.programs.join("initdb"))
            .arg("--pgdata")
            .arg(server.folder.join("data"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"])
            .output()?;
        if !made.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        server.run()?;
        Ok(server)
    }

    fn run(&mut self) -> io::Result<()> {
        let mut shell = self
            .command(Path::new("sh"))
            .args(["-c", LOOK_AFTER, "look-after-postgres"])
            .arg(self.programs.join("pg_ctl"))
            .arg(&self.folder)
            .arg(&self.options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (shell.stdin.take(), shell.stdout.take()) else {
            return Err(io::Error::other("the shell has no pipes"));
        };
        let mut script = Script { shell, stdin, stdout: BufReader::new(stdout) };
        if script.says() != "started" {
            return Err(io::Error::other(fs::read_to_string(self.folder.join("log"))?));
        }
        self.script = Some(script);
        Ok(())
    }

    /// A command that runs as the user that owns the server: PostgreSQL refuses to run as root.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        match self.script.take() {
            Some(Script { mut shell, stdin, .. }) => {
                drop(stdin);
                shell.wait().ok();
            }
            None => drop(fs::remove_dir_all(&self.folder)),
        }
    }
}

impl Script {
    fn says(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the script speaks ASCII");
        line.trim_end().into()
    }
}

/// The folder of the newest PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let newest = versions.map(|entry| entry.path()).max_by_key(version);
    let debian = newest.map(|folder| folder.join("bin"));
    let configured = || {
        let answer = Command::new("pg_config").arg("--bindir").output().ok()?;
        Some(PathBuf::from(String::from_utf8(answer.stdout).ok()?.trim_end()))
    };
    debian.or_else(configured).filter(|folder| folder.join("initdb").exists())
}
