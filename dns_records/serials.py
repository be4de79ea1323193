"""Serials of zones, compared by the arithmetic of RFC 1982. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import dns.serial


def is_older(one: int, other: int) -> bool:
    """Say whether ``one`` comes before ``other``."""
    return bool(dns.serial.Serial(one) < dns.serial.Serial(other))


def newest(serials: Iterable[int | None]) -> int | None:
    """Return the newest serial (RFC 1982 section 3.2), None where none is known."""
    found: int | None = None
    for serial in serials:
        if serial is not None and (found is None or is_older(found, serial)):
            found = serial
    return found
