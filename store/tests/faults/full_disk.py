"""A store on a small disk that fills up under load, and is emptied again, twice.

While the disk is full every checkout is answered 503 with Retry-After and /readyz is 503, while
reading goes on. As soon as there is space again checkouts are answered 201. Nothing is lost, and
every order is there once: each is repeated with its key until it is bought.

It mounts a tmpfs, so it needs root and a mount namespace of its own: see `run`.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

CHECKOUTS = 60

# SQLite's log alone takes 4 MB before it begins again at its start. With less than that a disk is
# full after some thirty orders.
DISKS = [
    # Size, orders once there is space again, and the store's flags.
    ("1m", 10, ["--restock-below=0"]),
    # With deliveries, which have to wait like the sales.
    ("16m", CHECKOUTS, ["--restock-below=500", "--restock-delay=20ms"]),
]


class Store:
    """A store as a process of its own."""

    def __init__(self, program, database, *args):
        environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
        self.process = subprocess.Popen(
            [program, "--listen=127.0.0.1:0", f"--database=sqlite:{database}", *args],
            env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        self.log = tempfile.TemporaryFile("w+")
        self.base = None
        for line in self.process.stderr:
            opened = re.match(r"grocery store: open on (\S+)", line)
            if opened:
                self.base = opened[1]
                break
        assert self.base, "the store does not open"
        # What nobody reads would fill the pipe and stop the process.
        self.reader = subprocess.Popen(
            ["cat"], stdin=self.process.stderr, stdout=self.log)

    def ask(self, path, body=None, key=None):
        """The status and headers of an answer."""
        headers = {"content-type": "application/json"}
        if key:
            headers["idempotency-key"] = key
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self.base + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
                return answer.status, answer.headers
        except urllib.error.HTTPError as error:
            error.read()
            return error.code, error.headers

    def buy(self, key):
        items = [{"id": str(product), "quantity": 1} for product in (1, 12, 20)]
        return self.ask("/checkout", {"items": items}, key)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.reader.wait(timeout=30)
        assert code == 0, f"the store ended with {code}"


def expect(what, got, wanted):
    assert got == wanted, f"{what}: expected {wanted}, got {got}"


def fill(folder):
    """Fills the disk to its last byte."""
    path = os.path.join(folder, "filler")
    with open(path, "ab", buffering=0) as filler:
        size = 65536
        while size:
            try:
                filler.write(b"x" * size)
            except OSError:
                size //= 2
    return path


def main(program):
    for size, orders, args in DISKS:
        with tempfile.TemporaryDirectory() as folder:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
            subprocess.run(mount, check=True)
            try:
                sell_while_it_fills_up(program, folder, orders, args)
            finally:
                subprocess.run(["umount", "--lazy", folder], check=True)


def sell_while_it_fills_up(program, folder, orders, args):
    database = os.path.join(folder, "grocery.db")
    store = Store(program, database, *args)
    bought = set()
    try:
        for round in range(2):
            key = f"before-{round}"
            expect("a checkout with space", store.buy(key)[0], 201)
            bought.add(key)
            filler = fill(folder)
            refused = []
            for number in range(CHECKOUTS):
                key = f"full-{round}-{number}"
                status, headers = store.buy(key)
                # The log may have room for a few.
                if status == 201:
                    expect("an order after the first refusal", refused, [])
                    bought.add(key)
                    continue
                expect(f"checkout {key} on a full disk", status, 503)
                expect("its Retry-After", headers["retry-after"], "1")
                refused.append(key)
            assert len(refused) > CHECKOUTS // 2, f"only {len(refused)} met a full disk"
            expect("/readyz on a full disk", store.ask("/readyz")[0], 503)
            expect("/healthz on a full disk", store.ask("/healthz")[0], 200)
            expect("reading on a full disk", store.ask("/whats-in-store")[0], 200)

            os.remove(filler)
            for key in refused[:orders]:
                expect(f"{key} with space again", store.buy(key)[0], 201)
                bought.add(key)
            expect("/readyz with space again", store.ask("/readyz")[0], 200)
    except AssertionError:
        store.process.kill()
        store.reader.wait()
        store.log.seek(0)
        sys.stderr.writelines(store.log.readlines()[-20:])
        raise
    store.stop()

    audit = subprocess.run(
        [program, "--audit", f"--database=sqlite:{database}"], capture_output=True, text=True)
    expect("the audit's code", audit.returncode, 0)
    recorded = int(re.search(r"(\d+) orders", audit.stdout)[1])
    expect("orders, each once", recorded, len(bought))
    # From the end of a line: on hand, folded, sold, delivered.
    delivered = sum(int(line.split()[-4]) for line in audit.stdout.splitlines()[1:37])
    expect("that anything was delivered", delivered > 0, "--restock-below=0" not in args)


main(sys.argv[1])
