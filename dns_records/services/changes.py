"""Accepting changes: validated, planned and stored as the wanted state.

Called within the transaction of :mod:`requests_tracker.services.acceptance`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction

from dns_records import coalesce, drafts, images, plan, validation
from dns_records.drafts import Draft
from dns_records.images import Image, Key
from dns_records.models import Change, ChangeStatus, RRset, Zone
from dns_records.plan import Expectation, Operation, Plan
from dns_records.services import wake, wanted, zones
from dns_records.services.wanted import Hint, Locked
from dnsorch.exceptions import ChangesetTooLarge, PreconditionFailed, Reason
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


@dataclass(frozen=True)
class Precondition:
    """``If-Match`` and ``If-None-Match: *`` (RFC 9110 section 13.1).

    ``versions`` are those of the client's entity tags; None stands for ``*``.
    """

    versions: frozenset[str] | None = None
    absent: bool = False

    def expect(self, locked: Locked, key: Key) -> Expectation:
        """Return the image that has to hold if the precondition holds now.

        What a tag compares is the version; what has to hold still, should an earlier
        change be taken out, is the image.

        Raises:
            PreconditionFailed: it does not hold.
        """
        found = locked.image(key)
        version = str(locked.rrsets[key].version) if found else None
        if self.absent:
            holds = found is None
        else:
            holds = found is not None and (
                self.versions is None or version in self.versions
            )
        if not holds:
            state = f"it has version {version}" if found else "it does not exist"
            raise PreconditionFailed(
                f"{key.name} {key.type} is not in the state asked for: {state}",
                extra={"current": images.dump(found), "current_version": version},
            )
        return Expectation(found.records, found.ttl) if found else Expectation(None)


@dataclass(frozen=True)
class ChangeSet:
    """A v2 change set, or one RRset written or deleted, as the client wrote it.

    ``comment`` is about the request; ``rrset_comment`` about the one RRset, whose
    comment it becomes unless ``keeps_comment``.
    """

    zone: str
    drafts: Sequence[Draft]
    comment: str | None = None
    rrset_comment: str | None = None
    keeps_comment: bool = True
    precondition: Precondition | None = None

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Find the zone, lock the names, plan.

        Raises:
            DnsorchError: the change set is wrong, not allowed, or conflicts.
        """
        zone = drafts.placed("/zone", lambda: zones.get_for_write(access, self.zone))
        request.zone = zone.name
        request.comment = self.comment
        operations = drafts.read(self.drafts, zone.name)
        describe(request, operations)
        # Before anybody has to wait for our locks.
        check_size(plan.given(operations))
        locked = wanted.lock(zone, {operation.key.name for operation in operations})
        if self.precondition is not None:
            (only,) = operations
            expected = self.precondition.expect(locked, only.key)
            operations = [replace(only, expected=expected)]
        prepared = Prepared(locked, build(locked, operations))
        if not self.keeps_comment:
            prepared.rrset_comments[operations[0].key] = self.rrset_comment
        return prepared


class Submission(Protocol):
    """What can be accepted or planned: a change set, or one record's change."""

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Find the zone, lock the names, plan; fill in what the tracker shows."""


def submit(
    read: Callable[[], Submission],
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
        store(request, origin, read().prepare(access, request))

    return acceptance.run(origin, operation=operation, perform=perform, doorway=doorway)


def dry_run(
    read: Callable[[], Submission], *, access: Access, origin: Origin
) -> dict[str, Any]:
    """Return the plan of what ``read`` returns, as JSON; nothing is stored or sent.

    Raises:
        DnsorchError: what the real write would be rejected with.
    """
    with transaction.atomic():
        prepared = read().prepare(access, origin.request())
        check_size(prepared.plan.images)
        answer = prepared.plan.as_dict(rrsets_in(prepared.locked.zone))
        transaction.set_rollback(True)
    return answer


def store(request: Request, origin: Origin, prepared: Prepared) -> None:
    """Store the plan: wanted state, changes, request; wake the lane after commit.

    Raises:
        ChangesetTooLarge: it does not fit into one message.
    """
    locked, planned = prepared.locked, prepared.plan
    zone = locked.zone
    check_size(planned.images)
    rows = write(request, locked, planned, prepared.rrset_comments)
    # Ids are taken here, under the locks: per owner name they rise in the order of
    # acceptance, which is the order in which changes reach DNS.
    Change.objects.bulk_create(rows)
    count = len(planned.steps)
    entries = [
        origin.received(),
        Entry(
            Step.VALIDATED,
            f"{count} change(s) of {zone.name} are valid",
            data={"warnings": [each.as_dict() for each in planned.warnings]},
        ),
        *([Entry(Step.VALIDATED, prepared.note, "warning")] if prepared.note else []),
        Entry(Step.STORED, "stored as the wanted state"),
        Entry(Step.ENQUEUED, f"waits in the lane of {zone.name}"),
    ]
    lifecycle.open_queued(request, entries)
    wake.after_commit(zone.pk)


def write(
    request: Request,
    locked: Locked,
    planned: Plan,
    comments: Mapping[Key, str | None] | None = None,
    *,
    held: bool = False,
) -> list[Change]:
    """Make the plan the wanted state; return its changes, which are not stored yet.

    ``held``: the update server has it so already.
    """
    leaving = _leaving(locked, planned)
    wanted.write(locked, planned.images, comments, held=held)
    return [
        _row(request, locked, step, leaving.pop(step.operation.key, {}))
        for step in planned.steps
    ]


def context(zone: Zone) -> validation.Context:
    """Return what the rules need to know about a zone."""
    return validation.Context(zone=zone.name)


def build(locked: Locked, operations: Sequence[Operation]) -> Plan:
    """Plan ``operations`` against the wanted state of the locked names."""
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


def rrsets_in(zone: Zone) -> int:
    """Return how many RRsets the zone has."""
    return RRset.objects.filter(zone=zone, present=True).count()


def _leaving(locked: Locked, planned: Plan) -> dict[Key, dict[str, Any]]:
    """Return the records that the plan takes away or gives another value."""
    found: dict[Key, dict[str, Any]] = {}
    for key, image in planned.images.items():
        kept = image.records if image else ()
        own = {
            record.rdata: {"id": str(record.pk), "comment": record.comment}
            for record in locked.records.get(key, ())
            if record.rdata not in kept
        }
        if own:
            found[key] = own
    return found


def _row(
    request: Request, locked: Locked, step: plan.Step, leaving: Mapping[str, Any]
) -> Change:
    operation = step.operation
    key = operation.key
    arguments = dump_arguments(operation, locked)
    if leaving:
        arguments["leaving"] = leaving
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


def dump_arguments(operation: Operation, locked: Locked) -> dict[str, Any]:
    """Return what :func:`load_operation` needs to plan the operation anew."""
    arguments: dict[str, Any] = {
        "ttl": operation.ttl,
        "records": list(operation.records),
        "strict": operation.strict,
    }
    if (expected := operation.expected) is not None:
        records = expected.records
        arguments["expected"] = {
            "ttl": expected.ttl,
            "records": None if records is None else list(records),
        }
    for record in operation.records:
        if hint := locked.hints.get((operation.key, record)):
            arguments["record_id"] = str(hint.record_id)
            arguments["record_comment"] = hint.comment
    return arguments


def load_operation(change: Change) -> Operation:
    """Return the operation of a stored change, to be planned anew."""
    arguments = change.arguments
    expected = arguments.get("expected")
    return Operation(
        action=change.action,
        key=Key(change.name, change.type),
        ttl=arguments["ttl"],
        records=tuple(arguments["records"]),
        strict=arguments["strict"],
        expected=expected
        and Expectation(
            None if expected["records"] is None else tuple(expected["records"]),
            expected["ttl"],
        ),
    )


def load_hints(change: Change) -> dict[tuple[Key, str], Hint]:
    """Return what a stored change says about the record it makes."""
    arguments = change.arguments
    if "record_id" not in arguments:
        return {}
    hint = Hint(UUID(arguments["record_id"]), arguments["record_comment"])
    key = Key(change.name, change.type)
    return {(key, record): hint for record in arguments["records"]}


def load_leaving(change: Change) -> dict[tuple[Key, str], Hint]:
    """Return which records come back, with their ids, if a change is taken out."""
    key = Key(change.name, change.type)
    return {
        (key, record): Hint(UUID(was["id"]), was["comment"])
        for record, was in change.arguments.get("leaving", {}).items()
    }
