"""A zone file as a change set: what it has is what is wanted of its RRsets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import IO

from dns_records import drift, plan, zone_files
from dns_records.images import Image, Key
from dns_records.models import Record, Zone
from dns_records.plan import Operation
from dns_records.services import changes, wanted, zones
from dns_records.services.changes import Prepared
from dns_records.zone_files import Mistake
from dnsorch.tokens.access import Access
from requests_tracker.models import Request

AT_ONCE = 2000


def read(file: IO[str], zone: str) -> dict[Key, Image]:
    """Return the RRsets of a zone file; what a server makes itself is left out.

    ``zone`` is canonical.

    Raises:
        InvalidZoneFile: it is not one, or gives an RRset two TTLs.
    """
    found: dict[Key, tuple[int, set[str]]] = {}
    torn: dict[Key, Mistake] = {}

    def take(key: Key, ttl: int, text: str, line: int) -> None:
        first, texts = found.setdefault(key, (ttl, set()))
        texts.add(text)
        if ttl != first:
            detail = f"{key.name} {key.type} has one TTL (RFC 2181 section 5.2)"
            torn.setdefault(key, Mistake(line, "ttl_conflict", detail))

    reading = zone_files.read(file, zone, take)
    reading.mistakes += torn.values()
    reading.raise_if_wrong()
    return {key: Image(ttl, tuple(sorted(own))) for key, (ttl, own) in found.items()}


@dataclass(frozen=True)
class FromZoneFile:
    """A change set that makes of the zone what a zone file has.

    With ``delete_others`` what the file does not have goes, too, but for what is the
    server's own affair. ``digest`` is that of the plan which somebody approves.
    """

    zone: str
    images: Mapping[Key, Image]
    delete_others: bool = False
    digest: str | None = None

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Find what differs, lock its names, plan.

        Raises:
            ChangesetTooLarge: more differs than one message holds.
            DnsorchError: it is not allowed, or conflicts.
        """
        zone = zones.get_for_write(access, self.zone)
        request.zone = zone.name
        operations = self._operations(zone)
        changes.describe(request, operations)
        changes.check_size(plan.given(operations))
        locked = wanted.lock(zone, {operation.key.name for operation in operations})
        return Prepared(locked, changes.build(locked, operations))

    def _operations(self, zone: Zone) -> list[Operation]:
        new = dict(self.images)
        found: list[Operation] = []
        for key, image in _wanted(zone):
            given = new.pop(key, None)
            if given is not None and given != image:
                found.append(Operation("put", key, given.ttl, given.records))
            elif given is None and self.delete_others:
                if drift.is_compared(zone.name, key):
                    found.append(Operation("delete", key))
        found += [
            Operation("put", key, image.ttl, image.records)
            for key, image in new.items()
        ]
        return sorted(found, key=lambda operation: operation.key)


def _wanted(zone: Zone) -> Iterator[tuple[Key, Image]]:
    """Yield the RRsets that are wanted, from one moment."""
    fields = ("rrset__name", "rrset__type", "rrset__ttl", "rdata")
    rows = (
        Record.objects.filter(rrset__zone=zone, rrset__present=True)
        .order_by("rrset__name", "rrset__type")
        .values_list(*fields)
        .iterator(chunk_size=AT_ONCE)
    )
    for (name, rtype, ttl), own in groupby(rows, key=lambda row: row[:3]):
        yield Key(name, rtype), Image(ttl, tuple(sorted(row[3] for row in own)))
