"""/api/v2/zones/{zone}/audit/ and drift/: what the update server has beside ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from dns_records import drafts, names, selectors
from dns_records.api import schemas
from dns_records.api.schemas import name_field, type_field
from dns_records.images import Key
from dns_records.models import AuditKind, Drift, DriftKind, Zone
from dns_records.services import audits, zones
from dnsorch.api.paging import CursorPagination
from dnsorch.api.schema import problems
from dnsorch.api.serializers import StrictSerializer
from requests_tracker.api import filters
from requests_tracker.api.schemas import ImageSchema, RequestV2
from requests_tracker.api.tracking import TrackedView, validated
from requests_tracker.api.v2.views import DOORWAY, body
from requests_tracker.models import Request
from requests_tracker.services import acceptance

MAX_KEYS = 1000
ZONE = OpenApiParameter(
    "zone", str, OpenApiParameter.PATH, description="A zone's name."
)
TRACKED: dict[Any, Any] = {
    200: RequestV2,
    202: RequestV2,
    **problems(404, 409, 422),
}


class DriftFilter(StrictSerializer):
    """The filters of the list of drift."""

    kind = serializers.ChoiceField(choices=DriftKind.choices, required=False)
    name = name_field(required=False)
    type = type_field(required=False)


class DriftKey(StrictSerializer):
    """An RRset."""

    name = name_field()
    type = type_field()


class ResolveBody(StrictSerializer):
    """How drift is resolved, and which: all of it if nothing is said."""

    by = serializers.ChoiceField(choices=[AuditKind.RESTORE, AuditKind.ADOPT])
    records = DriftKey(  # type: ignore[call-arg]
        many=True, required=False, allow_empty=False, min_length=1, max_length=MAX_KEYS
    )


class DriftSchema(serializers.Serializer[object]):
    """An RRset that is not as it was left."""

    zone = serializers.CharField()
    name = serializers.CharField()
    type = serializers.CharField()
    kind = serializers.ChoiceField(choices=DriftKind.choices)
    wanted = ImageSchema(allow_null=True)
    served = ImageSchema(allow_null=True)
    found_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()
    touched_by = serializers.UUIDField(allow_null=True)
    resolving = serializers.UUIDField(allow_null=True)
    links = serializers.DictField(child=serializers.CharField())


class DriftViewSet(TrackedView, viewsets.GenericViewSet[Drift]):
    """Zones compared with their update servers, and what is done about it."""

    queryset = Drift.objects.none()
    pagination_class = CursorPagination
    tracked_actions = {"audit": audits.AUDIT, "resolve": audits.RESOLVE}

    @extend_schema(
        parameters=[ZONE, *filters.parameters(DriftFilter)],
        responses={200: DriftSchema(many=True), **problems(404)},
    )
    def list(self, request: HttpRequest, zone: str) -> Response:
        """List the drift of a zone that is open, by name and type."""
        query = validated(DriftFilter, filters.given(request.query_params))
        found = selectors.drift.in_zone(
            zones.get(self.access, names.zone_name(zone)),
            kind=query.get("kind", ""),
            name=query.get("name", ""),
            rtype=query.get("type", ""),
        )
        page: Any = self.paginate_queryset(found)
        return self.get_paginated_response([selectors.drift.body(row) for row in page])

    @extend_schema(
        request=None,
        parameters=[ZONE, schemas.IDEMPOTENCY, schemas.WAIT],
        responses=TRACKED,
    )
    def audit(self, request: HttpRequest, zone: str) -> Response:
        """Compare a zone with its update server; the timeline has what differs."""

        def perform(row: Request, found: Zone) -> None:
            audits.ask(self.access, self.origin(audits.AUDIT), row, found)

        return self._run(audits.AUDIT, zone, None, perform)

    @extend_schema(
        request=ResolveBody,
        parameters=[ZONE, schemas.IDEMPOTENCY, schemas.WAIT],
        responses=TRACKED,
    )
    def resolve(self, request: HttpRequest, zone: str) -> Response:
        """Write what is wanted again, or take over what is served."""
        asked = request.data

        def perform(row: Request, found: Zone) -> None:
            wanted = validated(ResolveBody, asked)
            audits.resolve(
                self.access,
                self.origin(audits.RESOLVE),
                row,
                found,
                by=wanted["by"],
                keys=_keys(found, wanted["records"]) if "records" in wanted else None,
            )

        return self._run(audits.RESOLVE, zone, asked, perform)

    def _run(
        self,
        action: str,
        zone: str,
        asked: object,
        perform: Callable[[Request, Zone], None],
    ) -> Response:
        """Accept what is asked of a zone, as a tracked request."""
        self.refuse_dry_run()

        def accept(row: Request) -> None:
            found = zones.get(self.access, names.zone_name(zone))
            row.zone = found.name
            perform(row, found)

        answer = acceptance.run(
            self.origin(action),
            operation={"action": action, "zone": zone, "body": asked},
            perform=accept,
            doorway=DOORWAY,
        )
        return self.answer(answer, body)


def _keys(zone: Zone, records: list[dict[str, str]]) -> list[Key]:
    """Return the RRsets that a body names."""
    found = []
    for index, each in enumerate(records):
        owner = partial(names.owner_name, each["name"], zone.name)
        name = drafts.placed(f"/records/{index}/name", owner)
        found.append(Key(name, each["type"].upper()))
    return found
