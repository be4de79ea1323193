"""Putting back what parts of a request did, because another part failed.

What is put back is a part of the same request, tracked like any other, and refused if
somebody has changed an RRset since.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction

from dns_records.images import Image, Key
from dns_records.models import Change, Zone
from dns_records.plan import Expectation, Operation
from dns_records.services import arguments, changes, wanted
from dns_records.services.changes import Prepared
from dnsorch import clock
from dnsorch.exceptions import DnsorchError, ZoneNotFound
from requests_tracker.models import Request
from requests_tracker.services import lifecycle, parts
from requests_tracker.services.lifecycle import Origin

logger = structlog.get_logger(__name__)

ACTION = "revert"


def run(parent_id: UUID) -> None:
    """Ask for the put-back of each part that has to be, once for each."""
    parent = Request.objects.get(pk=parent_id)
    own = list(Request.objects.filter(part_of=parent).order_by("pk"))
    for part in parts.to_put_back(parent, own):
        try:
            _put_back(parent, part)
        except IntegrityError:
            # Its put-back is unique: another sweep was faster.
            logger.info("put back by others", **part.log_context())


def _put_back(parent: Request, part: Request) -> None:
    now = clock.now()

    def row() -> Request:
        return lifecycle.part(
            parent,
            action=ACTION,
            received_at=now,
            zone=part.zone,
            name=part.name,
            type=part.type,
            compensates=part,
        )

    origin = Origin.of(row())
    try:
        with transaction.atomic():
            changes.store(row(), origin, prepare(part))
    except DnsorchError as error:
        if error.status >= 500:
            raise
        with transaction.atomic():
            lifecycle.open_rejected(row(), error, [origin.received()])


def prepare(part: Request) -> Prepared:
    """Lock the names of a request and plan to put back what it found.

    Raises:
        PreconditionFailed: an RRset is not as the request left it.
        ZoneNotFound: the zone was forgotten meanwhile.
        DnsorchError: what was there breaks a rule by now.
    """
    zone = Zone.objects.select_related("backend").filter(name=part.zone).first()
    stored = list(Change.objects.filter(request=part).order_by("id"))
    if zone is None or not stored:
        raise ZoneNotFound(f"{part.zone} was forgotten meanwhile")
    locked = wanted.lock(zone, {change.name for change in stored})
    for change in stored:
        locked.hints.update(arguments.load_leaving(change))
    note = f"puts back what was there before request {part.pk}"
    return Prepared(locked, changes.build(locked, operations(stored)), note=note)


def operations(stored: Sequence[Change]) -> list[Operation]:
    """Return what brings each RRset from the state after ``stored`` to that before."""
    before: dict[Key, Image | None] = {}
    after: dict[Key, Image | None] = {}
    for change in stored:
        key = Key(change.name, change.type)
        before.setdefault(key, Image.load(change.before))
        after[key] = Image.load(change.after)
    return [_operation(key, before[key], after[key]) for key in before]


def _operation(key: Key, before: Image | None, after: Image | None) -> Operation:
    left = Expectation(after.records, after.ttl) if after else Expectation(None)
    if before is not None:
        return Operation("put", key, before.ttl, before.records, expected=left)
    # To remove nothing is no conflict, unlike to delete what is not there.
    return Operation("delete" if after else "remove", key, expected=left)
