"""The statements by which requests move, prepared: each step of each request."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Greatest

from dnsorch import prepared
from dnsorch.prepared import Update
from requests_tracker import status
from requests_tracker.models import Request
from requests_tracker.status import Status


@prepared.rows
def lock(request_ids: Collection[UUID]) -> QuerySet[Request]:
    """Lock some requests, in the order in which everybody does."""
    locked = Request.objects.select_for_update().filter(pk__in=request_ids)
    return locked.order_by("pk")


@prepared.update
def advance(request_ids: Collection[UUID], events: int) -> Update:
    """Count so many new events of each of some requests, locked before."""
    last = F("last_sequence") + events
    return Request.objects.filter(pk__in=request_ids), {"last_sequence": last}


@prepared.rows
def lock_in(
    request_ids: Collection[UUID], *, states: tuple[Status, ...]
) -> QuerySet[Request]:
    """Lock those of some requests that are in one of ``states``."""
    mine = Request.objects.filter(pk__in=request_ids, status__in=states)
    return mine.select_for_update().order_by("pk")


@prepared.update
def move(
    request_ids: Collection[UUID],
    events: int,
    next_attempt_at: datetime | None,
    deadline_at: datetime | None,
    now: datetime,
    *,
    to: Status,
    counts_attempt: bool,
    has_deadline: bool,
) -> Update:
    """Bring requests, locked before, to a state, with so many new events of each.

    ``deadline_at`` is when the state ends at the latest, where it is later than now.
    """
    values: dict[str, Any] = {"status": to, "next_attempt_at": next_attempt_at}
    values["last_sequence"] = F("last_sequence") + events
    if counts_attempt:
        values["attempts"] = F("attempts") + 1
    if has_deadline:
        values["deadline_at"] = Greatest("deadline_at", deadline_at)
    if to in status.FINAL:
        values["completed_at"] = now
    return Request.objects.filter(pk__in=request_ids), values
