"""Forgetting requests and idempotency keys that are old enough.

A request goes with its timeline, its changes, its published outcome and its expired
keys. What is not final, and what something that is not final refers to, stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from dnsorch import clock
from requests_tracker.models import IdempotencyKey, OutboxEvent, Request
from requests_tracker.status import FINAL, OPEN


def prunable(before: datetime) -> QuerySet[Request]:
    """Return the requests that were final before then, and that nothing needs."""
    mine = {"request": OuterRef("pk")}
    unpublished = OutboxEvent.objects.filter(published_at__isnull=True, **mine)
    key = IdempotencyKey.objects.filter(created_at__gte=keys_kept_since(), **mine)
    still_open = Request.objects.filter(status__in=sorted(OPEN))
    retry = still_open.filter(retry_of=OuterRef("pk"))
    revert = still_open.filter(revert_of=OuterRef("pk"))
    # A whole shows its parts for as long as it is shown itself, and ends after them.
    whole = Request.objects.filter(parts=OuterRef("pk")).exclude(
        completed_at__lt=before
    )
    parts = still_open.filter(part_of=OuterRef("pk"))
    old = Request.objects.filter(status__in=sorted(FINAL), completed_at__lt=before)
    return old.exclude(
        Exists(unpublished)
        | Exists(key)
        | Exists(retry)
        | Exists(revert)
        | Exists(whole)
        | Exists(parts)
    )


def delete(request_ids: Sequence[UUID]) -> None:
    """Delete requests, with all that is theirs, in the caller's transaction."""
    Request.objects.filter(pk__in=request_ids).delete()


def keys_kept_since() -> datetime:
    """Return when the oldest idempotency key was used that still acts."""
    return clock.now() - timedelta(days=settings.DNSORCH_IDEMPOTENCY_DAYS)


def expired_keys() -> QuerySet[IdempotencyKey]:
    """Return the idempotency keys that do not act any more."""
    return IdempotencyKey.objects.filter(created_at__lt=keys_kept_since())
