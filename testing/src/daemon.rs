//! A server of somebody else's that runs beside a test, such as a proxy. It runs as a user without
//! rights, in a temporary folder, and ends when the test's process ends, even if that is killed.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Write as _},
    os::unix::{self, fs::MetadataExt, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

/// Runs the program. A line means to end it, and the end of input means to end it and to remove its
/// folder.
const LOOK_AFTER: &str = r#"
trap '' INT TERM HUP
log=$1
shift
"$@" </dev/null >>"$log" 2>&1 &
program=$!
read -r line && keep=yes
kill -KILL $program 2>/dev/null
wait $program 2>/dev/null
[ "$keep" ] || rm -rf "${log%/*}"
"#;

/// A folder in which a server works, as the user that it runs as.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    owner: Option<(u32, u32)>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Daemon {
    shell: Child,
    stdin: Option<ChildStdin>,
}

impl Folder {
    /// Makes one, whose name begins like this.
    pub(crate) fn new(prefix: &str) -> io::Result<Self> {
        let path = tempfile::Builder::new().prefix(prefix).tempdir()?.keep();
        let owner = unprivileged()?;
        if let Some((user, group)) = owner {
            unix::fs::chown(&path, Some(user), Some(group))?;
        }
        Ok(Self { path, owner })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that only the server's user can read.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> io::Result<PathBuf> {
        let path = self.path().join(name);
        fs::write(&path, content)?;
        fs::set_permissions(&path, unix::fs::PermissionsExt::from_mode(0o600))?;
        if let Some((user, group)) = self.owner {
            unix::fs::chown(&path, Some(user), Some(group))?;
        }
        Ok(path)
    }

    /// What the servers in this folder have written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    /// A command that runs in this folder, as its owner.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts a program in this folder.
    pub(crate) fn start(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> io::Result<Daemon> {
        let mut command = self.command(Path::new("sh"));
        command.args(["-c", LOOK_AFTER, "look-after-a-server"]).arg(self.path().join("log"));
        command.arg(program).args(arguments).stdin(Stdio::piped());
        let mut shell = command.spawn()?;
        Ok(Daemon { stdin: shell.stdin.take(), shell })
    }
}

impl Daemon {
    /// Ends it, as by `kill -9`. Its folder stays.
    pub(crate) fn kill(mut self) {
        if let Some(mut stdin) = self.stdin.take() {
            stdin.write_all(b"end\n").ok();
        }
        self.shell.wait().ok();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stdin.take());
        self.shell.wait().ok();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The server's shell may have removed it.
        fs::remove_dir_all(&self.path).ok();
    }
}

/// The ids of the user `nobody` and its group if this process runs as root.
fn unprivileged() -> io::Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let id = |flag: &str| {
        let answer = Command::new("id").args([flag, "nobody"]).output()?;
        let id = String::from_utf8_lossy(&answer.stdout).trim_end().parse();
        id.map_err(|_| io::Error::other("there is no user 'nobody' to run servers as"))
    };
    Ok(Some((id("-u")?, id("-g")?)))
}

/// Where a program is: on the PATH, or where Debian puts servers.
#[expect(clippy::disallowed_methods, reason = "a shell looks there too")]
pub(crate) fn find(program: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    found.ok_or_else(|| format!("{program} is not installed"))
}
