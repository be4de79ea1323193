"""Zones as somebody may see them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from dns_records import names
from dns_records.models import Change, Record, RRset, Zone
from dnsorch import clock
from dnsorch.exceptions import ZoneNotFound
from dnsorch.tokens.access import Access


def visible_to(access: Access) -> QuerySet[Zone]:
    """Return the zones somebody may read, by name, with their counts and lane."""
    found = Zone.objects.select_related("backend", "lane").annotate(
        rrset_count=_count(RRset.objects.filter(present=True), "zone"),
        record_count=_count(Record.objects.all(), "rrset__zone"),
        pending_count=_count(
            Change.objects.filter(status__in=["pending", "sent"]), "zone"
        ),
    )
    if access.zones is not None:
        found = found.filter(name__in=sorted(access.zones))
    return found.order_by("name")


def get(access: Access, name: str) -> Zone:
    """Return the zone of a canonical name, with its counts and lane.

    Raises:
        ZoneNotFound: there is none, or it is not theirs to see.
    """
    found = visible_to(access).filter(name=name).first()
    if found is None:
        raise ZoneNotFound(f"no zone {name} is registered")
    return found


def _count(rows: QuerySet[Any], path: str) -> Coalesce:
    """Return how many ``rows`` a zone has; counted apart, so that none multiplies."""
    own = rows.filter(**{path: OuterRef("pk")}).order_by().values(path)
    counted = own.annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def body(zone: Any) -> dict[str, Any]:
    """Return the JSON form of a zone that :func:`visible_to` has read."""
    lane = zone.lane
    return {
        "name": zone.name,
        "name_unicode": names.display(zone.name),
        "backend": zone.backend.name,
        "nameservers": zone.nameservers,
        "verify": {
            "policy": zone.verify_policy,
            "k": zone.verify_k,
            "deadline_s": zone.verify_deadline_s,
        },
        "fencing": zone.fencing,
        "default_ttl": zone.default_ttl,
        "min_ttl": zone.min_ttl,
        "max_ttl": zone.max_ttl,
        "mode": zone.mode,
        "ptr_policy": zone.ptr_policy,
        "audit_interval_s": zone.audit_interval_s,
        "serial": zone.serial,
        "counts": {
            "rrsets": zone.rrset_count,
            "records": zone.record_count,
            "pending_changes": zone.pending_count,
        },
        "lane": {
            "state": lane.state,
            "not_before": clock.iso(lane.not_before),
            "last_error": lane.last_error or None,
        },
        "links": {
            "self": f"/api/v2/zones/{quote(zone.name)}/",
            "rrsets": f"/api/v2/zones/{quote(zone.name)}/rrsets/",
            "drift": f"/api/v2/zones/{quote(zone.name)}/drift/",
        },
    }
