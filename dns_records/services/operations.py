"""What a person asks of a request that is there: cancel it, try it again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

from django.db import transaction

from dns_records.models import Change, ChangeStatus, ScheduledChange, Zone
from dns_records.plan import Operation
from dns_records.services import (
    arguments,
    audits,
    changes,
    import_run,
    imports,
    lanes,
    schedules,
    wake,
    wanted,
    withdrawal,
    zones,
)
from dns_records.services.changes import Prepared
from dns_records.services.parts import whole
from dns_records.services.submissions import Asked
from dnsorch.exceptions import IllegalTransition
from dnsorch.tokens.access import Access
from requests_tracker.models import Request, Step
from requests_tracker.services import lifecycle, timeline
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin
from requests_tracker.services.timeline import Entry
from requests_tracker.status import CANCELLABLE, Status

# What the zone as a whole is asked for: its parts are made as it goes on.
ZONE_WORK = frozenset({imports.ACTION, audits.AUDIT, audits.RESOLVE})


def cancel(access: Access, request: Request) -> None:
    """Cancel a request that is not on its way yet; of one with parts, those parts.

    Raises:
        IllegalTransition: it is on its way, or final.
        Forbidden: they may only read it.
    """
    zone = zones.find_for_write(access, request.zone)
    if request.parts_expected is not None:
        _each_part(access, request, CANCELLABLE, cancel, "cancelled")
        return
    if request.status not in CANCELLABLE or zone is None:
        raise IllegalTransition(
            f"a request that is {request.status} cannot be cancelled"
        )
    if not schedules.cancel(request.pk, access.owner):
        withdrawal.cancel(zone, request.pk, access.owner)


def hurry(access: Access, request: Request) -> None:
    """Try a queued request again now, or plan a scheduled one now.

    Raises:
        IllegalTransition: it is neither.
        Forbidden: they may only read it.
    """
    zone = zones.find_for_write(access, request.zone)
    if request.parts_expected is not None:
        _each_part(access, request, {Status.QUEUED}, hurry, "tried again")
        return
    if zone is not None and schedules.open_one(request.pk, access.owner):
        return
    with transaction.atomic():
        if zone is None:
            raise not_retryable(request)
        # The lane before the request, as everybody does who writes both.
        lanes.hurry(zone.pk)
        queued = Request.objects.filter(pk=request.pk, status=Status.QUEUED)
        if not queued.update(next_attempt_at=None):
            raise not_retryable(request)
        import_run.hurry(request)
        entry = Entry(Step.ENQUEUED, f"tried again now: asked for by {access.owner}")
        timeline.append([request.pk], entry)
        transaction.on_commit(partial(wake.publish_aside, wake.DELIVER, zone.pk))


def retry(access: Access, origin: Origin, request: Request, doorway: Doorway) -> Answer:
    """Make a new request, linked to a failed one, that asks for the same.

    Raises:
        IllegalTransition: it has not failed.
        Forbidden: they may only read it.
    """
    if request.parts_expected is not None and request.action not in ZONE_WORK:
        zones.find_for_write(access, request.zone)
        raise IllegalTransition(
            "a request with parts cannot be retried as a whole: retry each part that "
            "failed; they are listed under parts"
        )
    if request.action == audits.AUDIT:
        zone = _failed(access, request)
        return audits.retry(access, origin, request, zone, doorway)
    again = what_failed(access, request)
    return changes.submit(
        lambda: again,
        access=access,
        origin=replace(origin, action=request.action, api_version=request.api_version),
        operation={"action": "retry", "request": str(request.pk)},
        doorway=doorway,
    )


def what_failed(access: Access, request: Request) -> Asked:
    """Return what a failed request asked for, to be planned or submitted again.

    PTR records that are there already do not go with it once more.

    Raises:
        IllegalTransition: it has not failed.
        Forbidden: they may only read it.
    """
    zone = _failed(access, request)
    if request.action == audits.AUDIT:
        raise IllegalTransition("an audit changes nothing: there is no plan of it")
    if request.action == audits.RESOLVE:
        raise IllegalTransition("what is left of the drift can be resolved anew")
    if request.action == imports.ACTION:
        raise IllegalTransition("an import is not retried: import the zone anew")
    return whole(Retry(request, zone))


def _failed(access: Access, request: Request) -> Zone:
    """Return the zone of a request that has failed.

    Raises:
        IllegalTransition: it has not.
        Forbidden: they may only read it.
    """
    zone = zones.find_for_write(access, request.zone)
    if request.status != Status.FAILED or zone is None:
        raise not_retryable(request)
    return zone


def not_retryable(request: Request) -> IllegalTransition:
    """Return the refusal of a retry."""
    return IllegalTransition(
        f"a request that is {request.status} cannot be retried; "
        "one that is scheduled, queued or failed can"
    )


def _each_part(
    access: Access,
    request: Request,
    states: Collection[Status],
    act: Callable[[Access, Request], None],
    done: str,
) -> None:
    """Do something to each part of a request that is in one of ``states``.

    Zone by zone in their order, as everybody does who locks names of several.

    Raises:
        IllegalTransition: there is no such part.
        Forbidden: they may only read one of the zones.
    """
    own: dict[str, list[Request]] = defaultdict(list)
    for part in request.parts.filter(status__in=states).order_by("pk"):
        own[part.zone].append(part)
    zones_in_order = Zone.objects.filter(name__in=list(own)).order_by("pk")
    with transaction.atomic():
        acted = 0
        for part in (part for zone in zones_in_order for part in own[zone.name]):
            try:
                act(access, part)
                acted += 1
            except IllegalTransition:
                continue  # it is on its way by now
        if not acted:
            raise IllegalTransition(
                f"no part of the request, which is {request.status}, can be {done}"
            )
        lifecycle.settle(request.pk)


@dataclass(frozen=True)
class Retry:
    """What a failed request asked for, to be asked for again."""

    original: Request
    zone: Zone

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Lock the names of the original and plan its operations anew."""
        first = self.original
        request.zone, request.name, request.type = first.zone, first.name, first.type
        request.value, request.ttl = first.value, first.ttl
        request.comment, request.retry_of = first.comment, first
        stored = list(Change.objects.filter(request=first).order_by("id"))
        if not stored and (
            scheduled := ScheduledChange.objects.filter(pk=first).first()
        ):
            # It failed when it was due, before there were changes.
            asked = schedules.load(scheduled)
            locked = wanted.lock(self.zone, {each.key.name for each in asked})
            return Prepared(locked, changes.build(locked, asked))
        locked = wanted.lock(self.zone, {change.name for change in stored})
        for change in stored:
            locked.hints.update(arguments.load_hints(change))
        return Prepared(locked, changes.build(locked, _operations(stored)))


def _operations(stored: Sequence[Change]) -> list[Operation]:
    operations = []
    for change in stored:
        operation = arguments.load_operation(change)
        if change.status != ChangeStatus.FAILED:
            operation = _still_wanted(operation, change)
        operations.append(operation)
    return operations


def _still_wanted(operation: Operation, change: Change) -> Operation:
    """Return the operation of a change that was applied and is in the wanted state.

    It finds its own work done, which is no conflict: it is sent and verified again.
    """
    operation = replace(operation, strict=False, expected=None)
    if operation.action in ("create", "replace"):
        return replace(operation, action="put")
    if operation.action == "delete" and change.before is not None:
        records = tuple(change.before["records"])
        return replace(operation, action="remove", records=records)
    return operation
