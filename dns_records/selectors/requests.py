"""The body of a request with its changes, for the API and the publisher alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from dns_records.models import Change, ScheduledChange
from dns_records.plan import public_action
from dns_records.selectors import imports
from dnsorch import clock
from requests_tracker import selectors as tracker
from requests_tracker.models import Request, RequestEvent

# Actions whose parts are made as they go on.
MAKE_PARTS = frozenset({"import"})


def bodies(request_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return the v2 body of each request, in few statements for all of them."""
    ids = list(request_ids)
    requests = Request.objects.filter(pk__in=ids)
    return {UUID(body["id"]): body for body in v2(list(requests))}


def v2(requests: Sequence[Request]) -> list[dict[str, Any]]:
    """Return requests as v2 shows them, in the order given."""
    changes = changes_of(requests)
    timelines = tracker.requests.events_of(requests)
    # What is of no kind that has any is not looked up.
    progress = imports.of_requests(r.pk for r in requests if r.action == "import")
    parts = tracker.requests.parts_of(r.pk for r in requests if _may_have_parts(r))
    scheduled: dict[UUID, list[dict[str, Any]]] = {}
    if waited := [each.pk for each in requests if each.not_before]:
        rows = ScheduledChange.objects.filter(pk__in=waited)
        scheduled = {each.pk: each.operations for each in rows}
    return [
        _v2(
            each,
            changes.get(each.pk, []),
            parts.get(each.pk, []),
            timelines.get(each.pk, []),
        )
        | {
            "scheduled": _scheduled(scheduled.get(each.pk)),
            "progress": progress.get(each.pk),
        }
        for each in requests
    ]


def changes_of(requests: Iterable[Request]) -> dict[UUID, list[Change]]:
    """Return the changes of requests, each in its order."""
    changes: dict[UUID, list[Change]] = {}
    others: list[UUID] = []
    for request in requests:
        if request.first_changes is not None:
            changes[request.pk] = request.first_changes
        elif request.action != "import":
            # It may have a hundred thousand; the histories of the RRsets show them.
            others.append(request.pk)
    if others:
        rows = Change.objects.filter(request__in=others)
        for change in rows.select_related("superseded_by").order_by("id"):
            changes.setdefault(change.request_id, []).append(change)
    return changes


def _may_have_parts(request: Request) -> bool:
    return request.parts_expected is not None or request.action in MAKE_PARTS


def _scheduled(operations: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Return what a scheduled request asks for, None of any other."""
    return operations and [
        {
            "name": each["name"],
            "type": each["type"],
            "action": public_action(each["action"]),
            "ttl": each["arguments"]["ttl"],
            "records": each["arguments"]["records"],
        }
        for each in operations
    ]


def v1(requests: list[Request]) -> list[dict[str, Any]]:
    """Return requests as v1 shows them: about one record, without changes."""
    timelines = tracker.requests.events_of(requests)
    return [
        tracker.requests.body(each, timelines.get(each.pk, []))
        | {
            "name": each.name or None,
            "type": each.type or None,
            "value": each.value or None,
            "ttl": each.ttl,
            "links": {"self": tracker.requests.links(each, "v1")["self"]},
        }
        for each in requests
    ]


def _v2(
    request: Request,
    changes: list[Change],
    parts: list[dict[str, Any]],
    events: list[RequestEvent],
) -> dict[str, Any]:
    return tracker.requests.body(request, events) | {
        "parts": parts,
        "atomicity": _atomicity(parts),
        "not_before": clock.iso(request.not_before),
        "changes": [change_body(change) for change in changes],
        "links": tracker.requests.links(request, "v2"),
    }


def _atomicity(parts: list[dict[str, Any]]) -> str:
    """Return what is all or nothing in DNS: a part is, several of them are not."""
    if not parts:
        return "whole"
    zones = [each["zone"] for each in parts if not each["compensates"]]
    return "per zone" if len(set(zones)) == len(zones) else "per part"


def change_body(change: Change) -> dict[str, Any]:
    """Return the JSON form of one change."""
    by = change.superseded_by
    return {
        "name": change.name,
        "type": change.type,
        "action": public_action(change.action),
        "before": change.before,
        "after": change.after,
        "status": change.status,
        "superseded_by": str(by.request_id) if by else None,
        "applied_at": clock.iso(change.applied_at),
        "nameservers": change.nameservers,
    }
