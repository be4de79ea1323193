"""What a person may do to requests, and what is said about each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest

from dns_records.services import operations
from dnsorch import clock
from dnsorch.api import trace
from dnsorch.exceptions import DnsorchError
from requests_tracker.admin import base
from requests_tracker.models import Request
from requests_tracker.services.acceptance import INSIDE
from requests_tracker.services.lifecycle import Origin
from requests_tracker.status import CANCELLABLE, Status


@dataclass(frozen=True)
class Verdict:
    """What became of it, in words; ``made`` is the new request, if one came of it."""

    done: bool
    text: str
    made: UUID | None = None


Operation = Callable[[HttpRequest, Request], Verdict]


def cancel(http: HttpRequest, request: Request) -> Verdict:
    """Cancel a request that is not on its way yet."""
    try:
        operations.cancel(base.access(http), request)
    except DnsorchError as error:
        return Verdict(False, error.detail)
    return Verdict(True, "cancelled")


def retry(http: HttpRequest, request: Request) -> Verdict:
    """Ask for a failed request again; send a queued or scheduled one now."""
    try:
        if request.status == Status.FAILED:
            return _again(http, request)
        operations.hurry(base.access(http), request)
    except DnsorchError as error:
        return Verdict(False, error.detail)
    return Verdict(True, "tried again now")


def origin(http: HttpRequest, action: str, api_version: str = "v2") -> Origin:
    """Return who asks for something through the admin."""
    access, traced = base.access(http), trace.of(http)
    return Origin(
        requester=access.owner,
        source=access.source,
        api_version=api_version,
        action=action,
        correlation_id=traced.correlation_id,
        received_at=clock.now(),
        traceparent=traced.traceparent,
    )


def _again(http: HttpRequest, request: Request) -> Verdict:
    asked = origin(http, request.action, request.api_version)
    answer = operations.retry(base.access(http), asked, request, INSIDE)
    if answer.status >= 400:
        detail = answer.body["detail"]
        return Verdict(
            False, f"asked for again and rejected: {detail}", answer.request_id
        )
    return Verdict(True, "asked for again", answer.request_id)


def offered(request: Request) -> dict[str, str]:
    """Return the operations that the state of a request allows, with their labels."""
    found = {}
    # Of a request with parts each part is tried again by itself.
    if request.status == Status.FAILED and request.parts_expected is None:
        found["retry"] = "Retry as a new request"
    if request.status == Status.QUEUED:
        found["retry"] = "Try again now"
    if request.status == Status.SCHEDULED:
        found["retry"] = "Send now"
    if request.status in CANCELLABLE:
        found["cancel"] = "Cancel"
    return found


OPERATIONS: dict[str, Operation] = {"cancel": cancel, "retry": retry}
