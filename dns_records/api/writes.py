"""What the writes of every version have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from dns_records.services import changes, parts
from dns_records.services.parts import Spanning
from dns_records.services.preconditions import Precondition
from dns_records.services.submissions import Asked, Submission
from dnsorch.exceptions import Invalid
from requests_tracker.api.tracking import TrackedView, flag
from requests_tracker.services.acceptance import Doorway

CONDITIONS = ("If-Match", "If-None-Match")


class ChangingView(TrackedView):
    """A view whose writes change DNS."""

    def submit(
        self,
        action: str,
        operation: object,
        read: Callable[[], Submission | Spanning],
        doorway: Doorway,
        body: Callable[[UUID], dict[str, Any]],
    ) -> Response:
        """Plan or submit what ``read`` returns, and answer.

        ``operation`` is what was asked for as JSON, whatever door it came through;
        ``body`` gives the answer's body anew once the request is final.
        """

        def asked() -> Asked:
            return parts.whole(read())

        if self.dry_run:
            # Nothing is kept of a plan, its key neither; a wrong one is still told.
            origin = replace(self.origin(action), idempotency_key="")
            return Response(changes.dry_run(asked, access=self.access, origin=origin))
        conditions = {
            name: self.request.headers[name]
            for name in CONDITIONS
            if name in self.request.headers
        }
        answer = changes.submit(
            asked,
            access=self.access,
            origin=self.origin(action),
            # Under another condition it is another operation.
            operation=[operation, conditions] if conditions else operation,
            doorway=doorway,
        )
        return self.answer(answer, body)


def precondition(request: HttpRequest) -> Precondition | None:
    """Return what ``If-Match`` or ``If-None-Match`` ask for (RFC 9110 section 13.1).

    Raises:
        Invalid: ``If-None-Match`` is something else than ``*``.
    """
    match = request.headers.get("If-Match")
    none_match = request.headers.get("If-None-Match")
    if none_match is not None:
        if none_match.strip() != "*":
            raise Invalid("the header If-None-Match: expected * on a write")
        if match is not None:
            raise Invalid("the headers If-Match and If-None-Match exclude each other")
        return Precondition(absent=True)
    if match is None:
        return None
    if match.strip() == "*":
        return Precondition()
    tags = (tag.strip() for tag in match.split(","))
    # A weak tag never matches here (RFC 9110 section 13.1.1).
    strong = {tag[1:-1] for tag in tags if len(tag) >= 2 and tag[0] == tag[-1] == '"'}
    return Precondition(versions=frozenset(strong))


def wants_ptr(request: HttpRequest) -> bool | None:
    """Return the query parameter ``ptr``, None if it is not given.

    Raises:
        Invalid: it is neither true nor false.
    """
    return flag(request, "ptr") if "ptr" in request.query_params else None


def etag(version: int) -> dict[str, str]:
    """Return the entity tag of a version, as a header."""
    return {"ETag": f'"{version}"'}
