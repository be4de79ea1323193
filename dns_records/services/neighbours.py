"""What stands around the names of a change set: a few look-ups at the door.

Read without locks, so what the rules make of it is a best effort: two change sets at
the same moment may pass where one after the other would not. Verification then finds
what a delegation or a DNAME hides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Reverse

from dns_records import plan, rdata, record_types
from dns_records.images import Image, Key
from dns_records.models import RRset, Zone
from dns_records.plan import Operation
from dns_records.services.wanted import Locked
from dns_records.validation import Neighbours, neighbours
from dns_records.validation.targets import ADDRESSES

# More targets or new delegations in one change set are not looked at: at the door it
# is better to know less than to hold locks for long.
MAX_NAMES = 2000
MAX_NEW = 10
# So many names that lose something are looked at, and so many records that point there.
MAX_LOSING = 50
MAX_POINTERS = 500


def read(locked: Locked, operations: Iterable[Operation]) -> Neighbours:
    """Return what the rules need to know about other names: at most three statements.

    None is sent unless a record points into the zone, an NS below the apex, a DNAME or
    a CNAME is new, or the last A or AAAA record of a name goes. What is above the names
    comes with their lock.
    """
    zone, operations = locked.zone, list(operations)
    given = plan.given(operations)
    losing = _losing(locked, operations, given)[:MAX_LOSING]
    pointers = _pointers(zone, losing, given) if losing else {}
    known = set(locked.owners) | set(locked.above)
    wanted_of = _asked(zone.name, given)
    wanted_of.update(*(neighbours.around(name, zone.name) for name in pointers))
    asked = sorted(wanted_of - known)[:MAX_NAMES]
    types = {**locked.above, **(_types(zone, asked) if asked else {})}
    new = _new(locked, given)
    filled = _filled(locked, new) if new else frozenset()
    return Neighbours(types, filled, pointers)


def looks_around(operations: Iterable[Operation]) -> bool:
    """Whether :func:`read` may ask about other names than those records point to."""
    return any(
        key.type in ("CNAME", "DNAME", "NS") or (key.type in ADDRESSES and not image)
        for key, image in plan.given(list(operations)).items()
    )


def _asked(zone: str, given: Mapping[Key, Image | None]) -> set[str]:
    """Return the names that decide how the targets of records are answered."""
    asked: set[str] = set()
    for key, image in given.items():
        rtype = record_types.lookup(key.type)
        for text in image.records if image else ():
            parsed = rdata.parse(key.type, text, zone=zone)
            for target in neighbours.targets(zone, rtype, parsed):
                asked |= neighbours.around(target, zone)
    return asked


def _losing(
    locked: Locked,
    operations: Iterable[Operation],
    given: Mapping[Key, Image | None],
) -> list[str]:
    """Return the names that become an alias, or lose all A or all AAAA records."""
    current = locked.images()
    left = {key: set(image.records) for key, image in current.items() if image}
    for operation in operations:
        if operation.action == "remove":
            left.get(operation.key, set()).difference_update(operation.records)
        elif operation.action != "add":
            left.pop(operation.key, None)
    found = {
        key.name
        for key, image in given.items()
        if (key.type == "CNAME" and image and current.get(key) is None)
        or (key.type in ADDRESSES and not image and current.get(key))
        and not left.get(key)
    }
    return sorted(found)


def _pointers(
    zone: Zone, losing: list[str], given: Mapping[Key, Image | None]
) -> dict[str, set[Key]]:
    """Return which RRsets point to the names; those of the change set are left out.

    What a record points to is the end of its rdata, and no index has that: it costs a
    pass over the types in the index of the zone's RRsets.
    """
    end = Q()
    for name in losing:
        end |= Q(records__rdata=name) | Q(records__rdata__endswith=f" {name}")
    rows = RRset.objects.filter(
        end, zone=zone, type__in=neighbours.POINTING, present=True
    )
    found: dict[str, set[Key]] = defaultdict(set)
    for *key, text in rows.values_list("name", "type", "records__rdata")[:MAX_POINTERS]:
        if Key(*key) not in given:
            found[text.rpartition(" ")[2]].add(Key(*key))
    return dict(found)


def _types(zone: Zone, asked: list[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    rows = RRset.objects.filter(zone=zone, name__in=asked, present=True)
    for name, rtype in rows.values_list("name", "type"):
        found[name].add(rtype)
    return {name: frozenset(found[name]) for name in asked}


def _new(locked: Locked, given: Mapping[Key, Image | None]) -> list[Key]:
    """Return the delegations and DNAMEs that are not there yet, DNAMEs first."""
    apex = locked.zone.name
    new = [
        key
        for key, image in given.items()
        if image
        and (key.type == "DNAME" or key.type == "NS" and key.name != apex)
        and locked.image(key) is None
    ]
    return sorted(new, key=lambda key: (key.type, key.name))[:MAX_NEW]


def _filled(locked: Locked, new: list[Key]) -> frozenset[str]:
    """Return the names among ``new`` below which something would be hidden.

    The names of the change set itself are left to the rules.
    """
    rows = RRset.objects.filter(zone=OuterRef("pk"), present=True)
    below = []
    for key in new:
        touched = [name for name in locked.owners if name.endswith(f".{key.name}")]
        hidden = _below(rows, key.name).exclude(name__in=touched)
        # An escaped dot is no end of a label.
        hidden = hidden.exclude(name__endswith=f"\\.{key.name}")
        if key.type == "NS":
            hidden = hidden.exclude(type__in=("A", "AAAA"))
        below.append(Exists(hidden))
    found = Zone.objects.filter(pk=locked.zone.pk).values_list(*below).get()
    return frozenset(key.name for key, has in zip(new, found, strict=True) if has)


def _below(rows: QuerySet[RRset], name: str) -> QuerySet[RRset]:
    """Return the RRsets of the names that end in a dot and ``name``.

    PostgreSQL has an index of names from their end. On SQLite each costs a pass over
    the RRsets of the zone until one is found: some 50 ms for 100,000 of them.
    """
    end = f".{name}"
    if connection.vendor != "postgresql":
        return rows.filter(name__endswith=end)
    backwards = rows.alias(backwards=Reverse("name"))
    return backwards.filter(backwards__startswith=end[::-1])
