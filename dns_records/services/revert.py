"""Reverting a request: a new one, linked to it, that puts back what it found.

Only what is still as the request left it is put back: what somebody else has made of
it since is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dns_records import images
from dns_records.images import Image, Key
from dns_records.models import Change, ChangeStatus, Zone
from dns_records.plan import Expectation, Operation
from dns_records.services import arguments, changes, imports, wanted, zones
from dns_records.services.changes import Prepared
from dns_records.services.verification import NotVerified
from dns_records.services.wanted import Locked
from dnsorch.exceptions import Conflict, IllegalTransition, Reason
from dnsorch.tokens.access import Access
from requests_tracker import selectors as tracker
from requests_tracker.models import Request
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

    def prepare_each(self, access: Access, request: Request) -> list[Prepared]:
        """Lock the names of the original and plan the way back, in each of its zones.

        Raises:
            NotFound: there is no such request, or it is not theirs to see.
            Forbidden: they may only read it.
            IllegalTransition: it was not applied, or it changed nothing.
            ChangedSince: an RRset is not as the request left it.
        """
        first = tracker.requests.get(access, self.original)
        request.zone, request.name, request.type = first.zone, first.name, first.type
        request.revert_of = first
        by_zone: dict[str, list[Request]] = {}
        for part in _applied(first):
            by_zone.setdefault(part.zone, []).append(part)
        found = [
            (_zone(access, name), _effective(own)) for name, own in by_zone.items()
        ]
        ways = [(zone, stored) for zone, stored in found if stored]
        if not ways:
            raise IllegalTransition(
                "the request changed nothing that could be put back"
            )
        ways.sort(key=lambda way: way[0].pk)  # the order of locking
        return [_way_back(zone, stored) for zone, stored in ways]


def _applied(request: Request) -> list[Request]:
    """Return what of a request was applied: itself, or its parts.

    What an import took over was in DNS before: it is not taken out of it.

    Raises:
        IllegalTransition: it was not applied.
    """
    if not was_applied(request):
        why = f", {request.error_code}" if request.error_code else ""
        raise IllegalTransition(
            f"a request that is {request.status}{why} cannot be reverted; "
            "one that was applied can"
        )
    parts = Request.objects.filter(part_of=request).order_by("pk")
    return list(parts) or ([] if request.action == imports.ACTION else [request])


def _way_back(zone: Zone, stored: Sequence[Change]) -> Prepared:
    """Lock the names of changes that are in effect and plan to undo them.

    Raises:
        ChangedSince: an RRset is not as the request left it.
    """
    locked = wanted.lock(zone, {change.name for change in stored})
    _check_unchanged(locked, stored)
    operations = [_back(change) for change in stored]
    for change, operation in zip(stored, operations, strict=True):
        _keep_id(locked, change, operation)
    return Prepared(locked, changes.build(locked, operations))


def _zone(access: Access, name: str) -> Zone:
    """Return the zone of a request that can be reverted.

    Raises:
        IllegalTransition: it was forgotten.
        Forbidden: it may only be read.
    """
    zone = zones.find_for_write(access, name)
    if zone is None:
        raise IllegalTransition(f"its zone {name} is not registered any more")
    return zone


def _effective(requests: Sequence[Request]) -> list[Change]:
    """Return one change for each RRset of a zone that requests made another.

    Several operations on one RRset have the same images: the first stands for all.
    """
    rows = Change.objects.filter(request__in=requests).order_by("id")
    changed: dict[int, Change] = {}
    for each in rows:
        if each.before != each.after:
            changed.setdefault(each.rrset_id, each)
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
        .exclude(request__in={each.request_id for each in stored})
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
