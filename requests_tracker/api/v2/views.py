"""/api/v2/requests/: the tracker with changes, timeline and actions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from dns_records import selectors
from dns_records.services import operations
from dnsorch.api.schema import problems
from requests_tracker import selectors as tracker
from requests_tracker.api import filters, schemas, views
from requests_tracker.api.tracking import TrackedView, location, render_error
from requests_tracker.models import Request
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.status import Status


def body(request_id: UUID) -> dict[str, Any]:
    """Return a request as v2 shows it now."""
    return selectors.requests.bodies([request_id])[request_id]


def render(request: Request) -> Answer:
    """Return the answer to an accepted v2 write: the request itself."""
    return Answer(202, body(request.pk), location(request), request.pk)


DOORWAY = Doorway(render=render, render_error=render_error)


@extend_schema_view(
    list=extend_schema(
        parameters=filters.parameters(filters.RequestFilterV2),
        responses={200: schemas.RequestV2(many=True)},
    ),
    retrieve=extend_schema(responses={200: schemas.RequestV2, **problems(404)}),
)
class RequestViewSet(TrackedView, views.RequestReads):
    """Follow requests, cancel them, try them again."""

    filters = filters.RequestFilterV2

    def bodies(self, requests: list[Request]) -> list[dict[str, Any]]:
        """Return requests as v2 shows them."""
        return selectors.requests.v2(requests)

    @extend_schema(responses={200: schemas.EventSchema(many=True), **problems(404)})
    @action(detail=True, methods=["get"], filter_backends=[])
    def events(self, request: HttpRequest, pk: UUID) -> Response:
        """Return the timeline of a request, page by page."""
        found = tracker.requests.get(self.access, pk)
        rows: Any = found.events.order_by("sequence")
        page: Any = self.paginate_queryset(rows)
        return self.get_paginated_response(
            [tracker.requests.event_body(event) for event in page]
        )

    @extend_schema(
        request=None, responses={200: schemas.RequestV2, **problems(404, 409)}
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: HttpRequest, pk: UUID) -> Response:
        """Cancel a request that is not on its way yet."""
        operations.cancel(self.access, tracker.requests.get(self.access, pk))
        return Response(body(pk))

    @extend_schema(
        request=None,
        responses={
            200: schemas.RequestV2,
            202: schemas.RequestV2,
            **problems(404, 409, 422),
        },
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: HttpRequest, pk: UUID) -> Response:
        """Try a queued request now, or ask anew for what a failed one asked for."""
        found = tracker.requests.get(self.access, pk)
        if found.status == Status.QUEUED:
            operations.hurry(self.access, found)
            answer = Answer(202, body(pk), location(found), pk)
        else:
            answer = operations.retry(self.access, self.origin("retry"), found, DOORWAY)
        return self.answer(answer, body)
