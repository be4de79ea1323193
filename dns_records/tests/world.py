"""A zone on a pretended DNS service, and how tests drive what dnsorch does to it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from dns_records import plan
from dns_records.drafts import Draft
from dns_records.images import Image, Key, dump
from dns_records.models import Batch, Change, Lane, OwnerName, RRset, Zone
from dns_records.providers import memory
from dns_records.providers.base import RRsetChange, marker_name
from dns_records.services import arguments, backends, changes, lanes, zones
from dns_records.services.changes import ChangeSet
from dns_records.services.submissions import Asked
from dnsorch import clock
from dnsorch.tokens.access import Access
from requests_tracker.models import Request
from requests_tracker.services.idempotency import Answer
from requests_tracker.tests.factories import DOOR, origin, steps

ZONE = "example.test."
ANYONE = Access("team-web")

Content = dict[tuple[str, str], tuple[int, tuple[str, ...]]]


def make_zone(name: str = ZONE, **fields: Any) -> Zone:
    """Register a zone on a store of its own; by default nobody is asked afterwards."""
    backend = backends.save(
        name=uuid4().hex, driver="memory", options={"store": uuid4().hex}
    )
    return zones.register(
        name=name, backend=backend, **{"verify_policy": "none", **fields}
    )


def store_of(zone: Zone) -> memory.Store:
    """Return the store that a zone is on."""
    return memory.store(zone.backend.options["store"])


def draft(action: str, name: str, rtype: str = "A", *records: str, **f: Any) -> Draft:
    """Return one operation as a client writes it."""
    return Draft(action=action, name=name, type=rtype, records=records, **f)


def submit(submission: Asked, *, key: str = "", access: Access = ANYONE) -> Answer:
    """Give something to the door of ``team-web``."""
    return changes.submit(
        lambda: submission,
        access=access,
        origin=origin(key, received_at=clock.now()),
        operation=repr(submission),
        doorway=DOOR,
    )


def post(*drafts: Draft, zone: str = ZONE, key: str = "") -> Request:
    """Submit a change set; return its request, accepted or rejected."""
    answer = submit(ChangeSet(zone, drafts), key=key)
    assert answer.request_id is not None
    return Request.objects.get(pk=answer.request_id)


def add(name: str, *records: str, zone: str = ZONE) -> Request:
    """Submit a change set that adds A records."""
    return post(draft("add", name, "A", *records), zone=zone)


def address(number: int) -> str:
    """Return one of 65,536 addresses."""
    return f"10.0.{number // 256}.{number % 256}"


def states(requests: Iterable[Request] | None = None) -> list[str]:
    """Return the states of requests, of all of them by default, oldest first."""
    rows = Request.objects.order_by("pk")
    if requests is not None:
        rows = rows.filter(pk__in=[request.pk for request in requests])
    return list(rows.values_list("status", flat=True))


def told(request: Request) -> list[str]:
    """Return the steps that came after a request was queued."""
    return steps(request)[4:]


def fresh(request: Request) -> Request:
    """Return the request as it is now."""
    return Request.objects.get(pk=request.pk)


def served(zone: Zone) -> Content:
    """Return what the DNS service holds, the marker aside."""
    return {
        key: (rrset.ttl, tuple(sorted(rrset.records)))
        for key, rrset in store_of(zone).rrsets.items()
        if key[0] != marker_name(zone.name)
    }


def marker(zone: Zone) -> str | None:
    """Return the marker that the DNS service holds."""
    held = store_of(zone).rrsets.get((marker_name(zone.name), "TXT"))
    return held.records[0] if held else None


def messages(zone: Zone) -> list[list[tuple[str, str, tuple[str, ...]]]]:
    """Return the RRsets of each message that was applied, in order."""
    return [
        [(change.name, change.type, change.records) for change in each.changes]
        for each in store_of(zone).log
    ]


def markers(zone: Zone) -> list[tuple[str | None, str]]:
    """Return the step of the marker in each message that was applied, in order."""
    return [
        (each.fence.previous, each.fence.next)
        for each in store_of(zone).log
        if each.fence
    ]


def put_into_dns(zone: Zone, name: str, rtype: str, *records: str) -> None:
    """Change DNS by other hands; without records the RRset is deleted."""
    rrsets = store_of(zone).rrsets
    rrsets.pop((name, rtype), None)
    if records:
        rrsets[name, rtype] = RRsetChange(name, rtype, 300, records)


def wanted(zone: Zone) -> Content:
    """Return the wanted state, checked against its counters."""
    content: Content = {}
    for row in RRset.objects.filter(zone=zone).prefetch_related("records"):
        texts = tuple(sorted(record.rdata for record in row.records.all()))
        assert bool(texts) is row.present
        if row.present:
            content[row.name, row.type] = (row.ttl, texts)
    for owner in OwnerName.objects.filter(zone=zone):
        types = [rtype for name, rtype in content if name == owner.name]
        counted = (types.count("CNAME"), len(types) - types.count("CNAME"))
        assert (owner.cname_rrsets, owner.other_rrsets) == counted
    return content


def applied(zone: Zone) -> Content:
    """Return what dnsorch believes to be in DNS."""
    images = {
        Key(row.name, row.type): Image.load(row.applied)
        for row in RRset.objects.filter(zone=zone)
    }
    return {
        key: (image.ttl, tuple(sorted(image.records)))
        for key, image in images.items()
        if image
    }


def replayed(zone: Zone) -> Content:
    """Return the applied images with all that is undecided replayed, in order."""
    images: dict[Key, Image | None] = {
        Key(row.name, row.type): Image.load(row.applied)
        for row in RRset.objects.filter(zone=zone)
    }
    own: dict[object, list[Change]] = {}
    for change in Change.objects.filter(status__in=["pending", "sent"]).order_by("id"):
        own.setdefault(change.request_id, []).append(change)
    for rows in own.values():
        planned = plan.build(
            changes.context(zone),
            zone.default_ttl,
            images,
            [arguments.load_operation(change) for change in rows],
        )
        for change, step in zip(rows, planned.steps, strict=True):
            assert (change.before, change.after) == (
                dump(step.before),
                dump(step.after),
            )
        images |= planned.images
    return {
        key: (image.ttl, tuple(sorted(image.records)))
        for key, image in images.items()
        if image
    }


def change_states(request: Request) -> list[str]:
    """Return the states of a request's changes, in order."""
    rows = Change.objects.filter(request=request).order_by("id")
    return list(rows.values_list("status", flat=True))


def hurry(zone: Zone) -> None:
    """Let every back-off of a zone be over."""
    lanes.hurry(zone.pk)
    Request.objects.filter(zone=zone.name).update(next_attempt_at=None)


def let_copies_die(zone: Zone) -> None:
    """Let so much time pass that no copy of a message can arrive any more."""
    Batch.objects.filter(lane=zone.pk).update(late_until=None)


def let_lease_expire(zone: Zone) -> None:
    """Let the holder of the lease have slept too long."""
    Lane.objects.filter(zone=zone, lease_expires_at__isnull=False).update(
        lease_expires_at=clock.database_now() - timedelta(seconds=1)
    )
