"""What an audit found, written down: drift that is there, drift that is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max, QuerySet

from dns_records.drift import Difference
from dns_records.images import Key, dump
from dns_records.models import Change, Drift, DriftKind, Lane, Zone
from dns_records.services import comparison
from dns_records.services.comparison import Comparison, Found
from dns_records.services.zone_claims import Claim
from dnsorch import clock

# How many differences are told on a timeline.
MAX_TOLD = 100


@dataclass
class Findings:
    """What a comparison found; ``new`` is how many of the differences nobody knew.

    ``rrsets`` is how many the server holds; ``in_motion`` how many were left out
    because a change of them was on its way. ``told`` are the first differences.
    """

    zone: str
    at: datetime
    rrsets: int = 0
    in_motion: int = 0
    new: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    told: list[dict[str, Any]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many RRsets differ."""
        return self.counts.total()

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form, as the lane and a timeline keep it."""
        return {
            "zone": self.zone,
            "at": clock.iso(self.at),
            "rrsets": self.rrsets,
            "in_motion": self.in_motion,
            "new": self.new,
            **{kind: self.counts[kind] for kind in DriftKind.values},
            "differences": self.told,
        }

    def __str__(self) -> str:
        counts = ", ".join(f"{self.counts[kind]} {kind}" for kind in DriftKind.values)
        return f"{self.rrsets} RRsets compared: {counts}"


def note(zone: Zone, claim: Claim | None = None) -> Findings:
    """Compare a zone with its update server and note what differs as drift.

    What was open and does not differ any more is resolved. Some RRsets go into a
    transaction; the server is asked outside of all. ``claim`` is kept meanwhile.

    Raises:
        ProviderError: the server does not tell; nothing is noted.
        LeaseLost: the claim is another's by now.
    """
    keep = claim.renew if claim else lambda: None
    with comparison.of(zone, keep) as compared:
        found = Findings(zone.name, compared.at, compared.rrsets())
        for part in compared.found():
            with transaction.atomic():
                _note(compared, part, found)
            keep()
    gone = open_in(zone).filter(seen_at__lt=compared.at)
    gone.update(resolved_at=clock.now())
    Lane.objects.filter(zone=zone).update(
        last_audit=found.as_dict(), suspect=open_in(zone).exists()
    )
    return found


def open_in(zone: Zone) -> QuerySet[Drift]:
    """Return the drift of a zone that is open."""
    return Drift.objects.filter(zone=zone, resolved_at__isnull=True)


def _note(compared: Comparison, part: Found, found: Findings) -> None:
    """Note some of the differences; what is in motion stays as it is noted."""
    every = [*part.differences, *part.in_motion]
    rows = open_in(compared.zone).filter(name__in={each.key.name for each in every})
    known = {Key(row.name, row.type): row for row in rows.select_for_update()}
    moving = [known[each.key].pk for each in part.in_motion if each.key in known]
    Drift.objects.filter(pk__in=moving).update(seen_at=compared.at)
    touched = _touched(compared.zone, part.differences)
    new, again = [], []
    for each in part.differences:
        row = known.get(each.key)
        if row is None:
            row = Drift(zone=compared.zone, name=each.key.name, type=each.key.type)
            row.found_at = compared.at
            new.append(row)
        else:
            again.append(row)
            found.new += (row.wanted, row.served) != _images(each)
        row.kind, (row.wanted, row.served) = each.kind, _images(each)
        row.seen_at, row.touched_by_id = compared.at, touched.get(each.key)
        if len(found.told) < MAX_TOLD:
            by = touched.get(each.key)
            found.told.append({**each.as_dict(), "request": str(by) if by else None})
    Drift.objects.bulk_create(new, ignore_conflicts=True)
    Drift.objects.bulk_update(
        again, ["kind", "wanted", "served", "seen_at", "touched_by"]
    )
    found.new += len(new)
    found.in_motion += len(part.in_motion)
    found.counts.update(each.kind for each in part.differences)


def _images(each: Difference) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    return dump(each.wanted), dump(each.served)


def _touched(zone: Zone, differences: Sequence[Difference]) -> dict[Key, UUID]:
    """Return the last request that wrote each RRset, where there is one."""
    applied = Change.objects.filter(
        zone=zone,
        name__in={each.key.name for each in differences},
        applied_at__isnull=False,
    )
    last = applied.order_by().values("name", "type").annotate(last=Max("pk"))
    rows = Change.objects.filter(pk__in=[row["last"] for row in last])
    return {
        Key(name, rtype): request_id
        for name, rtype, request_id in rows.values_list("name", "type", "request_id")
    }
