"""/api/v2/zones/{zone}/rrsets/: the wanted state, RRset by RRset."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import viewsets
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from dns_records import names, selectors
from dns_records.api import schemas
from dns_records.api.v2.serializers import RRsetBody, RRsetFilter, RRsetSchema
from dns_records.api.writes import ChangingView, etag, precondition, wants_ptr
from dns_records.drafts import Draft
from dns_records.models import RRset, Zone
from dns_records.services import zones
from dns_records.services.changes import ChangeSet
from dnsorch.api.paging import CursorPagination
from dnsorch.api.schema import problems
from dnsorch.exceptions import NotFound
from requests_tracker.api import filters
from requests_tracker.api.schemas import RequestV2
from requests_tracker.api.tracking import validated
from requests_tracker.api.v2.views import DOORWAY, body

WRITE: dict[Any, Any] = {
    200: schemas.or_plan("RequestOrPlan", RequestV2),
    202: RequestV2,
    **problems(404, 409, 412, 422),
}
WHICH = [
    OpenApiParameter("zone", str, OpenApiParameter.PATH, description="A zone's name."),
    OpenApiParameter(
        "name",
        str,
        OpenApiParameter.PATH,
        description="An owner name, absolute or relative to the zone; `@`: the apex.",
    ),
    OpenApiParameter("rtype", str, OpenApiParameter.PATH, description="A type."),
]


class RRsetViewSet(ChangingView, viewsets.GenericViewSet[RRset]):
    """RRsets of a zone."""

    queryset = RRset.objects.none()
    pagination_class = CursorPagination
    tracked_actions = {"update": "put", "destroy": "delete"}

    @extend_schema(
        parameters=[WHICH[0], *filters.parameters(RRsetFilter)],
        responses={200: RRsetSchema(many=True), **problems(404)},
    )
    def list(self, request: HttpRequest, zone: str) -> Response:
        """List the RRsets of a zone by name and type."""
        query = validated(RRsetFilter, filters.given(request.query_params))
        found = selectors.rrsets.in_zone(
            zones.get(self.access, names.zone_name(zone)),
            name=query.get("name", ""),
            rtype=query.get("type", ""),
            value=query.get("rdata", ""),
            text=query.get("search", ""),
            status=query.get("status", ""),
        )
        page: Any = self.paginate_queryset(found)
        return self.get_paginated_response([selectors.rrsets.body(row) for row in page])

    @extend_schema(parameters=WHICH, responses={200: RRsetSchema, **problems(404)})
    def retrieve(
        self, request: HttpRequest, zone: str, name: str, rtype: str
    ) -> Response:
        """Return one RRset."""
        rrset = self._get(zone, name, rtype)
        return Response(selectors.rrsets.body(rrset), headers=etag(rrset.version))

    @extend_schema(
        request=RRsetBody,
        parameters=[
            *WHICH,
            *schemas.WRITE,
            schemas.IF_MATCH,
            schemas.IF_NONE_MATCH,
            schemas.PTR,
        ],
        responses=WRITE,
    )
    def update(
        self, request: HttpRequest, zone: str, name: str, rtype: str
    ) -> Response:
        """Write an RRset whole, whether it is there or not."""
        asked = request.data

        def read() -> ChangeSet:
            found = zones.get(self.access, names.zone_name(zone))
            context = {"current": lambda: _shown(found, name, rtype)}
            wanted = validated(RRsetBody, asked, context=context)
            draft = Draft(
                action="put",
                name=name,
                type=rtype,
                ttl=wanted.get("ttl"),
                records=tuple(wanted["records"]),
                ptr=wanted.get("ptr", wants_ptr(request)),
                expires_at=wanted.get("expires_at"),
                expires=wanted.get("expires", {}),
            )
            return ChangeSet(
                zone=found.name,
                drafts=[draft],
                rrset_comment=wanted.get("comment"),
                keeps_comment="comment" not in wanted,
                precondition=precondition(request),
            )

        operation = {"put": [zone, name, rtype], "body": asked, **_ptr(request)}
        return self.submit("put", operation, read, DOORWAY, body)

    @extend_schema(
        request=None,
        parameters=[*WHICH, *schemas.WRITE, schemas.IF_MATCH, schemas.PTR],
        responses=WRITE,
    )
    def destroy(
        self, request: HttpRequest, zone: str, name: str, rtype: str
    ) -> Response:
        """Delete an RRset."""

        def read() -> ChangeSet:
            # What the URL names and is not there is 404, as for GET.
            self._get(zone, name, rtype)
            draft = Draft("delete", name, rtype, ptr=wants_ptr(request))
            return ChangeSet(
                zone=zone, drafts=[draft], precondition=precondition(request)
            )

        operation = {"delete": [zone, name, rtype], **_ptr(request)}
        return self.submit("delete", operation, read, DOORWAY, body)

    def _get(self, zone: str, name: str, rtype: str) -> Any:
        found = zones.get(self.access, names.zone_name(zone))
        return selectors.rrsets.get(found, name, rtype)


def _ptr(request: HttpRequest) -> dict[str, str]:
    """Return what the URL adds to the operation."""
    given = request.query_params.get("ptr")
    return {} if given is None else {"ptr": given}


def _shown(zone: Zone, name: str, rtype: str) -> dict[str, Any] | None:
    """Return the RRset as a GET shows it, None if it is absent."""
    try:
        return selectors.rrsets.body(selectors.rrsets.get(zone, name, rtype))
    except NotFound:
        return None
