"""What the capacity scripts share: starting a role on a free port, and reading what it used.

Processor time is utime + stime of a process from /proc, in milliseconds. On a busy machine it is far steadier than
the clock, since waiting for a core is not part of it.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

# As `grocery` has it without a load of the user's own (grocery/src/shopping.rs).
DEFAULT_MIX = "quick-buy=45,big-basket=15,bulk-buy=15,browse-only=10,hesitant=10,impatient=5"
DEFAULT_FAULT = "slow-aisle=frozen:250ms@10%"


def parser(description):
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--program", default="target/release/grocery", help="the program grocery")
    made.add_argument("--repeat", type=int, default=3, help="runs; the median counts [default: 3]")
    return made


def head():
    """The date, the machine and the command, for the page that the figures go to."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    load = os.getloadavg()[0]
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    print(f"{today}, {os.cpu_count()} cores of {model}, Linux {platform.release()}, load {load:.0f}")
    print(f"`{shlex.join(['python3', *sys.argv])}`\n")


def table(names, rows):
    """Prints a table in Markdown."""
    print("| " + " | ".join(names) + " |")
    print("|---" + "|--:" * (len(names) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


def median(values):
    return statistics.median(values)


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def used_ms(pid):
    """Processor time of a process with all its threads, in milliseconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def rss_mib(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1048576


def environment(endpoint=None):
    """The variables of a role: none of OpenTelemetry's but these. Without an endpoint nothing is traced."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    traces = {"OTEL_TRACES_EXPORTER": "none"}
    if endpoint:
        traces = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    # Room for what comes while the machine does something else, so that no span is dropped.
    batches = {"OTEL_BSP_MAX_QUEUE_SIZE": "100000", "OTEL_BSP_SCHEDULE_DELAY": "1000"}
    return kept | traces | batches


def lost(log):
    """Spans that the accounting lines of a role's log call failed or dropped."""
    return sum(int(count) for count in re.findall(r"(?:failed|dropped)=(\d+)", log))


class Role:
    """A process that is ended when the `with` is left. A role that lost spans ends the script."""

    def __init__(self, command, variables, ready):
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            command, env=variables, stdout=subprocess.DEVNULL, stderr=self.log
        )
        self.pid = self.process.pid
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(f"{shlex.join(command)} ended: {self.read_log()}")
            try:
                with urllib.request.urlopen(ready, timeout=2):
                    return
            except OSError as error:
                # Whatever answers with a status runs.
                if hasattr(error, "code"):
                    return
            time.sleep(0.1)
        self.stop()
        sys.exit(f"{shlex.join(command)}: {ready} did not answer within a minute")

    def read_log(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)
        log = self.read_log()
        if lost(log):
            sys.exit(f"spans were lost, the figures would be wrong: {log}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def store(program, database, variables):
    """A store; its address and its process."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [program, "store", "--allow-faults", "--listen", f"127.0.0.1:{port}"]
    variables = variables | {"DATABASE_URL": database}
    # On a machine that is very busy, a store may give up opening its database; then it is started again.
    for _ in range(5):
        try:
            return url, Role(command, variables, f"{url}/readyz")
        except RuntimeError as error:
            print(error, file=sys.stderr)
    sys.exit(f"{shlex.join(command)} does not start")


def shop(program, url, variables, flags):
    """Runs a shopper to its end: its report, and its processor time in milliseconds."""
    before = os.times()
    command = [program, "shopper", "--store-url", url, "--output", "json", *flags]
    run = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    after = os.times()
    if not run.stdout or lost(run.stderr):
        sys.exit(f"{shlex.join(command)} ended with code {run.returncode}: {run.stderr}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return json.loads(run.stdout), spent * 1000


def ended(report):
    """Trips that ended, also those that failed or were given up."""
    trips = report["trips"]
    return trips["completed"] + trips["gave_up"] + trips["failed"]
