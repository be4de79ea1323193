"""Celery tasks: they say which lane has work; the services know what to do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from celery import shared_task

from dns_records.services import (
    audits,
    delivery,
    import_run,
    nameserver_check,
    reconcile,
    serial_watch,
    verification,
    wake,
)

# First checks right after the apply: pauses, and how long a worker's time they may take
# in all. Meanwhile the lane of another zone may wait for it; a name server that is
# silent, or slow, is the sweep's to ask again.
FIRST_CHECKS_S = (0.0, 0.02, 0.02, 0.03, 0.05, 0.08)
FIRST_CHECKS_TOGETHER_S = 0.25
# A large zone takes minutes to be read, and cannot be read by halves. Whoever reads it
# renews a claim or a lease, so that another goes on where one is killed.
LARGE_ZONE_S = 3600


@shared_task(name=wake.DELIVER)
def deliver(zone_id: int) -> None:
    """Drain the lane of a zone and ask its name servers right away."""
    delivery.drain(zone_id)
    until = time.monotonic() + FIRST_CHECKS_TOGETHER_S
    for pause in FIRST_CHECKS_S:
        time.sleep(pause)
        if not verification.check(zone_id) or time.monotonic() >= until:
            break


@shared_task(name=wake.VERIFY)
def verify(zone_id: int) -> None:
    """Ask the name servers of a zone for what is due."""
    verification.check(zone_id)


@shared_task(name=wake.RECONCILE, time_limit=LARGE_ZONE_S)
def compare(zone_id: int) -> None:
    """Compare a zone with its update server, and put back what is not as it was."""
    reconcile.run_due(zone_id)


@shared_task(name=wake.AUDIT, time_limit=LARGE_ZONE_S)
def audit(zone_id: int) -> None:
    """Compare a zone with its update server, or resolve what differs."""
    audits.run_due(zone_id)


@shared_task(name=wake.WATCH)
def watch_serial(zone_id: int) -> None:
    """See whether other hands have written to a zone."""
    serial_watch.look(zone_id)


@shared_task(name=wake.IMPORT, time_limit=LARGE_ZONE_S)
def import_zone(zone_id: int) -> None:
    """Work on the import of a zone for a while, then let others have their turn."""
    if import_run.run(zone_id):
        wake.publish(wake.IMPORT, zone_id)


@shared_task(name=nameserver_check.TASK, ignore_result=False, track_started=True)
def check_nameservers(zone_ids: Sequence[int]) -> dict[str, Any]:
    """Ask the name servers of zones for an operator; the outcome is kept."""
    return nameserver_check.run(zone_ids).as_dict()
