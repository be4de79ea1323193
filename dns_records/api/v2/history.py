"""/api/v2/zones/{zone}/rrsets/{name}/{type}/history/: who changed an RRset, and how."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from dns_records import names, selectors
from dns_records.api.v2.rrsets import WHICH
from dns_records.models import Change
from dns_records.services import zones
from dnsorch.api.paging import CursorPagination
from dnsorch.api.schema import problems
from requests_tracker.api.schemas import ChangeSchema
from requests_tracker.api.views import access_of
from requests_tracker.models import Source


class HistorySchema(ChangeSchema):
    """One change of an RRset, and who asked for it."""

    version = serializers.IntegerField()
    at = serializers.DateTimeField()
    request_id = serializers.UUIDField()
    request_status = serializers.CharField()
    requester = serializers.CharField()
    on_behalf_of = serializers.CharField(allow_null=True)
    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]
    comment = serializers.CharField(allow_null=True)
    links = serializers.DictField(child=serializers.CharField())


class HistoryViewSet(viewsets.GenericViewSet[Change]):
    """The history of an RRset."""

    metadata_class = None  # OpenAPI describes what there is; OPTIONS is 405.
    queryset = Change.objects.none()
    pagination_class = CursorPagination

    @extend_schema(
        parameters=WHICH, responses={200: HistorySchema(many=True), **problems(404)}
    )
    def list(self, request: HttpRequest, zone: str, name: str, rtype: str) -> Response:
        """List the changes of an RRset, the newest first; also of a deleted one."""
        found = zones.get(access_of(request), names.zone_name(zone))
        rrset = selectors.history.rrset(found, name, rtype)
        page: Any = self.paginate_queryset(selectors.history.of(rrset))
        return self.get_paginated_response(
            [selectors.history.body(change) for change in page]
        )
