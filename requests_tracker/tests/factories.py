"""Requests, and how a test stands at a door."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from factory.django import DjangoModelFactory

from dnsorch.exceptions import DnsorchError
from requests_tracker.models import Request, Source
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin
from requests_tracker.status import Status

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class RequestFactory(DjangoModelFactory[Request]):
    """A queued request about nothing in particular."""

    class Meta:
        model = Request

    status = Status.QUEUED
    source = Source.REST
    api_version = "v2"
    action = "changeset"
    requester = "team-web"
    zone = "example.test."
    correlation_id = "correlation-1"
    received_at = NOON


def origin(key: str = "", **fields: Any) -> Origin:
    """Return the origin of a request of ``team-web`` over REST."""
    return Origin(
        **{
            "requester": "team-web",
            "source": "rest",
            "api_version": "v2",
            "action": "changeset",
            "correlation_id": "correlation-1",
            "received_at": NOON,
            "idempotency_key": key,
            **fields,
        }
    )


def render(request: Request) -> Answer:
    """Answer as a door does for an accepted request."""
    body = {"id": str(request.pk), "status": request.status}
    return Answer(202, body, f"/requests/{request.pk}/", request.pk)


def render_error(error: DnsorchError, request: Request) -> Answer:
    """Answer as a door does for a rejected request."""
    body = {**error.as_error(), "request_id": str(request.pk)}
    return Answer(error.status, body, f"/requests/{request.pk}/", request.pk)


DOOR = Doorway(render=render, render_error=render_error)


def steps(request: Request) -> list[str]:
    """Return the steps of a request's timeline, in order."""
    return list(request.events.order_by("sequence").values_list("step", flat=True))


def sequences(requests: Sequence[Request]) -> list[list[int]]:
    """Return the numbers of each timeline's events, in order."""
    return [
        list(each.events.order_by("sequence").values_list("sequence", flat=True))
        for each in requests
    ]
