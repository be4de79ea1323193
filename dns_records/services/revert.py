"""Reverting a request: a new one, linked to it, that puts back what it found.

Only what is still as the request left it is put back: what somebody else has made of
it since is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from dns_records import images, plan
from dns_records.images import Image, Key
from dns_records.models import Change, ChangeStatus, Zone
from dns_records.plan import Expectation, Operation
from dns_records.selectors import rrsets
from dns_records.services import arguments, changes, wanted, zones
from dns_records.services.changes import Prepared
from dns_records.services.verification import NotVerified
from dns_records.services.wanted import Locked
from dnsorch.exceptions import Conflict, IllegalTransition, Reason
from dnsorch.tokens.access import Access
from requests_tracker import selectors as tracker
from requests_tracker.models import Request
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin
from requests_tracker.status import Status

ACTION = "revert"
# Changes that did not become, or do not stay, a part of the wanted state.
UNDONE = (ChangeStatus.FAILED, ChangeStatus.CANCELLED)


class ChangedSince(Conflict):
    """Somebody has changed an RRset since the request that is to be reverted."""

    code = "changed_since"


def was_applied(request: Request) -> bool:
    """Say whether a request's changes became, and stay, what is wanted."""
    not_verified = request.error_code == NotVerified.code
    return request.status == Status.COMPLETED or (
        request.status == Status.FAILED and not_verified
    )


@dataclass(frozen=True)
class Revert:
    """The before-images of a request that was applied, to be put back.

    ``digest`` is that of the plan which the client approves, if there is one.
    """

    original: UUID
    digest: str | None = None

    @property
    def operation(self) -> dict[str, str]:
        """What is asked for, as JSON: an idempotency key stands for it."""
        asked = {"action": ACTION, "request": str(self.original)}
        return asked | ({"digest": self.digest} if self.digest else {})

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Lock the names of the original and plan the way back.

        Raises:
            NotFound: there is no such request, or it is not theirs to see.
            Forbidden: they may only read it.
            IllegalTransition: it was not applied, or it changed nothing.
            ChangedSince: an RRset is not as the request left it.
            PlanChanged: the plan is not the one that the client approves.
        """
        first = tracker.requests.get(access, self.original)
        request.zone, request.name, request.type = first.zone, first.name, first.type
        request.revert_of = first
        zone = _zone(access, first)
        stored = _effective(first)
        locked = wanted.lock(zone, {change.name for change in stored})
        _check_unchanged(locked, stored)
        operations = [_back(change) for change in stored]
        for change, operation in zip(stored, operations, strict=True):
            _keep_id(locked, change, operation)
        planned = changes.build(locked, operations)
        if self.digest is not None:
            shown = planned.as_dict(rrsets.counted(zone))
            plan.check_approval(shown, self.digest)
        return Prepared(locked, planned)


def submit(access: Access, origin: Origin, revert: Revert, doorway: Doorway) -> Answer:
    """Accept or reject a revert, at most once for its idempotency key."""
    return changes.submit(
        lambda: revert,
        access=access,
        origin=replace(origin, action=ACTION),
        operation=revert.operation,
        doorway=doorway,
    )


def _zone(access: Access, request: Request) -> Zone:
    """Return the zone of a request that can be reverted."""
    zone = Zone.objects.select_related("backend").filter(name=request.zone).first()
    if zone is not None:
        zones.check_write(access, zone)
    if not was_applied(request):
        why = f", {request.error_code}" if request.error_code else ""
        raise IllegalTransition(
            f"a request that is {request.status}{why} cannot be reverted; "
            "one that was applied can"
        )
    if zone is None:
        raise IllegalTransition("its zone is not registered any more")
    return zone


def _effective(request: Request) -> list[Change]:
    """Return one change for each RRset that the request made another.

    Several operations on one RRset have the same images: the first stands for all.

    Raises:
        IllegalTransition: there is none.
    """
    rows = Change.objects.filter(request=request).order_by("id")
    changed: dict[int, Change] = {}
    for each in rows:
        if each.before != each.after:
            changed.setdefault(each.rrset_id, each)
    if not changed:
        raise IllegalTransition("the request changed nothing that could be put back")
    return list(changed.values())


def _check_unchanged(locked: Locked, stored: Sequence[Change]) -> None:
    """Refuse if an RRset is not as the request left it, or was changed and back.

    Raises:
        ChangedSince: it names each, and by which request.
    """
    last = _changed_since(stored)
    found: list[dict[str, Any]] = []
    for change in stored:
        key = Key(change.name, change.type)
        later = last.get(change.rrset_id)
        if later is None and images.dump(locked.image(key)) == change.after:
            continue
        by = str(later.request_id) if later else None
        found.append({"name": key.name, "type": key.type, "request_id": by})
    if not found:
        return
    reasons = tuple(Reason("", ChangedSince.code, _sentence(each)) for each in found)
    raise ChangedSince(reasons[0].detail, reasons=reasons, extra={"changed": found})


def _sentence(changed: Mapping[str, Any]) -> str:
    by = changed["request_id"]
    how = f"was changed since by request {by}" if by else "is not as it was left"
    return f"{changed['name']} {changed['type']} {how}"


def _changed_since(stored: Sequence[Change]) -> dict[int, Change]:
    """Return by RRset the last change that came later and made it another."""
    own = {each.rrset_id: each.pk for each in stored}
    later = (
        Change.objects.filter(rrset__in=list(own), pk__gt=min(own.values()))
        .exclude(status__in=UNDONE)
        .exclude(request=stored[0].request_id)
        .order_by("id")
    )
    return {
        each.rrset_id: each
        for each in later
        if each.pk > own[each.rrset_id] and each.before != each.after
    }


def _back(change: Change) -> Operation:
    """Return the operation that undoes a change, should it still stand."""
    before, after = Image.load(change.before), Image.load(change.after)
    expected = Expectation(after.records, after.ttl) if after else Expectation(None)
    key = Key(change.name, change.type)
    if before is None:
        return Operation("delete", key, expected=expected)
    action = "replace" if after else "create"
    return Operation(action, key, before.ttl, before.records, expected=expected)


def _keep_id(locked: Locked, change: Change, operation: Operation) -> None:
    """Have a record come back with the id it had.

    A stored change has one id for all the records it names, so only where it is one.
    """
    own = arguments.load_leaving(change)
    for record in operation.records if len(operation.records) == 1 else ():
        which = (operation.key, record)
        if which in own:
            locked.hints[which] = own[which]
