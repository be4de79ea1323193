"""Reads of the wanted state and of what became of changes."""

from dns_records.selectors import (
    backends,
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
    "explain",
    "history",
    "imports",
    "records",
    "requests",
    "rrsets",
    "zones",
]
