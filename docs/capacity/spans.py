#!/usr/bin/env python3
"""Spans and bytes a trip makes, by kind of trip, and for the load that `grocery` makes by default.

    python3 docs/capacity/spans.py

Each kind of trip runs alone, at a rate at which orders seldom meet. Spans are counted at an OTLP receiver, trips by
the shopper's report. Bytes are those of the requests' bodies, with and without gzip.
"""

import collections
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benches"))

from measure import (
    DEFAULT_FAULT,
    DEFAULT_MIX,
    ROOMY,
    arguments,
    complete,
    ended,
    environment,
    head,
    median,
    parser,
    shop,
    store,
    table,
)
from otlp_receiver import Receiver, children, records

KINDS = ["browse-only", "quick-buy", "big-basket", "bulk-buy", "hesitant", "impatient"]


def run(options, flags, compression):
    """What one run makes, per trip."""
    receiver = Receiver()
    variables = environment(receiver.url) | ROOMY
    if compression:
        variables["OTEL_EXPORTER_OTLP_COMPRESSION"] = compression
    with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
        address, role = store(options.program, f"sqlite:{folder}/store.db", variables, ["--allow-faults"])
        with role:
            receiver.reset()
            report, _, log = shop(options.program, address, variables, flags)
        # The store has sent its last spans when it has ended.
    complete(log)
    complete(role.read_log())
    receiver.close()
    figures = collections.Counter()
    for _, body, wire in receiver.take_bodies():
        figures["wire"] += wire
        for service, span in records(body):
            figures["shopper" if service == "shopper" else "store"] += 1
            figures["links"] += len(children(span, 13))
    trips = ended(report)
    return {key: figures[key] / trips for key in ("shopper", "store", "links", "wire")}


def medians(runs):
    return {key: median([run[key] for run in runs]) for key in runs[0]}


def row(name, plain, packed):
    total = plain["shopper"] + plain["store"]
    return [
        name,
        f"{plain['shopper']:.1f}",
        f"{plain['store']:.1f}",
        f"{total:.1f}",
        f"{plain['links']:.2f}",
        f"{plain['wire']:,.0f}",
        f"{packed['wire']:,.0f}",
        f"{plain['wire'] / total:,.0f}",
    ]


def rows(options, flags):
    for name, words in flags.items():
        plain = medians([run(options, words, None) for _ in range(options.rounds)])
        packed = medians([run(options, words, "gzip") for _ in range(options.rounds)])
        yield row(name, plain, packed)


def main():
    options_parser = parser(__doc__, rounds=3, program="target/release/grocery")
    options_parser.add_argument("--trips", default="120", help="trips of a run [default: 120]")
    options_parser.add_argument("--rate", default="30", help="trips a second [default: 30]")
    options = arguments(options_parser)
    head()
    load = ["--trips", options.trips, "--seed", "7"]
    flags = {kind: [*load, "--rate", options.rate, "--mix", f"{kind}=1"] for kind in KINDS}
    default = ["--arrivals", "bursty", "--mix", DEFAULT_MIX, "--fault", DEFAULT_FAULT]
    flags["default load, 3 a second"] = [*load, "--rate", "3", *default]
    flags["default load, 300 a second"] = ["--trips", "3000", "--seed", "7", "--rate", "300", *default]
    names = ["a trip of", "shopper's spans", "store's", "both", "links"]
    table([*names, "bytes", "bytes, gzip", "bytes a span"], rows(options, flags))


main()
