"""Reads of the wanted state and of what became of changes."""

from dns_records.selectors import (
    backends,
    drift,
    explain,
    history,
    imports,
    records,
    requests,
    rrsets,
    zones,
)

__all__ = [
    "backends",
    "drift",
    "explain",
    "history",
    "imports",
    "records",
    "requests",
    "rrsets",
    "zones",
]
