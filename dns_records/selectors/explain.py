"""What the database knows about an RRset that somebody asks to have explained."""

from __future__ import annotations

from typing import Any

from dns_records import names
from dns_records.images import Image, Key
from dns_records.models import (
    Change,
    ChangeStatus,
    Lane,
    LaneState,
    Record,
    RRset,
    Zone,
)
from dns_records.selectors import rrsets
from dnsorch import clock
from dnsorch.tokens import selectors as tokens
from dnsorch.tokens.access import Access
from requests_tracker import selectors as tracker
from requests_tracker.models import Request

UNDONE = (ChangeStatus.FAILED, ChangeStatus.CANCELLED)
MAX_PENDING = 100


def zone_of(access: Access, name: str) -> Zone | None:
    """Return the zone with the longest apex that ``name``, canonical, is in.

    None if no zone holds it, or one that is not theirs to see.
    """
    zones = Zone.objects.select_related("backend").filter(name__in=names.suffixes(name))
    held = max(zones, key=lambda zone: len(zone.name), default=None)
    return held if held is not None and access.may_read(held.name) else None


def wanted(zone: Zone, key: Key) -> tuple[RRset | None, Image | None]:
    """Return the row of an RRset, if it ever was, and its wanted image."""
    row = RRset.objects.filter(zone=zone, name=key.name, type=key.type).first()
    if row is None or not row.present:
        return row, None
    records = Record.objects.filter(rrset=row).values_list("rdata", flat=True)
    return row, Image.of(row.ttl, records)


def cname(zone: Zone, name: str) -> str:
    """Return the target of the CNAME that is wanted at a name, "" without one."""
    found = Record.objects.filter(
        rrset__zone=zone, rrset__name=name, rrset__type="CNAME"
    )
    return found.values_list("rdata", flat=True).first() or ""


def last_effective(rrset: RRset) -> Change | None:
    """Return the newest change of an RRset that was not given up."""
    changes = Change.objects.filter(rrset=rrset).exclude(status__in=UNDONE)
    return changes.order_by("-id").first()


def last_request(rrset: RRset) -> Request | None:
    """Return the request that changed an RRset last, whatever became of it."""
    changes = Change.objects.filter(rrset=rrset).select_related("request")
    last = changes.order_by("-id").first()
    return last.request if last else None


def pending_requests(rrset: RRset) -> list[Request]:
    """Return the requests with open changes of an RRset, in their order."""
    changes = rrsets.open_changes(rrset).select_related("request").order_by("id")
    found = {each.request_id: each.request for each in changes[:MAX_PENDING]}
    return list(found.values())


def requests_ahead(change: Change) -> int:
    """Return how many other requests wait in the lane before a change."""
    before = Change.objects.filter(
        zone=change.zone_id, status=ChangeStatus.PENDING, pk__lt=change.pk
    )
    others = before.exclude(request=change.request_id)
    return others.order_by().values("request").distinct().count()


def trouble(zone: Zone) -> str:
    """Return what holds the lane of a zone up, "" if nothing does."""
    lane = Lane.objects.get(zone=zone)
    if zone.backend.not_before and zone.backend.not_before > clock.now():
        return zone.backend.last_error or "the backend does not answer"
    if lane.state == LaneState.OK:
        return ""
    return lane.last_error or str(lane.state)


def who_may_change(access: Access, zone: Zone) -> dict[str, Any]:
    """Return whether the caller may change a zone, and why; and who else may.

    The owners of tokens are told only to callers who may see all zones.
    """
    if access.read_only:
        why = "your token may only read"
    elif access.zones is None:
        why = "you may change all zones"
    else:
        why = "your token is for this zone"
    return {
        "may_change": access.may_write(zone.name),
        "why": why,
        "owners": _owners(zone) if access.zones is None else None,
    }


def _owners(zone: Zone) -> list[dict[str, str]]:
    """Return who has a token that may change a zone, each once."""
    found: dict[str, str] = {}
    for owner, all_zones in tokens.writers(zone.name, clock.now()):
        why = "a token for all zones" if all_zones else "a token for this zone"
        found[owner] = why if all_zones else found.get(owner, why)
    return [{"owner": owner, "why": why} for owner, why in sorted(found.items())]


def request_body(request: Request) -> dict[str, Any]:
    """Return the JSON form of a request in short, and where it is."""
    return {
        "id": str(request.pk),
        "status": request.status,
        "action": request.action,
        "requester": request.requester,
        "received_at": clock.iso(request.received_at),
        "links": {"self": tracker.requests.links(request, "v2")["self"]},
    }
