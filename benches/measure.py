"""What the scripts that measure share: roles of grocery on free ports, what they used, and the figures' form.

Processor time is utime + stime of a process with all its threads, from /proc. On a busy machine it is far steadier
than the clock, since waiting for a core is not part of it. The kernel counts in 10 ms, so a run has to take seconds.

A part of `benches/all` is a program that takes --rounds and --program, writes what it does to standard error, and
prints one line to standard output, the last: `{"rows": [...]}`, as `row` makes them and `finish` prints them.
"""

import argparse
import datetime
import itertools
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

# How long every trip of a warm store ends with an order, in seconds: a delivery that is too small for what is sold is
# sold out sooner, since it takes two seconds (`store --restock-delay`) and is ordered when half of the last is gone.
STEADY = 5


# The command line and the figures


def parser(description, rounds=5, program="target/dist/grocery"):
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--program", default=program, help=f"the program grocery [default: {program}]")
    made.add_argument(
        "--rounds", type=positive, default=rounds, help=f"the median of so many counts [default: {rounds}]"
    )
    return made


def with_before(made):
    """Adds --before: an earlier program, which is measured by turns with today's."""
    made.add_argument("--before", metavar="PROGRAM", help="an earlier build of grocery, to compare with")
    return made


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number from 1")
    return number


def arguments(made):
    """The arguments, of which the programs have to be there."""
    options = made.parse_args()
    for name in ("program", "before"):
        if program := vars(options).get(name):
            if not os.access(program, os.X_OK):
                made.error(f"--{name} {program}: there is no such program; `cargo build --profile dist` (or `--release`) builds it")
            setattr(options, name, os.path.abspath(program))
    return options


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values)


def row(work, runs, unit, aim="", note=None, counts=True):
    """A row of the table of aims: what was measured, each run, its unit, and an aim such as `>= 0.9`.

    The note is shown beside the figure. A figure that does not count, since the run was not what it should be, neither
    reaches an aim nor misses it; the note says why.
    """
    made = {"work": work, "value": median(runs), "unit": unit, "aim": aim, "runs": list(runs)}
    return made | ({"note": note} if note else {}) | ({} if counts else {"counts": False})


def finish(rows):
    """Prints the rows as `benches/all` reads them: the last line of standard output."""
    for each in rows:
        runs = " ".join(f"{run:.4g}" for run in each["runs"])
        say(f"{each['work']}: {each['value']:.4g} {each['unit']} (runs: {runs}; aim: {each['aim'] or 'none'})")
    print(json.dumps({"rows": rows}, ensure_ascii=False), flush=True)


def machine():
    """The date and the machine, in a line."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return f"{today}, {os.cpu_count()} cores of {model}, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}"


def head():
    """Prints the machine and the command, for the page that the figures go to."""
    print(f"{machine()}\n`{shlex.join(['python3', *sys.argv])}`\n")


def table(names, rows):
    """Prints a table in Markdown."""
    print("| " + " | ".join(names) + " |")
    print("|---" + "|--:" * (len(names) - 1) + "|")
    for each in rows:
        print("| " + " | ".join(str(cell) for cell in each) + " |", flush=True)


# What a process used


def used_ms(pid):
    """Processor time of a process with all its threads, in milliseconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def sleeps(pid):
    """How often the threads of a process that live have gone to sleep: a hop between threads costs one at each end."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as status:
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read(), re.MULTILINE)[1])
    return total


def children_used_ms():
    """Processor time of all processes that this one has started and that have ended, in milliseconds."""
    times = os.times()
    return (times.children_user + times.children_system) * 1000


def rss_mib(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1048576


def peak_rss_mib(pid):
    """The most memory that the process ever had."""
    return status_mib(pid, "VmHWM")


def own_memory_mib(pid):
    """The memory of the process without the pages of its program and of other files: those are there once for all
    processes, and come and go as the kernel has room."""
    return status_mib(pid, "RssAnon")


def status_mib(pid, name):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return int(re.search(rf"{name}:\s+(\d+) kB", status.read())[1]) / 1024


def roles_of(pid):
    """The process `grocery` and its children, by role."""
    found = {"grocery": pid}
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        for child in children.read().split():
            with open(f"/proc/{child}/cmdline", "rb") as line:
                words = line.read().split(b"\0")
            found[words[1].decode()] = int(child)
    return found


# Roles


given_out = itertools.count()


def free_ports(count):
    """Ports on which nothing listens, none of them twice.

    They are below those that the system gives out, to servers and to each connection: one of those may be somebody else's
    when a role comes to use it, or is started again.
    """
    ports = []
    while len(ports) < count:
        port = 16_384 + (os.getpid() * 331 + next(given_out)) % 16_384
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        ports.append(port)
    return ports


def environment(endpoint=None, signals=("traces",)):
    """The variables of a role: none of OpenTelemetry's but these. Without an endpoint the SDK is disabled."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    if not endpoint:
        return kept | {"OTEL_SDK_DISABLED": "true"}
    exporters = {
        f"OTEL_{signal.upper()}_EXPORTER": "otlp" if signal in signals else "none"
        for signal in ("traces", "metrics", "logs")
    }
    return kept | exporters | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}


# Where the roles under `grocery` listen. As variables, since an earlier program does not know the flags of them all.
LISTEN = ["STORE_LISTEN", "VIEWER_LISTEN", "VIEWER_OTLP", "VIEWER_OTLP_GRPC", "GROCERY_LAB_LISTEN"]


def as_it_comes(folder):
    """The variables with which `grocery` runs as from a terminal, with its exporters, but on free ports and with its
    database in this folder; and by their names in `LISTEN` the ports."""
    ports = dict(zip(LISTEN, free_ports(len(LISTEN))))
    kept = {key: value for key, value in environment().items() if key != "OTEL_SDK_DISABLED"}
    listen = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    return kept | listen | {"DATABASE_URL": f"sqlite:{folder}/store.db"}, ports


# So much room that no span is dropped while the machine does something else.
ROOMY = {"OTEL_BSP_MAX_QUEUE_SIZE": "100000", "OTEL_BSP_SCHEDULE_DELAY": "1000"}


def account(log):
    """What the last lines of a role's log say of its telemetry: `exported`, `failed` and `dropped` of `spans` and `logs`,
    and of spans `started` and `ended` too.

    Empty if the role has no exporter, as with a disabled SDK.
    """
    lines = [line for line in log.splitlines() if line.startswith("telemetry: started=")]
    numbers = lambda part: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", part)}
    ended, *exporters = lines[-1].split(" | ") if lines else [""]
    account = {"logs" if part.startswith("logs ") else "spans": numbers(part) for part in exporters}
    if "spans" in account:
        account["spans"] |= numbers(ended)
    return account


def lost(log):
    """Spans and log records that a role's account calls failed or dropped."""
    return sum(each["failed"] + each["dropped"] for each in account(log).values())


class Role:
    """A process that is ended when the `with` is left. `ready` is an address that answers once it runs."""

    def __init__(self, command, variables, ready, input=subprocess.DEVNULL):
        self.command = shlex.join(command)
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            command, env=variables, stdin=input, stdout=subprocess.DEVNULL, stderr=self.log
        )
        self.pid = self.process.pid
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.command} ended: {self.read_log()}")
            try:
                with urllib.request.urlopen(ready, timeout=2):
                    return
            except OSError as error:
                # Whatever answers with a status runs.
                if hasattr(error, "code"):
                    return
            time.sleep(0.1)
        self.end()
        sys.exit(f"{self.command}: {ready} did not answer within a minute")

    def read_log(self):
        self.log.seek(0)
        return self.log.read()

    def end(self):
        """Ends the process, and returns its log."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)
        return self.read_log()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def store(program, database, variables, flags=()):
    """A store; its address and its process."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [program, "store", "--listen", f"127.0.0.1:{port}", *flags]
    variables = variables | {"DATABASE_URL": database}
    # On a machine that is very busy, a store may give up opening its database; then it is started again.
    for _ in range(5):
        try:
            return url, Role(command, variables, f"{url}/readyz")
        except RuntimeError as error:
            say(error)
    sys.exit(f"{shlex.join(command)} does not start")


def shop(program, url, variables, flags):
    """Runs a shopper to its end: its report, its processor time in milliseconds, and its log."""
    before = children_used_ms()
    command = [program, "shopper", "--store-url", url, "--output", "json", *flags]
    run = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if not run.stdout:
        sys.exit(f"{shlex.join(command)} ended with code {run.returncode}: {run.stderr}")
    return json.loads(run.stdout), children_used_ms() - before, run.stderr


def complete(log):
    """Ends the script if the role that wrote the log lost spans: its figures would be wrong."""
    if lost(log):
        sys.exit(f"spans were lost, so that the figures would be wrong: {log}")


def ended(report):
    """Trips that ended, also those that failed or were given up."""
    trips = report["trips"]
    return trips["completed"] + trips["gave_up"] + trips["failed"]


def only_bought(report):
    """Whether each trip ended with an order."""
    return report["outcomes"].keys() == {"bought"}


def nearly_all_bought(report):
    """Whether at most one trip of a hundred ended without an order, which is too few to change a figure."""
    return report["outcomes"].get("bought", 0) >= 0.99 * ended(report)


def warm_up(program, url, variables, flags, patience=600, after=lambda: None):
    """Has a store sell until every trip has ended with an order for `STEADY` seconds, for `patience` seconds at most.
    Returns the shoppers' logs.

    In a new store most goods are sold out at first, and such a trip is cheap. It is the store that is measured, since
    the size of its deliveries, which a store learns from what it sells, is not in the database. `after` is called after each
    run of shoppers.
    """
    logs, begun = [], time.monotonic()
    since = begun
    while time.monotonic() - begun < patience:
        report, _, log = shop(program, url, variables, flags)
        logs.append(log)
        after()
        if not only_bought(report):
            since = time.monotonic()
        elif time.monotonic() - since > STEADY:
            return logs
    sys.exit(f"after {len(logs)} runs of {shlex.join(flags)} in {patience} s not every trip ends with an order: {report['outcomes']}\n{log}")
