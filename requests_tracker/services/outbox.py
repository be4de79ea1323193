"""The publisher's side of the outbox: who publishes, what is next, what is done.

The transaction that brings a request to its final state writes the event; this
module hands events to the one active publisher in an order that keeps each zone's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db.models import Q, Value

from dnsorch import clock
from requests_tracker.models import OutboxEvent, PublisherLease


def take_lease(*, name: str, holder: str, ttl_s: float) -> int | None:
    """Take the lease ``name`` for ``ttl_s`` seconds on the database's clock.

    Returns the token that renews it, or None while another holder has it. Each
    taking has a token of its own, so a publisher that slept through its lease
    cannot renew what is no longer its.
    """
    PublisherLease.objects.get_or_create(name=name)
    free = PublisherLease.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__lte=clock.database_now()), name=name
    )
    before = free.values_list("token", flat=True).first()
    if before is None:
        return None
    token = before + 1
    taken = free.filter(token=before).update(
        token=token,
        holder=holder[:255],
        expires_at=clock.database_now() + Value(timedelta(seconds=ttl_s)),
    )
    return token if taken else None


def renew_lease(*, name: str, token: int, ttl_s: float) -> bool:
    """Prolong the lease; False if it ran out or someone else has taken it."""
    renewed = PublisherLease.objects.filter(
        name=name, token=token, expires_at__gt=clock.database_now()
    ).update(expires_at=clock.database_now() + Value(timedelta(seconds=ttl_s)))
    return bool(renewed)


def release_lease(*, name: str, token: int) -> None:
    """Give the lease back, so that a stand-by need not wait for its end."""
    PublisherLease.objects.filter(name=name, token=token).update(expires_at=None)


def pending(
    *,
    limit: int,
    after_zone: str | None = None,
    without_keys: Collection[str] = (),
) -> list[OutboxEvent]:
    """Return up to ``limit`` unpublished events, by zone and then by their order.

    ``after_zone`` starts behind a zone, so that a busy one cannot starve those that
    sort after it. ``without_keys`` leaves out zones, and request ids of events
    without a zone, whose delivery is not to be tried now. Never "id greater than the
    last": ids are given before commit, and a slow transaction's would be skipped.
    """
    events = OutboxEvent.objects.filter(published_at__isnull=True)
    if after_zone is not None:
        events = events.filter(zone__gt=after_zone)
    # A canonical zone name contains a dot, a request id none.
    zones = [key for key in without_keys if "." in key]
    request_ids = [key for key in without_keys if "." not in key]
    if zones:
        events = events.exclude(zone__in=zones)
    if request_ids:
        events = events.exclude(zone="", request_id__in=request_ids)
    return list(events.order_by("zone", "event_seq", "id")[:limit])


def mark_published(event_ids: Sequence[int]) -> int:
    """Mark events as confirmed by Kafka; return how many were not marked before."""
    return OutboxEvent.objects.filter(
        id__in=event_ids, published_at__isnull=True
    ).update(published_at=clock.database_now())
