"""Requests as somebody may see them, found by the filters of the lists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from dnsorch import clock
from dnsorch.exceptions import NotFound
from dnsorch.tokens.access import Access
from requests_tracker.models import Request, RequestEvent
from requests_tracker.status import Status


def visible_to(access: Access) -> QuerySet[Request]:
    """Return the requests of the zones somebody may read, and all their own."""
    if access.zones is None:
        return Request.objects.all()
    return Request.objects.filter(
        Q(zone__in=sorted(access.zones)) | Q(requester=access.owner)
    )


def get(access: Access, request_id: UUID) -> Request:
    """Return one request.

    Raises:
        NotFound: there is none, or it is not theirs to see.
    """
    found = visible_to(access).filter(pk=request_id).first()
    if found is None:
        raise NotFound(f"there is no request {request_id}")
    return found


def search(
    access: Access,
    *,
    status: str = "",
    source: str = "",
    zone: str = "",
    name: str = "",
    requester: str = "",
    correlation_id: str = "",
    idempotency_key: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Request]:
    """Return the requests that match every filter given, newest first.

    ``zone`` and ``name`` are canonical; ``name`` also finds the change sets that
    hold it. ``since`` is inclusive, ``until`` exclusive, by time of arrival.
    """
    exact = {
        "status": status,
        "source": source,
        "zone": zone,
        "requester": requester,
        "correlation_id": correlation_id,
        "idempotency_key": idempotency_key,
    }
    found = visible_to(access).filter(
        **{field: value for field, value in exact.items() if value}
    )
    if name:
        found = found.filter(pk__in=about(name))
    if since is not None:
        found = found.filter(received_at__gte=since)
    if until is not None:
        found = found.filter(received_at__lt=until)
    return found.order_by("-id")


def about(name: str) -> QuerySet[Request, Any]:
    """Return the ids of the requests about a canonical owner name.

    Of a change set of several the changes have the names, and one that waits for its
    time has none yet. A union: databases answer the same joined by OR with a scan.
    """
    rows = Request.objects.order_by()
    waiting = rows.filter(status=Status.SCHEDULED).annotate(
        asked=Cast("scheduled__operations", TextField())
    )
    own, *others = (
        rows.filter(name=name),
        rows.filter(changes__name=name),
        # The same separators in the texts of all databases.
        waiting.filter(asked__contains=f'"name": {json.dumps(name)}'),
    )
    return own.values("pk").union(*(each.values("pk") for each in others))


def traceparents(request_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return how each request is referred to in its trace, "" where it has none."""
    rows = Request.objects.filter(pk__in=list(request_ids)).order_by("pk")
    return dict(rows.values_list("pk", "traceparent"))


def events_of(requests: Iterable[Request]) -> dict[UUID, list[RequestEvent]]:
    """Return the timelines of requests, each in its order."""
    timelines: dict[UUID, list[RequestEvent]] = {}
    others: list[UUID] = []
    for request in requests:
        if request.first_events is None:
            others.append(request.pk)
        else:
            timelines[request.pk] = request.first_events
    if others:
        rows = RequestEvent.objects.filter(request__in=others)
        for event in rows.order_by("request_id", "sequence"):
            timelines.setdefault(event.request_id, []).append(event)
    return timelines


def parts_of(request_ids: Iterable[UUID]) -> dict[UUID | None, list[dict[str, Any]]]:
    """Return the parts of requests, as their bodies show them."""
    found: dict[UUID | None, list[dict[str, Any]]] = {
        request_id: [] for request_id in request_ids
    }
    if not found:
        return found
    rows = Request.objects.filter(part_of__in=list(found)).order_by("pk")
    for part in rows.only("part_of", "zone", "status", "compensates"):
        body = {"id": str(part.pk), "zone": part.zone or None, "status": part.status}
        undone = str(part.compensates_id) if part.compensates_id else None
        found[part.part_of_id].append(body | {"compensates": undone})
    return found


def event_body(event: RequestEvent) -> dict[str, Any]:
    """Return the JSON form of one step of a timeline."""
    return {
        "sequence": event.sequence,
        "at": clock.iso(event.at),
        "step": event.step,
        "level": event.level,
        "message": event.message,
        "data": event.data,
    }


def body(request: Request, events: Iterable[RequestEvent]) -> dict[str, Any]:
    """Return what every version shows of a request."""
    return {
        "id": str(request.pk),
        "status": request.status,
        "source": request.source,
        "api_version": request.api_version,
        "action": request.action,
        "requester": request.requester,
        "on_behalf_of": request.on_behalf_of or None,
        "zone": request.zone or None,
        "comment": request.comment,
        "idempotency_key": request.idempotency_key or None,
        "correlation_id": request.correlation_id,
        "received_at": clock.iso(request.received_at),
        "completed_at": clock.iso(request.completed_at),
        "attempts": request.attempts,
        "next_attempt_at": clock.iso(request.next_attempt_at),
        "error": request.error,
        "retry_of": str(request.retry_of_id) if request.retry_of_id else None,
        "revert_of": str(request.revert_of_id) if request.revert_of_id else None,
        "part_of": str(request.part_of_id) if request.part_of_id else None,
        "events": [event_body(event) for event in events],
    }


def links(request: Request, version: str) -> Mapping[str, str]:
    """Return where a request, its timeline and its actions are."""
    at = f"/api/{version}/requests/{request.pk}/"
    names = ("events", "cancel", "revert")
    return {"self": at, **{name: f"{at}{name}/" for name in names}}
