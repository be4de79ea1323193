"""The data directory: a zone file and a journal per zone, and the update log.

``zones/<zone>.zone`` is a master file anyone can read, ``zones/<zone>.journal`` what
came after it, and ``updates.jsonl`` one line for each UPDATE ever applied, to any
zone, in order. At start the journal is worked into the zone file and begun anew.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import dns.name

from dnsorch.embedded.nameserver import journal
from dnsorch.embedded.nameserver import zone as zones
from dnsorch.embedded.nameserver.errors import DataDirectoryTaken, JournalMismatch
from dnsorch.embedded.nameserver.journal import AppliedUpdate

logger = logging.getLogger(__name__)


class Store:
    """A data directory, held by one process at a time."""

    def __init__(self, directory: Path) -> None:
        """Take the directory, making it if need be.

        Raises :class:`DataDirectoryTaken` if another process holds it.
        """
        (directory / "zones").mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._lock = (directory / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise DataDirectoryTaken(
                f"Another name server uses the data directory {directory}."
            ) from None
        self._log = (directory / "updates.jsonl").open("a+b")
        self._last_serials = self._read_log()

    def open_zone(self, fallback: zones.Zone) -> tuple[zones.Zone, journal.Journal]:
        """Return a zone as it was left, with a journal for what comes next.

        ``fallback`` is the zone to begin with if none of its name is kept here.
        Raises :class:`JournalMismatch` or :class:`JournalCorrupt`.
        """
        origin = zones.origin_of(fallback)
        zone_path = self._path(origin, "zone")
        journal_path = self._path(origin, "journal")
        if not zone_path.exists():
            self._snapshot(fallback)
        zone = zones.from_text(zone_path.read_text(encoding="utf-8"), origin)
        serial = zones.serial_of(zones.current(zone))
        if journal_path.exists():
            base, updates = journal.read(journal_path)
            pending = _continuation(base, updates, serial, journal_path)
            self._catch_up(str(origin), updates)
            if pending:
                zones.replay(zone, pending)
                self._snapshot(zone)
                serial = pending[-1].serial
        return zone, journal.Journal(journal_path, serial)

    def log(self, update: AppliedUpdate) -> None:
        """Add a line to the update log.

        It is not synced: what a crash takes from it comes back from the journal.
        """
        self._log.write(update.as_json().encode() + b"\n")
        self._log.flush()

    def close(self) -> None:
        """Give the directory back."""
        self._log.close()
        self._lock.close()

    def _path(self, origin: dns.name.Name, suffix: str) -> Path:
        """Return a file of a zone; names such as ``0/25.2.0.192...`` are escaped."""
        stem = quote(origin.to_text(omit_final_dot=True), safe="")
        return self._directory / "zones" / f"{stem}.{suffix}"

    def _snapshot(self, zone: zones.Zone) -> None:
        """Write the zone file."""
        text = zone.to_text(sorted=True, relativize=False)
        journal.replace(self._path(zones.origin_of(zone), "zone"), text.encode())

    def _read_log(self) -> dict[str, int]:
        """Return the last serial logged of each zone; cut off an unfinished line."""
        serials: dict[str, int] = {}
        end = 0
        self._log.seek(0)
        for line in self._log:
            if not line.endswith(b"\n"):
                break
            end += len(line)
            update = json.loads(line)
            serials[update["zone"]] = update["serial"]
        self._log.seek(0, os.SEEK_END)
        if self._log.tell() > end:
            self._log.truncate(end)
        return serials

    def _catch_up(self, origin: str, updates: Sequence[AppliedUpdate]) -> None:
        """Log the updates that reached the journal but not the log."""
        serials = [update.serial for update in updates]
        last = self._last_serials.get(origin)
        start = serials.index(last) + 1 if last in serials else 0
        for update in updates[start:]:
            self.log(update)


def _continuation(
    base: int, updates: Sequence[AppliedUpdate], serial: int, path: Path
) -> Sequence[AppliedUpdate]:
    """Return the updates that a zone file of this serial does not have yet.

    All of them, or none, where the process died between writing the zone file and
    beginning the journal anew.
    """
    if base == serial:
        return updates
    if updates and updates[-1].serial == serial:
        return ()
    raise JournalMismatch(
        f"{path} continues serial {base}, but the zone file beside it has {serial};"
        " put the old zone file back or delete the journal."
    )
