//! PgBouncer in front of a PostgreSQL server of a test's own. It listens on a Unix socket in a folder
//! of its own.

use std::{fmt::Debug, fs, os::unix::net::UnixStream, path::PathBuf, str::FromStr, sync::OnceLock};

use crate::{
    daemon::{Daemon, Folder, find},
    installed,
    postgres::{self, Postgres},
    wait_until,
};

/// The number in the name of its socket.
const PORT: u16 = 6432;

/// A running PgBouncer.
#[derive(Debug)]
pub struct PgBouncer {
    // The server ends before its folder is removed.
    daemon: Option<Daemon>,
    folder: Folder,
}

/// A PgBouncer in front of [`postgres::shared`], which all tests of this process share. It has fewer
/// connections to each database than one store has to PgBouncer. `None` if it or PostgreSQL is not
/// installed, which is also printed to standard error.
///
/// # Panics
/// When one of them is missing although `CI=true`, or does not start.
pub fn shared() -> Option<&'static PgBouncer> {
    static SERVER: OnceLock<Option<PgBouncer>> = OnceLock::new();
    SERVER.get_or_init(|| PgBouncer::before(postgres::shared()?, 3, &[])).as_ref()
}

impl PgBouncer {
    /// Starts one that lends each transaction another of `connections` connections to each database.
    /// `None` if it is not installed, which is also printed to standard error.
    ///
    /// `settings` are further lines of its section `[pgbouncer]`; of two with one name, the later
    /// holds.
    ///
    /// # Panics
    /// When it is missing although `CI=true`, or does not start.
    pub fn before(server: &Postgres, connections: u16, settings: &[&str]) -> Option<Self> {
        let program = installed(find("pgbouncer"))?;
        let folder = Folder::new("pgbouncer-").expect("a folder");
        folder.write("users", "\"postgres\" \"\"\n").expect("a file");
        let mut lines = vec![
            "[databases]".to_owned(),
            format!("* = host={}", server.socket_folder().display()),
            "[pgbouncer]".to_owned(),
            format!("unix_socket_dir = {}", folder.path().display()),
            format!("listen_port = {PORT}"),
            "auth_type = trust".to_owned(),
            format!("auth_file = {}", folder.path().join("users").display()),
            "pool_mode = transaction".to_owned(),
            format!("default_pool_size = {connections}"),
            "max_client_conn = 1000".to_owned(),
            "ignore_startup_parameters = extra_float_digits".to_owned(),
        ];
        lines.extend(settings.iter().map(ToString::to_string));
        let file = folder.write("pgbouncer.ini", lines.join("\n") + "\n").expect("a file");
        let daemon = folder.start(&program, [file]).expect("a shell");
        let bouncer = Self { daemon: Some(daemon), folder };
        bouncer.await_start();
        Some(bouncer)
    }

    /// The address of one of the server's databases by way of this PgBouncer.
    ///
    /// # Panics
    /// When `database` is not the URL of a database.
    pub fn url<U: FromStr<Err: Debug>>(&self, database: &str) -> U {
        let (_, name) = database.rsplit_once('/').expect("the URL of a database");
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        let url = format!("postgres://postgres@{folder}:{PORT}/{name}");
        url.parse().expect("a URL of a database")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.folder.log()
    }

    /// Ends it, as by `kill -9`, and starts it again.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill();
        }
        let program = find("pgbouncer").expect("it has run before");
        let file = self.folder.path().join("pgbouncer.ini");
        // It does not start while the socket of another is there.
        fs::remove_file(self.socket()).ok();
        self.daemon = Some(self.folder.start(&program, [file]).expect("a shell"));
        self.await_start();
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{PORT}"))
    }

    fn await_start(&self) {
        wait_until("PgBouncer runs", || UnixStream::connect(self.socket()).is_ok());
    }
}
