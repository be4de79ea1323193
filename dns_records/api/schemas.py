"""Bodies that several endpoints share, for reading and for OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer
from rest_framework import serializers

from dns_records.models.zone import MAX_TTL
from dns_records.validation import Context
from dnsorch.api.serializers import StrictSerializer

MAX_NAME = 1100
MAX_VALUE = 65_535 * 4
# As many as an RRset may hold, so that a longer list is not read at all.
MAX_RECORDS = Context.max_records
# In a URL: HTTP servers take so much of it, percent-encoded, and hardly more.
MAX_QUERY = 2000


class TTLField(serializers.IntegerField):
    """A TTL in seconds (RFC 2181 section 8)."""

    def __init__(self, **kwargs: Any) -> None:
        """Bound it to 31 bits."""
        super().__init__(min_value=0, max_value=MAX_TTL, **kwargs)


class MomentField(serializers.DateTimeField):
    """A moment: RFC 3339 with its offset, since a local time is nobody's."""

    default_error_messages = {
        "no_offset": "Expected a time with its offset, such as 2026-12-24T18:00:00Z."
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        """Return the time in UTC."""
        if value.tzinfo is None:
            self.fail("no_offset")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            self.fail("overflow")


def moment_field(**kwargs: Any) -> MomentField:
    """Return a field for a moment to come, which may be left out."""
    return MomentField(required=False, allow_null=True, **kwargs)


def name_field(**kwargs: Any) -> serializers.CharField:
    """Return a field for a name as a client writes it."""
    return serializers.CharField(max_length=MAX_NAME, **kwargs)


def name_unicode_field(**kwargs: Any) -> serializers.CharField:
    """Return a field for a name as people read it."""
    return serializers.CharField(
        help_text="The name with its valid A-labels as U-labels (UTS 46).", **kwargs
    )


def value_field(**kwargs: Any) -> serializers.CharField:
    """Return a field for rdata in presentation form, spaces included."""
    longest = kwargs.pop("max_length", MAX_VALUE)
    return serializers.CharField(max_length=longest, trim_whitespace=False, **kwargs)


def records_field(**kwargs: Any) -> serializers.ListField:
    """Return a field for rdata of one RRset."""
    return serializers.ListField(child=value_field(), max_length=MAX_RECORDS, **kwargs)


def type_field(**kwargs: Any) -> serializers.CharField:
    """Return a field for the mnemonic of a type."""
    return serializers.CharField(max_length=20, **kwargs)


def digest_field() -> serializers.RegexField:
    """Return a field for the digest of the plan that a client approves."""
    return serializers.RegexField(
        r"^[0-9a-f]{64}\Z",
        required=False,
        allow_null=True,
        trim_whitespace=False,
        help_text="The digest of the plan that this approves, as a dry run gave it; "
        "412 `plan_changed` if the plan is another one by now.",
    )


def comment_field(**kwargs: Any) -> serializers.CharField:
    """Return a field for a comment."""
    return serializers.CharField(
        max_length=1000, required=False, allow_null=True, allow_blank=True, **kwargs
    )


def ptr_field() -> serializers.BooleanField:
    """Return a field that says whether PTR records go with addresses."""
    return serializers.BooleanField(
        required=False,
        allow_null=True,
        help_text="Whether the PTR records of the addresses go with them, in the same "
        "request; by default what the zone's `ptr_policy` says.",
    )


class RoundTripSerializer(StrictSerializer):
    """A body that may be what a GET has shown, with something else in it.

    Its context holds ``current``, which returns what a GET shows now. ``volatile`` are
    the read-only fields that change by themselves: they may have been otherwise.
    """

    volatile: ClassVar[frozenset[str]] = frozenset()

    def current(self) -> Mapping[str, Any] | None:
        """Return what a GET shows now, but for what is volatile."""
        read: Callable[[], Mapping[str, Any] | None] = self.context["current"]
        shown = read()
        if shown is None:
            return None
        given: Mapping[str, Any] = self.initial_data
        return dict(shown) | {
            name: given[name] for name in self.volatile if name in given
        }


class WarningSchema(serializers.Serializer[object]):
    """Something worth knowing that does not stop the change."""

    code = serializers.CharField()
    detail = serializers.CharField()
    pointer = serializers.CharField()


class ImageBody(StrictSerializer):
    """An RRset's TTL and records."""

    ttl = TTLField(required=False, allow_null=True)
    records = records_field(allow_empty=False, min_length=1)


class PlannedSchema(serializers.Serializer[object]):
    """What a plan does to one RRset."""

    name = serializers.CharField()
    type = serializers.CharField()
    action = serializers.CharField()
    before = ImageBody(allow_null=True)
    after = ImageBody(allow_null=True)


class PlanSchema(serializers.Serializer[object]):
    """The answer to a dry run."""

    zone = serializers.CharField()
    changes = PlannedSchema(many=True)
    warnings = WarningSchema(many=True)
    unsafe = serializers.ListField(child=serializers.CharField())
    digest = serializers.CharField()


class PlansSchema(serializers.Serializer[object]):
    """The answer to a dry run of a request with parts: the plan of each zone."""

    plans = PlanSchema(many=True)


def or_plan(
    name: str, answer: type[serializers.Serializer[Any]]
) -> PolymorphicProxySerializer:
    """Return what 200 says of a write: its answer when final, or the plan."""
    return or_preview(name, answer, PlanSchema, PlansSchema)


def or_preview(
    name: str,
    answer: type[serializers.Serializer[Any]],
    *previews: type[serializers.Serializer[Any]],
) -> PolymorphicProxySerializer:
    """Return what 200 says of a write: its answer when final, or that of a dry run."""
    return PolymorphicProxySerializer(
        component_name=name,
        serializers=[answer, *previews],
        resource_type_field_name=None,
    )


IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="1 to 255 visible ASCII characters; the same key never acts twice.",
)
WAIT = OpenApiParameter(
    "Prefer",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="`wait=N`: answer when the request is final, after N <= 30 seconds.",
)
DRY_RUN = OpenApiParameter(
    "dry_run", OpenApiTypes.BOOL, description="Answer with the plan; store nothing."
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description='Only if it is in this version, such as `"3"`, or there at all: `*`.',
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="`*`: only if it is absent.",
)
PTR = OpenApiParameter(
    "ptr",
    OpenApiTypes.BOOL,
    description="Whether the PTR records of the addresses go with them; by default "
    "what the zone's `ptr_policy` says.",
)
WRITE = [IDEMPOTENCY, WAIT, DRY_RUN]
