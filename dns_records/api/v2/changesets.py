"""/api/v2/changesets/: many changes of one zone, all or nothing; many such at once."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from dns_records.api import schemas
from dns_records.api.v2 import batch, batch_items
from dns_records.api.v2.serializers import ChangesetBody
from dns_records.api.writes import ChangingView
from dnsorch.api.schema import problems
from requests_tracker.api.schemas import RequestV2
from requests_tracker.api.v2.views import DOORWAY, body


class ChangesetViewSet(ChangingView, viewsets.GenericViewSet[Any]):
    """Atomic change sets."""

    tracked_actions = {"create": "changeset", "batch": "batch"}

    @extend_schema(
        request=ChangesetBody,
        parameters=schemas.WRITE,
        responses={
            200: schemas.or_plan("RequestOrPlan", RequestV2),
            202: RequestV2,
            **problems(404, 409, 412, 422),
        },
    )
    def create(self, request: HttpRequest) -> Response:
        """Change RRsets of one zone, all or nothing."""
        asked = request.data
        return self.submit(
            "changeset",
            {"changeset": asked},
            lambda: batch_items.read_changeset(asked),
            DOORWAY,
            body,
        )

    @extend_schema(
        request=batch.BatchBody,
        parameters=[schemas.IDEMPOTENCY, schemas.DRY_RUN],
        responses={207: batch.BatchSchema},
    )
    @action(detail=False, methods=["post"])
    def batch(self, request: HttpRequest) -> Response:
        """Run up to 500 independent change sets or record changes, in order."""
        items = batch.items(request)
        return Response({"results": batch.Run(self).all(items)}, 207)
