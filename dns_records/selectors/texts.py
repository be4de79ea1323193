"""Names and rdata that hold a text: found by its trigrams where few do.

What many hold soon fills a page by the order of the page, and would be long to sort.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from django.db import connection

from dns_records.models import Record, RRset

TRIGRAM = 3
MAX_FEW = 2000


class Few(NamedTuple):
    """The RRsets with the text in their names, and the records in their rdata."""

    rrsets: list[int]
    records: list[UUID]


def few(text: str) -> Few | None:
    """Return all that hold a text, in either case; None if that may be many.

    Of every zone. SQLite has no index of trigrams.
    """
    if connection.vendor != "postgresql" or len(text) < TRIGRAM:
        return None
    # Each by itself: joined, PostgreSQL would read all records first.
    named = RRset.objects.filter(name__icontains=text).order_by()
    valued = Record.objects.filter(rdata__icontains=text).order_by()
    found = Few(
        list(named.values_list("pk", flat=True)[: MAX_FEW + 1]),
        list(valued.values_list("pk", flat=True)[: MAX_FEW + 1]),
    )
    most = max(len(found.rrsets), len(found.records))
    return found if most <= MAX_FEW else None
