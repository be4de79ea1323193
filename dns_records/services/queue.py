"""What waits in a lane, in the order in which it was accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from dns_records import coalesce
from dns_records.coalesce import Wanted
from dns_records.images import Image, Key
from dns_records.models import Change, ChangeStatus
from dns_records.providers.base import RRsetChange
from dnsorch import clock

SCAN_CHANGES = 4000
MAX_REQUESTS = 500


@dataclass(frozen=True)
class Parcel:
    """The changes of one request: they travel together or not at all."""

    request_id: UUID
    changes: tuple[Change, ...]

    @property
    def wanted(self) -> list[Wanted]:
        """The changes as coalescing sees them."""
        return [
            Wanted(each.pk, Key(each.name, each.type), Image.load(each.after))
            for each in self.changes
        ]


def pending(zone_id: int) -> QuerySet[Change]:
    """Return the pending changes of a zone, oldest first."""
    rows = Change.objects.filter(zone=zone_id, status=ChangeStatus.PENDING)
    return rows.order_by("id")


def due(now: datetime) -> Q:
    """Return the condition on changes whose request may be sent now."""
    return Q(request__next_attempt_at__isnull=True) | Q(
        request__next_attempt_at__lte=now
    )


def next_parcels(zone_id: int) -> list[Parcel]:
    """Return the oldest due change sets that fit into one message, in order.

    A name whose earliest pending change is not due holds back all later ones of the
    name, and with them the other names of their change sets. The work is bounded,
    however much waits.
    """
    rows = list(pending(zone_id).select_related("request")[:SCAN_CHANGES])
    if len(rows) == SCAN_CHANGES:
        # The last change set may be cut: it waits for the next scan.
        last = rows[-1].request_id
        rows = [row for row in rows if row.request_id != last]
    by_request: dict[UUID, list[Change]] = {}
    for row in rows:
        by_request.setdefault(row.request_id, []).append(row)
    now = clock.now()
    blocked: set[int] = set()
    chosen: list[Parcel] = []
    sizes: dict[Key, int] = {}
    for request_id, own in by_request.items():
        owners = {change.owner_id for change in own}
        at = own[0].request.next_attempt_at
        if owners & blocked or (at is not None and at > now):
            blocked |= owners
            continue
        parcel = Parcel(request_id, tuple(own))
        grown = sizes | {w.key: coalesce.octets(w.key, w.image) for w in parcel.wanted}
        if chosen and sum(grown.values()) > coalesce.MAX_OCTETS:
            break
        chosen.append(parcel)
        sizes = grown
        if len(chosen) == MAX_REQUESTS:
            break
    return chosen


def message(parcels: Sequence[Parcel]) -> tuple[list[RRsetChange], dict[int, int]]:
    """Return the images of one message, and which change gave way to which."""
    merged = coalesce.coalesce(each for parcel in parcels for each in parcel.wanted)
    images = [rrset_change(key, image) for key, image in merged.images.items()]
    return images, dict(merged.superseded)


def rrset_change(key: Key, image: Image | None) -> RRsetChange:
    """Return an image as providers take it."""
    ttl, records = (image.ttl, image.records) if image else (0, ())
    return RRsetChange(key.name, key.type, ttl, records)


def of_batch(batch_id: int) -> list[Parcel]:
    """Return what a batch that is not decided yet has on the wire."""
    rows = Change.objects.filter(batch=batch_id, status=ChangeStatus.SENT)
    by_request: dict[UUID, list[Change]] = {}
    for row in rows.order_by("id"):
        by_request.setdefault(row.request_id, []).append(row)
    return [Parcel(key, tuple(own)) for key, own in by_request.items()]
