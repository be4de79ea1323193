"""Where an import stands: its lease, what was read, how far it is.

As with a lane, what the holder of the lease writes is guarded by it, so a worker that
slept through its end writes nothing any more. Another begins where it stood: the
reading anew, the taking at the name that comes next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from dns_records.images import Image, Key
from dns_records.models import ImportPart, ImportSource, ZoneImport
from dns_records.services.lanes import LeaseLost
from dnsorch import clock
from dnsorch.exceptions import DnsorchError

PAGE = 500
MAX_LEFT_OUT = 100
TELL_EVERY = 10


@dataclass(frozen=True)
class Part:
    """An RRset as it was read, or a part of one; ``line`` is where a file has it."""

    key: Key
    ttl: int
    records: tuple[str, ...]
    line: int | None = None


@dataclass
class Page:
    """RRsets whose names come next, whole; ``records`` is how many they have.

    ``given`` is what is to be taken: of the server, or of a file, whose ``served``
    counterparts the server has; ``lines`` are where the file has each, and ``torn``
    where it gives one another TTL.
    """

    given: dict[Key, Image] = field(default_factory=dict)
    served: dict[Key, Image] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    torn: dict[Key, int] = field(default_factory=dict)
    records: int = 0
    last: str = ""


def due() -> list[tuple[int, datetime]]:
    """Return the zones with an import that nobody works on, and since when."""
    free = _free(ZoneImport.objects.filter(ended_at__isnull=True))
    rows = free.order_by("request_id").values_list("zone_id", "request__received_at")
    return list({zone_id: (zone_id, since) for zone_id, since in rows}.values())


def open_in(zone_id: int) -> QuerySet[ZoneImport]:
    """Return the imports of a zone that are not ended, oldest first."""
    found = ZoneImport.objects.filter(zone=zone_id, ended_at__isnull=True)
    return found.select_related("request", "zone__backend").order_by("request_id")


def claim(job: ZoneImport) -> bool:
    """Take the lease; say whether it was free."""
    free = _free(ZoneImport.objects.filter(pk=job.pk, ended_at__isnull=True))
    with transaction.atomic():
        if not free.update(epoch=F("epoch") + 1, lease_expires_at=_expiry()):
            return False
        job.refresh_from_db()
    return True


def guard(job: ZoneImport, **fields: Any) -> None:
    """Renew the lease and write ``fields``: the first statement of every result.

    Raises:
        LeaseLost: the lease is not ours any more; nothing may be written.
    """
    mine = ZoneImport.objects.filter(
        pk=job.pk, epoch=job.epoch, lease_expires_at__gt=Now()
    )
    if not mine.update(lease_expires_at=_expiry(), **fields):
        raise LeaseLost
    for name, value in fields.items():
        setattr(job, name, value)


def release(job: ZoneImport, **fields: Any) -> None:
    """Give the lease back; the next one goes on."""
    mine = ZoneImport.objects.filter(pk=job.pk, epoch=job.epoch)
    mine.update(lease_expires_at=None, **fields)


def end(job: ZoneImport) -> None:
    """Note that nothing is left to do, and forget what was read."""
    with transaction.atomic():
        guard(job, ended_at=clock.now())
        job.parts.all().delete()
        job.pieces.all().delete()


def _free(jobs: QuerySet[ZoneImport]) -> QuerySet[ZoneImport]:
    return jobs.filter(
        Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now()),
        Q(not_before__isnull=True) | Q(not_before__lte=Now()),
    )


def _expiry() -> object:
    return Now() + timedelta(seconds=settings.DNSORCH_LEASE_S)


# --- what was read --------------------------------------------------------------------


class Staging:
    """Keeps what is read until it is taken, some hundreds of RRsets at a time."""

    def __init__(self, job: ZoneImport, *, served: bool, counts: bool) -> None:
        """Begin anew; ``counts`` if these are the records that progress is of."""
        self._job, self._served, self._counts = job, served, counts
        self._rows: list[ImportPart] = []
        job.parts.filter(served=served).delete()

    def add(self, part: Part) -> None:
        """Keep a part; one that goes on where the last one ended becomes one with it.

        Raises:
            LeaseLost: somebody else reads by now.
        """
        last = self._rows[-1] if self._rows else None
        if last and (last.name, last.type, last.ttl) == (*part.key, part.ttl):
            last.records = [*last.records, *part.records]
            return
        row = ImportPart(
            zone_import=self._job,
            served=self._served,
            name=part.key.name,
            type=part.key.type,
            ttl=part.ttl,
            records=list(part.records),
            line=part.line,
        )
        self._rows.append(row)
        if len(self._rows) >= PAGE:
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        rows, self._rows = self._rows, []
        read = sum(len(row.records) for row in rows) if self._counts else 0
        with transaction.atomic():
            guard(self._job, records=self._job.records + read)
            ImportPart.objects.bulk_create(rows)


def next_page(job: ZoneImport, after: str) -> Page:
    """Return the RRsets of the names that come ``after`` one; none at the end."""
    page = Page()
    for parts in _names(job, after):
        size = len({(part.type, part.served) for part in parts})
        if page.last and len(page.given) + len(page.served) + size > PAGE:
            break
        for part in sorted(parts, key=lambda part: part.pk):
            if part.served and _has_file(job):
                _put_together(page.served, part)
            else:
                _put_together(page.given, part)
                _note_lines(page, part)
                page.records += len(part.records)
        page.last = parts[0].name
    return page


def _has_file(job: ZoneImport) -> bool:
    return job.source == ImportSource.FILE


class _Row(NamedTuple):
    """A part as it is kept; no model, since there are very many of them."""

    name: str
    pk: int
    type: str
    ttl: int
    records: list[str]
    line: int | None
    served: bool


def _names(job: ZoneImport, after: str) -> Iterator[list[_Row]]:
    """Yield the parts of each name after one, whole, those of about a page."""
    rows = job.parts.order_by("name").values_list(*_Row._fields)
    found = [_Row(*row) for row in rows.filter(name__gt=after)[: PAGE + 1]]
    if len(found) > PAGE:
        # The last name may have more.
        whole = [row for row in found if row.name != found[-1].name]
        last = rows.filter(name=found[-1].name)
        found = whole or [_Row(*row) for row in last]
    for _, parts in groupby(found, key=lambda row: row.name):
        yield list(parts)


def _put_together(images: dict[Key, Image], part: _Row) -> None:
    key = Key(part.name, part.type)
    known = images.get(key)
    records = {*part.records, *(known.records if known else ())}
    images[key] = Image(known.ttl if known else part.ttl, tuple(sorted(records)))


def _note_lines(page: Page, part: _Row) -> None:
    key = Key(part.name, part.type)
    if part.line is not None:
        page.lines.setdefault(key, part.line)
        if page.given[key].ttl != part.ttl:
            page.torn[key] = part.line


# --- how far it is --------------------------------------------------------------------


def count(job: ZoneImport, left_out: Mapping[Key, DnsorchError], **more: int) -> None:
    """Count RRsets by what became of them; the caller writes it.

    Of those that are left out the first hundred are named with the reason.
    """
    more["left_out"] = more.get("left_out", 0) + len(left_out)
    job.counts = {
        name: job.counts.get(name, 0) + more.get(name, 0)
        for name in {*job.counts, *more}
    }
    for key, error in left_out.items():
        if len(job.left_out) < MAX_LEFT_OUT:
            job.left_out.append(
                {
                    "name": key.name,
                    "type": key.type,
                    "code": error.code,
                    "detail": error.detail,
                }
            )


def passed(job: ZoneImport, done: int) -> int | None:
    """Return the tenth, in percent, that is passed with ``done`` records, if one is."""
    if not job.records:
        return None
    step = 100 * done // job.records // TELL_EVERY * TELL_EVERY
    before = 100 * job.done // job.records // TELL_EVERY * TELL_EVERY
    return step if step > before else None
