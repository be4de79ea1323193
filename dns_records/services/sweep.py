"""The sweep: finds what is due in the database and sees that it is done.

It never relies on the dirty flag: wake-ups may be lost, the pending rows are not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

import structlog
from django.db.models import Exists, Min, OuterRef, Q

from dns_records.models import Batch, BatchStatus, Change, ChangeStatus, Lane, Zone
from dns_records.services import (
    audits,
    compensation,
    delivery,
    expiry,
    import_jobs,
    import_run,
    queue,
    reconcile,
    schedules,
    serial_watch,
    verification,
    wake,
    withdrawal,
)
from dns_records.services.hints import Act, Hints
from dnsorch import clock, failpoints, tracing
from dnsorch.exceptions import DnsorchError
from requests_tracker.models import Request
from requests_tracker.services import lifecycle
from requests_tracker.status import Status

logger = structlog.get_logger(__name__)

MAX_OVERDUE = 500


class DeadlineExceeded(DnsorchError):
    """The change could not be brought to the DNS server before the deadline."""

    code = "deadline_exceeded"


class Sweeper:
    """One process's sweep; remembers whom it woke."""

    def __init__(self) -> None:
        """Begin with nobody woken."""
        self._hints = Hints(wake.backlog)

    def once(self) -> int:
        """Wake or do all that is due; return how many lanes that were."""
        if not failpoints.stands("sweep"):
            return 0
        found = 0
        now = clock.now()
        self._hints.begin()
        # Before the lanes: they drain what comes of it in the same sweep.
        found += schedules.open_due() + expiry.remove_due()
        for zone_id, sent, dirty in lanes_to_drain():
            found += self._see_to(wake.DELIVER, zone_id, deliver, done=sent, said=dirty)
        for zone_id, since in checks_due():
            found += self._see_to(wake.VERIFY, zone_id, verification.check, since)
        for zone_id, since in reconcile.due():
            found += self._see_to(wake.RECONCILE, zone_id, reconcile.run_due, since)
        for zone_id, since in audits.due():
            found += self._see_to(wake.AUDIT, zone_id, audits.run_due, since)
        for zone_id, seen in serial_watch.due():
            found += self._see_to(wake.WATCH, zone_id, serial_watch.look, seen)
        for zone_id, since in import_jobs.due():
            found += self._see_to(wake.IMPORT, zone_id, import_run.run, since)
        self._hints.end()
        found += expire_overdue()
        found += settle_parents()
        logger.debug("swept", found=found, at=str(now))
        return found

    def _see_to(
        self,
        task: str,
        zone_id: int,
        do: Callable[[int], object],
        since: datetime | None = None,
        *,
        done: int = 0,
        said: bool = False,
    ) -> int:
        """Publish a wake-up, or do the work here if nobody takes it.

        ``since`` is when the work was due: another moment is other work.
        """
        act = self._hints.found((task, zone_id), since, done=done, said=said)
        if act is Act.LEAVE:
            return 0
        if act is Act.DO or not wake.publish(task, zone_id):
            self._hints.done_here((task, zone_id))
            try:
                with tracing.span(f"sweep {task}", parent=""):
                    do(zone_id)
            except Exception:  # one zone's trouble is not the others'
                logger.exception("sweep failed", task=task, zone_id=zone_id)
        return 1


def deliver(zone_id: int) -> None:
    """Drain a lane and ask the name servers for what was sent."""
    delivery.drain(zone_id)
    verification.check(zone_id)


def lanes_to_drain() -> list[tuple[int, int, bool]]:
    """Return the lanes with due changes or an undecided batch, and no lease.

    Each with the number of its last message, which rises while somebody sends, and
    whether somebody gave a hint, which may be lost: the dirty flag says so, unless it
    was set for a holder of the lease that has died.
    """
    now = clock.now()
    pending = Change.objects.filter(zone=OuterRef("pk"), status=ChangeStatus.PENDING)
    undecided = Batch.objects.filter(lane=OuterRef("pk"), status=BatchStatus.SENT)
    free = Lane.objects.filter(
        Q(not_before__isnull=True) | Q(not_before__lte=now),
        Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=now),
        Exists(pending.filter(queue.due(now))) | Exists(undecided),
    )
    rows = free.order_by("pk").values_list(
        "pk", "batch_number", "dirty", "lease_expires_at"
    )
    return [(pk, number, dirty and held is None) for pk, number, dirty, held in rows]


def checks_due() -> list[tuple[int, datetime]]:
    """Return the zones whose name servers are to be asked, and since when."""
    due = Change.objects.filter(next_check_at__lte=clock.now()).order_by("zone_id")
    zones = due.values_list("zone_id").annotate(since=Min("next_check_at"))
    return [(zone_id, since) for zone_id, since in zones]


def settle_parents() -> int:
    """See to requests whose parts are final and that are not; return how many.

    What has to be put back is asked for first: they end after it.
    """
    found = lifecycle.unsettled(MAX_OVERDUE)
    for request_id in found:
        try:
            compensation.run(request_id)
            lifecycle.settle(request_id)
        except Exception:  # one request's trouble is not the others'
            logger.exception("parts not settled", request_id=str(request_id))
    return len(found)


def expire_overdue() -> int:
    """Fail queued requests whose deadline has passed; return how many."""
    overdue = Request.objects.filter(
        status=Status.QUEUED, deadline_at__lte=clock.now()
    ).order_by("pk")[:MAX_OVERDUE]
    by_zone: dict[str, list[Request]] = defaultdict(list)
    for request in overdue:
        by_zone[request.zone].append(request)
    for zone in Zone.objects.select_related("lane").filter(name__in=list(by_zone)):
        because = f": {zone.lane.last_error}" if zone.lane.last_error else ""
        withdrawal.fail(
            zone,
            {
                request.pk: DeadlineExceeded(
                    f"not sent after {request.attempts} attempt(s) "
                    f"until its deadline{because}"
                )
                for request in by_zone[zone.name]
            },
        )
    return sum(len(requests) for requests in by_zone.values())
