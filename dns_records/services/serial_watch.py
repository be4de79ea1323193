"""The serial of a zone's primary, looked at now and then (SOA, RFC 1035).

It moves with every change. Where it has moved and no message of ours was applied since
it was last seen, other hands have written to the zone: it is audited soon.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import dns.serial
import structlog
from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from dns_records import nameservers
from dns_records.models import Batch, BatchStatus, Lane, Zone
from dns_records.services import orders
from dnsorch import clock

logger = structlog.get_logger(__name__)

# Zones that one sweep looks at.
AT_ONCE = 5


def due() -> list[tuple[int, datetime | None]]:
    """Return a few zones whose serial is to be looked at, and since when."""
    if not settings.DNSORCH_SERIAL_WATCH_S:
        return []
    lanes = Lane.objects.filter(_is_due()).exclude(zone__nameservers=[])
    rows = lanes.order_by("watch_at", "zone_id").values_list("zone_id", "watch_at")
    return list(rows[:AT_ONCE])


def _is_due() -> Q:
    return Q(watch_at__isnull=True) | Q(watch_at__lte=Now())


def look(zone_id: int) -> None:
    """Ask the primary for its serial, and have the zone audited if it is suspicious."""
    zone = Zone.objects.filter(pk=zone_id).first()
    again = Now() + timedelta(seconds=settings.DNSORCH_SERIAL_WATCH_S)
    lane = Lane.objects.filter(_is_due(), zone=zone_id)
    if zone is None or not zone.nameservers or not lane.update(watch_at=again):
        return
    at = clock.now()
    report = nameservers.ask(
        zone.nameservers[0], zone.name, [], timeout=settings.DNSORCH_QUERY_TIMEOUT_S
    )
    if report.serial is None:
        logger.info("no serial", zone=zone.name, error=report.error)
        return
    why = _suspicion(zone, report.serial)
    if not remember(zone, report.serial, at):
        return  # somebody has seen a newer one
    if why is not None:
        logger.warning("changed by other hands", zone=zone.name, why=why)
        Lane.objects.filter(zone=zone).update(suspect=True)
        orders.audit(zone.pk, why)


def remember(zone: Zone, serial: int, at: datetime) -> bool:
    """Keep the primary's serial as it was at ``at``; False if a later one is known."""
    older = Q(serial_at__isnull=True) | Q(serial_at__lt=at)
    mine = Zone.objects.filter(older, pk=zone.pk)
    return bool(mine.update(serial=serial, serial_at=at))


def _suspicion(zone: Zone, serial: int) -> str | None:
    """Return why a serial cannot be of our making, None if it can."""
    if zone.serial is None or zone.serial_at is None or serial == zone.serial:
        return None
    if any(_ours(zone, zone.serial_at)):
        return None
    newer = dns.serial.Serial(serial) > dns.serial.Serial(zone.serial)
    moved = "moved" if newer else "went back"
    return f"the serial {moved} from {zone.serial} to {serial}, and not by us"


def _ours(zone: Zone, since: datetime) -> Iterator[bool]:
    """Say whether a message of ours may have moved the serial since ``since``."""
    sent = Batch.objects.filter(lane=zone.pk)
    yield sent.filter(status=BatchStatus.SENT).exists()
    yield sent.filter(decided_at__gte=since).exists()
