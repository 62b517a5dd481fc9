#!/usr/bin/env python3
"""Bytes that an order takes in the database, and processor time of the store at full load.

    python3 docs/capacity/database.py

Many shoppers without pauses buy, without telemetry. Then the size of the SQLite file, whose log has been written back
since the store has ended, is divided by the orders in it.
"""

import os
import pathlib
import sqlite3
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benches"))

from measure import arguments, ended, environment, head, median, parser, shop, store, table, used_ms


def run(options, mix):
    variables = environment()
    with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
        file = f"{folder}/store.db"
        url, role = store(options.program, f"sqlite:{file}", variables)
        with role:
            before = used_ms(role.pid)
            flags = ["--shoppers", "16", "--every", "0s", "--trips", str(options.trips), "--mix", mix]
            report, _, _ = shop(options.program, url, variables, flags)
            spent = (used_ms(role.pid) - before) / ended(report)
        connection = sqlite3.connect(file)
        (orders,) = connection.execute("SELECT COUNT(*) FROM orders").fetchone()
        connection.close()
        return os.path.getsize(file) / orders, orders, spent


def main():
    options_parser = parser(__doc__, rounds=3, program="target/release/grocery")
    options_parser.add_argument("--trips", type=int, default=10000, help="trips of a run [default: 10000]")
    options = arguments(options_parser)
    head()
    rows = []
    for mix in ["quick-buy=1", "big-basket=1", "quick-buy=45,big-basket=15,bulk-buy=15"]:
        size, orders, spent = (median(column) for column in zip(*(run(options, mix) for _ in range(options.rounds))))
        rows.append([mix, f"{orders:,.0f}", f"{size:,.0f}", f"{spent:.2f}"])
    table(["trips", "orders", "bytes an order", "store, ms a trip"], rows)


main()
