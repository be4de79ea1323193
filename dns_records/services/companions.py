"""PTR records that go with the addresses of a change set, in the same request.

Which ones are needed is known once the addresses are planned; their names are locked
in order with all others, so everything is planned twice where there are some.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.db.models import Q

from dns_records import lifetimes, names, ptr
from dns_records.images import Key, Notice
from dns_records.models import PtrPolicy, Zone
from dns_records.plan import Operation
from dns_records.ptr import Wish
from dns_records.services import changes, wanted, zones
from dns_records.services.changes import Prepared
from dnsorch.exceptions import DnsorchError
from dnsorch.tokens.access import Access

Names = Mapping[int, set[str]]


@dataclass
class Companions:
    """The PTR records that a request's addresses ask for, by place."""

    zones: dict[int, Zone] = field(default_factory=dict)
    wishes: dict[int, dict[str, list[Wish]]] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)

    @property
    def names(self) -> Names:
        """The names to be locked, by zone."""
        return {zone_id: set(own) for zone_id, own in self.wishes.items()}


def find(access: Access, prepared: Sequence[Prepared]) -> Companions:
    """Return what goes with the addresses that are planned."""
    found = Companions()
    wishes = [wish for each in prepared for wish in _wishes(each, found.notices)]
    if not wishes:
        return found
    reverse = _reverse_zones({wish.address for wish in wishes})
    for wish in wishes:
        place = ptr.place(wish.address, reverse)
        if place is None or not access.may_write(place.zone):
            # Of a zone that is not theirs nothing is told, not even that it is there.
            found.notices += ptr.missing([wish])
            continue
        zone = reverse[place.zone]
        found.zones[zone.pk] = zone
        own = found.wishes.setdefault(zone.pk, {})
        own.setdefault(place.name, []).append(wish)
    return found


def add(prepared: Sequence[Prepared], found: Companions) -> list[Prepared]:
    """Return what is planned with its companions, their names locked by now."""
    by_zone = {each.locked.zone.pk: each for each in prepared}
    notices = list(found.notices)
    for zone_id, own in sorted(found.wishes.items()):
        planned = _with(by_zone.get(zone_id), found.zones[zone_id], own, notices)
        if planned is not None:
            by_zone[zone_id] = planned
    result = [by_zone[zone_id] for zone_id in sorted(by_zone)]
    if notices:
        _tell(prepared, result, notices)
    return result


def _tell(
    prepared: Sequence[Prepared], result: list[Prepared], notices: Sequence[Notice]
) -> None:
    """Add each notice to the plan of the zone whose address it is about.

    Who may read one of the zones of a request may not read the others.
    """
    asked = {
        step.operation.pointer: each.locked.zone.pk
        for each in prepared
        for step in each.plan.steps
    }
    for index, each in enumerate(result):
        own = [n for n in notices if asked[n.pointer] == each.locked.zone.pk]
        if own:
            told = replace(each.plan, warnings=(*each.plan.warnings, *own))
            result[index] = replace(each, plan=told)


def _wishes(prepared: Prepared, notices: list[Notice]) -> Iterator[Wish]:
    """Yield what the plan of one zone wants of the PTR records of its addresses."""
    by_default = prepared.locked.zone.ptr_policy == PtrPolicy.ON
    asked: dict[Key, list[Operation]] = defaultdict(list)
    for step in prepared.plan.steps:
        if step.operation.key.type in ptr.ADDRESSES:
            asked[step.operation.key].append(step.operation)
    for key, operations in asked.items():
        said = [each.ptr for each in operations if each.ptr is not None]
        if not (any(said) if said else by_default):
            continue
        pointer = operations[0].pointer
        before, after = prepared.locked.image(key), prepared.plan.images[key]
        if names.is_wildcard(key.name):
            detail = f"{key.name} stands for many names: no PTR record can point to it"
            notices.append(Notice("ptr_wildcard", detail, pointer))
            continue
        kept = after.records if after else ()
        ttl = after.ttl if after else 0
        for address in before.records if before else ():
            if address not in kept:
                yield Wish(address, key.name, ttl, gone=True, pointer=pointer)
        said_ends = lifetimes.said(operations)
        for address in kept:
            yield Wish(
                address,
                key.name,
                ttl,
                pointer=pointer,
                expires_at=said_ends.get((key, address)),
                keeps_life=(key, address) not in said_ends,
            )


def _reverse_zones(addresses: set[str]) -> dict[str, Zone]:
    """Return the registered zones that may hold the PTR records of addresses."""
    reverse = {ptr.reverse_name(address) for address in addresses}
    found = {zone.name: zone for zone in zones.holders(reverse).values()}
    classless = Zone.objects.filter(
        Q(name__contains="-") | Q(name__contains="/"), name__endswith=".in-addr.arpa."
    )
    return found | {zone.name: zone for zone in classless.select_related("backend")}


def _with(
    beside: Prepared | None,
    zone: Zone,
    wishes: Mapping[str, list[Wish]],
    notices: list[Notice],
) -> Prepared | None:
    """Return the plan of a reverse zone with its PTR records, None if there are none.

    ``beside`` is what the request asks of that zone itself; of an RRset that it
    writes, that holds.
    """
    asked = [step.operation for step in beside.plan.steps] if beside else []
    given = {operation.key for operation in asked}
    locked = wanted.lock(zone, {key.name for key in given} | set(wishes))
    locked.hints.update(beside.locked.hints if beside else {})
    operations: list[tuple[Operation, Wish]] = []
    for name, own in sorted(wishes.items()):
        key = Key(name, "PTR")
        if key in given:
            continue
        operation, said = ptr.decide(key, locked.image(key), own)
        notices += said
        ends = {each.rdata: each.expires_at for each in locked.records.get(key, ())}
        operation = ptr.living(operation, key, locked.image(key), ends, own)
        if operation is not None:
            pointed = replace(operation, pointer=own[0].pointer)
            operations.append((pointed, own[0]))
    fitting = _fitting(locked, asked, operations, notices)
    if not fitting:
        return beside
    planned = changes.build(locked, [*asked, *fitting])
    if beside is None:
        return Prepared(locked, planned, note="PTR records that go with addresses")
    told = replace(planned, warnings=beside.plan.warnings)
    return replace(beside, locked=locked, plan=told)


def _fitting(
    locked: wanted.Locked,
    asked: Sequence[Operation],
    operations: Sequence[tuple[Operation, Wish]],
    notices: list[Notice],
) -> list[Operation]:
    """Return the operations that the zone's rules allow, and tell of the others.

    A name with a CNAME, as RFC 2317 delegations have them, takes no PTR record.
    """
    every = [operation for operation, _ in operations]
    try:
        changes.build(locked, [*asked, *every])
        return every
    except DnsorchError:
        pass
    fitting = []
    for operation, wish in operations:
        try:
            changes.build(locked, [*asked, operation])
            fitting.append(operation)
        except DnsorchError as error:
            detail = f"{wish.address} gets no PTR record: {error.detail}"
            notices.append(Notice("ptr_refused", detail, wish.pointer))
    return fitting
