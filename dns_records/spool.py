"""Two states of a zone on disk, read back side by side in one order.

A transfer is not sorted, and neither are two databases by the same rules. So both sides
go into a file whose order is that of octets, and memory does not grow with the zone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from dns_records.images import Image, Key

WANTED, SERVED = 0, 1
# Kibibytes of the file that are kept in memory.
CACHE_KIB = 8192

Part = tuple[Key, int, Iterable[str]]
Pair = tuple[Key, Image | None, Image | None]


class Spool:
    """What is wanted of a zone and what is served of it, until it is closed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Begin with nothing."""
        self._file = connection
        self._file.execute(
            "CREATE TABLE part (name TEXT, type TEXT, side INTEGER, rdata TEXT, "
            "ttl INTEGER, PRIMARY KEY (name, type, side, rdata)) WITHOUT ROWID"
        )

    def add(self, side: int, parts: Iterable[Part]) -> None:
        """Take RRsets of one side, whole or in parts, in any order.

        Where parts of an RRset have different TTLs, which no server should have (RFC
        2181 section 5.2), the highest counts.
        """
        rows = (
            (key.name, key.type, side, record, ttl)
            for key, ttl, records in parts
            for record in records
        )
        self._file.executemany(
            "INSERT OR IGNORE INTO part VALUES (?, ?, ?, ?, ?)", rows
        )

    def count(self, side: int) -> int:
        """Return how many RRsets one side has."""
        counted = self._file.execute(
            "SELECT count(*) FROM (SELECT 1 FROM part WHERE side = ? "
            "GROUP BY name, type)",
            (side,),
        )
        return int(counted.fetchone()[0])

    def pairs(self) -> Iterator[Pair]:
        """Yield each RRset as it is wanted and as it is served, sorted by its key."""
        rows = self._file.execute(
            "SELECT name, type, side, ttl, rdata FROM part ORDER BY name, type, side"
        )
        for (name, rtype), own in groupby(rows, key=lambda row: (row[0], row[1])):
            sides: tuple[list[str], list[str]] = ([], [])
            ttls = [0, 0]
            for _, _, side, ttl, record in own:
                sides[side].append(record)
                ttls[side] = max(ttls[side], ttl)
            yield (
                Key(name, rtype),
                Image.of(ttls[WANTED], sides[WANTED]),
                Image.of(ttls[SERVED], sides[SERVED]),
            )


@contextmanager
def opened() -> Iterator[Spool]:
    """Give an empty spool, whose file goes with the block."""
    with TemporaryDirectory(prefix="dnsorch-") as folder:
        path = Path(folder) / "zone.sqlite"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for pragma in (
                "journal_mode = OFF",
                "synchronous = OFF",
                "locking_mode = EXCLUSIVE",
                f"cache_size = -{CACHE_KIB}",
            ):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("BEGIN")
            yield Spool(connection)
