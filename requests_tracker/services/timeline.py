"""The timeline of requests: append-only, one writer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from dnsorch import bulk, clock
from dnsorch.exceptions import DnsorchError
from requests_tracker.models import Request, RequestEvent, Step
from requests_tracker.services import statements


@dataclass(frozen=True)
class Entry:
    """One step to be told: a sentence for people and fields for machines."""

    step: Step
    message: str
    level: str = "info"
    data: dict[str, Any] = field(default_factory=dict)
    at: datetime | None = None

    @classmethod
    def failure(cls, step: Step, error: DnsorchError) -> Entry:
        """Return the entry of a step that ends in ``error``."""
        return cls(step, error.detail, "error", {"code": error.code})


def rows(request: Request, entries: Sequence[Entry]) -> list[RequestEvent]:
    """Number ``entries`` after the last event of ``request``, which is advanced."""
    now = clock.now()
    first = request.last_sequence + 1
    request.last_sequence += len(entries)
    return [
        RequestEvent(
            request_id=request.pk,
            sequence=first + index,
            at=entry.at or now,
            step=entry.step,
            level=entry.level,
            message=entry.message,
            data=entry.data,
        )
        for index, entry in enumerate(entries)
    ]


def append(request_ids: Sequence[UUID], *entries: Entry) -> None:
    """Add the same ``entries`` to each request, whatever its state."""
    append_each({request_id: entries for request_id in request_ids})


def append_each(entries: Mapping[UUID, Sequence[Entry]]) -> None:
    """Add to each request its own entries, whatever its state."""
    if not entries:
        return
    with transaction.atomic():
        # The row lock makes the sequence of each timeline gapless and in order of
        # commit: a reader who has seen event n has seen all before it.
        events: list[RequestEvent] = []
        by_count: dict[int, list[UUID]] = defaultdict(list)
        for request in statements.lock(list(entries)):
            own = entries[request.pk]
            events += rows(request, own)
            by_count[len(own)].append(request.pk)
        for count, ids in by_count.items():
            statements.advance(ids, count)
        bulk.insert(events)
