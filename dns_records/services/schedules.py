"""Change sets that wait for their time: judged at receipt, planned when due.

What was accepted is kept: that its token was revoked since changes nothing. Due is due
on the database's clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from dns_records import lifetimes, plan
from dns_records.images import Key, Notice
from dns_records.models import ScheduledChange
from dns_records.plan import Operation
from dns_records.services import arguments, changes, outcomes, parts, wake, wanted
from dns_records.services.changes import ChangeSet, Prepared
from dns_records.services.parts import Parts
from dns_records.services.wanted import Locked
from dnsorch import clock, tracing
from dnsorch.exceptions import DnsorchError, Invalid, Reason
from dnsorch.tokens.access import Access
from requests_tracker.models import Request, Step
from requests_tracker.services import lifecycle
from requests_tracker.services.lifecycle import Origin
from requests_tracker.services.timeline import Entry
from requests_tracker.status import Status

logger = structlog.get_logger(__name__)

# In one sweep; the next is a second away.
MAX_DUE = 500


class TooFarAhead(Invalid):
    """It is scheduled for a time that is further away than is allowed."""

    code = "too_far_ahead"


@dataclass(frozen=True)
class ScheduledChangeSet(ChangeSet):
    """A change set that is planned and sent at ``not_before``."""

    not_before: datetime | None = None

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Plan it as of now, for a dry run.

        Raises:
            DnsorchError: the change set is wrong, not allowed, or conflicts now.
        """
        prepared = super().prepare(access, request)
        again = Notice(
            "planned_again",
            f"this is the plan as of now; it is planned again at {self._when}",
            "/not_before",
        )
        warnings = (*prepared.plan.warnings, again)
        return replace(prepared, plan=replace(prepared.plan, warnings=warnings))

    def postpone(self, access: Access, request: Request, origin: Origin) -> None:
        """Judge it by itself and store it.

        Raises:
            DnsorchError: it is wrong whatever it will find, or not allowed.
        """
        assert self.not_before is not None  # else it is no such change set
        zone, operations = self.read(access, request)
        lifetimes.check(operations, self.not_before)
        alone = plan.alone(changes.context(zone), zone.default_ttl, operations)
        short = lifetimes.notices(operations, alone.images, self.not_before)
        warnings = [*alone.warnings, *short]
        ScheduledChange.objects.bulk_create(
            [
                ScheduledChange(
                    request=request,
                    zone=zone,
                    operations=dump(operations),
                    access=_dump_access(access),
                )
            ]
        )
        entries = [
            origin.received(),
            changes.validated(zone, len(operations), warnings),
            Entry(
                Step.SCHEDULED,
                f"planned and sent at {self._when}, not before",
                data={"not_before": clock.iso(self.not_before)},
            ),
        ]
        lifecycle.open_scheduled(request, entries, self.not_before)

    @property
    def _when(self) -> str:
        return f"{self.not_before:%Y-%m-%d %H:%M:%S} UTC"


def at(changeset: ChangeSet, not_before: datetime | None) -> ChangeSet:
    """Return the change set that waits until ``not_before``, if that lies ahead.

    Raises:
        TooFarAhead: it lies further ahead than is allowed.
    """
    now = clock.now()
    if not_before is None or not_before <= now:
        return changeset
    days = settings.DNSORCH_MAX_SCHEDULE_DAYS
    if not_before > now + timedelta(days=days):
        detail = f"expected a time within {days} days"
        reason = Reason("/not_before", TooFarAhead.code, detail)
        raise TooFarAhead(detail, reasons=(reason,))
    if changeset.digest is not None:
        refuse(not_before, "/digest", "what is planned later cannot be approved now")
    given = {each.name: getattr(changeset, each.name) for each in fields(ChangeSet)}
    return ScheduledChangeSet(**given, not_before=not_before)


def refuse(not_before: datetime | None, pointer: str, detail: str) -> None:
    """Refuse what does not go together with a time that lies ahead.

    Raises:
        Invalid: there is such a time.
    """
    if not_before is not None and not_before > clock.now():
        raise Invalid(detail, reasons=(Reason(pointer, "not_schedulable", detail),))


def dump(operations: Sequence[Operation]) -> list[dict[str, Any]]:
    """Return operations in their stored form."""
    return [
        {
            "action": each.action,
            "name": each.key.name,
            "type": each.key.type,
            "pointer": each.pointer,
            "arguments": arguments.dump_arguments(each, {}),
        }
        for each in operations
    ]


def load(scheduled: ScheduledChange) -> list[Operation]:
    """Return the operations that :func:`dump` wrote."""
    return [_load(each) for each in scheduled.operations]


def _load(stored: Mapping[str, Any]) -> Operation:
    key = Key(stored["name"], stored["type"])
    operation = arguments.read_operation(stored["action"], key, stored["arguments"])
    return replace(operation, pointer=stored["pointer"])


def open_due() -> int:
    """Plan what is due, in order of time and receipt; return how much that was."""
    due = Request.objects.filter(
        status=Status.SCHEDULED, not_before__lte=clock.database_now()
    ).order_by("not_before", "pk")
    opened, held = 0, set()
    for request_id, zone in due.values_list("pk", "zone")[:MAX_DUE]:
        if zone in held:
            continue  # what comes later does not overtake
        try:
            with tracing.span("schedule.open", parent=""):
                opened += open_one(request_id)
        except Exception:  # one zone's trouble is not the others'
            held.add(zone)
            logger.exception("scheduled change not opened", request_id=str(request_id))
    return opened


def open_one(request_id: UUID, hurried_by: str = "") -> bool:
    """Plan a scheduled request now; say whether it still waited for that.

    It is queued then, or failed with the reason. ``hurried_by`` is who does not want
    to wait for its time.
    """
    scheduled = _scheduled(request_id)
    if scheduled is None:
        return False
    due = _Due(scheduled)
    asked = due if scheduled.access is None else parts.Whole(due)
    request = scheduled.request
    try:
        with transaction.atomic():
            ready = asked.prepare(_load_access(scheduled), request)
            if hurried_by:
                lifecycle.bring_forward(request, clock.now(), hurried_by)
            _open(request, ready)
    except _WaitsNoMore:
        return False
    except DnsorchError as error:
        if error.status >= 500:
            raise
        return _fail(scheduled, error, hurried_by)
    return True


def _open(request: Request, ready: Prepared | Parts) -> None:
    if isinstance(ready, Parts):
        ready.open(request)
        return
    lifecycle.move([request.pk], Status.QUEUED, changes.write(request, ready))
    wake.after_commit(ready.locked.zone.pk)


def _fail(scheduled: ScheduledChange, error: DnsorchError, hurried_by: str) -> bool:
    """Fail what cannot be planned; say whether it still waited for that."""
    with transaction.atomic():
        request = _locked(scheduled)
        if request is None:
            return False
        if hurried_by:
            lifecycle.bring_forward(request, clock.now(), hurried_by)
        outcomes.fail(scheduled.zone_id, {request.pk: error})
    logger.info("scheduled change failed", code=error.code)
    return True


def cancel(request_id: UUID, by: str) -> bool:
    """Cancel a request that still waits for its time; say whether it did."""
    scheduled = _scheduled(request_id)
    if scheduled is None:
        return False
    try:
        with transaction.atomic():
            _lock(scheduled)
            outcomes.cancel(scheduled.zone_id, [request_id], by)
    except _WaitsNoMore:
        return False
    return True


class _WaitsNoMore(Exception):
    """Somebody else has planned or cancelled it."""


@dataclass(frozen=True)
class _Due:
    """What a scheduled request asks for, to be planned now."""

    scheduled: ScheduledChange

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Lock its names, then its row, and plan."""
        locked = _lock(self.scheduled)
        return Prepared(locked, changes.build(locked, load(self.scheduled)))


def _scheduled(request_id: UUID) -> ScheduledChange | None:
    found = ScheduledChange.objects.select_related("zone__backend", "request")
    return found.filter(pk=request_id, request__status=Status.SCHEDULED).first()


def _lock(scheduled: ScheduledChange) -> Locked:
    """Lock a request that waits for its time, its names first.

    Who comes second waits at the names, and finds that it does not wait any more.

    Raises:
        _WaitsNoMore: it does not.
    """
    names = {operation.key.name for operation in load(scheduled)}
    locked = wanted.lock(scheduled.zone, names)
    if _locked(scheduled) is None:
        raise _WaitsNoMore
    return locked


def _locked(scheduled: ScheduledChange) -> Request | None:
    """Lock and return the request's row; None if it does not wait any more."""
    waiting = Request.objects.filter(pk=scheduled.pk, status=Status.SCHEDULED)
    return waiting.select_for_update().first()


def _dump_access(access: Access) -> dict[str, Any]:
    zones = None if access.zones is None else sorted(access.zones)
    return {"owner": access.owner, "source": access.source, "zones": zones}


def _load_access(scheduled: ScheduledChange) -> Access:
    if (stored := scheduled.access) is None:
        return Access(scheduled.request.requester)
    zones = stored["zones"]
    allowed = None if zones is None else frozenset(zones)
    return Access(stored["owner"], stored["source"], allowed)
