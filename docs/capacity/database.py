#!/usr/bin/env python3
"""Bytes that an order takes in the database, and processor time of the store and of PostgreSQL at full load.

    python3 docs/capacity/database.py

Many shoppers without pauses buy, without telemetry. What the database has grown by is divided by the orders in it: of SQLite the
file, whose log has been written back since the store has ended; of PostgreSQL pg_database_size, beside what it has
written to its log meanwhile. PostgreSQL is a server of the script's own with its default settings, where Debian's programs are
installed; otherwise its rows are skipped.
"""

import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benches"))

from measure import arguments, ended, environment, head, median, parser, shop, store, table, used_ms
from postgresql import Postgres, find

# So much comes with the first delivery that nothing is sold out after it: a trip without an order is cheap.
STOCKED = ["--restock-below", "100000", "--restock-quantity", "1000000", "--restock-delay", "10ms"]
MIXES = ["quick-buy=1", "big-basket=1", "quick-buy=45,big-basket=15,bulk-buy=15"]


def sell(options, url, mix, used):
    """Has a store on this database sell. Milliseconds a trip of the store, and of what `used` counts."""
    variables = environment()
    address, role = store(options.program, url, variables, STOCKED)
    with role:
        before = used_ms(role.pid), used()
        flags = ["--shoppers", "16", "--every", "0s", "--trips", str(options.trips), "--mix", mix]
        report, _, _ = shop(options.program, address, variables, flags)
        after = used_ms(role.pid), used()
        return [(late - early) / ended(report) for early, late in zip(before, after)]


def on_sqlite(options, mix):
    with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
        file = f"{folder}/store.db"
        spent, _ = sell(options, f"sqlite:{file}", mix, lambda: 0)
        connection = sqlite3.connect(file)
        (orders,) = connection.execute("SELECT COUNT(*) FROM orders").fetchone()
        connection.close()
        return orders, os.path.getsize(file) / orders, None, spent, None


def processes_ms(postgres):
    """Processor time of the server's processes that run, and of those that have ended."""
    pid = postgres.pid()
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        running = sum(used_ms(int(child)) for child in children.read().split())
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        waited_for = stat.read().rpartition(")")[2].split()[13:15]
    ticks = os.sysconf("SC_CLK_TCK")
    return running + used_ms(pid) + sum(map(int, waited_for)) * 1000 / ticks


def on_postgresql(options, mix):
    with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
        postgres = Postgres(pathlib.Path(folder))
        try:
            # The tables, without orders.
            command = [options.program, "store", "--migrate"]
            variables = environment() | {"DATABASE_URL": postgres.url}
            subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)
            size = lambda: [
                int(each) for each in postgres.ask(
                    "SELECT pg_database_size(current_database()), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
                )[0]
            ]
            before = size()
            spent, of_server = sell(options, postgres.url, mix, lambda: processes_ms(postgres))
            grown = [after - early for early, after in zip(before, size())]
            ((orders,),) = postgres.ask("SELECT COUNT(*) FROM orders")
        finally:
            postgres.end()
        return int(orders), grown[0] / int(orders), grown[1] / int(orders), spent, of_server


def cell(value, form):
    return "" if value is None else format(value, form)


def rows(options):
    databases = {"SQLite": on_sqlite}
    if find("initdb"):
        databases["PostgreSQL"] = on_postgresql
    for database, run in databases.items():
        for mix in MIXES:
            runs = zip(*(run(options, mix) for _ in range(options.rounds)))
            figures = [None if column[0] is None else median(column) for column in runs]
            orders, size, log, spent, of_server = figures
            times = [cell(spent, ".2f"), cell(of_server, ".2f")]
            yield [database, mix, f"{orders:,.0f}", f"{size:,.0f}", cell(log, ",.0f"), *times]


def main():
    options_parser = parser(__doc__, rounds=3, program="target/release/grocery")
    options_parser.add_argument("--trips", type=int, default=10000, help="trips of a run [default: 10000]")
    options = arguments(options_parser)
    head()
    names = ["database", "trips", "orders", "bytes an order", "log, bytes an order", "store, ms a trip", "PostgreSQL, ms a trip"]
    table(names, rows(options))
    if not find("initdb"):
        print("\nSKIPPED: PostgreSQL, which is not installed")


main()
