"""A zone file as what is wanted: what the server holds so is taken over, the rest sent.

The rest goes through the lane as ordinary change sets, each a part of the import.
What the server holds and the file does not is left alone.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from itertools import groupby

from django.db import transaction

from dns_records import coalesce, zone_files
from dns_records.images import Image, Key
from dns_records.models import ZoneImport
from dns_records.plan import Operation
from dns_records.services import adoption, changes, import_jobs, wanted
from dns_records.services.adoption import Adopted
from dns_records.services.changes import Prepared
from dns_records.services.import_jobs import Page, Part, Staging
from dns_records.zone_files import MAX_MISTAKES, Mistake
from dnsorch import clock
from dnsorch.exceptions import DnsorchError
from requests_tracker.services import lifecycle
from requests_tracker.services.lifecycle import Origin
from requests_tracker.status import Status

MAX_RRSETS = 500


class _Pieces(io.RawIOBase):
    """The file that an import keeps, piece by piece."""

    def __init__(self, job: ZoneImport) -> None:
        self._job = job
        self._ids = list(job.pieces.order_by("pk").values_list("pk", flat=True))
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` as far as the piece goes; 0 at the end."""
        if not self._piece and self._ids:
            octets = self._job.pieces.values_list("octets", flat=True)
            self._piece = memoryview(bytes(octets.get(pk=self._ids.pop(0))))
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count


def read(job: ZoneImport) -> int:
    """Read the file; return how many of its records are the server's own affair.

    Raises:
        InvalidZoneFile: it is not one.
        LeaseLost: somebody else reads by now.
    """
    staging = Staging(job, served=False, counts=True)

    def take(key: Key, ttl: int, text: str, line: int) -> None:
        staging.add(Part(key, ttl, (text,), line))

    file = io.TextIOWrapper(io.BufferedReader(_Pieces(job)), encoding="utf-8")
    found = zone_files.read(file, job.zone.name, take)
    found.raise_if_wrong()
    staging.flush()
    return found.own


def check(job: ZoneImport) -> None:
    """See that all of the file keeps the rules, before a part of it is taken.

    Raises:
        InvalidZoneFile: it does not.
        LeaseLost: somebody else works on it by now.
    """
    mistakes: list[Mistake] = []
    page = import_jobs.next_page(job, "")
    while page.last and len(mistakes) < MAX_MISTAKES:
        mistakes += _mistakes(job, page)
        import_jobs.guard(job)
        page = import_jobs.next_page(job, page.last)
    if mistakes:
        raise zone_files.refusal(mistakes[:MAX_MISTAKES])


def _mistakes(job: ZoneImport, page: Page) -> Iterator[Mistake]:
    for key, line in page.torn.items():
        detail = f"{key.name} {key.type} has one TTL (RFC 2181 section 5.2)"
        yield Mistake(line, "ttl_conflict", detail)
    with transaction.atomic():
        locked = wanted.lock(job.zone, {key.name for key in page.given})
        _, refused = adoption.plan_apart(locked, _operations(page.given))
        transaction.set_rollback(True)
    told: set[int] = set()
    for key, error in refused.items():
        # All RRsets of a name are refused with it; each reason is told once.
        if id(error) not in told:
            told.add(id(error))
            yield Mistake(page.lines[key], error.code, error.detail)


def _operations(images: Mapping[Key, Image]) -> list[Operation]:
    return [
        Operation("put", key, image.ttl, image.records)
        for key, image in sorted(images.items())
    ]


def take(job: ZoneImport, page: Page) -> tuple[Adopted, int]:
    """Take over what the server holds as the file has it, and send the rest.

    Returns what was taken over, and how many RRsets are sent. Called within the
    transaction that notes it.
    """
    # All names of the page at first, so that two transactions lock in one order.
    wanted.lock(job.zone, {key.name for key in page.given})
    held: dict[Key, Image | None] = {
        key: image for key, image in page.given.items() if page.served.get(key) == image
    }
    found = adoption.adopt(job.zone, held, job.request, since=job.read_at)
    settled = held.keys() - {*found.in_motion, *found.refused}
    rest = {key: image for key, image in page.given.items() if key not in settled}
    for part in _parts(rest):
        _send(job, part)
    # They are sent: a part has them, or says why not.
    found.in_motion, found.refused = [], {}
    return found, len(rest)


def _parts(images: Mapping[Key, Image]) -> Iterator[dict[Key, Image]]:
    names = (list(own) for _, own in groupby(sorted(images), lambda key: key.name))
    sized = (
        (own, sum(coalesce.octets(key, images[key]) for key in own)) for own in names
    )
    for part in coalesce.parts(sized, MAX_RRSETS):
        yield {key: images[key] for key in part}


def _send(job: ZoneImport, images: Mapping[Key, Image]) -> None:
    """Accept a change set as a part of the import, or reject it with its reason."""
    part = lifecycle.part(
        job.request, action="changeset", zone=job.zone.name, received_at=clock.now()
    )
    origin = Origin.of(part)
    try:
        with transaction.atomic():
            locked = wanted.lock(job.zone, {key.name for key in images})
            planned = changes.build(locked, _operations(images))
            changes.store(part, origin, Prepared(locked, planned))
    except DnsorchError as error:
        if error.status >= 500:
            raise
        part.status, part.last_sequence = Status.RECEIVED, 0
        part.deadline_at = None
        lifecycle.open_rejected(part, error, [origin.received()])
