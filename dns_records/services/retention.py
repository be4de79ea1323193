"""Forgetting what is old, a little at a time: safe beside all that runs.

Each step is a transaction of its own, and short: whoever waits for a row waits for one
step. What a step has chosen it looks at again under the lock.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from dns_records.models import AuditTask, Batch, BatchStatus, Change
from dns_records.services import orders
from requests_tracker.models import Request
from requests_tracker.services import retention
from requests_tracker.status import OPEN

# Of each lane so many messages stay whatever their age: the next lease looks at them.
MESSAGES_KEPT = 10


def prunable(before: datetime) -> QuerySet[Request]:
    """Return the requests to forget.

    No open one gave way to one of theirs, or is a restore that waits for them.
    """
    superseded = Change.objects.filter(
        superseded_by__request=OuterRef("pk"), request__status__in=sorted(OPEN)
    )
    restores = AuditTask.objects.filter(submitted=True).values_list(
        "request", flat=True
    )
    awaited = Q(
        action=orders.RECONCILE, correlation_id__in=[str(pk) for pk in restores]
    )
    return retention.prunable(before).exclude(Exists(superseded)).exclude(awaited)


def prune_requests(before: datetime, limit: int) -> int:
    """Forget up to ``limit`` requests, the oldest first; return how many."""
    with transaction.atomic():
        chosen = prunable(before).order_by("pk").values_list("pk", flat=True)[:limit]
        locked = Request.objects.select_for_update().filter(pk__in=list(chosen))
        ids = list(locked.order_by("pk").values_list("pk", flat=True))
        ids = list(prunable(before).filter(pk__in=ids).values_list("pk", flat=True))
        retention.delete(ids)
    return len(ids)


def prune_keys(limit: int) -> int:
    """Forget up to ``limit`` idempotency keys that do not act any more."""
    with transaction.atomic():
        expired = retention.expired_keys().order_by("created_at")
        ids = list(expired.values_list("pk", flat=True)[:limit])
        deleted, _ = retention.expired_keys().filter(pk__in=ids).delete()
    return deleted


def old_messages(before: datetime) -> QuerySet[Batch]:
    """Return the decided messages that no change refers to any more."""
    changes = Change.objects.filter(batch=OuterRef("pk"))
    return (
        Batch.objects.filter(decided_at__lt=before)
        .filter(number__lte=F("lane__batch_number") - MESSAGES_KEPT)
        .exclude(status=BatchStatus.SENT)
        .exclude(Exists(changes))
    )


def prune_messages(before: datetime, limit: int) -> int:
    """Forget up to ``limit`` decided messages whose changes are forgotten."""
    with transaction.atomic():
        ids = list(
            old_messages(before).order_by("pk").values_list("pk", flat=True)[:limit]
        )
        deleted, _ = Batch.objects.filter(pk__in=ids).delete()
    return deleted
