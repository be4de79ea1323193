"""The filters of the request lists, read strictly."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from dns_records import names
from dnsorch.api.serializers import StrictSerializer
from requests_tracker.models import Source
from requests_tracker.status import Status

PAGING = frozenset({"limit", "cursor"})


class NameField(serializers.CharField):
    """A domain name; becomes canonical."""

    def to_internal_value(self, data: Any) -> str:
        """Return the canonical absolute name."""
        return names.absolute_name(super().to_internal_value(data))


class RequestFilter(StrictSerializer):
    """The filters of v1."""

    status = serializers.ChoiceField(choices=Status.choices, required=False)
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=Source.choices, required=False
    )
    zone = NameField(required=False, max_length=1100)
    name = NameField(required=False, max_length=1100)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


class RequestFilterV2(RequestFilter):
    """The filters of v2."""

    requester = serializers.CharField(required=False, max_length=255)
    correlation_id = serializers.CharField(required=False, max_length=128)
    idempotency_key = serializers.CharField(required=False, max_length=260)


def given(query: Any) -> dict[str, Any]:
    """Return the query parameters that are not about paging."""
    return {key: value for key, value in query.items() if key not in PAGING}


def parameters(filters: type[StrictSerializer]) -> list[OpenApiParameter]:
    """Return the OpenAPI form of a filter's fields."""
    return [
        OpenApiParameter(
            name,
            _schema(field),
            required=field.required,
            description=str(field.help_text or ""),
        )
        for name, field in filters().fields.items()
    ]


def _schema(field: Any) -> dict[str, Any]:
    if isinstance(field, serializers.DateTimeField):
        return {"type": "string", "format": "date-time"}
    if isinstance(field, serializers.ChoiceField):
        return {"type": "string", "enum": list(field.choices)}
    longest = field.max_length
    limit = {} if longest is None else {"maxLength": longest}
    return {"type": "string", "minLength": 1, **limit}
