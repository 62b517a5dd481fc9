"""A PostgreSQL server of a script's own, by the programs that Debian installs, in a folder that the script removes."""

import os
import pathlib
import shutil
import signal
import subprocess
import time


def find(name):
    """A program on the path, or where Debian has it."""
    places = [*map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin")), "/usr/sbin"]
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(places))


class Postgres:
    """A server that listens on a socket in `folder`, which others must be able to pass through. `settings` are those of
    its command line, such as `-c fsync=off`."""

    def __init__(self, folder, settings=""):
        self.data, self.socket = folder / "data", folder / "socket"
        self.log = folder / "postgres.log"
        self.settings = f"-k {self.socket} -c listen_addresses='' {settings}"
        self.url = f"postgres://postgres@{str(self.socket).replace('/', '%2F')}/postgres"
        os.chmod(folder, 0o755)
        self.socket.mkdir()
        # PostgreSQL refuses to run as root.
        self.as_user = []
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
            shutil.chown(self.socket, "postgres")
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        subprocess.run(
            [*self.as_user, find("initdb"), "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
        self.control("start")

    def control(self, action, check=True):
        """`pg_ctl ACTION`, and its exit code."""
        return subprocess.run(
            [*self.as_user, find("pg_ctl"), action, "-D", self.data, "-l", self.log]
            + ["-o", self.settings, "-m", "fast", "--wait", "--silent"],
            check=check,
            stdout=subprocess.DEVNULL,
            stderr=None if check else subprocess.DEVNULL,
            cwd="/",
        ).returncode

    def pid(self):
        """The process that has started all others."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def kill(self):
        """Kills the server, and starts it again when its processes have noticed and ended."""
        os.kill(self.pid(), signal.SIGKILL)
        end = time.monotonic() + 60
        # Until they have ended it refuses to start.
        while self.control("start", check=False):
            if time.monotonic() > end:
                raise SystemExit("FAILED: PostgreSQL does not start again")
            time.sleep(0.1)

    def end(self):
        """Ends the server at once: its folder is removed with all that it holds."""
        command = [*self.as_user, find("pg_ctl"), "stop", "-D", self.data, "-m", "immediate", "--silent"]
        subprocess.run(command, check=False, cwd="/")

    def ask(self, query):
        """The rows that answer a query, each a list of texts."""
        asked = [find("psql"), "--no-psqlrc", "--tuples-only", "--no-align", "--host", self.socket, "--username", "postgres"]
        answer = subprocess.run([*asked, "--command", query], capture_output=True, text=True, check=True, cwd="/")
        return [line.split("|") for line in answer.stdout.splitlines()]
