#!/usr/bin/env python3
"""Processor time that a trip takes of the store and the shopper, and a span of the viewer and the collector.

    python3 docs/capacity/cores.py --collector otelcol

The trips are those that `grocery` makes by default, at other rates. What a process takes when nothing comes is
measured too and printed, but not taken off. Without a collector its rows are skipped: it takes a build with the
receiver `otlp`, the processors `batch` and `tail_sampling` and the exporter `otlphttp`.
"""

import http.client
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benches"))

from measure import (
    DEFAULT_FAULT,
    DEFAULT_MIX,
    ROOMY,
    Role,
    arguments,
    complete,
    ended,
    environment,
    free_ports,
    head,
    median,
    parser,
    rss_mib,
    shop,
    store,
    table,
    used_ms,
)
from otlp_receiver import Receiver, records
from recording import record, replay

TAIL_SAMPLING = """
  tail_sampling:
    decision_wait: 5s
    num_traces: 50000
    policies:
      - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
      - { name: slow, type: latency, latency: { threshold_ms: 200 } }
      - { name: some, type: probabilistic, probabilistic: { sampling_percentage: 5 } }
"""

COLLECTOR = """
receivers:
  otlp: { protocols: { http: { endpoint: "127.0.0.1:%d" } } }
processors:
  batch: {}
%s
exporters:
  otlphttp: { endpoint: "%s", compression: none }
service:
  telemetry: { metrics: { level: none }, logs: { level: error } }
  pipelines:
    traces: { receivers: [otlp], processors: [%s], exporters: [otlphttp] }
"""


def load(rate, trips):
    default = ["--arrivals", "bursty", "--mix", DEFAULT_MIX, "--fault", DEFAULT_FAULT]
    return ["--rate", str(rate), "--trips", str(trips), "--seed", "7", *default]


def trips_run(options, rate, trips, traced):
    """Milliseconds a trip of the store and of the shopper."""
    receiver = Receiver()
    variables = environment(receiver.url if traced else None) | ROOMY
    with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
        url, role = store(options.program, f"sqlite:{folder}/store.db", variables, ["--allow-faults"])
        with role:
            # The first trips make connections and fill the allocator.
            shop(options.program, url, variables, load(rate, max(trips // 10, 10)))
            before = used_ms(role.pid)
            report, shopper_ms, log = shop(options.program, url, variables, load(rate, trips))
            # What waits in the exporter's queue is sent within this time.
            time.sleep(1.5)
            store_ms, rss = used_ms(role.pid) - before, rss_mib(role.pid)
    complete(log)
    complete(role.read_log())
    receiver.close()
    return store_ms / ended(report), shopper_ms / ended(report), rss


def trips_rows(options):
    for rate in (3, 30, 300):
        trips = rate * options.seconds
        for traced in (True, False):
            runs = [trips_run(options, rate, trips, traced) for _ in range(options.rounds)]
            of_store, of_shopper, rss = (median(column) for column in zip(*runs))
            yield [
                f"{rate} trips/s, {'all traced' if traced else 'no telemetry'}",
                f"{of_store:.2f}",
                f"{1000 / of_store:,.0f}",
                f"{of_shopper:.2f}",
                f"{1000 / of_shopper:,.0f}",
                f"{rss:.0f}",
            ]


def receiver_run(recorded, command, ready, port, wait):
    """Microseconds of processor time a span of the process that `command` starts, and its memory in MiB."""
    bodies, spans = recorded
    with Role(command, environment(), ready) as role:
        before = used_ms(role.pid)
        replay(bodies, port)
        time.sleep(wait)
        return (used_ms(role.pid) - before) * 1000 / spans, rss_mib(role.pid)


def viewer(options, recorded):
    page, otlp, grpc = free_ports(3)
    command = [options.program, "viewer", "--listen", f"127.0.0.1:{page}"]
    command += ["--otlp", f"127.0.0.1:{otlp}", "--otlp-grpc", f"127.0.0.1:{grpc}"]
    return receiver_run(recorded, command, f"http://127.0.0.1:{page}/api/services", otlp, 3)


def collector(options, recorded, tail):
    backend = Receiver()
    (port,) = free_ports(1)
    processors = "tail_sampling, batch" if tail else "batch"
    text = COLLECTOR % (port, TAIL_SAMPLING if tail else "", backend.url, processors)
    with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
        config = pathlib.Path(folder, "config.yaml")
        config.write_text(text, encoding="utf-8")
        command = [options.collector, "--config", str(config)]
        figures = receiver_run(recorded, command, f"http://127.0.0.1:{port}/", port, 9)
    backend.close()
    return *figures, backend.count()["traces"].by_service.total() / recorded[1]


def receivers_rows(options):
    recorded = record(options.program, load(300, 300 * options.seconds))
    runs = {"viewer": lambda: (*viewer(options, recorded), 1.0)}
    if options.collector:
        runs["collector, batch"] = lambda: collector(options, recorded, False)
        runs["collector, tail_sampling and batch"] = lambda: collector(options, recorded, True)
    for name, run in runs.items():
        of_span, rss, kept = (median(col) for col in zip(*(run() for _ in range(options.rounds))))
        yield [name, f"{of_span:.1f}", f"{1e6 / of_span:,.0f}", f"{kept:.0%}", f"{rss:.0f}"]


def main():
    options_parser = parser(__doc__, rounds=3, program="target/release/grocery")
    options_parser.add_argument("--collector", help="the collector's program [default: skipped]")
    options_parser.add_argument("--seconds", type=int, default=20, help="of a run [default: 20]")
    options = arguments(options_parser)
    head()
    names = ["load", "store, ms a trip", "trips/s a core", "shopper, ms a trip", "trips/s a core"]
    table([*names, "store, MiB"], trips_rows(options))
    print()
    names = ["receiver", "µs a span", "spans/s a core", "spans kept", "MiB"]
    table(names, receivers_rows(options))
    if not options.collector:
        print("\nSKIPPED: the collector, since there is no --collector")


main()
