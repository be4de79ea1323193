"""Writing to a zone without a marker: weaker, and what is done about it.

Nothing at the name server tells a worker that lost its lease from the one that holds
it. What stands in for the marker (docs/reliability.md has the limits):

* a message requires each RRset to be as the last applied message left it, so one that
  comes too late finds its ground gone (RFC 2136 section 2.4);
* it is signed for less than the lease lasts, so one that is stuck on the way dies;
* whoever comes after a message without an answer waits until no copy of it can arrive;
* what was written is looked at once more when all of that is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Min, QuerySet
from django.db.models.functions import Now

from dns_records.images import Image, Key
from dns_records.models import Batch, BatchStatus, Change, ChangeStatus, RRset, Zone
from dns_records.providers import registry
from dns_records.providers.base import Receipt, RRsetChange
from dns_records.providers.errors import Fenced, OutcomeUnknown
from dns_records.services import foreign, lanes, queue
from dnsorch import clock

if TYPE_CHECKING:
    from dns_records.services.lane_run import LaneRun

# Seconds that a server may keep a message which it took in time before it acts on it.
SERVER_QUEUE_S = 2.0
# RRsets that one question to the server is about.
PROBED_AT_ONCE = 200


def send(run: LaneRun, batch: Batch, images: Sequence[RRsetChange]) -> Receipt:
    """Send the message of a batch, on the condition that all is as we left it.

    Where it is not, an earlier copy of the message was applied, or other hands wrote to
    the zone. In the second case it is sent again without conditions, if the zone is
    ours alone.

    Raises:
        LeaseLost: the lease is not ours any more; nothing is sent.
        ForeignEdit: the zone is shared, and other hands are in the way.
        ProviderError: one of its five kinds.
    """
    expected, rest = foreign.expected(run, batch, images)
    foreign.check_rest(run, rest)
    try:
        return _send(run, batch, images, expected)
    except Fenced as error:
        if run.provider.probe(run.zone.name, images):
            return Receipt("NOERROR", 0, 0.0)
        foreign.tell(run, batch, foreign.differing(run, expected), error)
    return _send(run, batch, images, ())


def _send(
    run: LaneRun,
    batch: Batch,
    images: Sequence[RRsetChange],
    expected: Sequence[RRsetChange],
) -> Receipt:
    lanes.guard(run.lease)
    _note_lifetime(run, batch)
    try:
        return run.provider.apply(
            run.zone.name, images, expected=expected, until=run.until()
        )
    except OutcomeUnknown as error:
        if error.answered:
            # It has arrived, and will not arrive once more.
            Batch.objects.filter(pk=batch.pk).update(late_until=None)
            batch.late_until = None
        raise


def _note_lifetime(run: LaneRun, batch: Batch) -> None:
    """Write until when this message may be late, before it is sent."""
    if not run.provider.may_be_late:
        return
    lease: float = settings.DNSORCH_LEASE_S
    skew: float = settings.DNSORCH_CLOCK_SKEW_S
    late = timedelta(seconds=lease + skew + SERVER_QUEUE_S)
    Batch.objects.filter(pk=batch.pk).update(
        late_until=Now() + late, recheck_at=Now() + late + timedelta(seconds=lease)
    )
    batch.refresh_from_db(fields=["late_until", "recheck_at"])


def late_until(batch: Batch) -> datetime | None:
    """Return until when a copy of an undecided message may arrive, None if none can."""
    alive = Batch.objects.filter(pk=batch.pk, late_until__gt=Now())
    return alive.values_list("late_until", flat=True).first()


# --- looking once more ----------------------------------------------------------------


@dataclass(frozen=True)
class Recheck:
    """The messages that were looked at once more, and what is not as they left it."""

    batches: tuple[int, ...]
    wrong: tuple[Key, ...]

    def done(self) -> None:
        """Have them not looked at again."""
        Batch.objects.filter(pk__in=self.batches).update(recheck_at=None)


def rechecks_due() -> list[tuple[int, datetime]]:
    """Return the zones in which something is to be looked at, and since when."""
    due = _due().order_by("lane_id").values_list("lane_id")
    return [(zone_id, at) for zone_id, at in due.annotate(since=Min("recheck_at"))]


def _due() -> QuerySet[Batch]:
    return Batch.objects.filter(recheck_at__lte=Now(), status=BatchStatus.APPLIED)


def recheck(zone: Zone) -> Recheck:
    """Look at what due messages wrote.

    Raises:
        ProviderError: the server cannot be asked now; it stays due.
    """
    batches = list(_due().filter(lane=zone.pk).values_list("pk", flat=True))
    started = clock.now()
    ids = set(
        Change.objects.filter(batch__in=batches).values_list("rrset_id", flat=True)
    )
    rows = RRset.objects.filter(pk__in=ids).order_by("name", "type")
    images = [
        queue.rrset_change(Key(row.name, row.type), Image.load(row.applied))
        for row in rows
    ]
    wrong = not_held(zone, images)
    moving = keys_in_motion(zone, started)
    return Recheck(tuple(batches), tuple(key for key in wrong if key not in moving))


def not_held(zone: Zone, images: Sequence[RRsetChange]) -> list[Key]:
    """Return which RRsets the server holds otherwise, none where it cannot be asked.

    Raises:
        ProviderError: it cannot be asked now.
    """
    backend = zone.backend
    provider = registry.for_backend(
        backend.driver, backend.options, backend.secret_reference
    )
    if not provider.can_probe:
        return []
    wrong = []
    for start in range(0, len(images), PROBED_AT_ONCE):
        some = images[start : start + PROBED_AT_ONCE]
        if not provider.probe(zone.name, some):
            wrong += [one for one in some if not provider.probe(zone.name, [one])]
    return [Key(each.name, each.type) for each in wrong]


def keys_in_motion(zone: Zone, since: datetime) -> set[Key]:
    """Return the RRsets with a change on its way, or applied after ``since``."""
    on_their_way = Change.objects.filter(
        zone=zone, status__in=[ChangeStatus.PENDING, ChangeStatus.SENT]
    )
    decided = Change.objects.filter(batch__lane=zone.pk, batch__decided_at__gte=since)
    names = [rows.values_list("name", "type") for rows in (on_their_way, decided)]
    return {Key(*row) for rows in names for row in rows}
