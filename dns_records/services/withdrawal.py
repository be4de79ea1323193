"""Taking a change set out of the wanted state, and replaying what came after it.

The wanted state is the applied image with all pending changes replayed in accepted
order. So when a change set fails for good or is cancelled, what is pending on its
owner names is planned anew without it; what no longer fits fails too, naming it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

from django.db import transaction

from dns_records import lifetimes, plan
from dns_records.images import Image, Key, dump
from dns_records.lifetimes import Lives
from dns_records.models import Change, ChangeStatus, RRset, Zone
from dns_records.services import arguments, changes, outcomes, wanted
from dns_records.services.wanted import Locked
from dnsorch.exceptions import DnsorchError, IllegalTransition
from requests_tracker.models import Request
from requests_tracker.status import CANCELLABLE

Close = Callable[[set[UUID], Mapping[UUID, DnsorchError]], None]
"""Closes what is withdrawn, and with it the requests that no longer fit."""

UNDECIDED = (ChangeStatus.PENDING, ChangeStatus.SENT)


class DependencyFailed(DnsorchError):
    """The change set needs an earlier one, which failed or was cancelled."""

    code = "dependency_failed"
    status = 409


class _NamesGrew(Exception):
    """Somebody accepted a change that ties more names together."""


def fail(zone: Zone, errors: Mapping[UUID, DnsorchError]) -> None:
    """Fail queued requests for good, each with its reason.

    Whatever else is pending on their names is planned anew; in one transaction. One
    that is on its way by now is left alone.
    """

    def close(gone: set[UUID], dependents: Mapping[UUID, DnsorchError]) -> None:
        own = {key: error for key, error in errors.items() if key in gone}
        outcomes.fail(zone.pk, {**own, **dependents})

    _retrying(zone, set(errors), close, ChangeStatus.FAILED)


def cancel(zone: Zone, request_id: UUID, by: str) -> None:
    """Cancel a request that is not on its way yet.

    Raises:
        IllegalTransition: it is on its way, or final.
    """

    def close(gone: set[UUID], dependents: Mapping[UUID, DnsorchError]) -> None:
        if not gone:
            state = Request.objects.values_list("status", flat=True).get(pk=request_id)
            raise IllegalTransition(f"a request that is {state} cannot be cancelled")
        outcomes.cancel(zone.pk, [request_id], by)
        outcomes.fail(zone.pk, dependents)

    _retrying(zone, {request_id}, close, ChangeStatus.CANCELLED)


def _retrying(zone: Zone, gone: set[UUID], close: Close, status: ChangeStatus) -> None:
    """Withdraw ``gone``; anew with more names if they grew before the lock."""
    while True:
        names = _closure(zone, gone)
        try:
            with transaction.atomic():
                _withdraw(zone, gone, names, close, status)
            return
        except _NamesGrew:
            continue


def _withdraw(
    zone: Zone, gone: set[UUID], names: set[str], close: Close, status: ChangeStatus
) -> None:
    locked = wanted.lock(zone, names)
    if not _closure(zone, gone) <= names:
        raise _NamesGrew
    # A drain that claims one of them meanwhile waits here, then sees new images.
    requests = {change.request_id for change in _undecided(zone, names)} | gone
    rows = Request.objects.select_for_update().filter(pk__in=requests).order_by("pk")
    still_here = {row.pk for row in rows if row.status in CANCELLABLE}
    gone = gone & still_here
    if not gone:
        close(gone, {})
        return
    undecided = _undecided(zone, names)
    # What was decided before the requests were locked is in the applied images.
    for row in RRset.objects.filter(zone=zone, name__in=names):
        locked.rrsets[Key(row.name, row.type)].applied = row.applied
    withdrawn, dependents, images = _replay(locked, undecided, gone)
    _bring_back(locked, [each for each in undecided if each.request_id in withdrawn])
    wanted.write(locked, images)
    Change.objects.bulk_update(
        [change for change in undecided if change.request_id not in withdrawn],
        ["before", "after"],
    )
    mine = Change.objects.filter(zone=zone, status=ChangeStatus.PENDING)
    mine.filter(request__in=gone).update(status=status)
    mine.filter(request__in=dependents).update(status=ChangeStatus.FAILED)
    close(gone, dependents)


def _bring_back(locked: Locked, withdrawn: Sequence[Change]) -> None:
    """Have the records that were taken away come back with the ids they had.

    And each with the life it had, but where what stays gives it one.
    """
    lives: Lives = {}
    there = {(key, each.rdata) for key, own in locked.records.items() for each in own}
    for change in reversed(withdrawn):
        for which, hint in arguments.load_leaving(change).items():
            if which not in there:
                locked.hints[which] = hint
        lives |= arguments.load_lives(change)
    locked.lives = lives | locked.lives


def _closure(zone: Zone, gone: Iterable[UUID]) -> set[str]:
    """Return the names of ``gone`` and of all that is pending on one of them."""
    by_request: dict[UUID, set[str]] = defaultdict(set)
    pending = Change.objects.filter(zone=zone, status__in=UNDECIDED)
    for request_id, name in pending.values_list("request_id", "name"):
        by_request[request_id].add(name)
    closure: set[str] = set()
    for request_id in gone:
        closure |= by_request.get(request_id, set())
    grown = True
    while grown:
        grown = False
        for names in by_request.values():
            if names & closure and not names <= closure:
                closure |= names
                grown = True
    return closure


def _undecided(zone: Zone, names: set[str]) -> list[Change]:
    rows = Change.objects.filter(zone=zone, status__in=UNDECIDED, name__in=names)
    return list(rows.order_by("id"))


def _replay(
    locked: Locked, undecided: list[Change], gone: set[UUID]
) -> tuple[set[UUID], dict[UUID, DnsorchError], dict[Key, Image | None]]:
    """Plan all that is pending anew, in accepted order, on the applied images.

    Returns what is withdrawn in all, the requests among it that no longer fit, and
    the images that are wanted now.
    """
    images = {key: Image.load(row.applied) for key, row in locked.rrsets.items()}
    by_request: dict[UUID, list[Change]] = defaultdict(list)
    for change in undecided:
        by_request[change.request_id].append(change)
    dependents: dict[UUID, DnsorchError] = {}
    for request_id, own in by_request.items():
        if request_id in gone:
            continue
        if own[0].status == ChangeStatus.SENT:
            # It is on the wire as it is.
            images.update(
                {Key(each.name, each.type): Image.load(each.after) for each in own}
            )
            continue
        try:
            _replan(locked, own, images)
        except DnsorchError as error:
            first = next(iter(sorted(gone, key=str)))
            dependents[request_id] = DependencyFailed(
                f"without request {first} this no longer fits: {error.detail}"
            )
    return gone | set(dependents), dependents, images


def _replan(locked: Locked, own: list[Change], images: dict[Key, Image | None]) -> None:
    operations = [arguments.load_operation(change) for change in own]
    locked.lives |= lifetimes.given(operations, own[0].request_id)
    context = changes.context(locked.zone)
    planned = plan.build(context, locked.zone.default_ttl, images, operations)
    for change in own:
        locked.hints.update(arguments.load_hints(change))
    for change, step in zip(own, planned.steps, strict=True):
        change.before, change.after = dump(step.before), dump(step.after)
    images.update(planned.images)
