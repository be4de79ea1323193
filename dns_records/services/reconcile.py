"""Comparing a zone with its update server, and putting back what differs.

Asked for by a person, or by a lane that found the marker not as it had left it: then
the server or the database was restored from an older state. What is put back goes
through the lane like every change, as tracked requests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import structlog
from django.db.models import Q
from django.db.models.functions import Now

from dns_records import coalesce
from dns_records.drift import Difference
from dns_records.images import Image, Key
from dns_records.models import Change, ChangeStatus, Lane, Mode, RRset, Zone
from dns_records.plan import Operation
from dns_records.providers.errors import ProviderError
from dns_records.services import changes, comparison, unfenced, wanted, zones
from dns_records.services.changes import Prepared
from dns_records.services.lanes import LeaseLost
from dns_records.services.orders import OURSELVES, RECONCILE, Order
from dns_records.services.zone_claims import Claim
from dnsorch import clock
from dnsorch.exceptions import Conflict
from dnsorch.tokens.access import Access
from requests_tracker.models import Request
from requests_tracker.services.acceptance import INSIDE
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin

logger = structlog.get_logger(__name__)

MAX_RRSETS = 500
# How many differences the lane keeps to be looked at.
MAX_KEPT = 100
# For so long nobody else runs what one process has begun, or has failed to do.
CLAIM = timedelta(seconds=60)


class NothingToRestore(Conflict):
    """What was to be put back is on its way already."""

    code = "nothing_to_restore"


@dataclass(frozen=True)
class Audit:
    """What a comparison found.

    ``rrsets`` is how many the server holds; ``in_motion`` how many were left out
    because a change of them was on its way.
    """

    zone: str
    at: datetime
    rrsets: int
    in_motion: int
    differences: tuple[Difference, ...]

    @property
    def restorable(self) -> list[Key]:
        """The RRsets that can be put back."""
        return [each.key for each in self.differences if each.kind != "extra"]

    @property
    def counts(self) -> dict[str, int]:
        """How many differences there are of each kind."""
        found = Counter(each.kind for each in self.differences)
        return {kind: found[kind] for kind in ("missing", "different", "extra")}

    def as_dict(self, limit: int | None = None) -> dict[str, Any]:
        """Return the JSON form, with at most ``limit`` of the differences.

        What can be put back comes first where not all of them are there.
        """
        shown = self.differences
        if limit is not None and len(shown) > limit:
            shown = tuple(sorted(shown, key=lambda each: each.kind == "extra"))
        return {
            "zone": self.zone,
            "at": clock.iso(self.at),
            "rrsets": self.rrsets,
            "in_motion": self.in_motion,
            **self.counts,
            "differences": [each.as_dict() for each in shown[:limit]],
        }


def audit(zone: Zone, claim: Claim | None = None) -> Audit:
    """Compare a zone with what its update server holds; nothing is changed.

    Raises:
        ProviderError: the server does not tell.
        LeaseLost: the claim, which is kept meanwhile, is another's by now.
    """
    keep = claim.renew if claim else lambda: None
    differences: list[Difference] = []
    in_motion = 0
    with comparison.of(zone, keep) as compared:
        for part in compared.found():
            keep()
            differences += part.differences
            in_motion += len(part.in_motion)
        rrsets = compared.rrsets()
    return Audit(zone.name, compared.at, rrsets, in_motion, tuple(differences))


# --- putting back ---------------------------------------------------------------------


@dataclass(frozen=True)
class Restore:
    """RRsets of a zone, to be written as they are wanted; ``why`` is for people."""

    zone: Zone
    keys: Sequence[Key]
    why: str

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Lock the names and plan to write what is wanted under the lock.

        Raises:
            NothingToRestore: a change of each is on its way by now.
        """
        zone = zones.check_write(access, self.zone)
        request.zone, request.comment = zone.name, self.why
        locked = wanted.lock(zone, {key.name for key in self.keys})
        moving = Change.objects.filter(
            zone=zone,
            status__in=[ChangeStatus.PENDING, ChangeStatus.SENT],
            name__in=list(locked.owners),
        )
        busy = set(moving.values_list("name", flat=True))
        operations = [
            _operation(key, locked.image(key))
            for key in self.keys
            if key.name not in busy
        ]
        if not operations:
            raise NothingToRestore
        changes.describe(request, operations)
        return Prepared(locked, changes.build_again(locked, operations), note=self.why)


def _operation(key: Key, image: Image | None) -> Operation:
    """Return the operation that leaves an RRset as it is wanted, and is no conflict."""
    if image is None:
        return Operation("remove", key)
    return Operation("put", key, image.ttl, image.records)


def restore(
    zone: Zone, keys: Iterable[Key], by: Order, *, correlation_id: str = ""
) -> list[Answer]:
    """Have RRsets written again as they are wanted; return what became of each request.

    As many requests as messages are needed, with one ``correlation_id`` or each with
    its own. Nothing else of the zone is touched.
    """
    given = []
    access = Access(by.requester, by.source)
    for part in coalesce.parts(_sized(zone, sorted(keys)), MAX_RRSETS):
        listed = ", ".join(f"{key.name} {key.type}" for key in part[:3])
        more = f" and {len(part) - 3} more" if len(part) > 3 else ""
        submission = Restore(zone, part, f"put back {listed}{more}: {by.reason}")
        answer = changes.submit(
            lambda submission=submission: submission,  # type: ignore[misc]
            access=access,
            origin=Origin.inside(access, RECONCILE, correlation_id),
            operation={"action": RECONCILE, "zone": zone.name},
            doorway=INSIDE,
        )
        given.append(answer)
    return given


def _sized(zone: Zone, keys: Sequence[Key]) -> Iterator[tuple[list[Key], int]]:
    """Yield the RRsets of each name, and how many octets they take."""
    for name, group in groupby(keys, lambda key: key.name):
        own = list(group)
        rows = RRset.objects.filter(zone=zone, name=name)
        images = {Key(row.name, row.type): Image.load(row.applied) for row in rows}
        yield own, sum(coalesce.octets(key, images.get(key)) for key in own)


# --- what is due ----------------------------------------------------------------------


def due() -> list[tuple[int, datetime]]:
    """Return the zones that are to be compared, and since when."""
    lanes = Lane.objects.filter(reconcile_at__lte=Now()).order_by("zone_id")
    rows = lanes.values_list("zone_id", "reconcile_at")
    found = [(zone_id, at) for zone_id, at in rows if at is not None]
    known = {zone_id for zone_id, _ in found}
    return found + [each for each in unfenced.rechecks_due() if each[0] not in known]


def run_due(zone_id: int) -> None:
    """Do what is due in a zone: compare it, put back, and say what was found.

    What cannot be asked now stays due.
    """
    zone = Zone.objects.select_related("backend").filter(pk=zone_id).first()
    if zone is None:
        return
    try:
        checked = unfenced.recheck(zone)
    except ProviderError as error:
        logger.warning("not rechecked", zone=zone.name, error=error.detail)
    else:
        restore(zone, checked.wrong, Order("a message that came too late overwrote it"))
        checked.done()
    claimed = Lane.objects.filter(zone=zone).values_list("reconcile_order", flat=True)
    by = Order(**(claimed.get() or {"reason": "asked for"}))
    due = Q(reconcile_at__lte=Now())
    if claim := Claim.take(zone.pk, "reconcile_at", CLAIM, due):
        try:
            _reconcile(zone, by, claim)
        except LeaseLost:
            logger.warning("claim lost", zone=zone.name)


def _reconcile(zone: Zone, by: Order, claim: Claim) -> None:
    mine = Lane.objects.filter(zone=zone)
    if zone.mode == Mode.SHARED and by.requester == OURSELVES:
        # What differs may be another's: a person decides.
        mine.update(reconcile_at=None, reconcile_order=None)
        mine.update(audit_at=Now(), audit_reason=by.reason)
        return
    try:
        found = audit(zone, claim)
    except ProviderError as error:
        logger.error("not reconciled", zone=zone.name, error=error.detail)
        mine.update(last_audit={"at": clock.iso(clock.now()), "error": error.detail})
        return
    answers = restore(zone, found.restorable, by)
    ids: list[UUID | None] = [each.request_id for each in answers]
    logger.warning(
        "reconciled",
        zone=zone.name,
        reason=by.reason,
        requests=len(ids),
        **found.counts,
    )
    report = found.as_dict(MAX_KEPT) | {
        "reason": by.reason,
        "requests": [str(each) for each in ids],
    }
    # Another order that came meanwhile is not done yet.
    claim.give_back(reconcile_order=None)
    mine.update(last_audit=report)
