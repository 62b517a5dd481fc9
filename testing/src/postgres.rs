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
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{daemon::Folder, installed, ports, tls::certificate};

/// PostgreSQL's own port. A server that listens on Unix sockets alone can have it, since each has a
/// folder of its own.
const PORT: u16 = 5432;

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
    options: String,
    port: u16,
    script: Option<Script>,
    databases: AtomicU32,
    folder: Folder,
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

    /// Starts a server that can also be reached over TCP, at 127.0.0.1 and 127.0.0.2, with TLS and a
    /// password only. It shows the certificate `name` of `testing/certificates`. `None` if PostgreSQL
    /// is not installed, which is also printed to standard error.
    ///
    /// # Panics
    /// When PostgreSQL is missing although `CI=true`, or does not start.
    pub fn start_with_tls(name: &str) -> Option<Self> {
        let mut server = Self::start(&["fsync=off"])?;
        server.stop();
        let file = |end: &str| {
            let content = fs::read(certificate(&format!("{name}.{end}"))).expect("a certificate");
            server.folder.write(&format!("server.{end}"), content).expect("a file")
        };
        let (chain, key) = (file("pem"), file("key"));
        let rules = "local all all trust\nhostssl all all 127.0.0.0/8 scram-sha-256\n";
        fs::write(server.folder.path().join("data/pg_hba.conf"), rules)
            .expect("its folder is ours");
        server.port = ports::free::<1>()[0].port();
        server.options += &format!(
            " -c listen_addresses=127.0.0.1,127.0.0.2 -c port={} -c ssl=on -c ssl_cert_file={} \
             -c ssl_key_file={} -c password_encryption=scram-sha-256",
            server.port,
            chain.display(),
            key.display(),
        );
        server.start_again();
        Some(server)
    }

    /// Makes a copy of this server that follows it and refuses to write.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn standby(&self) -> Self {
        let folder = Folder::new("postgres-").expect("a folder");
        let copied = folder
            .command(&self.programs.join("pg_basebackup"))
            .arg("--pgdata")
            .arg(folder.path().join("data"))
            .arg("--host")
            .arg(self.folder.path())
            .args([
                "--username=postgres",
                "--checkpoint=fast",
                "--write-recovery-conf",
                "--no-sync",
            ])
            .output()
            .expect("pg_basebackup stands beside initdb");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let mut standby = Self {
            programs: self.programs.clone(),
            options: options(folder.path()),
            port: PORT,
            script: None,
            databases: AtomicU32::new(0),
            folder,
        };
        standby.start_again();
        standby
    }

    /// Makes a standby take writes.
    ///
    /// # Panics
    /// When it does not.
    pub fn promote(&self) {
        let promoted = self
            .folder
            .command(&self.programs.join("pg_ctl"))
            .args(["promote", "--wait", "--silent", "--pgdata"])
            .arg(self.folder.path().join("data"))
            .status()
            .expect("pg_ctl stands beside initdb");
        assert!(promoted.success());
    }

    /// The port of its sockets.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{}", self.port))
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
            .arg(self.folder.path())
            .arg(format!("--port={}", self.port))
            .args(["--username=postgres", "--template=template0", &name])
            .output()
            .expect("createdb stands beside initdb");
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        let host = self.folder.path().display().to_string().replace('/', "%2F");
        let port = if self.port == PORT { String::new() } else { format!(":{}", self.port) };
        let url = format!("postgres://postgres@{host}{port}/{name}");
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
        self.folder.path()
    }

    fn set_up(programs: PathBuf, settings: &[&str]) -> io::Result<Self> {
        let folder = Folder::new("postgres-")?;
        let mut options = options(folder.path());
        for setting in settings {
            options += &format!(" -c {setting}");
        }
        let databases = AtomicU32::new(0);
        let mut server = Self { programs, options, port: PORT, script: None, databases, folder };
        let made = server
            .folder
            .command(&server.programs.join("initdb"))
            .arg("--pgdata")
            .arg(server.folder.path().join("data"))
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
            .folder
            .command(Path::new("sh"))
            .args(["-c", LOOK_AFTER, "look-after-postgres"])
            .arg(self.programs.join("pg_ctl"))
            .arg(self.folder.path())
            .arg(&self.options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (shell.stdin.take(), shell.stdout.take()) else {
            return Err(io::Error::other("the shell has no pipes"));
        };
        let mut script = Script { shell, stdin, stdout: BufReader::new(stdout) };
        if script.says() != "started" {
            return Err(io::Error::other(self.folder.log()));
        }
        self.script = Some(script);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(Script { mut shell, stdin, .. }) = self.script.take() {
            drop(stdin);
            shell.wait().ok();
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

/// The settings that all servers here have.
fn options(folder: &Path) -> String {
    format!("-k {} -c listen_addresses='' -c max_connections=300", folder.display())
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
