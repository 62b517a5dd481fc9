#!/usr/bin/env python3
"""What reading costs the viewer: peak memory and time, for traces as large as it holds.

    cargo build -p viewer && viewer/tests/faults/reading.py target/debug/viewer

It starts that viewer, sends it one trace of 50,000 spans with 20 attributes and then 1,500 ordinary
traces, and reads them in every API, by four at once, and by thirty clients that never read. It fails
when the viewer takes more than MOST_MIB above what it held before, when a client that never reads is
still connected after a while, or when one trace of 49,000 services is not read and sent again in time.
Needs Linux; no packages beyond Python's own.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request

# 64 MiB are what all readers may hold together; the rest is the allocator's, and the sockets'.
MOST_MIB = 96
SILENT = 30
SECONDS_FOR_MANY_SERVICES = 60


class Viewer:
    def __init__(self, binary):
        ports = ["--listen", "127.0.0.1:0", "--otlp", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [binary, *ports, "--parent-pipe"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        urls = [word.rstrip("/") for word in line.split() if word.startswith("http://")]
        self.query, self.otlp = urls[0], urls[1]
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def memory(self, name):
        with open(f"/proc/{self.process.pid}/status") as status:
            line = next(line for line in status if line.startswith(name + ":"))
        return int(line.split()[1]) / 1024

    def reset_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as file:
            file.write("5")

    def get(self, path):
        """Reads the answer to its end and keeps nothing of it: its status and length."""
        try:
            with urllib.request.urlopen(self.query + path, timeout=120) as answer:
                length = 0
                while piece := answer.read(1 << 20):
                    length += len(piece)
                return answer.status, length
        except urllib.error.HTTPError as error:
            return error.code, 0

    def send(self, resource_spans):
        body = json.dumps({"resourceSpans": resource_spans}).encode()
        request = urllib.request.Request(
            self.otlp + "/v1/traces", body, {"content-type": "application/json"})
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60):
                    return
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                time.sleep(0.2)

    def stored(self, spans):
        while True:
            with urllib.request.urlopen(self.query + "/viewer/api/stats", timeout=120) as answer:
                stats = json.load(answer)
            if stats["spans"] + stats["duplicates"] + stats["evicted"]["spans"] >= spans:
                return
            time.sleep(0.1)


NOW_NS = int(time.time() - 10) * 1_000_000_000


def span(trace, number, attributes, name="step"):
    start = NOW_NS + number * 1_000
    texts = [{"key": f"attribute.{at}", "value": {"stringValue": f"the value of attribute {at} of span {number}"}}
             for at in range(attributes)]
    made = {"traceId": f"{trace:032x}", "spanId": f"{number:016x}", "name": name, "kind": 1,
            "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 5_000), "attributes": texts}
    if number > 1:
        made["parentSpanId"] = f"{number // 2:016x}"
    return made


def of_service(name, spans):
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": name}}]}
    return {"resource": resource, "scopeSpans": [{"scope": {"name": "faults"}, "spans": spans}]}


def at_once(viewer, paths):
    """Reads all the paths at the same time; their answers, and the seconds it took."""
    answers = [None] * len(paths)

    def read(at):
        answers[at] = viewer.get(paths[at])

    start = time.monotonic()
    threads = [threading.Thread(target=read, args=(at,)) for at in range(len(paths))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, time.monotonic() - start


def silent_client(viewer, path):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = viewer.query.removeprefix("http://").split(":")
    client.connect((host, int(port)))
    client.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    return client


def connections(viewer):
    """The viewer's sides of connections to its query port."""
    port = int(viewer.query.rsplit(":", 1)[1])
    with open("/proc/net/tcp") as file:
        lines = [line.split() for line in file.readlines()[1:]]
    return sum(line[1].endswith(f":{port:04X}") and line[3] == "01" for line in lines)


def main(binary):
    failures = []

    def measured(viewer, what, run):
        viewer.reset_peak()
        before = viewer.memory("VmRSS")
        answers, seconds = run()
        peak = viewer.memory("VmHWM") - before
        refused = sum(status == 503 for status, _ in answers)
        mib = sum(length for _, length in answers) / (1 << 20)
        print(f"{what:46} {peak:7.1f} MiB over {before:6.1f}  {seconds:6.1f} s  {mib:7.1f} MiB read"
              + (f", {refused} refused" if refused else ""), flush=True)
        if peak > MOST_MIB:
            failures.append(f"{what}: {peak:.0f} MiB")
        if any(status not in (200, 503) for status, _ in answers):
            failures.append(f"{what}: {answers}")

    viewer = Viewer(binary)
    large = 0xABC
    for first in range(1, 50_001, 1_000):
        viewer.send([of_service("large", [span(large, number, 20) for number in range(first, first + 1_000)])])
    viewer.stored(50_000)
    paths = [f"/viewer/api/traces/{large:032x}", f"/api/v3/traces/{large:032x}", f"/api/traces/{large:032x}"]
    for path in paths:
        measured(viewer, path[:24], lambda: at_once(viewer, [path]))
    measured(viewer, "four at once of each", lambda: at_once(viewer, paths * 4))

    for first in range(0, 1_500, 100):
        viewer.send([of_service("ordinary", [span(0x1000 + trace, number, 8) for number in range(1, 61)])
                     for trace in range(first, first + 100)])
    viewer.stored(50_000 + 1_500 * 60)
    times = "query.startTimeMin=2020-01-01T00:00:00Z&query.startTimeMax=2100-01-01T00:00:00Z"
    ordinary = [f"/api/v3/traces?{times}&query.serviceName=ordinary&query.num_traces=1500",
                "/api/traces?service=ordinary&limit=1500",
                "/viewer/api/traces?service=ordinary&limit=1500",
                f"/api/v3/trace-summaries?{times}&query.num_traces=1500", "/viewer/api/graph?window=600",
                "/viewer/api/services", "/api/dependencies"]
    for path in ordinary:
        measured(viewer, path.split("&")[0][:46], lambda: at_once(viewer, [path]))
    measured(viewer, "four at once of 1,500 traces", lambda: at_once(viewer, ordinary[:1] * 4))

    clients = []

    def never_read():
        start = time.monotonic()
        clients.extend(silent_client(viewer, paths[at % 3]) for at in range(SILENT))
        # Meanwhile others are answered.
        answers = [viewer.get("/viewer/api/stats") for _ in range(20)]
        while connections(viewer) > 1 and time.monotonic() - start < 60:
            time.sleep(0.5)
        return answers, time.monotonic() - start

    measured(viewer, f"{SILENT} that never read", never_read)
    if connections(viewer) > 1:
        failures.append(f"{connections(viewer)} clients that never read are still connected")

    start = time.monotonic()
    many = 0xDEF
    for name in ("once", "again"):
        for first in range(1, 49_001, 7_000):
            viewer.send([of_service(f"service-{number}", [span(many, number, 0, name)])
                         for number in range(first, first + 7_000)])
        viewer.stored(50_000 + 90_000 + (49_000 if name == "once" else 98_000))
    sent = time.monotonic() - start
    print(f"49,000 services sent twice: {sent:.1f} s", flush=True)
    id = f"{many:032x}"
    for path in (f"/api/traces/{id}", f"/api/v3/traces/{id}", f"/viewer/api/traces/{id}"):
        measured(viewer, f"49,000 services, {path[:20]}", lambda: at_once(viewer, [path]))
    if time.monotonic() - start > SECONDS_FOR_MANY_SERVICES:
        failures.append(f"49,000 services took {time.monotonic() - start:.0f} s")

    viewer.process.stdin.close()
    viewer.process.wait(10)
    for failure in failures:
        print("FAILED:", failure)
    sys.exit(bool(failures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("viewer", help="the binary of a viewer")
    options = parser.parse_args()
    if sys.platform != "linux" or not os.path.exists("/proc/self/clear_refs"):
        sys.exit("needs Linux")
    main(options.viewer)
