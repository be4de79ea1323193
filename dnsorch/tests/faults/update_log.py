"""What a name server itself says it applied, in order: the oracle of the suite.

BIND writes each RR that an UPDATE adds into its log. PowerDNS does not say what it
adds, but its database does: a trigger, part of the transaction of the UPDATE.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Protocol

_BIND = re.compile(
    r"/key dnsorch: updating zone '([^']+)/IN': adding an RR at '([^']+)' TXT (.+)"
)
_TRIGGER = """
CREATE TABLE IF NOT EXISTS added (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, content TEXT
);
CREATE TRIGGER IF NOT EXISTS note_added AFTER INSERT ON records WHEN NEW.type = 'TXT'
BEGIN INSERT INTO added (name, content) VALUES (NEW.name, NEW.content); END;
"""

_ADDED = """
SELECT number, name, content FROM added WHERE number > ? AND name LIKE ? ORDER BY 1
"""
#: In the place of an owner name: from here on the marker is not as we left it.
RESTORED = ""


class Added(NamedTuple):
    """One TXT record that a server added."""

    zone: str
    name: str
    text: str


class UpdateLog(Protocol):
    """Tells what was added since a position."""

    def position(self) -> int:
        """Return where it ends now."""

    def since(self, position: int) -> list[Added]:
        """Return what came after that, in order."""


class BindLog:
    """BIND's log, category ``update``."""

    def __init__(self, path: Path) -> None:
        """Read the log at ``path``."""
        self._path = path

    def position(self) -> int:
        """Return the size of the log."""
        return self._path.stat().st_size

    def since(self, position: int) -> list[Added]:
        """Return what was added after that octet."""
        with self._path.open(errors="replace") as log:
            log.seek(position)
            found = [_BIND.search(line) for line in log]
        return [
            Added(f"{match[1]}.", f"{match[2]}.", match[3].strip('"'))
            for match in found
            if match
        ]


class PowerDnsLog:
    """The rows that a trigger in PowerDNS's SQLite database writes."""

    def __init__(self, path: Path, zone: str) -> None:
        """Make the trigger, if it is not there yet."""
        self._path, self._zone = path, zone
        with closing(sqlite3.connect(path, timeout=10)) as database:
            database.executescript(_TRIGGER)

    def position(self) -> int:
        """Return the number of the last row."""
        return max((number for number, _, _ in self._rows(0)), default=0)

    def since(self, position: int) -> list[Added]:
        """Return what was added after that row."""
        return [
            Added(self._zone, f"{name}.", content.strip('"'))
            for _, name, content in self._rows(position)
        ]

    def _rows(self, after: int) -> list[tuple[int, str, str]]:
        values = (after, f"%.{self._zone.rstrip('.')}")
        with closing(sqlite3.connect(self._path, timeout=10)) as database:
            return database.execute(_ADDED, values).fetchall()
