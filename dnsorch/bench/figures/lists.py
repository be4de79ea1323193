"""Reading: pages, filters and one object, and how they grow with what there is."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from statistics import median
from typing import Any
from urllib.parse import quote

import psycopg2

from dnsorch.bench.bench import Bench
from dnsorch.bench.results import Measured
from dnsorch.bench.stack import LISTS

#: Rows go in by so many requests at once.
CHUNK = 10_000
MARK = "listed-"
#: The one that is searched for: its digits are not those of all others.
ONE = 1234
# The statements of a call, taken in a process of the product's own settings.
_CAPTURE = """
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
found = {{}}
for path in {paths!r}:
    client = Client(headers={{"Authorization": "Bearer {token}"}})
    client.get(path, SERVER_NAME="127.0.0.1")
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path, SERVER_NAME="127.0.0.1").status_code == 200, path
    found[path] = [each["sql"] for each in queries]
print(json.dumps(found))
"""


def lists(bench: Bench) -> Iterator[Measured]:
    """Each call at each number of requests and RRsets; there may be more later."""
    first, there = bench.block(), 0
    least, at_least = bench.sizes.rows[0], defaultdict[str, list[float]](list)
    for rows in bench.sizes.rows:
        fill(bench, first + there, rows - there)
        there = rows
        for name, measured in _measured(bench, _calls(bench, first), rows):
            yield measured
            if rows == least:
                at_least[name].append(measured.ours)
                continue
            yield Measured(
                f"{name}: growth from {least:,} to {rows:,}",
                "times",
                measured.ours / median(at_least[name]),
                less_is_better=True,
            )


def fill(bench: Bench, first: int, count: int) -> None:
    """Add so many requests that are completed, each with an RRset of its own."""
    template = bench.stack.templates["done"]
    with closing(psycopg2.connect(bench.stack.env["DATABASE_URL"])) as connection:
        for start in range(first, first + count, CHUNK):
            size = min(CHUNK, first + count - start)
            with connection, connection.cursor() as cursor:
                for statement, text in template.copies(start, size):
                    cursor.copy_expert(statement, text)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def _calls(bench: Bench, first: int) -> dict[str, str]:
    """Return the paths of the calls, by their names."""
    zone = quote(LISTS)
    (row,) = bench.stack.query(
        "SELECT id::text FROM requests_tracker_request WHERE name = %s",
        f"{MARK}{first}.{LISTS}",
    )
    requests, rrsets = "/api/v2/requests/", f"/api/v2/zones/{zone}/rrsets/"
    return {
        "list requests": f"{requests}?limit=100",
        "requests by status": f"{requests}?status=completed&limit=100",
        "requests by zone": f"{requests}?zone={zone}&limit=100",
        "requests by name": f"{requests}?name={MARK}{first}.{zone}",
        "request": f"{requests}{row[0]}/",
        "list RRsets": f"{rrsets}?limit=100",
        "RRset": f"{rrsets}{MARK}{first}.{zone}/A/",
        "list records": f"/api/v1/dns-records/?zone={zone}&limit=100",
        "search records": f"/api/v1/dns-records/?search={MARK}{first + ONE}&limit=100",
    }


def _measured(
    bench: Bench, calls: dict[str, str], rows: int
) -> Iterator[tuple[str, Measured]]:
    token = bench.stack.about["token"]
    code = _CAPTURE.format(paths=list(calls.values()), token=token)
    statements: dict[str, list[str]] = bench.stack.shell(code)
    for _ in range(bench.runs):
        ours = bench.load(
            "get",
            url=bench.stack.about["api"],
            token=token,
            paths=list(calls.values()),
            count=bench.sizes.calls,
        )
        for name, path in calls.items():
            floor = bare(bench, statements[path])
            yield name, Measured(
                f"{name} of {rows:,}",
                "ms (p50)",
                median(ours[path]) * 1000,
                {"the same SQL": median(floor) * 1000},
                ours[path],
                less_is_better=True,
            )


def bare(bench: Bench, statements: list[str]) -> list[float]:
    """Return the seconds that psycopg2 takes for the statements, each time."""
    found = []
    url = bench.stack.env["DATABASE_URL"]
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for _ in range(bench.sizes.calls):
                begin = time.perf_counter()
                for statement in statements:
                    run(cursor, statement)
                found.append(time.perf_counter() - begin)
    return found


def run(cursor: Any, statement: str) -> None:
    """Execute a statement and fetch all that it returns."""
    cursor.execute(statement)
    if cursor.description:
        cursor.fetchall()
