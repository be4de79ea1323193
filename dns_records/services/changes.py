"""Accepting changes: validated, planned and stored as the wanted state.

Called within the transaction of :mod:`requests_tracker.services.acceptance`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.db import transaction

from dns_records import coalesce, drafts, images, lifetimes, plan, validation
from dns_records.drafts import Draft
from dns_records.images import Image, Key, Notice
from dns_records.models import Change, ChangeStatus, Record, Zone
from dns_records.plan import Operation, Plan
from dns_records.providers import registry
from dns_records.selectors import records, rrsets
from dns_records.services import neighbours, wake, wanted, writable_types
from dns_records.services.arguments import dump_arguments, what_comes_back
from dns_records.services.finding import Finder
from dns_records.services.preconditions import Precondition
from dns_records.services.submissions import Asked, Postponed
from dns_records.services.wanted import Locked
from dnsorch import bulk, clock
from dnsorch.exceptions import ChangesetTooLarge, Reason
from dnsorch.tokens.access import Access
from requests_tracker.models import Request, Step
from requests_tracker.services import acceptance, lifecycle
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin
from requests_tracker.services.timeline import Entry


@dataclass(frozen=True)
class Prepared:
    """A change set that is planned under the locks of its names.

    ``note`` is what its timeline says about it beside the usual.
    """

    locked: Locked
    plan: Plan
    rrset_comments: dict[Key, str | None] = field(default_factory=dict)
    note: str = ""

    def store(self, request: Request, origin: Origin) -> None:
        """Store it as what ``request`` asks for; see :func:`store`."""
        store(request, origin, self)

    def answer(self) -> dict[str, Any]:
        """Return the plan, as a dry run shows it.

        Raises:
            ChangesetTooLarge: it does not fit into one message.
        """
        check_size(self.plan.images)
        return self.plan.as_dict(rrsets.counted(self.locked.zone))


@dataclass(frozen=True)
class ChangeSet:
    """A v2 change set, or one RRset written or deleted, as the client wrote it.

    ``comment`` is about the request; ``rrset_comment`` about the one RRset, whose
    comment it becomes unless ``keeps_comment``. ``digest`` is that of the plan which
    the client approves, for who submits it to check; without one any plan will do.
    """

    zone: str
    drafts: Sequence[Draft]
    comment: str | None = None
    rrset_comment: str | None = None
    keeps_comment: bool = True
    precondition: Precondition | None = None
    digest: str | None = None

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Find the zone, lock the names, plan.

        Raises:
            DnsorchError: the change set is wrong, not allowed, or conflicts.
        """
        zone, operations = self.read(access, request)
        locked = wanted.lock(zone, {operation.key.name for operation in operations})
        return self.plan(request, locked, operations)

    def plan(
        self, request: Request, locked: Locked, operations: Sequence[Operation]
    ) -> Prepared:
        """Plan what was read, the names being locked.

        Raises:
            DnsorchError: it conflicts with what is there, or breaks a rule.
        """
        if self.precondition is not None:
            (only,) = operations
            expected = self.precondition.expect(locked, only.key)
            operations = [replace(only, expected=expected)]
        prepared = Prepared(locked, build(locked, operations))
        if not self.keeps_comment:
            prepared.rrset_comments[operations[0].key] = self.rrset_comment
        return prepared

    def read(
        self, access: Access, request: Request, find: Finder | None = None
    ) -> tuple[Zone, list[Operation]]:
        """Return the zone and what is to be done in it, in canonical form.

        Raises:
            DnsorchError: the change set is wrong by itself, or not allowed.
        """
        find = find or Finder()
        zone = drafts.placed("/zone", lambda: find.named(access, self.zone))
        request.zone = zone.name
        request.comment = self.comment
        operations = drafts.read(self.drafts, zone.name)
        describe(request, operations)
        # Before anybody has to wait for our locks.
        check_size(plan.given(operations))
        return zone, operations


def submit(
    read: Callable[[], Asked],
    *,
    access: Access,
    origin: Origin,
    operation: object,
    doorway: Doorway,
) -> Answer:
    """Accept or reject what ``read`` returns, at most once for its idempotency key.

    ``read`` is called within, so that a body of the wrong shape is a rejection like
    any other. ``operation`` is what was asked for, as JSON: the key stands for it.

    Raises:
        IdempotencyKeyReused, IdempotencyInProgress: there is no new request then.
    """

    def perform(request: Request) -> None:
        asked = read()
        if isinstance(asked, Postponed):
            asked.postpone(access, request, origin)
        else:
            asked.prepare(access, request).store(request, origin)

    return acceptance.run(origin, operation=operation, perform=perform, doorway=doorway)


def dry_run(
    read: Callable[[], Asked], *, access: Access, origin: Origin
) -> dict[str, Any]:
    """Return the plan of what ``read`` returns, as JSON; nothing is stored or sent.

    Raises:
        DnsorchError: what the real write would be rejected with.
    """
    with transaction.atomic():
        answer = read().prepare(access, origin.request()).answer()
        transaction.set_rollback(True)
    return answer


def store(request: Request, origin: Origin, prepared: Prepared) -> None:
    """Store the plan: wanted state, changes, request; wake the lane after commit.

    Raises:
        ChangesetTooLarge: it does not fit into one message.
    """
    told = write(request, prepared)
    lifecycle.open_queued(request, [origin.received(), *told])
    wake.after_commit(prepared.locked.zone.pk)


def write(request: Request, prepared: Prepared) -> list[Entry]:
    """Write the wanted state and the changes; return what the timeline says of it.

    Raises:
        ChangesetTooLarge: it does not fit into one message.
    """
    locked, planned = prepared.locked, prepared.plan
    check_size(planned.images)
    rows = make_wanted(request, locked, planned, prepared.rrset_comments)
    wanted.save(locked)
    # Ids are taken here, under the locks: per owner name they rise in the order of
    # acceptance, which is the order in which changes reach DNS.
    bulk.insert(rows)
    request.first_changes = rows
    request.first_records = _named(locked, rows)
    return entries(prepared)


def _named(locked: Locked, rows: Sequence[Change]) -> list[Record]:
    """Return the records that changes name by their ids, as selectors read them."""
    named = {
        row.arguments["record_id"]: Key(row.name, row.type)
        for row in rows
        if "record_id" in row.arguments
    }
    found = []
    for record_id, key in named.items():
        rrset = locked.rrsets[key]
        rrset.zone = locked.zone
        own = [each for each in locked.records[key] if str(each.pk) == record_id]
        found += [records.as_written(each, rrset) for each in own]
    return found


def entries(prepared: Prepared) -> list[Entry]:
    """Return what the timeline says of a plan that was accepted."""
    zone, planned = prepared.locked.zone, prepared.plan
    return [
        validated(zone, len(planned.steps), planned.warnings),
        *([Entry(Step.VALIDATED, prepared.note, "warning")] if prepared.note else []),
        Entry(Step.STORED, "stored as the wanted state"),
        Entry(Step.ENQUEUED, f"waits in the lane of {zone.name}"),
    ]


def validated(zone: Zone, count: int, warnings: Sequence[Notice]) -> Entry:
    """Return the entry that says that so many changes are valid."""
    return Entry(
        Step.VALIDATED,
        f"{count} change(s) of {zone.name} are valid",
        data={"warnings": [each.as_dict() for each in warnings]},
    )


def make_wanted(
    request: Request,
    locked: Locked,
    planned: Plan,
    comments: Mapping[Key, str | None] | None = None,
    *,
    held: bool = False,
) -> list[Change]:
    """Make the plan the wanted state; return its changes. Neither is stored yet.

    ``held``: the update server has it so already.
    """
    operations = [step.operation for step in planned.steps]
    locked.lives |= lifetimes.given(operations, request.pk)
    was = what_comes_back(locked, planned)
    wanted.change(locked, planned.images, comments, held=held)
    return [
        _row(request, locked, step, was.pop(step.operation.key, {}))
        for step in planned.steps
    ]


def context(zone: Zone) -> validation.Context:
    """Return what the rules need to know to judge again what was accepted.

    What the zone asks of new changes only is left out: it may be younger.
    """
    return validation.Context(
        zone=zone.name,
        max_records=settings.DNSORCH_MAX_RECORDS_PER_RRSET,
        max_octets=settings.DNSORCH_MAX_RRSET_OCTETS,
    )


def context_at_the_door(
    locked: Locked, operations: Sequence[Operation]
) -> validation.Context:
    """Return what the rules need to know to judge ``operations`` when they come."""
    zone = locked.zone
    return replace(
        context(zone),
        min_ttl=0 if zone.min_ttl is None else zone.min_ttl,
        max_ttl=validation.MAX_TTL if zone.max_ttl is None else zone.max_ttl,
        driver=zone.backend.driver,
        checks_names=registry.checks_names(zone.backend.driver, zone.backend.options),
        neighbours=neighbours.read(locked, operations),
    )


def build(locked: Locked, operations: Sequence[Operation]) -> Plan:
    """Plan ``operations`` against the wanted state of the locked names.

    Raises:
        ExpiresInPast: a record would be gone before it is there.
        DnsorchError: the zone's backend cannot write them, or they break a rule.
    """
    zone, now = locked.zone, clock.now()
    writable_types.check(zone, operations)
    lifetimes.check(operations, now)
    judged_by = context_at_the_door(locked, operations)
    built = plan.build(judged_by, zone.default_ttl, locked.images(), operations)
    notices = lifetimes.notices(operations, built.images, now)
    return replace(built, warnings=(*built.warnings, *notices))


def build_again(locked: Locked, operations: Sequence[Operation]) -> Plan:
    """Plan what was accepted before, without what the door asks of new changes."""
    zone = locked.zone
    return plan.build(context(zone), zone.default_ttl, locked.images(), operations)


def check_size(left: Mapping[Key, Image | None]) -> None:
    """Refuse what would not fit into one UPDATE message.

    ``left`` are the images that the change set leaves, or a part of them.

    Raises:
        ChangesetTooLarge: it is too large.
    """
    octets = sum(coalesce.octets(key, image) for key, image in left.items())
    if octets > coalesce.MAX_OCTETS:
        detail = (
            f"the change set takes up to {octets} octets; one UPDATE message holds "
            f"{coalesce.MAX_OCTETS} of them, and a change set travels in one"
        )
        reason = Reason("/changes", ChangesetTooLarge.code, detail)
        raise ChangesetTooLarge(detail, reasons=(reason,))


def describe(request: Request, operations: Sequence[Operation]) -> None:
    """Note on the request which RRset it is about, if it is about one."""
    keys = {operation.key for operation in operations}
    if len(keys) == 1:
        (key,) = keys
        request.name, request.type = key.name, key.type


def _row(
    request: Request, locked: Locked, step: plan.Step, was: Mapping[str, Any]
) -> Change:
    operation = step.operation
    key = operation.key
    arguments = dump_arguments(operation, locked.hints) | dict(was)
    return Change(
        request=request,
        zone=locked.zone,
        owner=locked.owners[key.name],
        rrset=locked.rrsets[key],
        name=key.name,
        type=key.type,
        action=operation.action,
        arguments=arguments,
        before=images.dump(step.before),
        after=images.dump(step.after),
        version=locked.rrsets[key].version,
        status=ChangeStatus.PENDING,
    )
