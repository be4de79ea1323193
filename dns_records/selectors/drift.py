"""Drift that is open, as somebody may see it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.db.models import QuerySet

from dns_records import names
from dns_records.models import Drift, Zone
from dnsorch import clock


def in_zone(
    zone: Zone, *, kind: str = "", name: str = "", rtype: str = ""
) -> QuerySet[Drift]:
    """Return the open drift of a zone that matches every filter, by name and type.

    ``name`` is as a client writes it; ``rtype`` may be one that we do not manage.

    Raises:
        Invalid: ``name`` is none of the zone.
    """
    found = Drift.objects.filter(zone=zone, resolved_at__isnull=True)
    exact = {
        "kind": kind,
        "name": names.owner_name(name, zone.name) if name else "",
        "type": rtype.upper(),
    }
    found = found.filter(**{field: value for field, value in exact.items() if value})
    return found.select_related("zone").order_by("name", "type")


def body(row: Drift) -> dict[str, Any]:
    """Return the JSON form of an RRset that is not as it was left."""
    where = f"{quote(row.name, safe='')}/{quote(row.type)}"
    return {
        "zone": row.zone.name,
        "name": row.name,
        "type": row.type,
        "kind": row.kind,
        "wanted": row.wanted,
        "served": row.served,
        "found_at": clock.iso(row.found_at),
        "seen_at": clock.iso(row.seen_at),
        "touched_by": str(row.touched_by_id) if row.touched_by_id else None,
        "resolving": str(row.resolving_id) if row.resolving_id else None,
        "links": {
            "rrset": f"/api/v2/zones/{quote(row.zone.name)}/rrsets/{where}/",
            **_request_link("touched_by", row.touched_by_id),
            **_request_link("resolving", row.resolving_id),
        },
    }


def _request_link(name: str, request_id: object) -> dict[str, str]:
    return {name: f"/api/v2/requests/{request_id}/"} if request_id else {}
