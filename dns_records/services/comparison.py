"""A zone compared with what its update server holds, in memory that does not grow.

Both states go to disk (:mod:`dns_records.spool`); what differs comes back in parts, and
only the changes of the names in a part are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from dns_records import drift, spool
from dns_records.drift import Difference
from dns_records.images import Image, Key
from dns_records.models import Change, ChangeStatus, Mode, RRset, Zone
from dns_records.providers import registry
from dns_records.spool import Spool
from dnsorch import clock

# RRsets of the wanted state that are read at once, and differences that are given so.
READ_AT_ONCE = 2000
GIVEN_AT_ONCE = 500


@dataclass(frozen=True)
class Found:
    """Some of the differences; those ``in_motion`` may be none in a moment."""

    differences: Sequence[Difference]
    in_motion: Sequence[Difference]


@dataclass(frozen=True)
class Comparison:
    """Both states of a zone, read; ``at`` is when that began."""

    zone: Zone
    at: datetime
    spool: Spool

    def rrsets(self) -> int:
        """Return how many RRsets the server holds, its own affairs aside."""
        return self.spool.count(spool.SERVED)

    def found(self) -> Iterator[Found]:
        """Yield what differs, by name and type, a part at a time.

        What other hands added to a shared zone is theirs and no difference.
        """
        part: list[Difference] = []
        for key, wanted, served in self.spool.pairs():
            each = drift.difference(key, wanted, served)
            if each is not None:
                part.append(each)
            if len(part) == GIVEN_AT_ONCE:
                yield self._judged(part)
                part = []
        if part:
            yield self._judged(part)

    def _judged(self, part: Sequence[Difference]) -> Found:
        names = {each.key.name for each in part}
        # Read after the images: what was applied meanwhile is among them.
        moving = _in_motion(self.zone, names, self.at)
        deleted = _deleted(
            self.zone, {each.key.name for each in part if each.kind == "extra"}
        )
        part = [drift.ours(each) if each.key in deleted else each for each in part]
        if self.zone.mode == Mode.SHARED:
            part = [each for each in part if each.kind != "extra"]
        part = [each for each in part if not drift.is_of_signers(each)]
        return Found(
            [each for each in part if each.key not in moving],
            [each for each in part if each.key in moving],
        )


def _nothing() -> None:
    """Keep nothing."""


@contextmanager
def of(zone: Zone, keep: Callable[[], None] = _nothing) -> Iterator[Comparison]:
    """Read a zone and its wanted state; both are there within the block.

    ``keep`` is called again and again meanwhile: it keeps what the caller has claimed.

    Raises:
        ProviderError: the server does not tell.
    """
    started = clock.now()
    with spool.opened() as states:
        states.add(spool.SERVED, _while(keep, _served(zone)))
        states.add(spool.WANTED, _while(keep, _applied(zone)))
        yield Comparison(zone, started, states)


def _while(
    keep: Callable[[], None], parts: Iterator[spool.Part]
) -> Iterator[spool.Part]:
    for part in parts:
        keep()
        yield part


def _served(zone: Zone) -> Iterator[spool.Part]:
    backend = zone.backend
    provider = registry.for_backend(
        backend.driver, backend.options, backend.secret_reference
    )
    for part in provider.read_zone(zone.name):
        key = Key(part.name, part.type)
        if drift.is_compared(zone.name, key):
            yield key, part.ttl, part.records


def _applied(zone: Zone) -> Iterator[spool.Part]:
    """Yield what was applied last, page by page along the index, without a cursor.

    The pages follow the database's own order of text, whichever that is.
    """
    rows = RRset.objects.filter(zone=zone).order_by("name", "type")
    rest = rows
    while page := list(rest.values_list("name", "type", "applied")[:READ_AT_ONCE]):
        for name, rtype, data in page:
            key, image = Key(name, rtype), Image.load(data)
            if image is not None and drift.is_compared(zone.name, key):
                yield key, image.ttl, image.records
        name, rtype, _ = page[-1]
        rest = rows.filter(Q(name__gt=name) | Q(type__gt=rtype), name__gte=name)


def _in_motion(zone: Zone, names: set[str], since: datetime) -> set[Key]:
    """Return the RRsets with a change on its way, or applied after ``since``."""
    moving = Q(status__in=[ChangeStatus.PENDING, ChangeStatus.SENT])
    moving |= Q(batch__decided_at__gte=since) | Q(applied_at__gte=since)
    rows = Change.objects.filter(moving, zone=zone, name__in=sorted(names))
    return {Key(*row) for row in rows.values_list("name", "type")}


def _deleted(zone: Zone, names: set[str]) -> set[Key]:
    """Return the RRsets of ``names`` that dnsorch wrote once, and has deleted since."""
    if not names:
        return set()
    rows = Change.objects.filter(
        zone=zone,
        name__in=sorted(names),
        applied_at__isnull=False,
        rrset__present=False,
    )
    return {Key(*row) for row in rows.values_list("name", "type").distinct()}
