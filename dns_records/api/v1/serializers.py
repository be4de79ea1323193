"""Bodies of /api/v1/dns-records/."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from dns_records.api.schemas import (
    MAX_QUERY,
    RoundTripSerializer,
    TTLField,
    WarningSchema,
    comment_field,
    moment_field,
    name_field,
    name_unicode_field,
    ptr_field,
    type_field,
    value_field,
)
from dnsorch.api.serializers import StrictSerializer


class RecordFilter(StrictSerializer):
    """The filters of the list."""

    zone = name_field(required=False)
    name = name_field(required=False)
    type = type_field(required=False)
    value = value_field(required=False, max_length=MAX_QUERY)
    search = serializers.CharField(required=False, max_length=255)


class RecordCreate(StrictSerializer):
    """One record to be added."""

    name = name_field()
    type = type_field()
    value = value_field()
    ttl = TTLField(required=False, allow_null=True)
    zone = name_field(required=False, allow_null=True)
    comment = comment_field()
    ptr = ptr_field()
    expires_at = moment_field(help_text="When the record goes by itself.")


class RecordUpdate(RoundTripSerializer):
    """What may change of a record; what cannot may be sent back as it is."""

    volatile = frozenset({"status", "updated_at"})

    value = value_field(required=False)
    ttl = TTLField(required=False)
    comment = comment_field()
    ptr = ptr_field()
    expires_at = moment_field(help_text="When it goes by itself; null: never.")
    id = serializers.UUIDField(read_only=True)
    zone = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    name_unicode = name_unicode_field(read_only=True)
    type = serializers.CharField(read_only=True)
    status = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)
    links = serializers.DictField(read_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an update of nothing.

        Raises:
            ValidationError: there is neither anything that may change.
        """
        if not set(attrs) - {"ptr"}:
            raise ValidationError(
                "expected at least one of value, ttl, comment, expires_at"
            )
        return attrs


class RecordSchema(serializers.Serializer[object]):
    """One record of the wanted state."""

    id = serializers.UUIDField()
    zone = serializers.CharField()
    name = serializers.CharField()
    name_unicode = name_unicode_field()
    type = serializers.CharField()
    value = serializers.CharField()
    ttl = serializers.IntegerField()
    status = serializers.ChoiceField(choices=["pending", "live"])
    comment = serializers.CharField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    links = serializers.DictField(child=serializers.CharField())


class AcceptedRecord(serializers.Serializer[object]):
    """The answer to a write."""

    request_id = serializers.UUIDField()
    status = serializers.CharField()
    record = RecordSchema(allow_null=True)
    warnings = WarningSchema(many=True)
    error = serializers.DictField(allow_null=True)
    links = serializers.DictField(child=serializers.CharField())
