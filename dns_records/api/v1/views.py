"""/api/v1/dns-records/: one record at a time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from dns_records import selectors
from dns_records.api import schemas
from dns_records.api.v1 import accepted
from dns_records.api.v1.serializers import (
    AcceptedRecord,
    RecordCreate,
    RecordFilter,
    RecordSchema,
    RecordUpdate,
)
from dns_records.api.writes import ChangingView, etag, precondition, wants_ptr
from dns_records.models import Record
from dns_records.services.records import (
    CreateRecord,
    DeleteRecord,
    Target,
    UpdateRecord,
)
from dnsorch.api.paging import CursorPagination
from dnsorch.api.schema import problems
from requests_tracker.api import filters
from requests_tracker.api.tracking import validated

WRITE: dict[Any, Any] = {
    200: schemas.or_plan("AcceptedRecordOrPlan", AcceptedRecord),
    202: AcceptedRecord,
    **problems(404, 409, 412, 422),
}


class RecordViewSet(ChangingView, viewsets.GenericViewSet[Record]):
    """Records of the wanted state, one at a time."""

    queryset = Record.objects.none()
    pagination_class = CursorPagination
    lookup_value_converter = "uuid"

    @extend_schema(
        parameters=filters.parameters(RecordFilter),
        responses={200: RecordSchema(many=True)},
    )
    def list(self, request: HttpRequest) -> Response:
        """List records by name and type."""
        query = validated(RecordFilter, filters.given(request.query_params))
        found = selectors.records.search(
            self.access,
            zone=query.get("zone", ""),
            name=query.get("name", ""),
            rtype=query.get("type", ""),
            value=query.get("value", ""),
            text=query.get("search", ""),
        )
        page: Any = self.paginate_queryset(found)
        return self.get_paginated_response(
            [selectors.records.body(row) for row in page]
        )

    @extend_schema(responses={200: RecordSchema, **problems(404)})
    def retrieve(self, request: HttpRequest, pk: UUID) -> Response:
        """Return one record."""
        record = selectors.records.get(self.access, pk)
        headers = etag(record.rrset.version)
        return Response(selectors.records.body(record), headers=headers)

    @extend_schema(request=RecordCreate, parameters=schemas.WRITE, responses=WRITE)
    def create(self, request: HttpRequest) -> Response:
        """Add one record to its RRset."""
        asked = request.data
        return self.submit(
            "create",
            {"action": "create", **asked} if isinstance(asked, dict) else asked,
            lambda: CreateRecord(**validated(RecordCreate, asked)),
            accepted.DOORWAY,
            accepted.body,
        )

    @extend_schema(
        request=RecordUpdate,
        parameters=[*schemas.WRITE, schemas.IF_MATCH],
        responses=WRITE,
    )
    def update(self, request: HttpRequest, pk: UUID) -> Response:
        """Replace the value, TTL or comment of a record, which keeps its id."""
        asked = request.data

        def current() -> dict[str, Any]:
            return selectors.records.body(selectors.records.get(self.access, pk))

        def read() -> UpdateRecord:
            new = validated(RecordUpdate, asked, context={"current": current})
            wanted = new.pop("ptr", None)
            return UpdateRecord(Target(id=pk), new, precondition(request), ptr=wanted)

        return self.submit(
            "update",
            {"action": "update", "id": str(pk), "new": asked},
            read,
            accepted.DOORWAY,
            accepted.body,
        )

    @extend_schema(
        request=RecordUpdate,
        parameters=[*schemas.WRITE, schemas.IF_MATCH],
        responses=WRITE,
    )
    def partial_update(self, request: HttpRequest, pk: UUID) -> Response:
        """Change the value, TTL or comment of a record, which keeps its id."""
        return self.update(request, pk)

    @extend_schema(
        request=None,
        parameters=[*schemas.WRITE, schemas.IF_MATCH, schemas.PTR],
        responses=WRITE,
    )
    def destroy(self, request: HttpRequest, pk: UUID) -> Response:
        """Take a record out of its RRset."""
        wanted = wants_ptr(request)
        given = {"ptr": wanted}
        return self.submit(
            "delete",
            {"action": "delete", "id": str(pk)} | ({} if wanted is None else given),
            lambda: DeleteRecord(Target(id=pk), precondition(request), wanted),
            accepted.DOORWAY,
            accepted.body,
        )
