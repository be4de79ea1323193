"""/api/v2/requests/: the tracker with changes, timeline and actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from dns_records import selectors
from dns_records.api.schemas import IDEMPOTENCY, WRITE, or_plan
from dns_records.api.writes import ChangingView
from dns_records.services import changes, operations
from dns_records.services.revert import Revert
from dnsorch.api.schema import problems
from dnsorch.tokens.access import Access
from requests_tracker import selectors as tracker
from requests_tracker.api import filters, schemas, views
from requests_tracker.api.tracking import location, render_error
from requests_tracker.models import Request
from requests_tracker.services import acceptance
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.status import Status


def body(request_id: UUID) -> dict[str, Any]:
    """Return a request as v2 shows it now."""
    return selectors.requests.bodies([request_id])[request_id]


def render_all(requests: Sequence[Request]) -> list[Answer]:
    """Return the answers to accepted v2 writes: the requests themselves."""
    shown = selectors.requests.v2(requests)
    return [
        Answer(202, body, location(each), each.pk)
        for each, body in zip(requests, shown, strict=True)
    ]


DOORWAY = Doorway.for_many(render_all, render_error)
MADE: dict[Any, Any] = {
    200: or_plan("RequestOrPlan", schemas.RequestV2),
    202: schemas.RequestV2,
    **problems(404, 409, 412, 422),
}


@extend_schema_view(
    list=extend_schema(
        parameters=filters.parameters(filters.RequestFilterV2),
        responses={200: schemas.RequestV2(many=True)},
    ),
    retrieve=extend_schema(responses={200: schemas.RequestV2, **problems(404)}),
)
class RequestViewSet(ChangingView, views.RequestReads):
    """Follow requests, cancel them, try them again, revert them."""

    filters = filters.RequestFilterV2
    tracked_actions = {"cancel": "cancel", "retry": "retry", "revert": "revert"}

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
        request=None,
        parameters=[IDEMPOTENCY],
        responses={200: schemas.RequestV2, **problems(404, 409, 422)},
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: HttpRequest, pk: UUID) -> Response:
        """Cancel a request that is not on its way yet."""
        return self._act("cancel", pk, operations.cancel, 200)

    @extend_schema(request=None, parameters=WRITE, responses=MADE)
    @action(detail=True, methods=["post"])
    def retry(self, request: HttpRequest, pk: UUID) -> Response:
        """Try a queued request now, or ask anew for what a failed one asked for."""
        found = tracker.requests.get(self.access, pk)
        if found.status != Status.FAILED:
            return self._act("retry", pk, operations.hurry, 202)
        origin = self.origin("retry")
        if self.dry_run:
            again = operations.what_failed(self.access, found)
            plan = changes.dry_run(lambda: again, access=self.access, origin=origin)
            return Response(plan)
        answer = operations.retry(self.access, origin, found, DOORWAY)
        return self.answer(answer, body)

    @extend_schema(request=None, parameters=WRITE, responses=MADE)
    @action(detail=True, methods=["post"])
    def revert(self, request: HttpRequest, pk: UUID) -> Response:
        """Put back what a request found that was applied, as a new request.

        Refused if somebody has changed one of its RRsets since.
        """
        revert = Revert(pk)
        return self.submit("revert", revert.operation, lambda: revert, DOORWAY, body)

    def _act(
        self,
        name: str,
        pk: UUID,
        act: Callable[[Access, Request], None],
        status: int,
    ) -> Response:
        """Do something to a request, once for an idempotency key; answer with it.

        No other request is made of it, unless it is rejected.
        """
        self.refuse_dry_run()

        def perform(row: Request) -> None:
            found = tracker.requests.get(self.access, pk)
            row.zone, row.name, row.type = found.zone, found.name, found.type
            act(self.access, found)

        def render_acted(row: Request) -> Answer:
            where = f"/api/v2/requests/{pk}/"
            return Answer(status, body(pk), where, pk)

        answer = acceptance.run(
            self.origin(name),
            operation={"action": name, "request": str(pk)},
            perform=perform,
            doorway=Doorway(render=render_acted, render_error=render_error),
        )
        return self.answer(answer, body)
