"""The page of one request: what its template is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from dns_records import selectors
from dns_records.models import Change, ChangeStatus, Lane, LaneState, Zone
from dns_records.plan import public_action
from dnsorch import clock
from requests_tracker.admin import display
from requests_tracker.admin.display import Line
from requests_tracker.models import Request, RequestEvent
from requests_tracker.status import Status

# Replays of a popular idempotency key would else fill the page.
EVENTS = 500

HEADLINES = {
    Status.RECEIVED: "being accepted",
    Status.REJECTED: "rejected",
    Status.AWAITING_APPROVAL: "waits for approval",
    Status.SCHEDULED: "waits for its time",
    Status.QUEUED: "waits to be sent",
    Status.PROVISIONING: "on its way to the DNS service",
    Status.VERIFYING: "sent, and not yet seen on every name server",
    Status.COMPLETED: "done",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}


@dataclass(frozen=True)
class Served:
    """What one name server says about a change, and how long after the apply."""

    address: str
    serial: int | None
    seen: str
    lag: str


@dataclass(frozen=True)
class ChangeRow:
    """One change as a row of the table."""

    change: Change
    action: str
    badge: str
    before: list[Line]
    after: list[Line]
    servers: list[Served]
    superseded_by: Request | None


@dataclass(frozen=True)
class EventRow:
    """One step of the timeline as a row of the table."""

    event: RequestEvent
    at: str
    since: str
    badge: str
    data: str


def context(request: Request) -> dict[str, Any]:
    """Return all that the page shows, in a fixed number of statements."""
    events = list(request.events.order_by("-sequence")[:EVENTS])[::-1]
    zone = (
        Zone.objects.select_related("lane", "backend").filter(name=request.zone).first()
    )
    return {
        "badge": display.badge(request.status),
        "headline": HEADLINES[Status(request.status)],
        "what": subject(request),
        "time": _time(request),
        "error": request.error,
        "progress": _progress(request),
        "last_event": events[-1] if events else None,
        "facts": _facts(request),
        "changes": [_change(change, zone) for change in _changes(request)],
        "events": [_event(request, event) for event in events],
        "events_left_out": request.last_sequence - len(events),
        "retries": list(request.retries.order_by("id")),
        "zone": zone,
        "lane_trouble": _trouble(zone, request),
    }


def subject(request: Request) -> str:
    """Return in a line what is asked for."""
    if request.name:
        return f"{_action(request)} {request.name} {request.type}".rstrip()
    if request.action == "changeset" and request.zone:
        return f"change set in {request.zone}"
    return f"{_action(request)} {request.zone}".rstrip()


def _action(request: Request) -> str:
    return "change set" if request.action == "changeset" else request.action


def _time(request: Request) -> str:
    """Return since when the request is in its state, and how long it took."""
    took = (request.completed_at or clock.now()) - request.received_at
    if request.completed_at is None:
        return f"for {display.span(took)} so far"
    return f"{display.ago(request.completed_at)}, after {display.span(took)}"


def _facts(request: Request) -> list[tuple[str, str]]:
    facts = {
        "value": display.code(request.value),
        "TTL": "" if request.ttl is None else f"{request.ttl} s",
        "requester": request.requester,
        "on behalf of": request.on_behalf_of,
        "source": f"{request.source}, API {request.api_version}",
        "comment": request.comment or "",
        "received": _when(request.received_at),
        "completed": _when(request.completed_at),
        "next attempt": _when(request.next_attempt_at),
        "deadline": "" if request.is_final else _when(request.deadline_at),
        "attempts": str(request.attempts),
        "idempotency key": display.code(request.idempotency_key),
        "correlation id": display.code(request.correlation_id),
        "trace": display.code(request.traceparent),
    }
    return [
        (label, value)
        for label, value in facts.items()
        if value and value != display.NOTHING
    ]


def _when(at: datetime | None) -> str:
    return f"{display.stamp(at)} ({display.ago(at)})" if at else ""


def _progress(request: Request) -> dict[str, Any] | None:
    """Return how far the request is, None where nobody counts."""
    if request.action != "import":
        return None
    return selectors.imports.of_requests([request.pk]).get(request.pk)


def _changes(request: Request) -> list[Change]:
    if request.action == "import":
        return []  # a hundred thousand, maybe; the page shows the progress
    rows = Change.objects.filter(request=request)
    return list(rows.select_related("superseded_by__request").order_by("id"))


def _change(change: Change, zone: Zone | None) -> ChangeRow:
    by = change.superseded_by
    servers = list(change.nameservers)
    if zone is not None and change.status == ChangeStatus.APPLIED:
        seen = {server["address"] for server in servers}
        servers += [{"address": each} for each in zone.nameservers if each not in seen]
    return ChangeRow(
        change=change,
        action=public_action(change.action),
        badge=display.badge(change.status),
        before=display.lines(change.before, change.after),
        after=display.lines(change.after, change.before),
        servers=[_served(change, server) for server in servers],
        superseded_by=by.request if by else None,
    )


def _served(change: Change, server: dict[str, Any]) -> Served:
    at = server.get("seen_at") and parse_datetime(server["seen_at"])
    lag = at - change.applied_at if at and change.applied_at else None
    return Served(
        address=server["address"],
        serial=server.get("serial"),
        seen=display.stamp(at)[11:] if at else "",
        lag=display.span(lag) if lag is not None else "",
    )


def _event(request: Request, event: RequestEvent) -> EventRow:
    return EventRow(
        event=event,
        at=display.stamp(event.at),
        since=f"+{display.span(event.at - request.received_at)}".replace("+-", "-"),
        badge=display.badge(event.step),
        data=display.pretty(event.data) if event.data else "",
    )


def _trouble(zone: Zone | None, request: Request) -> Lane | None:
    """Return the lane if it is what an open request waits for."""
    if zone is None or request.is_final or zone.lane.state == LaneState.OK:
        return None
    return zone.lane
