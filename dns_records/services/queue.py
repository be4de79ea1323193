"""What waits in a lane, in the order in which it was accepted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F, Q, QuerySet

from dns_records import coalesce
from dns_records.coalesce import Wanted
from dns_records.images import Image, Key
from dns_records.models import Change, ChangeStatus
from dns_records.providers.base import RRsetChange
from dnsorch import clock, prepared

# Most often the first of them fill a message.
SCAN_FIRST = 1000
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


class Waiting(NamedTuple):
    """What a scan looks at of a change."""

    request_id: UUID
    owner_id: int
    name: str
    type: str
    after: dict[str, Any] | None
    due_at: datetime | None

    @property
    def size(self) -> tuple[Key, int]:
        """Its RRset, and how many octets of a message it takes at the most."""
        key = Key(self.name, self.type)
        return key, coalesce.octets(key, Image.load(self.after))


class Scan(NamedTuple):
    """The oldest due requests that fit into one message, and whether no more are."""

    request_ids: list[UUID]
    is_all: bool


def scan(zone_id: int) -> Scan:
    """Look for what is due.

    A name whose earliest pending change is not due holds back all later ones of the
    name, and with them the other names of their change sets. The work is bounded,
    however much waits.
    """
    for size in (SCAN_FIRST, SCAN_CHANGES):
        rows = [Waiting(*each) for each in _waiting(zone_id, size=size)]
        is_cut = len(rows) == size
        chosen, is_full = _choose(rows, is_cut=is_cut)
        if is_full or not is_cut:
            break
    # Of what only waits there is nothing to be sent, however much it is.
    return Scan(chosen, not chosen or not (is_cut or is_full))


@prepared.rows
def _waiting(zone_id: int, *, size: int) -> QuerySet[Change, tuple[Any, ...]]:
    waiting = pending(zone_id).annotate(due_at=F("request__next_attempt_at"))
    return waiting.values_list(*Waiting._fields)[:size]


def _choose(rows: Sequence[Waiting], *, is_cut: bool) -> tuple[list[UUID], bool]:
    """Return the due requests among ``rows``, and whether no more fit."""
    by_request: dict[UUID, list[Waiting]] = {}
    for row in rows:
        by_request.setdefault(row.request_id, []).append(row)
    if is_cut:
        # The last change set may be: it waits for the next scan.
        del by_request[rows[-1].request_id]
    now = clock.now()
    blocked: set[int] = set()
    chosen: list[UUID] = []
    sizes: dict[Key, int] = {}
    octets = 0
    for request_id, own in by_request.items():
        owners = {change.owner_id for change in own}
        at = own[0].due_at
        if owners & blocked or (at is not None and at > now):
            blocked |= owners
            continue
        sized = dict(change.size for change in own)
        octets += sum(size - sizes.get(key, 0) for key, size in sized.items())
        if chosen and octets > coalesce.MAX_OCTETS:
            return chosen, True
        chosen.append(request_id)
        sizes |= sized
        if len(chosen) == MAX_REQUESTS:
            return chosen, True
    return chosen, False


def parcels(changes: Iterable[Change]) -> list[Parcel]:
    """Return changes in the order of their ids as those of their requests."""
    by_request: dict[UUID, list[Change]] = {}
    for change in changes:
        by_request.setdefault(change.request_id, []).append(change)
    return [Parcel(key, tuple(own)) for key, own in by_request.items()]


def message(sent: Sequence[Parcel]) -> tuple[list[RRsetChange], dict[int, int]]:
    """Return the images of one message, and which change gave way to which."""
    merged = coalesce.coalesce(each for parcel in sent for each in parcel.wanted)
    images = [rrset_change(key, image) for key, image in merged.images.items()]
    return images, dict(merged.superseded)


def rrset_change(key: Key, image: Image | None) -> RRsetChange:
    """Return an image as providers take it."""
    ttl, records = (image.ttl, image.records) if image else (0, ())
    return RRsetChange(key.name, key.type, ttl, records)


def of_batch(batch_id: int) -> list[Parcel]:
    """Return what a batch that is not decided yet has on the wire."""
    rows = Change.objects.filter(batch=batch_id, status=ChangeStatus.SENT)
    return parcels(rows.order_by("id"))
