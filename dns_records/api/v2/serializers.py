"""Bodies of v2: zones, RRsets, change sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from dns_records.api.schemas import (
    MAX_QUERY,
    ImageBody,
    MomentField,
    RoundTripSerializer,
    TTLField,
    comment_field,
    digest_field,
    moment_field,
    name_field,
    name_unicode_field,
    ptr_field,
    records_field,
    type_field,
    value_field,
)
from dns_records.drafts import Draft, ExpectedDraft
from dns_records.models import Fencing, PtrPolicy, VerifyPolicy
from dns_records.models.zone import MAX_AUDIT_S, MIN_AUDIT_S, Mode
from dns_records.tcp import Endpoint
from dnsorch.api.serializers import StrictSerializer
from requests_tracker.models import OnFailure

MAX_CHANGES = 1000
ACTIONS = ("create", "replace", "delete", "add", "remove")


class ExpectedBody(ImageBody):
    """The state that a change expects to find."""


class ChangeBody(StrictSerializer):
    """One change of a change set."""

    action = serializers.ChoiceField(choices=ACTIONS)
    name = name_field()
    type = type_field()
    ttl = TTLField(required=False, allow_null=True)
    records = records_field(required=False)
    expected = ExpectedBody(required=False, allow_null=True)
    ptr = ptr_field()
    expires_at = moment_field(
        help_text="When the records of this change go by themselves."
    )


class ChangesetBody(StrictSerializer):
    """All or nothing in each zone, judged by its end state.

    Without ``zone`` all names are absolute, and may be of several zones.
    """

    zone = name_field(required=False)
    changes = ChangeBody(  # type: ignore[call-arg]
        many=True, allow_empty=False, min_length=1, max_length=MAX_CHANGES
    )
    comment = comment_field()
    digest = digest_field()
    on_failure = serializers.ChoiceField(choices=OnFailure.choices, required=False)
    not_before = moment_field(
        help_text="When it is planned and sent; a time that is past means now."
    )


def drafts(changes: list[Mapping[str, Any]]) -> list[Draft]:
    """Return the drafts of a change set's changes."""
    return [
        Draft(
            action=change["action"],
            name=change["name"],
            type=change["type"],
            ttl=change.get("ttl"),
            records=tuple(change.get("records", ())),
            expected=_expected(change),
            ptr=change.get("ptr"),
            expires_at=change.get("expires_at"),
            pointer=f"/changes/{index}",
        )
        for index, change in enumerate(changes)
    ]


def _expected(change: Mapping[str, Any]) -> ExpectedDraft | None:
    if "expected" not in change:
        return None
    expected = change["expected"]
    if expected is None:
        return ExpectedDraft(None)
    return ExpectedDraft(tuple(expected["records"]), expected.get("ttl"))


class RRsetFilter(StrictSerializer):
    """The filters of the list of RRsets."""

    name = name_field(required=False)
    type = type_field(required=False)
    rdata = value_field(required=False, max_length=MAX_QUERY)
    search = serializers.CharField(required=False, max_length=255)
    status = serializers.ChoiceField(choices=["pending", "live"], required=False)


class RRsetBody(RoundTripSerializer):
    """One RRset written whole; what cannot change may be sent back as it is."""

    volatile = frozenset({"status", "version", "updated_at"})

    ttl = TTLField(required=False)
    records = records_field(allow_empty=False, min_length=1)
    comment = comment_field()
    ptr = ptr_field()
    expires_at = moment_field(
        help_text="When all the records go by themselves; without it, none does."
    )
    expires = serializers.DictField(
        child=MomentField(),
        required=False,
        help_text="The same of single records, as a GET shows it.",
    )
    zone = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    name_unicode = name_unicode_field(read_only=True)
    type = serializers.CharField(read_only=True)
    status = serializers.CharField(read_only=True)
    version = serializers.IntegerField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)
    links = serializers.DictField(read_only=True)


class RRsetSchema(serializers.Serializer[object]):
    """An RRset of the wanted state."""

    zone = serializers.CharField()
    name = serializers.CharField()
    name_unicode = name_unicode_field()
    type = serializers.CharField()
    ttl = serializers.IntegerField()
    records = serializers.ListField(child=serializers.CharField())
    comment = serializers.CharField(allow_null=True)
    expires = serializers.DictField(
        child=serializers.DateTimeField(),
        help_text="When records go by themselves, of those that do.",
    )
    status = serializers.ChoiceField(choices=["pending", "live"])
    version = serializers.IntegerField()
    updated_at = serializers.DateTimeField()
    links = serializers.DictField(child=serializers.CharField())


class AddressField(serializers.CharField):
    """The address of a name server: host, host:port or [v6]:port."""

    def to_internal_value(self, data: Any) -> str:
        """Return the address as it was given, once it can be read."""
        text = super().to_internal_value(data)
        try:
            Endpoint.parse(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error
        return text


class VerifyBody(StrictSerializer):
    """When a change counts as live."""

    policy = serializers.ChoiceField(choices=VerifyPolicy.choices, required=False)
    k = serializers.IntegerField(
        min_value=1, max_value=100, required=False, allow_null=True
    )
    deadline_s = serializers.IntegerField(
        min_value=1, max_value=7 * 86_400, required=False
    )


class ZoneFields(StrictSerializer):
    """What may be set of a zone."""

    backend = serializers.CharField(max_length=100)
    nameservers = serializers.ListField(
        child=AddressField(max_length=300), max_length=100, required=False
    )
    verify = VerifyBody(required=False)
    fencing = serializers.ChoiceField(choices=Fencing.choices, required=False)
    default_ttl = TTLField(required=False)
    min_ttl = TTLField(required=False, allow_null=True)
    max_ttl = TTLField(required=False, allow_null=True)
    mode = serializers.ChoiceField(choices=Mode.choices, required=False)
    ptr_policy = serializers.ChoiceField(choices=PtrPolicy.choices, required=False)
    audit_interval_s = serializers.IntegerField(
        min_value=MIN_AUDIT_S, max_value=MAX_AUDIT_S, required=False, allow_null=True
    )


class ZoneCreate(ZoneFields):
    """A zone to be registered."""

    name = name_field()


class ZoneUpdate(ZoneFields, RoundTripSerializer):
    """A zone to be changed; what cannot change may be sent back as it is."""

    volatile = frozenset({"serial", "counts", "lane", "request_id"})

    backend = serializers.CharField(max_length=100, required=False)
    name = serializers.CharField(read_only=True)
    name_unicode = name_unicode_field(read_only=True)
    serial = serializers.IntegerField(read_only=True)
    counts = serializers.DictField(read_only=True)
    lane = serializers.DictField(read_only=True)
    links = serializers.DictField(read_only=True)
    request_id = serializers.CharField(read_only=True)


class VerifySchema(serializers.Serializer[object]):
    """When a change counts as live."""

    policy = serializers.ChoiceField(choices=VerifyPolicy.choices)
    k = serializers.IntegerField(allow_null=True)
    deadline_s = serializers.IntegerField()


class ZoneSchema(serializers.Serializer[object]):
    """A zone with its counts and its lane."""

    name = serializers.CharField()
    name_unicode = name_unicode_field()
    backend = serializers.CharField()
    nameservers = serializers.ListField(child=serializers.CharField())
    verify = VerifySchema()
    fencing = serializers.ChoiceField(choices=Fencing.choices)
    default_ttl = serializers.IntegerField()
    min_ttl = serializers.IntegerField(allow_null=True)
    max_ttl = serializers.IntegerField(allow_null=True)
    mode = serializers.ChoiceField(choices=Mode.choices)
    ptr_policy = serializers.ChoiceField(choices=PtrPolicy.choices)
    audit_interval_s = serializers.IntegerField(allow_null=True)
    serial = serializers.IntegerField(allow_null=True)
    counts = serializers.DictField(child=serializers.IntegerField())
    lane = serializers.DictField()
    links = serializers.DictField(child=serializers.CharField())


class WrittenZoneSchema(ZoneSchema):
    """A zone after a write, and the request that it was."""

    request_id = serializers.UUIDField()
