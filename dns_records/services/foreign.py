"""Messages on the condition that all is as we left it, and what is not.

Other hands may have written to the zone. In an exclusive zone that is overwritten and
told; in a shared one the change sets that touch it fail with both images, and nothing
of it is overwritten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from dns_records.images import Image, Key, dump
from dns_records.models import Batch, Change, Lane, Mode, RRset
from dns_records.providers.base import RRsetChange
from dns_records.providers.errors import Fenced
from dns_records.services import orders, queue
from dnsorch.exceptions import Conflict, Reason
from requests_tracker.models import Step
from requests_tracker.services import timeline
from requests_tracker.services.timeline import Entry

if TYPE_CHECKING:
    from dns_records.services.lane_run import LaneRun

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Clash:
    """An RRset as a change expects it, and as the server holds it."""

    key: Key
    expected: Image | None
    served: Image | None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.key.name,
            "type": self.key.type,
            "expected": dump(self.expected),
            "served": dump(self.served),
        }

    def __str__(self) -> str:
        texts = [
            "nothing" if image is None else f"{image.ttl} {' '.join(image.records)}"
            for image in (self.expected, self.served)
        ]
        return (
            f"{self.key.name} {self.key.type}: expected {texts[0]}, "
            f"the server holds {texts[1]}"
        )


class ForeignEdit(Conflict):
    """Other hands have changed what the change set was made for."""

    def __init__(self, clashes: Sequence[Clash]) -> None:
        """Say what was expected, and what is there."""
        self.clashes = tuple(clashes)
        super().__init__(
            f"changed by other hands: {'; '.join(map(str, clashes))}",
            reasons=tuple(Reason("", self.code, str(each)) for each in clashes),
        )

    def as_error(self) -> dict[str, Any]:
        """Return why a request failed, with both images of each RRset."""
        conflicts = [each.as_dict() for each in self.clashes]
        return super().as_error() | {"conflicts": conflicts}

    def of(self, keys: Collection[Key]) -> ForeignEdit | None:
        """Return the part of it that is about ``keys``, None if there is none."""
        own = [each for each in self.clashes if each.key in keys]
        return ForeignEdit(own) if own else None


def expected(
    run: LaneRun, batch: Batch, images: Sequence[RRsetChange]
) -> tuple[list[RRsetChange], list[RRsetChange]]:
    """Return what the server holds of the RRsets of a message, as far as we know.

    In two lists: what fits into the message, and what does not. What an ignored part
    left is not known; what is to be put back is meant to overwrite.
    """
    provider = run.provider
    if batch.is_restoration or not provider.can_expect:
        return [], []
    keys = {Key(image.name, image.type) for image in images} - _put_back(batch)
    rows = RRset.objects.filter(zone=run.zone, name__in={key.name for key in keys})
    room = provider.max_message_octets - provider.message_octets(run.zone.name, images)
    fits: list[RRsetChange] = []
    rest: list[RRsetChange] = []
    for row in rows.order_by("name", "type"):
        key = Key(row.name, row.type)
        if key not in keys:
            continue
        image = queue.rrset_change(key, Image.load(row.applied))
        octets = provider.message_octets(run.zone.name, [image])
        if octets <= room:
            room -= octets
            fits.append(image)
        else:
            rest.append(image)
    return fits, rest


def _put_back(batch: Batch) -> set[Key]:
    """Return the RRsets that a person has decided to have as they are wanted."""
    rows = Change.objects.filter(batch=batch, request__action=orders.RECONCILE)
    return {Key(*row) for row in rows.values_list("name", "type")}


def differing(run: LaneRun, images: Sequence[RRsetChange]) -> list[RRsetChange]:
    """Return which of the images the server does not hold.

    Raises:
        ProviderError: it cannot be asked now.
    """
    zone = run.zone.name
    found: list[RRsetChange] = []
    for part in _questions(run, images):
        if not run.provider.probe(zone, part):
            found += [each for each in part if not run.provider.probe(zone, [each])]
    return found


def _questions(
    run: LaneRun, images: Sequence[RRsetChange]
) -> Iterator[Sequence[RRsetChange]]:
    """Split images so that each part fits into a message."""
    part: list[RRsetChange] = []
    octets = 0
    for image in images:
        own = run.provider.message_octets(run.zone.name, [image])
        if part and octets + own > run.provider.max_message_octets:
            yield part
            part, octets = [], 0
        part.append(image)
        octets += own
    if part:
        yield part


def check_rest(run: LaneRun, rest: Sequence[RRsetChange]) -> None:
    """Look at what does not fit into a message, right before it is sent.

    Raises:
        ForeignEdit: the zone is shared, and something is not as we left it.
        ProviderError: the server cannot be asked now.
    """
    if run.zone.mode == Mode.SHARED and (found := differing(run, rest)):
        raise _edit(run, found)


def tell(
    run: LaneRun, batch: Batch, foreign: Sequence[RRsetChange], error: Fenced
) -> None:
    """Tell that other hands wrote to the zone and are overwritten.

    Raises:
        ForeignEdit: the zone is shared, so that they are not.
        ProviderError: the server cannot be asked now, or all is as it was again.
    """
    listed = ", ".join(f"{each.name} {each.type}" for each in foreign) or "the zone"
    logger.warning("changed by other hands", rrsets=listed, rcode=error.rcode)
    if run.zone.mode == Mode.SHARED:
        if not foreign:  # it was only for a moment: the same again, later
            raise error
        raise _edit(run, foreign)
    ids = set(Change.objects.filter(batch=batch).values_list("request_id", flat=True))
    entry = Entry(
        Step.SENT,
        f"{listed} was changed by other hands; overwritten",
        "warning",
        {"foreign": [[each.name, each.type] for each in foreign]},
    )
    timeline.append(sorted(ids), entry)


def _edit(run: LaneRun, foreign: Sequence[RRsetChange]) -> ForeignEdit:
    """Return both images of each RRset, and have the zone audited."""
    zone = run.zone.name
    clashes = []
    for each in foreign:
        held = run.provider.read_rrset(zone, each.name, each.type)
        served = Image.of(held.ttl, held.records) if held else None
        wanted = Image.of(each.ttl, each.records)
        clashes.append(Clash(Key(each.name, each.type), wanted, served))
    Lane.objects.filter(zone=run.zone).update(suspect=True)
    orders.audit(run.zone.pk, "other hands changed what was to be changed")
    return ForeignEdit(clashes)


def split(
    error: ForeignEdit, parcels: Sequence[queue.Parcel]
) -> dict[UUID, ForeignEdit]:
    """Return the change sets that other hands are in the way of, each with its part."""
    found = {}
    for parcel in parcels:
        own = error.of({wanted.key for wanted in parcel.wanted})
        if own is not None:
            found[parcel.request_id] = own
    return found
