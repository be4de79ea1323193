"""/api/v2/explain/: why an RRset is, or is not, what the name servers answer."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from dns_records.api.schemas import name_field, type_field
from dns_records.services import explain
from dnsorch.api.serializers import StrictSerializer
from requests_tracker.api import filters
from requests_tracker.api.schemas import ImageSchema
from requests_tracker.api.tracking import thread_to_wait, validated
from requests_tracker.api.views import access_of


class ExplainQuery(StrictSerializer):
    """Which RRset is to be explained."""

    name = name_field(help_text="An absolute name; the final dot may be left out.")
    type = type_field(help_text="A type.")


class BackendInShort(serializers.Serializer[object]):
    """The external DNS service that a zone is on."""

    name = serializers.CharField()
    driver = serializers.CharField()


class OwnerSchema(serializers.Serializer[object]):
    """Somebody who has a token that may change a zone."""

    owner = serializers.CharField()
    why = serializers.CharField()


class AccessSchema(serializers.Serializer[object]):
    """Whether the caller may change the zone; who else may, for those who see all."""

    may_change = serializers.BooleanField()
    why = serializers.CharField()
    owners = OwnerSchema(many=True, allow_null=True)


class RequestInShort(serializers.Serializer[object]):
    """A request of the tracker, and where it is."""

    id = serializers.UUIDField()
    status = serializers.CharField()
    action = serializers.CharField()
    requester = serializers.CharField()
    received_at = serializers.DateTimeField()
    links = serializers.DictField(child=serializers.CharField())


class AnsweredSchema(serializers.Serializer[object]):
    """What one name server answers now; null for no such RRset, or no answer."""

    address = serializers.CharField()
    serial = serializers.IntegerField(allow_null=True)
    answer = ImageSchema(allow_null=True)
    as_wanted = serializers.BooleanField()
    error = serializers.CharField(allow_null=True)


class ExplanationSchema(serializers.Serializer[object]):
    """What there is to say about an RRset."""

    name = serializers.CharField()
    type = serializers.CharField()
    zone = serializers.CharField(allow_null=True)
    backend = BackendInShort(allow_null=True)
    access = AccessSchema(allow_null=True)
    wanted = ImageSchema(allow_null=True)
    last_request = RequestInShort(allow_null=True)
    pending_requests = RequestInShort(many=True)
    nameservers = AnsweredSchema(many=True)
    live = serializers.BooleanField()
    explanation = serializers.CharField()


class ExplainViewSet(viewsets.GenericViewSet[Any]):
    """Why an RRset is, or is not, live."""

    metadata_class = None  # OpenAPI describes what there is; OPTIONS is 405.

    @extend_schema(
        operation_id="explain",
        parameters=filters.parameters(ExplainQuery),
        responses={200: ExplanationSchema},
    )
    def retrieve(self, request: HttpRequest) -> Response:
        """Say of an RRset what is wanted, what is answered now, and why.

        Asks every name server of the zone; takes less than five seconds.
        """
        asked = validated(ExplainQuery, request.query_params.dict())
        with thread_to_wait():
            found = explain.explain(access_of(request), asked["name"], asked["type"])
        return Response(found.as_dict())
