"""Final states of requests, in the order of their zone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from uuid import UUID

from django.db.models import F

from dns_records.models import Zone
from dnsorch import prepared
from dnsorch.exceptions import DnsorchError
from dnsorch.prepared import UpdateOf
from requests_tracker.models import Request, Step
from requests_tracker.services import lifecycle
from requests_tracker.services.timeline import Entry
from requests_tracker.status import Status


def take_sequence(zone_id: int, count: int) -> int:
    """Take the zone's next ``count`` outcome numbers; return the last of them.

    Holds the zone's row until the transaction ends: called last in it.
    """
    (zone,) = _advance(zone_id, count)
    return zone.event_seq


@prepared.returning
def _advance(zone_id: int, count: int) -> UpdateOf[Zone]:
    return Zone.objects.filter(pk=zone_id), {"event_seq": F("event_seq") + count}


def complete(
    zone_id: int,
    request_ids: Sequence[UUID],
    entries: Sequence[Entry],
    locked: Mapping[UUID, Request] | None = None,
) -> list[Request]:
    """Close verified requests as ``completed``; the caller may have ``locked`` them."""
    done = Entry(Step.COMPLETED, "completed")
    return lifecycle.move(
        request_ids,
        Status.COMPLETED,
        [*entries, done],
        locked=locked,
        take_sequence=partial(take_sequence, zone_id),
    )


def fail(
    zone_id: int,
    errors: Mapping[UUID, DnsorchError],
    *,
    before: Callable[[Request], Sequence[Entry]] = lambda request: (),
) -> list[Request]:
    """Close requests as ``failed``, each with its reason.

    ``before`` gives entries that stand in the timeline before the failure.
    """
    return lifecycle.move(
        errors,
        Status.FAILED,
        lambda request: [
            *before(request),
            Entry.failure(Step.FAILED, errors[request.pk]),
        ],
        take_sequence=partial(take_sequence, zone_id),
        errors=errors,
    )


def cancel(zone_id: int, request_ids: Sequence[UUID], by: str) -> list[Request]:
    """Close requests as ``cancelled``."""
    return lifecycle.move(
        request_ids,
        Status.CANCELLED,
        [Entry(Step.CANCELLED, f"cancelled by {by}")],
        take_sequence=partial(take_sequence, zone_id),
    )
