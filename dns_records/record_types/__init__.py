"""Which record types dnsorch takes: one row a type, with what the rules must know.

A type is added by a row in one of the modules here. dnspython reads and writes its
rdata; the columns say where it may stand, which of its fields are names, and how to
explain a right value.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dns_records.record_types import hosts, security, services, unknown
from dns_records.record_types.base import RecordType, UnsupportedType
from dns_records.record_types.refused import REFUSED_TYPES, SUPPORTED

__all__ = [
    "RECORD_TYPES",
    "REFUSED_TYPES",
    "RecordType",
    "UnsupportedType",
    "lookup",
]

#: The supported types by name.
RECORD_TYPES: Mapping[str, RecordType] = MappingProxyType(
    {
        row.name: row
        for row in sorted(
            hosts.ROWS + services.ROWS + security.ROWS, key=lambda row: row.name
        )
        if row.name in SUPPORTED
    }
)


def lookup(text: str) -> RecordType:
    """Return the type named ``text``, in any case; raise :class:`UnsupportedType`.

    ``TYPEnnn`` is found where nnn has no name (RFC 3597); whether such records are
    taken is for the door to say.
    """
    name = text.upper() if text.isascii() else ""  # "ſrv".upper() is "SRV"
    if found := RECORD_TYPES.get(name):
        return found
    if reason := REFUSED_TYPES.get(name):
        raise UnsupportedType(f"Records of type {name} are refused: {reason}.")
    if unknown.is_written(name):
        return unknown.row(name)
    shown = text if len(text) <= 20 else text[:19] + "…"
    raise UnsupportedType(
        f"{shown!r} is not a supported record type; supported are"
        f" {', '.join(RECORD_TYPES)}."
    )
