"""Drift resolved: what is wanted written again, or what is served taken over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from dns_records.images import Image, Key
from dns_records.models import AuditTask, Change, Drift, Zone
from dns_records.providers.errors import ProviderError
from dns_records.services import adoption, queue, reconcile, unfenced
from dns_records.services.orders import RECONCILE, Order
from dns_records.services.zone_claims import Claim
from dnsorch import clock
from dnsorch.exceptions import DnsorchError, Reason
from requests_tracker.models import Request, Step
from requests_tracker.services import lifecycle
from requests_tracker.services.timeline import Entry
from requests_tracker.status import FINAL, Status

Do = Callable[[Zone, AuditTask, Claim], list[Entry] | None]
"""Does what a task is about; returns what to tell when done, None if it waits.

The claim is renewed meanwhile.

A DnsorchError is why the request fails.
"""

# RRsets that are worked on at once.
AT_ONCE = 500
MAX_TOLD = 100
LOOK_AGAIN = timedelta(seconds=1)


class NotRestored(DnsorchError):
    """Not all of the drift was put back."""

    code = "not_restored"


class NotAdopted(DnsorchError):
    """Not all of the drift was taken over."""

    code = "not_adopted"


def restore(zone: Zone, task: AuditTask, claim: Claim) -> list[Entry] | None:
    """Have what is wanted written again through the lane, and wait for it.

    Raises:
        NotRestored: a change set of it failed, or left something out.
    """
    request = task.request
    made = Request.objects.filter(
        action=RECONCILE, zone=zone.name, correlation_id=str(request.pk)
    )
    if not task.submitted:
        by = Order("drift is resolved", request.requester, request.source)
        for rows in _pages(task):
            keys = [Key(row.name, row.type) for row in rows]
            reconcile.restore(zone, keys, by, correlation_id=str(request.pk))
            claim.renew()
        AuditTask.objects.filter(pk=task.pk).update(submitted=True)
    if made.exclude(status__in=FINAL).exists():
        AuditTask.objects.filter(pk=task.pk).update(due_at=Now() + LOOK_AGAIN)
        # They have deadlines of their own, later ones.
        lifecycle.prolong(request.pk, lifecycle.deadline(clock.now()))
        return None
    done = Change.objects.filter(
        zone=zone,
        name=OuterRef("name"),
        type=OuterRef("type"),
        request__in=made.filter(status=Status.COMPLETED),
    )
    count = _mine(task).filter(Exists(done)).update(resolved_at=clock.now())
    ids = [str(each) for each in made.order_by("pk").values_list("pk", flat=True)]
    told = f"{count} RRset(s) put back by {len(ids)} request(s)"
    if _mine(task).exists():
        why = "their change sets failed, or a change of them was on its way"
        raise NotRestored(f"{told}; others not: {why}", reasons=_left(task, why))
    return [Entry(Step.APPLIED, told, data={"requests": ids[:MAX_TOLD]})]


def adopt(zone: Zone, task: AuditTask, claim: Claim) -> list[Entry] | None:
    """Make what the server holds the wanted state; nothing is sent.

    Raises:
        NotAdopted: something breaks a rule, or is not as it was found any more.
    """
    count = 0
    refused: list[Reason] = []
    for rows in _pages(task):
        images = {Key(row.name, row.type): Image.load(row.served) for row in rows}
        try:
            other = _changed_since(zone, images)
        except ProviderError as error:
            raise NotAdopted(f"the server does not tell: {error.detail}") from error
        found = adoption.adopt(
            zone,
            {key: image for key, image in images.items() if key not in other},
            task.request,
            since=min(row.seen_at for row in rows),
        )
        why = {key: "is not as it was found any more" for key in other}
        why |= {key: "a change of its name is on its way" for key in found.in_motion}
        why |= {key: error.detail for key, error in found.refused.items()}
        refused += [
            Reason("", NotAdopted.code, f"{key.name} {key.type}: {text}")
            for key, text in sorted(why.items())
        ]
        taken = [row.pk for row in rows if Key(row.name, row.type) not in why]
        count += len(taken)
        Drift.objects.filter(pk__in=taken).update(resolved_at=clock.now())
        claim.renew()
    told = f"{count} RRset(s) of {zone.name} are wanted as they are served"
    if refused:
        listed = f"{len(refused)} are not taken over, the first: {refused[0].detail}"
        raise NotAdopted(f"{told}; {listed}", reasons=tuple(refused))
    return [Entry(Step.STORED, told)]


def _mine(task: AuditTask) -> QuerySet[Drift]:
    """Return the drift that a task has still to resolve."""
    rows = Drift.objects.filter(resolving=task.request_id, resolved_at__isnull=True)
    return rows.order_by("name", "type")


def _pages(task: AuditTask) -> Iterator[Sequence[Drift]]:
    """Yield the drift of a task in pages that cut no name."""
    after = ""
    while page := list(_mine(task).filter(name__gt=after)[:AT_ONCE]):
        if len(page) == AT_ONCE and page[0].name != page[-1].name:
            last = page[-1].name
            page = [row for row in page if row.name != last]
        after = page[-1].name
        yield page


def _left(task: AuditTask, why: str) -> tuple[Reason, ...]:
    return tuple(
        Reason("", NotRestored.code, f"{row.name} {row.type}: {why}")
        for row in _mine(task)[:MAX_TOLD]
    )


def _changed_since(zone: Zone, images: dict[Key, Image | None]) -> set[Key]:
    """Return what the server does not hold any more as it was found.

    Raises:
        ProviderError: it does not tell.
    """
    asked = [queue.rrset_change(key, image) for key, image in images.items()]
    return set(unfenced.not_held(zone, asked))
