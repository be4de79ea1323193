"""/api/v2/zones/: which zones dnsorch provisions, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import viewsets
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from dns_records import names, selectors
from dns_records.api import schemas
from dns_records.api.v2.serializers import (
    WrittenZoneSchema,
    ZoneCreate,
    ZoneSchema,
    ZoneUpdate,
)
from dns_records.models import Zone
from dns_records.services import zone_requests, zones
from dnsorch.api.paging import CursorPagination
from dnsorch.api.schema import problems
from requests_tracker.api.tracking import (
    TrackedView,
    flag,
    location,
    render_error,
    validated,
)
from requests_tracker.models import Request
from requests_tracker.services import acceptance
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer


class ZoneViewSet(TrackedView, viewsets.GenericViewSet[Zone]):
    """Zones: registered, changed, forgotten. DNS itself is not touched by it."""

    queryset = Zone.objects.none()
    pagination_class = CursorPagination
    lookup_field = "name"
    lookup_url_kwarg = "zone"
    lookup_value_regex = "[^/]+"
    tracked_actions = {
        "create": "register",
        "partial_update": "change_zone",
        "destroy": "forget_zone",
    }

    @extend_schema(responses={200: ZoneSchema(many=True)})
    def list(self, request: HttpRequest) -> Response:
        """List zones by name."""
        page: Any = self.paginate_queryset(selectors.zones.visible_to(self.access))
        return self.get_paginated_response([selectors.zones.body(row) for row in page])

    @extend_schema(responses={200: ZoneSchema, **problems(404)})
    def retrieve(self, request: HttpRequest, zone: str) -> Response:
        """Return one zone with its counts and its lane."""
        return Response(self._body(names.zone_name(zone)))

    @extend_schema(
        request=ZoneCreate,
        parameters=[schemas.IDEMPOTENCY],
        responses={201: WrittenZoneSchema, **problems(409, 422)},
    )
    def create(self, request: HttpRequest) -> Response:
        """Register a zone on a backend."""
        asked = request.data

        def perform(row: Request) -> None:
            fields = validated(ZoneCreate, asked)
            zone_requests.register(self.access, self.origin("register"), row, fields)

        return self._run("register", asked, perform, 201)

    @extend_schema(
        request=ZoneUpdate,
        parameters=[schemas.IDEMPOTENCY],
        responses={200: WrittenZoneSchema, **problems(404, 409, 422)},
    )
    def partial_update(self, request: HttpRequest, zone: str) -> Response:
        """Change how a zone is provisioned and verified."""
        asked = request.data

        def perform(row: Request) -> None:
            found = zones.get(self.access, names.zone_name(zone))
            context = {"current": lambda: self._body(found.name)}
            fields = validated(ZoneUpdate, asked, context=context, partial=True)
            origin = self.origin("change_zone")
            zone_requests.change(self.access, origin, row, found, fields)

        return self._run("change_zone", {"zone": zone, "new": asked}, perform, 200)

    @extend_schema(
        parameters=[
            schemas.IDEMPOTENCY,
            OpenApiParameter(
                "force", OpenApiTypes.BOOL, description="Forget its records too."
            ),
        ],
        responses={204: None, **problems(404, 409, 422)},
    )
    def destroy(self, request: HttpRequest, zone: str) -> Response:
        """Forget a zone; its records stay in DNS."""

        def perform(row: Request) -> None:
            found = zones.get(self.access, names.zone_name(zone))
            force = flag(request, "force")
            origin = self.origin("forget_zone")
            zone_requests.forget(self.access, origin, row, found, force=force)

        asked = {"zone": zone, "force": request.query_params.get("force")}
        return self._run("forget_zone", asked, perform, 204)

    def _run(
        self,
        action: str,
        operation: object,
        perform: Callable[[Request], None],
        status: int,
    ) -> Response:
        """Perform a tracked request about a zone and answer with the zone.

        ``Location`` is the request, but where the zone is new: there it is the zone
        (RFC 9110 section 10.2.2).
        """
        self.refuse_dry_run()

        def render(row: Request) -> Answer:
            if status == 204:
                return Answer(status, {}, location(row), row.pk)
            body = self._body(row.zone) | {"request_id": str(row.pk)}
            where = body["links"]["self"] if status == 201 else location(row)
            return Answer(status, body, where, row.pk)

        return self.answer(
            acceptance.run(
                self.origin(action),
                operation={"action": action, "body": operation},
                perform=perform,
                doorway=Doorway(render=render, render_error=render_error),
            )
        )

    def _body(self, name: str) -> dict[str, Any]:
        return selectors.zones.body(selectors.zones.get(self.access, name))
