"""Taking over what an update server holds: wanted and applied at once, nothing sent.

For the import of a zone, and for drift that shall stay. A change that is on its way
knows nothing of it, so the names of such changes are left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from django.db import transaction
from django.db.models import Q

from dns_records import coalesce
from dns_records.images import Image, Key, Notice, dump
from dns_records.models import Change, ChangeStatus, RRset, Zone
from dns_records.plan import Operation, Plan
from dns_records.services import changes, wanted
from dns_records.services.wanted import Locked
from dnsorch import bulk, clock
from dnsorch.exceptions import DnsorchError
from requests_tracker.models import Request

MAX_RRSETS = 500


@dataclass
class Adopted:
    """What became of the images that were to be taken over.

    ``taken`` were not as the server has them, ``same`` is how many were; ``in_motion``
    are left alone, since a change of their name is on its way; ``refused`` break a
    rule.
    """

    taken: list[Key] = field(default_factory=list)
    same: int = 0
    in_motion: list[Key] = field(default_factory=list)
    refused: dict[Key, DnsorchError] = field(default_factory=dict)
    warnings: list[Notice] = field(default_factory=list)


def adopt(
    zone: Zone,
    images: Mapping[Key, Image | None],
    request: Request,
    *,
    since: datetime | None = None,
) -> Adopted:
    """Make what the server holds the wanted and the applied state of its RRsets.

    ``request``, which is stored, gets a verified change for each RRset that was not
    so; an image of None is an RRset that the server does not hold. ``since`` is when
    the server was read: what was applied later is in motion. At most
    :data:`MAX_RRSETS` RRsets go into a transaction, and no name is cut.
    """
    found = Adopted()
    for part in _parts(images):
        with transaction.atomic():
            _adopt_part(zone, part, request, since, found)
    return found


def _parts(images: Mapping[Key, Image | None]) -> Iterator[dict[Key, Image | None]]:
    names = (list(own) for _, own in groupby(sorted(images), lambda key: key.name))
    # Nothing is sent of them: how many octets they take does not matter.
    for part in coalesce.parts(((own, 0) for own in names), MAX_RRSETS):
        yield {key: images[key] for key in part}


def _adopt_part(
    zone: Zone,
    images: Mapping[Key, Image | None],
    request: Request,
    since: datetime | None,
    found: Adopted,
) -> None:
    locked = wanted.lock(zone, {key.name for key in images})
    moving = _in_motion(zone, locked.owners, since)
    operations = []
    for key in sorted(images):
        image = images[key]
        if key.name in moving:
            found.in_motion.append(key)
        elif _is_so(locked, key, image):
            found.same += 1
        else:
            operations.append(_operation(locked, key, image))
    planned, refused = plan_apart(locked, operations)
    found.refused |= refused
    found.warnings += planned.warnings
    found.taken += planned.images
    rows = changes.make_wanted(request, locked, planned, held=True)
    wanted.save(locked)
    # Only applied has to be made so; the wanted state was right.
    RRset.objects.bulk_update(
        [row for key, row in locked.rrsets.items() if _note_applied(row, planned, key)],
        ["applied"],
    )
    now = clock.now()
    for row in rows:
        row.status, row.applied_at = ChangeStatus.VERIFIED, now
    bulk.insert(rows)


def _in_motion(
    zone: Zone, names: Collection[str], since: datetime | None
) -> frozenset[str]:
    """Return the names with a change on its way, not verified yet, or newer."""
    moving = Q(status__in=[ChangeStatus.PENDING, ChangeStatus.SENT])
    moving |= Q(next_check_at__isnull=False)
    if since is not None:
        moving |= Q(batch__decided_at__gte=since)
    rows = Change.objects.filter(moving, zone=zone, name__in=list(names))
    return frozenset(rows.values_list("name", flat=True))


def _is_so(locked: Locked, key: Key, image: Image | None) -> bool:
    row = locked.rrsets.get(key)
    applied = row.applied if row else None
    return locked.image(key) == image and applied == dump(image)


def _operation(locked: Locked, key: Key, image: Image | None) -> Operation:
    if image is not None:
        return Operation("put", key, image.ttl, image.records)
    return Operation("delete" if locked.image(key) else "remove", key)


def plan_apart(
    locked: Locked, operations: Sequence[Operation]
) -> tuple[Plan, dict[Key, DnsorchError]]:
    """Plan operations on RRsets of several names, without the names that go wrong.

    All together, and name by name only where something is wrong.
    """
    try:
        return changes.build(locked, operations), {}
    except DnsorchError:
        pass
    plans: list[Plan] = []
    refused: dict[Key, DnsorchError] = {}
    for _, group in groupby(operations, key=lambda each: each.key.name):
        own = list(group)
        try:
            plans.append(changes.build(locked, own))
        except DnsorchError as error:
            refused |= {each.key: error for each in own}
    return _together(locked.zone.name, plans), refused


def _together(zone: str, plans: Sequence[Plan]) -> Plan:
    steps = tuple(step for each in plans for step in each.steps)
    warnings = tuple(notice for each in plans for notice in each.warnings)
    images = {key: image for each in plans for key, image in each.images.items()}
    return Plan(zone, steps, images, warnings)


def _note_applied(row: RRset, planned: Plan, key: Key) -> bool:
    """Set what the server holds; say whether it was not set yet."""
    if key not in planned.images or row.applied == dump(planned.images[key]):
        return False
    row.applied = dump(planned.images[key])
    return True
