"""Plans: what a change set does, decided before anything is written.

A plan is a value between read and write. It is judged by its end state, so the
order of operations in the list does not matter. Pure: no database, network, clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from dns_records import rules, validation
from dns_records.images import Image, Key, Notice, dump
from dnsorch.exceptions import (
    DnsorchError,
    Invalid,
    PreconditionFailed,
    Reason,
    RecordExists,
    RRsetExists,
    RRsetNotFound,
)

UNSAFE_SHARE = 0.3
UNSAFE_FROM_RRSETS = 10
WHOLE = frozenset({"create", "replace", "delete", "put"})


@dataclass(frozen=True)
class Expectation:
    """The state a client expects to find: ``records`` None means absent.

    A ``ttl`` of None is not compared.
    """

    records: tuple[str, ...] | None
    ttl: int | None = None

    def holds(self, image: Image | None) -> bool:
        """Whether ``image`` is what was expected."""
        if image is None or self.records is None:
            return image is None and self.records is None
        same = set(image.records) == set(self.records)
        return same and self.ttl in (None, image.ttl)


@dataclass(frozen=True)
class Operation:
    """One operation on one RRset; names and rdata are canonical.

    ``strict`` makes an ``add`` of what is there and a ``remove`` of what is not an
    error: a single record is created or deleted once. ``pointer`` is where the
    operation stands in the body (RFC 6901). ``ptr`` says whether the PTR records of
    its addresses go with it; None leaves that to the zone. ``expires`` says when
    records go by themselves, None for never; an ``add`` leaves the life of what it
    does not name. ``expires_field`` is the field of the body that says so.
    """

    action: str
    key: Key
    ttl: int | None = None
    records: tuple[str, ...] = ()
    expected: Expectation | None = None
    strict: bool = False
    pointer: str = ""
    ptr: bool | None = None
    expires: Mapping[str, datetime | None] = field(default_factory=dict)
    expires_field: str = "expires_at"


@dataclass(frozen=True)
class Step:
    """An operation with what it finds and what the change set leaves."""

    operation: Operation
    before: Image | None
    after: Image | None


@dataclass(frozen=True)
class Plan:
    """The steps of a change set and the images it leaves."""

    zone: str
    steps: tuple[Step, ...]
    images: Mapping[Key, Image | None]
    warnings: tuple[Notice, ...] = field(default=())

    @property
    def digest(self) -> str:
        """The SHA-256 of what the plan does, in hex."""
        text = json.dumps([self.zone, self._changes()], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def unsafe(self, rrsets_in_zone: int) -> list[str]:
        """Return why a person should look at this plan before it runs."""
        touched = {
            s.operation.key: s for s in self.steps if s.before not in (None, s.after)
        }
        reasons = []
        if rrsets_in_zone >= UNSAFE_FROM_RRSETS:
            share = len(touched) / rrsets_in_zone
            if share > UNSAFE_SHARE:
                reasons.append(
                    f"{share:.0%} of the zone's RRsets would be updated or deleted"
                )
        if Key(self.zone, "NS") in touched:
            reasons.append("the NS records of the zone's apex would change")
        return reasons

    def as_dict(self, rrsets_in_zone: int) -> dict[str, Any]:
        """Return the answer to a dry run."""
        return {
            "zone": self.zone,
            "changes": self._changes(),
            "warnings": [warning.as_dict() for warning in self.warnings],
            "unsafe": self.unsafe(rrsets_in_zone),
            "digest": self.digest,
        }

    def _changes(self) -> list[dict[str, Any]]:
        return [
            {
                "name": step.operation.key.name,
                "type": step.operation.key.type,
                "action": public_action(step.operation.action),
                "before": dump(step.before),
                "after": dump(step.after),
            }
            for step in sorted(
                self.steps, key=lambda step: (step.operation.key, step.operation.action)
            )
        ]


PUBLIC_ACTIONS: Final = {"put": "replace"}


def public_action(action: str) -> str:
    """Return the action as clients know it."""
    return PUBLIC_ACTIONS.get(action, action)


def build(
    context: validation.Context,
    default_ttl: int,
    current: Mapping[Key, Image | None],
    operations: Sequence[Operation],
) -> Plan:
    """Decide what ``operations`` do to ``current``.

    ``current`` holds every RRset of every name touched: the rules of a name need
    them all. ``default_ttl`` is the zone's, in seconds.

    Raises:
        PreconditionFailed: an expectation does not hold.
        RRsetExists, RRsetNotFound, RecordExists, CNAMEConflict: the change set
            conflicts with the current state.
        Invalid: the end state breaks a rule; ``reasons`` name each.
    """
    grouped = _group(operations)
    _check_expectations(current, operations)
    warnings: list[Notice] = []
    images = {
        key: _end_state(key, current.get(key), own, default_ttl, warnings)
        for key, own in grouped.items()
    }
    pointers = {operation.key: operation.pointer for operation in operations}
    warnings += rules.judge(context, current, images, pointers)
    steps = tuple(
        Step(operation, current.get(operation.key), images[operation.key])
        for operation in operations
    )
    return Plan(context.zone, steps, images, tuple(warnings))


def alone(
    context: validation.Context, default_ttl: int, operations: Sequence[Operation]
) -> Plan:
    """Judge ``operations`` by themselves, whatever they will find.

    Returns a plan without steps: what they put, and the warnings about it.

    Raises:
        Invalid: they contradict themselves, or what they put breaks a rule.
    """
    images: dict[Key, Image | None] = {}
    pointers: dict[Key, str] = {}
    put = given(operations)
    for key, own in _group(operations).items():
        ttl = next((each.ttl for each in own if each.ttl is not None), default_ttl)
        image = put[key]
        images[key] = Image.of(ttl, image.records) if image else None
        pointers[key] = own[-1].pointer
    warnings = tuple(rules.judge_rrsets(context, images, pointers))
    return Plan(context.zone, (), images, warnings)


def given(operations: Sequence[Operation]) -> dict[Key, Image | None]:
    """Return what ``operations`` put into each RRset, whatever is there already."""
    put: dict[Key, set[str]] = {}
    for operation in operations:
        own = put.setdefault(operation.key, set())
        if operation.action != "remove":
            own.update(operation.records)
    return {key: Image.of(0, records) for key, records in put.items()}


def _group(operations: Sequence[Operation]) -> dict[Key, list[Operation]]:
    grouped: dict[Key, list[Operation]] = {}
    for operation in operations:
        grouped.setdefault(operation.key, []).append(operation)
    reasons = []
    for key, own in grouped.items():
        if len(own) > 1 and any(each.action in WHOLE for each in own):
            reasons.append(
                Reason(
                    own[-1].pointer,
                    "rrset_repeated",
                    f"{key.name} {key.type} is created, replaced or deleted by one "
                    "operation only, and not together with add or remove",
                )
            )
        added = {r for each in own if each.action == "add" for r in each.records}
        removed = {r for each in own if each.action == "remove" for r in each.records}
        for record in sorted(added & removed):
            reasons.append(
                Reason(
                    own[-1].pointer,
                    "contradiction",
                    f"{key.name} {key.type} {record} is both added and removed",
                )
            )
        ttls = {each.ttl for each in own if each.ttl is not None}
        if len(ttls) > 1:
            reasons.append(
                Reason(
                    own[-1].pointer + "/ttl",
                    "ttl_conflict",
                    f"{key.name} {key.type} has one TTL (RFC 2181 section 5.2), "
                    f"not {len(ttls)}",
                )
            )
    if reasons:
        raise Invalid("the change set contradicts itself", reasons=tuple(reasons))
    return grouped


def _check_expectations(
    current: Mapping[Key, Image | None], operations: Sequence[Operation]
) -> None:
    for operation in operations:
        expected, found = operation.expected, current.get(operation.key)
        if expected is not None and not expected.holds(found):
            name, rtype = operation.key
            detail = f"{name} {rtype} is not what was expected"
            raise PreconditionFailed(
                detail,
                reasons=(
                    Reason(
                        operation.pointer + "/expected", "precondition_failed", detail
                    ),
                ),
                extra={"current": dump(found)},
            )


def _end_state(
    key: Key,
    found: Image | None,
    operations: Sequence[Operation],
    default_ttl: int,
    warnings: list[Notice],
) -> Image | None:
    """Return the image that ``operations`` on one RRset leave."""
    first = operations[0]
    if first.action == "create" and found:
        raise _refusal(RRsetExists, first, f"{key.name} {key.type} exists already")
    if first.action in ("replace", "delete") and not found:
        raise _refusal(RRsetNotFound, first, f"{key.name} {key.type} does not exist")
    if first.action == "delete":
        return None
    ttl = next((each.ttl for each in operations if each.ttl is not None), None)
    kept = found.ttl if found else default_ttl
    if first.action in WHOLE:
        return Image.of(kept if ttl is None else ttl, first.records)
    records = _added_and_removed(key, found, operations, warnings)
    after = Image.of(kept if ttl is None else ttl, records)
    if after and found and after.ttl != found.ttl and set(records) & set(found.records):
        warnings.append(
            Notice(
                "ttl_shared",
                f"the TTL of {key.name} {key.type} belongs to all its records "
                f"(RFC 2181 section 5.2): it changes from {found.ttl} to {after.ttl}",
                first.pointer + "/ttl",
            )
        )
    return after


def _added_and_removed(
    key: Key,
    found: Image | None,
    operations: Sequence[Operation],
    warnings: list[Notice],
) -> set[str]:
    there = set(found.records) if found else set()
    records = set(there)
    for operation in operations:
        adding = operation.action == "add"
        for record in operation.records:
            if (record in there) is not adding:
                (records.add if adding else records.discard)(record)
                continue
            says = "exists already" if adding else "does not exist"
            detail = f"{key.name} {key.type} {record} {says}"
            if operation.strict:
                refusal = RecordExists if adding else RecordNotFound
                raise _refusal(refusal, operation, detail)
            if adding and record in operation.expires:
                continue  # it is there, and is given another life
            code = "record_exists" if adding else "record_not_found"
            warnings.append(Notice(code, detail + ": nothing to do", operation.pointer))
    return records


class PlanChanged(PreconditionFailed):
    """The plan is another one by now than the plan that was approved."""

    code = "plan_changed"


def check_approval(shown: Mapping[str, Any], digest: str) -> None:
    """Refuse a plan whose digest is not the one that somebody approved.

    ``shown`` is the plan as a dry run answers with it.

    Raises:
        PlanChanged: it is another; ``plan`` of the problem is how it is now.
    """
    if shown["digest"] == digest:
        return
    detail = (
        f"the plan has digest {shown['digest']} now, not the one approved; "
        "look at it anew and send its digest"
    )
    raise PlanChanged(
        detail,
        reasons=(Reason("/digest", PlanChanged.code, detail),),
        extra={"plan": shown},
    )


class RecordNotFound(RRsetNotFound):
    """The record that was to be changed is not there."""

    code = "record_not_found"
    status = 404


def _refusal(
    error: type[DnsorchError], operation: Operation, detail: str
) -> DnsorchError:
    return error(detail, reasons=(Reason(operation.pointer, error.code, detail),))
