#!/usr/bin/env python3
"""Spans and bytes a trip makes, by kind of trip, and for the load that `grocery` makes by default.

    python3 docs/capacity/spans.py

Each kind of trip runs alone, at a rate at which orders seldom meet. Spans are counted at an OTLP receiver, trips by
the shopper's report. Bytes are those of the requests' bodies, with and without gzip.
"""

import tempfile

from grocery import DEFAULT_FAULT, DEFAULT_MIX, ended, environment, head, median, parser, shop, store, table
from otlp_receiver import Receiver

KINDS = ["browse-only", "quick-buy", "big-basket", "bulk-buy", "hesitant", "impatient"]


def run(options, flags, compression):
    """What one run makes, per trip."""
    receiver = Receiver()
    variables = environment(receiver.url)
    if compression:
        variables["OTEL_EXPORTER_OTLP_COMPRESSION"] = compression
    with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
        address, role = store(options.program, f"sqlite:{folder}/store.db", variables)
        with role:
            receiver.reset()
            report, _ = shop(options.program, address, variables, flags)
        # The store has sent its last spans when it has ended.
    receiver.close()
    trips = ended(report)
    figures = {
        "shopper": receiver.by_service["shopper"],
        "store": receiver.by_service["grocery-store"],
        "links": receiver.links,
        "wire": receiver.wire,
        "spans": receiver.span_bytes,
    }
    return {key: value / trips for key, value in figures.items()}


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
        plain = medians([run(options, words, None) for _ in range(options.repeat)])
        packed = medians([run(options, words, "gzip") for _ in range(options.repeat)])
        yield row(name, plain, packed)


def main():
    options_parser = parser(__doc__)
    options_parser.add_argument("--trips", default="120", help="trips of a run [default: 120]")
    options_parser.add_argument("--rate", default="30", help="trips a second [default: 30]")
    options = options_parser.parse_args()
    head()
    load = ["--trips", options.trips, "--seed", "7"]
    flags = {kind: [*load, "--rate", options.rate, "--mix", f"{kind}=1"] for kind in KINDS}
    default = ["--arrivals", "bursty", "--mix", DEFAULT_MIX, "--fault", DEFAULT_FAULT]
    flags["default load, 3 a second"] = [*load, "--rate", "3", *default]
    flags["default load, 300 a second"] = ["--trips", "3000", "--seed", "7", "--rate", "300", *default]
    names = ["a trip of", "shopper's spans", "store's", "both", "links"]
    table([*names, "bytes", "bytes, gzip", "bytes a span"], rows(options, flags))


main()
