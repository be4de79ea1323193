"""Accepting: POST alone, while nothing is delivered."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psycopg2

from dnsorch.bench.bench import BATCH, V1, V2, Bench, begin
from dnsorch.bench.results import Measured
from dnsorch.bench.stack import DELIVERY, SINGLE


def single(bench: Bench) -> Iterator[Measured]:
    """POST of one record or change set, by one and by many clients."""
    first, _ = begin()
    with bench.stack.paused(*DELIVERY):
        for version, path in (("v1", V1), ("v2", V2)):
            for connections in bench.sizes.connections:
                yield _single(bench, version, path, connections)
    done = 2 * len(bench.sizes.connections) * bench.sizes.single
    bench.stack.completed(first, done)


def _single(bench: Bench, version: str, path: str, connections: int) -> Measured:
    count, mark = bench.sizes.single, bench.mark()
    bodies = [
        bench.body(path, name, zone, address)
        for name, zone, address in bench.records(mark, count, [SINGLE])
    ]
    ours = bench.post(path, bodies, connections)
    floor = bench.post(f"/floor/{version}/", bodies, connections)
    return Measured(
        f"POST {version}, {connections} client(s)",
        "requests/s",
        count / (ours["ended"] - ours["began"]),
        {
            "DRF view, raw SQL": count / (floor["ended"] - floor["began"]),
            "pgbench": pgbench(bench, version, connections),
        },
        ours["latencies"],
    )


def pgbench(bench: Bench, version: str, clients: int) -> float:
    """Return the transactions per second that PostgreSQL does of the INSERTs alone."""
    statements = bench.stack.templates[version].statements()
    number = r"\set n :base + :client_id * 10000000 + :i"
    script = [r"\set i :i + 1", number, "BEGIN;"]
    script += [f"{each.replace('{n}', ':n')};" for each in statements]
    each = max(1, bench.sizes.single // clients)
    with TemporaryDirectory() as directory:
        file = Path(directory) / "insert.sql"
        file.write_text("\n".join([*script, "END;"]) + "\n")
        words = ["pgbench", "--no-vacuum", f"--file={file}", f"--client={clients}"]
        options = [f"--transactions={each}", f"--jobs={min(2, clients)}"]
        defined = [f"--define=base={bench.block()}", "--define=i=0"]
        done = subprocess.check_output(
            [*words, *options, *defined, bench.stack.floor_url],
            text=True,
            stderr=subprocess.PIPE,
        )
    (line,) = [each for each in done.splitlines() if each.startswith("tps = ")]
    return float(line.split()[2])


def batch(bench: Bench) -> Iterator[Measured]:
    """POST of a batch of change sets, one batch after the other."""
    count = bench.sizes.batches * bench.sizes.items
    bodies = bench.batches(bench.mark(), count, [bench.stack.zones[0]])
    first, _ = begin()
    with bench.stack.paused(*DELIVERY):
        ours = bench.post(BATCH, bodies, 1)
    bench.stack.completed(first, count)
    yield Measured(
        f"POST of {bench.sizes.items} change sets",
        "change sets/s",
        count / (ours["ended"] - ours["began"]),
        {"COPY": median(copy(bench) for _ in range(3))},
        ours["latencies"],
    )


def copy(bench: Bench) -> float:
    """Return the change sets per second whose rows PostgreSQL takes by COPY."""
    items, spent = bench.sizes.items, 0.0
    with closing(psycopg2.connect(bench.stack.floor_url)) as connection:
        for _ in range(bench.sizes.batches):
            copies = list(bench.stack.templates["v2"].copies(bench.block(), items))
            begun = time.perf_counter()
            with connection, connection.cursor() as cursor:
                for statement, text in copies:
                    cursor.copy_expert(statement, text)
            spent += time.perf_counter() - begun
    return bench.sizes.batches * items / spent
