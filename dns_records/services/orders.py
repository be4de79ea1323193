"""Orders that a zone be compared with its update server: kept in its lane until then.

An audit tells what differs, a reconcile puts it back. Who is at them is no matter of
who orders them: :mod:`.audits` and :mod:`.reconcile`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models.functions import Now

from dns_records.models import Lane, Zone
from requests_tracker.models import Source

#: What a request that puts back is called.
RECONCILE: Final = "reconcile"
#: In whose name the sweep does what nobody asked for.
OURSELVES: Final = "dnsorch"


@dataclass(frozen=True)
class Order:
    """Who has a zone compared and put back, and why."""

    reason: str
    requester: str = OURSELVES
    source: str = Source.SCHEDULE.value

    def kept(self) -> dict[str, str]:
        """Return it as the lane keeps it."""
        return vars(self).copy()


def reconcile(zone: Zone, by: Order) -> None:
    """Have the sweep compare a zone with its server and put back what is not there."""
    Lane.objects.filter(zone=zone).update(reconcile_at=Now(), reconcile_order=by.kept())


def audit(zone_id: int, reason: str) -> None:
    """Have a zone compared as soon as somebody can, because of ``reason``."""
    Lane.objects.filter(zone=zone_id).update(audit_at=Now(), audit_reason=reason)
