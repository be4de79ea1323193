"""Several simple changes accepted in one transaction.

Simple is what is about one zone and needs no more names than its own: no PTR records
beside it, no time to wait for, no plan that was approved. Each change set finds what
those before it leave, and is accepted or refused by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeGuard

from dns_records import names, ptr
from dns_records.models import Change, PtrPolicy, Zone
from dns_records.plan import Operation
from dns_records.services import changes, neighbours, wake
from dns_records.services.changes import ChangeSet
from dns_records.services.finding import Remembering
from dns_records.services.lots import Lot
from dns_records.services.records import CreateRecord
from dnsorch import bulk
from dnsorch.exceptions import DnsorchError, Invalid
from dnsorch.tokens.access import Access
from requests_tracker.services import lifecycle, together
from requests_tracker.services.timeline import Entry
from requests_tracker.services.together import Call

Simple = ChangeSet | CreateRecord


class NotSimple(Exception):
    """One of the changes has others beside it."""


@dataclass(eq=False)
class SimpleCall(Call):
    """A simple change, or why there is none to be read."""

    change: Simple | DnsorchError
    zone: Zone = field(init=False)
    operations: list[Operation] = field(init=False)
    rows: list[Change] = field(init=False)
    entries: list[Entry] = field(init=False)

    @cached_property
    def weight(self) -> int:
        """How many operations it has."""
        return len(self.change.drafts) if isinstance(self.change, ChangeSet) else 1

    @property
    def names(self) -> set[str]:
        """The owner names that it is about."""
        return {operation.key.name for operation in self.operations}


def is_simple(asked: object) -> TypeGuard[Simple]:
    """Whether a submission is simple, as far as it tells itself."""
    if type(asked) is ChangeSet:
        # Any other kind of change set is more than that.
        return asked.digest is None and not any(each.ptr for each in asked.drafts)
    return type(asked) is CreateRecord and not asked.ptr


def submit(asked: Sequence[SimpleCall], access: Access) -> None:
    """Accept or reject simple changes, each at most once for its idempotency key.

    Raises:
        NotSimple: one has others beside it; nothing is stored.
        DnsorchError, DatabaseError: nothing is stored.
    """
    together.run(asked, lambda new: _perform(new, access))


def _perform(new: Sequence[SimpleCall], access: Access) -> None:
    _read(new, access)
    lots = _lock(new)
    for each in new:
        if each.error is None:
            _plan(each, lots[each.zone.pk])
    accepted = [each for each in new if each.error is None]
    for lot in lots.values():
        lot.save()
    # As for one: taken under the locks, the ids rise in the order of acceptance.
    bulk.insert(row for each in accepted for row in each.rows)
    for each in accepted:
        each.request.first_changes = each.rows
    lifecycle.open_all_queued(
        (each.request, [each.origin.received(), *each.entries]) for each in accepted
    )
    for zone_id in dict.fromkeys(each.zone.pk for each in accepted):
        wake.after_commit(zone_id)


def _read(new: Sequence[SimpleCall], access: Access) -> None:
    """Find the zone of each, and what is to be done in it."""
    find = Remembering(_held(new))
    for each in new:
        try:
            if isinstance(each.change, DnsorchError):
                raise each.change
            each.zone, each.operations = each.change.read(access, each.request, find)
        except DnsorchError as error:
            each.error = error
            continue
        if each.zone.ptr_policy == PtrPolicy.ON and any(
            operation.key.type in ptr.ADDRESSES for operation in each.operations
        ):
            raise NotSimple


def _held(new: Sequence[SimpleCall]) -> Iterator[str]:
    """Yield the names whose zone is not given."""
    for each in new:
        if isinstance(each.change, CreateRecord) and not each.change.zone:
            try:
                yield names.absolute_name(each.change.name)
            except Invalid:
                continue  # it is told why when it is read


def _lock(new: Sequence[SimpleCall]) -> dict[int, Lot]:
    """Lock the names of all, zone by zone in the order in which everybody does."""
    zones: dict[int, Zone] = {}
    wanted: dict[int, set[str]] = defaultdict(set)
    for each in new:
        if each.error is None:
            zones[each.zone.pk] = each.zone
            wanted[each.zone.pk] |= each.names
    return {zone_id: Lot(zones[zone_id], wanted[zone_id]) for zone_id in sorted(zones)}


def _plan(each: SimpleCall, lot: Lot) -> None:
    """Make one the wanted state in memory, or keep why it is refused."""
    assert not isinstance(each.change, DnsorchError)  # else it has an error
    if neighbours.looks_around(each.operations):
        lot.save()  # so that it finds what those before it leave
    part = lot.part(each.names)
    try:
        prepared = each.change.plan(each.request, part, each.operations)
        changes.check_size(prepared.plan.images)
    except DnsorchError as error:
        each.error = error
        return
    each.rows = changes.make_wanted(
        each.request, part, prepared.plan, prepared.rrset_comments
    )
    each.entries = changes.entries(prepared)
    lot.keep(part)
