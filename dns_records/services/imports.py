"""Asking for the import of a zone: accepted, and left to the workers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO

from django.db import transaction

from dns_records import names, zone_files
from dns_records.models import ImportFile, ImportSource, Lane, Zone, ZoneImport
from dns_records.providers import registry
from dns_records.services import wake, zones
from dns_records.zone_files import Mistake
from dnsorch.exceptions import Conflict, Invalid, Reason
from dnsorch.tokens.access import Access
from requests_tracker.models import Request, Step
from requests_tracker.services import acceptance, lifecycle
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin
from requests_tracker.services.timeline import Entry
from requests_tracker.status import OPEN

ACTION = "import"
PIECE = 256 * 1024
# A larger file is looked into by a worker.
READ_AT_ONCE = 256 * 1024


class ImportInProgress(Conflict):
    """An import of the zone is not final yet."""

    code = "import_in_progress"


class SourceNotAvailable(Invalid):
    """The zone's backend does not give a zone in that way."""

    code = "source_not_available"


@dataclass(frozen=True)
class Order:
    """What is to be imported: what the server of a zone holds, or a zone file.

    ``zone`` is as the client wrote it; ``source`` "" is the backend's own way.
    ``digest`` is the file's SHA-256, in hex.
    """

    zone: str
    source: str = ""
    file: IO[bytes] | None = None
    digest: str = ""

    @property
    def operation(self) -> dict[str, str]:
        """What an idempotency key stands for."""
        return {
            "action": ACTION,
            "zone": self.zone,
            "source": self.source,
            "digest": self.digest,
        }


def submit(order: Order, *, access: Access, origin: Origin, doorway: Doorway) -> Answer:
    """Accept or reject an import, at most once for its idempotency key.

    Raises:
        IdempotencyKeyReused, IdempotencyInProgress: there is no new request then.
    """

    # No lock is held while it is read.
    wrong = _mistakes(order)

    def perform(request: Request) -> None:
        zone = zones.get_for_write(access, order.zone)
        request.zone = zone.name
        source = source_of(zone, order)
        if wrong:
            raise zone_files.refusal(wrong)
        _check_none_is_open(zone)
        entries = [
            origin.received(),
            Entry(Step.VALIDATED, f"{zone.name} can be imported"),
            Entry(Step.STORED, _told(order, source)),
            Entry(Step.ENQUEUED, "waits for a worker"),
        ]
        lifecycle.open_queued(request, entries)
        job = ZoneImport.objects.create(request=request, zone=zone, source=source)
        if order.file is not None:
            ImportFile.objects.bulk_create(
                (ImportFile(zone_import=job, octets=piece) for piece in _pieces(order)),
                batch_size=8,
            )
        transaction.on_commit(
            partial(wake.publish_aside, wake.IMPORT, zone.pk), robust=True
        )

    return acceptance.run(
        origin, operation=order.operation, perform=perform, doorway=doorway
    )


def source_of(zone: Zone, order: Order) -> ImportSource:
    """Return where the records come from.

    Raises:
        SourceNotAvailable: the backend does not list zones, or in another way.
    """
    if order.file is not None:
        return ImportSource.FILE
    backend = zone.backend
    provider = registry.for_backend(
        backend.driver, backend.options, backend.secret_reference
    )
    if not provider.can_list:
        why = f"the driver {backend.driver!r} lists no zone; give a zone file"
    elif order.source not in ("", provider.lists_by):
        why = f"the driver {backend.driver!r} lists zones by {provider.lists_by!r}"
    else:
        return ImportSource(provider.lists_by)
    reason = Reason("/source", SourceNotAvailable.code, why)
    raise SourceNotAvailable(why, reasons=(reason,))


def _mistakes(order: Order) -> list[Mistake]:
    """Return what is wrong with a file that is read while its sender waits."""
    if order.file is None or order.file.seek(0, io.SEEK_END) > READ_AT_ONCE:
        return []
    try:
        zone = names.zone_name(order.zone)
    except Invalid:
        return []  # of more interest than what is in the file
    order.file.seek(0)
    text = io.TextIOWrapper(order.file, encoding="utf-8")
    try:
        return zone_files.read(text, zone, lambda *_: None).mistakes
    finally:
        text.detach()


def _check_none_is_open(zone: Zone) -> None:
    """Refuse a second import at the same time; the lane's row orders who asks."""
    Lane.objects.select_for_update().get(zone=zone)
    other = ZoneImport.objects.filter(zone=zone, request__status__in=sorted(OPEN))
    if (found := other.first()) is not None:
        raise ImportInProgress(
            f"the import {found.request_id} of {zone.name} is not final yet"
        )


def _told(order: Order, source: ImportSource) -> str:
    if order.file is None:
        return f"what the server holds is to be taken over, read by {source.value}"
    return f"the zone file (SHA-256 {order.digest}) is to be taken over"


def _pieces(order: Order) -> Iterator[bytes]:
    assert order.file is not None
    order.file.seek(0)
    while piece := order.file.read(PIECE):
        yield piece
