"""What became of an RRset over time: every change of it, the newest first."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from dns_records import names, record_types
from dns_records.models import Change, RRset, Zone
from dns_records.selectors import requests
from dnsorch import clock
from dnsorch.exceptions import NotFound
from requests_tracker import selectors as tracker


def rrset(zone: Zone, name: str, rtype: str) -> RRset:
    """Return the row of an RRset that is there, or was; named as a client writes it.

    Raises:
        Invalid: it is no name or type.
        NotFound: it never was.
    """
    canonical = names.owner_name(name, zone.name)
    type_name = record_types.lookup(rtype).name
    found = RRset.objects.filter(zone=zone, name=canonical, type=type_name).first()
    if found is None:
        raise NotFound(f"there never was an RRset {canonical} {type_name}")
    return found


def of(rrset: RRset) -> QuerySet[Change]:
    """Return the changes of an RRset with their requests, the newest first."""
    changes = Change.objects.filter(rrset=rrset)
    return changes.select_related("request", "superseded_by").order_by("-id")


def body(change: Change) -> dict[str, Any]:
    """Return the JSON form of a change that :func:`of` has read, with who made it."""
    request = change.request
    return requests.change_body(change) | {
        "version": change.version,
        "at": clock.iso(request.received_at),
        "request_id": str(request.pk),
        "request_status": request.status,
        "requester": request.requester,
        "on_behalf_of": request.on_behalf_of or None,
        "source": request.source,
        "comment": request.comment,
        "links": {"request": tracker.requests.links(request, "v2")["self"]},
    }
