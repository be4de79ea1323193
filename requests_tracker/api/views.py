"""The tracker over HTTP: what the versions share."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import viewsets
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from dnsorch.api.paging import CursorPagination
from dnsorch.api.serializers import StrictSerializer
from dnsorch.tokens.access import Access
from requests_tracker import selectors
from requests_tracker.api import filters
from requests_tracker.api.tracking import validated
from requests_tracker.models import Request


class RequestReads(viewsets.GenericViewSet[Request]):
    """List and detail of requests; a version says how one is shown."""

    metadata_class = None  # OpenAPI describes what there is; OPTIONS is 405.
    queryset = Request.objects.none()
    pagination_class = CursorPagination
    lookup_value_converter = "uuid"
    filters: ClassVar[type[StrictSerializer]]

    def bodies(self, requests: list[Request]) -> list[dict[str, Any]]:
        """Return requests as this version shows them."""
        raise NotImplementedError

    def list(self, request: HttpRequest) -> Response:
        """List requests, newest first."""
        wanted = validated(self.filters, filters.given(request.query_params))
        found = selectors.requests.search(access_of(request), **wanted)
        page: list[Request] = self.paginate_queryset(found)  # type: ignore[assignment]
        return self.get_paginated_response(self.bodies(page))

    def retrieve(self, request: HttpRequest, pk: Any) -> Response:
        """Return one request with its timeline."""
        found = selectors.requests.get(access_of(request), pk)
        return Response(self.bodies([found])[0])


def access_of(request: HttpRequest) -> Access:
    """Return what the caller may do."""
    access: Access = request.auth  # type: ignore[assignment]
    return access
