"""/api/v1/requests/: the tracker, about one record each."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view

from dns_records import selectors
from dnsorch.api.schema import problems
from requests_tracker.api import filters, schemas, views
from requests_tracker.models import Request


@extend_schema_view(
    list=extend_schema(
        parameters=filters.parameters(filters.RequestFilter),
        responses={200: schemas.RequestV1(many=True)},
    ),
    retrieve=extend_schema(responses={200: schemas.RequestV1, **problems(404)}),
)
class RequestViewSet(views.RequestReads):
    """Follow requests."""

    filters = filters.RequestFilter

    def bodies(self, requests: list[Request]) -> list[dict[str, Any]]:
        """Return requests as v1 shows them."""
        return selectors.requests.v1(requests)
