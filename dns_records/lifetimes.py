"""Records with a life: when they go by themselves, and what that breaks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from dns_records.images import Image, Key, Notice
from dns_records.plan import WHOLE, Operation
from dnsorch import clock
from dnsorch.exceptions import Invalid, Reason


class ExpiresInPast(Invalid):
    """The record would be gone before it is there."""

    code = "expires_in_past"


class Life(NamedTuple):
    """When a record goes by itself, None for never, and which request said so."""

    expires_at: datetime | None = None
    request_id: UUID | None = None


Lives = dict[tuple[Key, str], Life]
"""The lives of records, by RRset and canonical rdata."""


def check(operations: Sequence[Operation], starts: datetime) -> None:
    """Refuse lives that are over when they start.

    Raises:
        ExpiresInPast: at least one is; ``reasons`` name each.
    """
    reasons = tuple(
        Reason(
            f"{operation.pointer}/{operation.expires_field}",
            ExpiresInPast.code,
            f"expected a time after {clock.iso(starts)}",
        )
        for operation in operations
        if any(at is not None and at <= starts for at in operation.expires.values())
    )
    if reasons:
        raise ExpiresInPast(reasons[0].detail, reasons=reasons)


def notices(
    operations: Sequence[Operation],
    images: Mapping[Key, Image | None],
    starts: datetime,
) -> Iterator[Notice]:
    """Yield what caches make of lives that are shorter than the TTL."""
    for operation in operations:
        image, ends = images.get(operation.key), _ends(operation)
        if image is None or not ends:
            continue
        seconds = (min(ends) - starts).total_seconds()
        if seconds < image.ttl:
            name, rtype = operation.key
            yield Notice(
                "expires_before_ttl",
                f"{name} {rtype} lives for {seconds:.0f} s and is cached for "
                f"{image.ttl} s (its TTL): caches may hold it longer than it lives",
                f"{operation.pointer}/{operation.expires_field}",
            )


def _ends(operation: Operation) -> list[datetime]:
    return [at for at in operation.expires.values() if at is not None]


def said(operations: Sequence[Operation]) -> dict[tuple[Key, str], datetime | None]:
    """Return when records end, as far as operations say it.

    An RRset written whole says it of each of its records, unending where no end is
    given; ``add`` only of those that it gives one.
    """
    return {
        (operation.key, record): operation.expires.get(record)
        for operation in operations
        for record in operation.records
        if operation.action in WHOLE or record in operation.expires
    }


def given(operations: Sequence[Operation], request_id: UUID) -> Lives:
    """Return the lives that the operations of a request give."""
    return {
        which: Life(at, request_id if at else None)
        for which, at in said(operations).items()
    }
