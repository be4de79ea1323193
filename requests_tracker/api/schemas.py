"""What the tracker's answers look like, for OpenAPI."""

from __future__ import annotations

from rest_framework import serializers

from requests_tracker.models import Source, Step
from requests_tracker.models.request import Level
from requests_tracker.status import Status


class ErrorSchema(serializers.Serializer[object]):
    """Why a request was rejected or failed."""

    code = serializers.CharField()
    detail = serializers.CharField()
    errors = serializers.ListField(  # type: ignore[assignment]
        child=serializers.DictField(), required=False
    )
    conflicts = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        help_text="Of each RRset that other hands changed: name, type, expected, "
        "served.",
    )


class EventSchema(serializers.Serializer[object]):
    """One step of a timeline."""

    sequence = serializers.IntegerField()
    at = serializers.DateTimeField()
    step = serializers.ChoiceField(choices=Step.choices)
    level = serializers.ChoiceField(choices=Level.choices)
    message = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]


class RequestBase(serializers.Serializer[object]):
    """What every version shows of a request."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Status.choices)
    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]
    api_version = serializers.CharField()
    action = serializers.CharField()
    requester = serializers.CharField()
    on_behalf_of = serializers.CharField(allow_null=True)
    zone = serializers.CharField(allow_null=True)
    comment = serializers.CharField(allow_null=True)
    idempotency_key = serializers.CharField(allow_null=True)
    correlation_id = serializers.CharField()
    received_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)
    attempts = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    error = ErrorSchema(allow_null=True)
    retry_of = serializers.UUIDField(allow_null=True)
    revert_of = serializers.UUIDField(allow_null=True)
    part_of = serializers.UUIDField(allow_null=True)
    events = EventSchema(many=True)
    links = serializers.DictField(child=serializers.CharField())


class RequestV1(RequestBase):
    """A request as v1 shows it: about one record."""

    name = serializers.CharField(allow_null=True)
    type = serializers.CharField(allow_null=True)
    value = serializers.CharField(allow_null=True)
    ttl = serializers.IntegerField(allow_null=True)


class ImageSchema(serializers.Serializer[object]):
    """An RRset at one moment."""

    ttl = serializers.IntegerField()
    records = serializers.ListField(child=serializers.CharField())


class SeenSchema(serializers.Serializer[object]):
    """When a name server was first seen to answer with a change."""

    address = serializers.CharField()
    seen_at = serializers.DateTimeField()
    serial = serializers.IntegerField(allow_null=True)


class ChangeSchema(serializers.Serializer[object]):
    """One operation of a request."""

    name = serializers.CharField()
    type = serializers.CharField()
    action = serializers.ChoiceField(
        choices=["create", "replace", "delete", "add", "remove"]
    )
    before = ImageSchema(allow_null=True)
    after = ImageSchema(allow_null=True)
    status = serializers.CharField()
    superseded_by = serializers.UUIDField(allow_null=True)
    applied_at = serializers.DateTimeField(allow_null=True)
    nameservers = SeenSchema(many=True)


class LeftOutSchema(serializers.Serializer[object]):
    """An RRset that an import left out, and why."""

    name = serializers.CharField()
    type = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ProgressSchema(serializers.Serializer[object]):
    """How far an import is; what is not known yet is null."""

    phase = serializers.ChoiceField(choices=["reading", "taking", "waiting", "done"])
    percent = serializers.IntegerField(allow_null=True)
    records = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    eta_s = serializers.IntegerField(allow_null=True)
    counts = serializers.DictField(child=serializers.IntegerField())
    left_out = LeftOutSchema(many=True)


class PartSchema(serializers.Serializer[object]):
    """A part of a request; a request of its own, with an outcome of its own."""

    id = serializers.UUIDField()
    zone = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=Status.choices)
    compensates = serializers.UUIDField(allow_null=True)


class ScheduledSchema(serializers.Serializer[object]):
    """One operation that is planned when its request is due."""

    name = serializers.CharField()
    type = serializers.CharField()
    action = serializers.ChoiceField(
        choices=["create", "replace", "delete", "add", "remove"]
    )
    ttl = serializers.IntegerField(allow_null=True)
    records = serializers.ListField(child=serializers.CharField())


class RequestV2(RequestBase):
    """A request as v2 shows it, with its changes or the parts that have them.

    The changes of an import are not among them: they may be very many.
    """

    parts = PartSchema(many=True)
    atomicity = serializers.ChoiceField(choices=["whole", "per zone", "per part"])

    not_before = serializers.DateTimeField(allow_null=True)
    scheduled = ScheduledSchema(
        many=True,
        allow_null=True,
        help_text="What a request with not_before asks for; null of any other.",
    )
    changes = ChangeSchema(many=True)
    progress = ProgressSchema(allow_null=True)
