"""The sweep: finds what is due in the database and sees that it is done.

It never looks at the dirty flag: wake-ups may be lost, the pending rows are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog
from django.db.models import Exists, OuterRef, Q

from dns_records.models import Batch, BatchStatus, Change, Lane, Zone
from dns_records.services import delivery, queue, verification, wake, withdrawal
from dnsorch import clock
from dnsorch.exceptions import DnsorchError
from requests_tracker.models import Request
from requests_tracker.status import Status

logger = structlog.get_logger(__name__)

# A lane that was woken and has not moved is woken again after so many seconds.
WAKE_AGAIN_S = 3.0


class DeadlineExceeded(DnsorchError):
    """The change could not be brought to the DNS server before the deadline."""

    code = "deadline_exceeded"


@dataclass
class Sweeper:
    """One process's sweep; remembers only when it last woke a lane."""

    woken: dict[tuple[str, int], float] = field(default_factory=dict)

    def once(self) -> int:
        """Wake or do all that is due; return how many lanes that were."""
        found = 0
        now = clock.now()
        for zone_id in lanes_to_drain():
            found += self._see_to(wake.DELIVER, zone_id, deliver)
        for zone_id in zones_to_check():
            found += self._see_to(wake.VERIFY, zone_id, verification.check)
        found += expire_overdue()
        logger.debug("swept", found=found, at=str(now))
        return found

    def _see_to(self, task: str, zone_id: int, do: Callable[[int], object]) -> int:
        """Publish a wake-up, or do the work here if the broker does not take it."""
        key, now = (task, zone_id), time.monotonic()
        if now - self.woken.get(key, -WAKE_AGAIN_S) < WAKE_AGAIN_S:
            return 0
        self.woken[key] = now
        if not wake.publish(task, zone_id):
            del self.woken[key]
            do(zone_id)
        return 1


def deliver(zone_id: int) -> None:
    """Drain a lane and ask the name servers for what was sent."""
    delivery.drain(zone_id)
    verification.check(zone_id)


def lanes_to_drain() -> list[int]:
    """Return the zones with due changes or an undecided batch, and no lease."""
    now = clock.now()
    pending = Change.objects.filter(zone=OuterRef("pk"), status="pending")
    undecided = Batch.objects.filter(lane=OuterRef("pk"), status=BatchStatus.SENT)
    free = Lane.objects.filter(
        Q(not_before__isnull=True) | Q(not_before__lte=now),
        Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=now),
        zone=OuterRef("pk"),
    )
    return _ids(
        Zone.objects.filter(Exists(free)).filter(
            Exists(pending.filter(queue.due(now))) | Exists(undecided)
        )
    )


def zones_to_check() -> list[int]:
    """Return the zones whose name servers are to be asked now."""
    due = Change.objects.filter(next_check_at__lte=clock.now())
    return sorted(due.values_list("zone_id", flat=True).distinct())


def _ids(zones: Iterable[Zone]) -> list[int]:
    return sorted(zone.pk for zone in zones)


def expire_overdue() -> int:
    """Fail queued requests whose deadline has passed; return how many."""
    overdue = Request.objects.filter(
        status=Status.QUEUED, deadline_at__lte=clock.now()
    ).order_by("pk")[:500]
    by_zone: dict[str, dict[object, DnsorchError]] = {}
    for request in overdue:
        lane = Lane.objects.filter(zone__name=request.zone).first()
        because = f": {lane.last_error}" if lane and lane.last_error else ""
        error = DeadlineExceeded(
            f"not sent after {request.attempts} attempt(s) until its deadline{because}"
        )
        by_zone.setdefault(request.zone, {})[request.pk] = error
    for name, errors in by_zone.items():
        zone = Zone.objects.filter(name=name).first()
        if zone is not None:
            withdrawal.fail(zone, errors)  # type: ignore[arg-type]
    return sum(len(errors) for errors in by_zone.values())
