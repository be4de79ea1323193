"""The timeline of requests: append-only, one writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from dnsorch import clock
from dnsorch.exceptions import DnsorchError
from requests_tracker.models import Request, RequestEvent, Step


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
            request=request,
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
    if not request_ids:
        return
    with transaction.atomic():
        # The row lock makes the sequence of each timeline gapless and in order of
        # commit: a reader who has seen event n has seen all before it.
        locked = Request.objects.select_for_update().filter(pk__in=request_ids)
        events = [
            event for each in locked.order_by("pk") for event in rows(each, entries)
        ]
        Request.objects.filter(pk__in=request_ids).update(
            last_sequence=F("last_sequence") + len(entries)
        )
        RequestEvent.objects.bulk_create(events)
