"""Change sets that wait for their time: judged at receipt, planned when due.

What was accepted is kept: that its token was revoked since changes nothing. Due is due
on the database's clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from dns_records import lifetimes, plan, ptr
from dns_records.images import Key, Notice
from dns_records.models import PtrPolicy, ScheduledChange, Zone
from dns_records.plan import Operation
from dns_records.services import arguments, changes, outcomes, wake, wanted
from dns_records.services.changes import ChangeSet, Prepared
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
        warnings = [*alone.warnings, *short, *_without_ptr(zone, operations)]
        ScheduledChange.objects.bulk_create(
            [ScheduledChange(request=request, zone=zone, operations=dump(operations))]
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
    for draft in changeset.drafts:
        if draft.ptr:
            detail = "PTR records do not go with what waits for its time"
            refuse(not_before, f"{draft.pointer}/ptr", detail)
    given = {each.name: getattr(changeset, each.name) for each in fields(ChangeSet)}
    return ScheduledChangeSet(**given, not_before=not_before)


def _without_ptr(zone: Zone, operations: Sequence[Operation]) -> list[Notice]:
    """Return a warning if the zone's addresses have PTR records, and these will not."""
    addresses = [each for each in operations if each.key.type in ptr.ADDRESSES]
    if zone.ptr_policy != PtrPolicy.ON or not addresses:
        return []
    detail = "PTR records do not go with what waits for its time"
    return [Notice("ptr_not_scheduled", detail, addresses[0].pointer)]


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
    with _waiting(request_id) as found:
        if found is None:
            return False
        request, locked, operations = found
        zone = locked.zone
        if hurried_by:
            lifecycle.bring_forward(request, clock.now(), hurried_by)
        try:
            with transaction.atomic():
                prepared = Prepared(locked, changes.build(locked, operations))
                entries = changes.write(request, prepared)
        except DnsorchError as error:
            if error.status >= 500:
                raise
            outcomes.fail(zone.pk, {request.pk: error})
            logger.info("scheduled change failed", code=error.code)
            return True
        lifecycle.move([request.pk], Status.QUEUED, entries)
        wake.after_commit(zone.pk)
    return True


def cancel(request_id: UUID, by: str) -> bool:
    """Cancel a request that still waits for its time; say whether it did."""
    with _waiting(request_id) as found:
        if found is None:
            return False
        outcomes.cancel(found[1].zone.pk, [request_id], by)
    return True


@contextmanager
def _waiting(
    request_id: UUID,
) -> Iterator[tuple[Request, Locked, list[Operation]] | None]:
    """Lock a request that waits for its time, its names first; None if none does.

    Who comes second waits at the names, and finds that it does not wait any more.
    """
    found = ScheduledChange.objects.select_related("zone__backend")
    scheduled = found.filter(pk=request_id, request__status=Status.SCHEDULED).first()
    if scheduled is None:
        yield None
        return
    operations = load(scheduled)
    with transaction.atomic():
        names = {operation.key.name for operation in operations}
        locked = wanted.lock(scheduled.zone, names)
        rows = Request.objects.select_for_update().filter(pk=request_id)
        request = rows.get()
        waits = request.status == Status.SCHEDULED
        yield (request, locked, operations) if waits else None
