"""The journal of one zone: every UPDATE is in it, on disk, before its answer.

An entry is a header (length and CRC-32 of the payload, big-endian) and a payload of
JSON. The first entry names the serial that the rest continues; each further one is
an :class:`AppliedUpdate`. A process killed in the middle of a write leaves an
unfinished last entry: nobody was told that its UPDATE was applied, so it is dropped.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from dnsorch.embedded.nameserver.errors import JournalCorrupt

logger = logging.getLogger(__name__)

HEADER = struct.Struct("!II")


class Record(NamedTuple):
    """One RR as text; names are absolute, the TTL is in seconds."""

    name: str
    ttl: int
    type: str
    rdata: str


@dataclass(frozen=True)
class AppliedUpdate:
    """What one UPDATE message changed, net, and who sent it.

    ``at`` is an ISO 8601 instant in UTC; ``serial`` is the serial of the zone after
    it; ``client`` is ``host:port``; ``key`` is the TSIG key name, if any. The SOA is
    in ``adds`` and ``deletes`` only if the message itself carried one.
    """

    at: str
    zone: str
    serial: int
    client: str
    key: str | None
    adds: tuple[Record, ...]
    deletes: tuple[Record, ...]

    def as_json(self) -> str:
        """Return one line of JSON, without its end."""
        return json.dumps(vars(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the update that :meth:`as_json` wrote."""
        adds = tuple(Record(*record) for record in data.pop("adds"))
        deletes = tuple(Record(*record) for record in data.pop("deletes"))
        return cls(adds=adds, deletes=deletes, **data)


class Journal:
    """An append-only file of the UPDATEs since a zone file was written."""

    def __init__(self, path: Path, base: int) -> None:
        """Put an empty journal in place of what is there, in one step.

        ``base`` is the serial of the zone file that it continues.
        """
        first = _entry(json.dumps({"base": base}).encode())
        replace(path, first)
        self._file = path.open("r+b", buffering=0)
        self._end = len(first)
        self._whole = False

    def append(self, update: AppliedUpdate) -> None:
        """Write an update; it is on disk when this returns.

        Raises :class:`OSError` if that failed: then it may be there or not, and the
        next one is written over it.
        """
        entry = _entry(update.as_json().encode())
        if not self._whole:
            self._rewind()
        self._whole = False
        written = 0
        while written < len(entry):
            written += self._file.write(entry[written:]) or 0
        os.fsync(self._file.fileno())
        self._end += len(entry)
        self._whole = True

    def close(self) -> None:
        """Close the file; everything is on disk already."""
        self._file.close()

    def _rewind(self) -> None:
        """Cut off whatever stands behind the last whole entry."""
        self._file.truncate(self._end)
        self._file.seek(self._end)
        os.fsync(self._file.fileno())


def read(path: Path) -> tuple[int, list[AppliedUpdate]]:
    """Return the serial that a journal continues, and its updates in order.

    Raises :class:`JournalCorrupt` if an entry before the last is damaged.
    """
    data = path.read_bytes()
    payloads: list[dict[str, Any]] = []
    end = 0
    for payload, end in _entries(data, path):
        payloads.append(json.loads(payload))
    if not payloads:
        raise JournalCorrupt(f"{path} has no first entry.")
    if end < len(data):
        logger.warning(
            "%s: dropped an unfinished last entry of %d octets", path, len(data) - end
        )
    updates = [AppliedUpdate.from_dict(payload) for payload in payloads[1:]]
    return payloads[0]["base"], updates


def replace(path: Path, data: bytes) -> None:
    """Write a file so that at any moment the old or the new one is there, whole."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _entry(payload: bytes) -> bytes:
    """Return the octets of one entry."""
    return HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def _entries(data: bytes, path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield each whole entry with its end; stop at an unfinished last one."""
    start = 0
    while start + HEADER.size <= len(data):
        length, checksum = HEADER.unpack_from(data, start)
        start += HEADER.size
        payload = data[start : start + length]
        start += length
        if len(payload) < length:
            return
        if zlib.crc32(payload) != checksum:
            if start == len(data):
                return
            raise JournalCorrupt(f"{path}: damaged before octet {start}.")
        yield payload, start
