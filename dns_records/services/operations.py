"""What a person asks of a request that is there: cancel it, try it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from django.db import transaction

from dns_records.models import Change, ChangeStatus, Zone
from dns_records.plan import Operation
from dns_records.services import (
    audits,
    changes,
    import_run,
    imports,
    lanes,
    wake,
    wanted,
    withdrawal,
    zones,
)
from dns_records.services.changes import Prepared
from dnsorch.exceptions import Forbidden, IllegalTransition
from dnsorch.tokens.access import Access
from requests_tracker.models import Request, Step
from requests_tracker.services import timeline
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin
from requests_tracker.services.timeline import Entry
from requests_tracker.status import CANCELLABLE, Status


def cancel(access: Access, request: Request) -> None:
    """Cancel a request that is not on its way yet.

    Raises:
        IllegalTransition: it is on its way, or final.
        Forbidden: they may only read it.
    """
    zone = _zone(access, request)
    if request.status not in CANCELLABLE or zone is None:
        raise IllegalTransition(
            f"a request that is {request.status} cannot be cancelled"
        )
    withdrawal.cancel(zone, request.pk, access.owner)


def hurry(access: Access, request: Request) -> None:
    """Try a queued request again now.

    Raises:
        IllegalTransition: it is not queued.
        Forbidden: they may only read it.
    """
    zone = _zone(access, request)
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
        transaction.on_commit(partial(wake.publish, wake.DELIVER, zone.pk))


def retry(access: Access, origin: Origin, request: Request, doorway: Doorway) -> Answer:
    """Make a new request, linked to a failed one, that asks for the same.

    Raises:
        IllegalTransition: it has not failed.
        Forbidden: they may only read it.
    """
    zone = _zone(access, request)
    if request.status != Status.FAILED or zone is None:
        raise not_retryable(request)
    if request.action == audits.AUDIT:
        return audits.retry(access, origin, request, zone, doorway)
    if request.action == audits.RESOLVE:
        raise IllegalTransition("what is left of the drift can be resolved anew")
    if request.action == imports.ACTION:
        raise IllegalTransition("an import is not retried: import the zone anew")
    again = Retry(request, zone)
    return changes.submit(
        lambda: again,
        access=access,
        origin=replace(origin, action=request.action, api_version=request.api_version),
        operation={"action": "retry", "request": str(request.pk)},
        doorway=doorway,
    )


def not_retryable(request: Request) -> IllegalTransition:
    """Return the refusal of a retry."""
    return IllegalTransition(
        f"a request that is {request.status} cannot be retried; "
        "one that is queued or failed can"
    )


def _zone(access: Access, request: Request) -> Zone | None:
    zone = Zone.objects.select_related("backend").filter(name=request.zone).first()
    if zone is not None:
        zones.check_write(access, zone)
    elif access.read_only:
        raise Forbidden()
    return zone


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
        locked = wanted.lock(self.zone, {change.name for change in stored})
        for change in stored:
            locked.hints.update(changes.load_hints(change))
        return Prepared(locked, changes.build(locked, _operations(stored)))


def _operations(stored: Sequence[Change]) -> list[Operation]:
    operations = []
    for change in stored:
        operation = changes.load_operation(change)
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
