"""What an item of a batch says: a change set, or the change of one record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from rest_framework import serializers

from dns_records import names
from dns_records.api.schemas import (
    TTLField,
    comment_field,
    moment_field,
    name_field,
    ptr_field,
    type_field,
    value_field,
)
from dns_records.api.v1.serializers import RecordCreate
from dns_records.api.v2.serializers import ChangesetBody, drafts
from dns_records.models import Record, Zone
from dns_records.services import schedules
from dns_records.services.changes import ChangeSet
from dns_records.services.parts import ManyZones
from dns_records.services.records import (
    CreateRecord,
    DeleteRecord,
    Target,
    UpdateRecord,
)
from dns_records.services.submissions import Submission
from dnsorch import clock
from dnsorch.api.serializers import StrictSerializer
from dnsorch.exceptions import Invalid, Reason
from requests_tracker.api.tracking import KEY_IS, read_key, validated
from requests_tracker.models import OnFailure


class NewRecord(StrictSerializer):
    """What an update changes of a record."""

    value = value_field(required=False)
    ttl = TTLField(required=False)
    comment = comment_field()
    expires_at = moment_field()


class RecordItem(StrictSerializer):
    """A change of one record: named by its id, or by name, type and value."""

    action = serializers.ChoiceField(choices=["create", "update", "delete"])
    id = serializers.UUIDField(required=False)
    name = name_field(required=False)
    type = type_field(required=False)
    value = value_field(required=False)
    ttl = TTLField(required=False, allow_null=True)
    zone = name_field(required=False, allow_null=True)
    comment = comment_field()
    ptr = ptr_field()
    expires_at = moment_field()
    new = NewRecord(required=False)


class Envelope(StrictSerializer):
    """An item around its change: read first, so that the rest fails under its key."""

    idempotency_key = serializers.CharField(required=False, allow_null=True)
    correlation_id = serializers.RegexField(
        r"\A[A-Za-z0-9._-]{1,128}\Z", required=False, allow_null=True
    )
    # One that is not valid is ignored (W3C Trace Context section 3.2).
    traceparent = serializers.CharField(
        required=False, allow_null=True, allow_blank=True
    )
    on_behalf_of = serializers.CharField(
        required=False, allow_null=True, max_length=255
    )
    changeset = serializers.JSONField(required=False)
    record = serializers.JSONField(required=False)

    def validate_idempotency_key(self, text: str | None) -> str | None:
        """Refuse what is no key.

        Raises:
            ValidationError: it has other characters, or too many.
        """
        if text is not None and read_key(text) is None:
            raise serializers.ValidationError(f"expected {KEY_IS}")
        return text


def read(item: Any) -> Submission | ManyZones:
    """Return the change of an item.

    Raises:
        Invalid: a field is missing, unknown or of the wrong shape.
    """
    validated(Envelope, item)
    if ("record" in item) is ("changeset" in item):
        raise Invalid("expected either a changeset or a record")
    if "record" in item:
        return read_record(item["record"])
    return read_changeset(item["changeset"])


def wrong(at: str, detail: str) -> Invalid:
    """Return the error of what stands at a JSON pointer."""
    return Invalid(f"{at}: {detail}", reasons=(Reason(at, "invalid", detail),))


def action_of(asked: Any) -> str:
    """Return what is asked for of a record, as the tracker calls it."""
    action = asked.get("action") if isinstance(asked, dict) else None
    return action if action in ("create", "update", "delete") else "record"


def read_changeset(asked: Any) -> ChangeSet | ManyZones:
    """Return the change set of a body.

    Raises:
        Invalid: a field is missing, unknown or of the wrong shape.
        TooFarAhead: it is scheduled for a time too far away.
    """
    data = validated(ChangesetBody, asked)
    asked, comment = drafts(data["changes"]), data.get("comment")
    not_before, digest = data.get("not_before"), data.get("digest")
    if "zone" in data:
        changeset = ChangeSet(data["zone"], asked, comment, digest=digest)
        return schedules.at(changeset, not_before)
    schedules.refuse(not_before, "/zone", "one that waits for its time names its zone")
    on_failure = data.get("on_failure", OnFailure.KEEP)
    return ManyZones(asked, comment, on_failure, digest)


def read_record(asked: Any) -> Submission:
    """Return the change of one record.

    Raises:
        Invalid: a field is missing, unknown or of the wrong shape.
    """
    data = validated(RecordItem, asked)
    reader: Callable[[Mapping[str, Any]], Submission] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }[data["action"]]
    return reader(data)


def _create(data: Mapping[str, Any]) -> Submission:
    _only(data, "name", "type", "value", "ttl", "zone", "comment", "ptr", "expires_at")
    fields = {key: value for key, value in data.items() if key != "action"}
    if ends := fields.get("expires_at"):
        fields["expires_at"] = clock.iso(ends)
    return CreateRecord(**validated(RecordCreate, fields))


def _update(data: Mapping[str, Any]) -> Submission:
    _only(data, "id", "name", "type", "value", "zone", "new", "ptr")
    if not data.get("new"):
        raise wrong("/new", "expected at least one of value, ttl, comment, expires_at")
    return UpdateRecord(_target(data), data["new"], pointer="/new", ptr=data.get("ptr"))


def _delete(data: Mapping[str, Any]) -> Submission:
    _only(data, "id", "name", "type", "value", "zone", "ptr")
    return DeleteRecord(_target(data), ptr=data.get("ptr"))


def _only(data: Mapping[str, Any], *fields: str) -> None:
    for name in sorted(set(data) - set(fields) - {"action"}):
        raise wrong(f"/{name}", f"a record's {data['action']} takes no {name}")


def _target(data: Mapping[str, Any]) -> Target:
    named = all(data.get(field) for field in ("name", "type", "value"))
    if ("id" in data) is named:
        raise wrong("", "expected either id, or name, type and value")
    fields = ("id", "name", "type", "value", "zone")
    return Target(**{field: data[field] for field in fields if field in data})


def zone_of(item: Any) -> str:
    """Return the zone that an item is about, as far as its body tells; else ""."""
    if not isinstance(item, dict):
        return ""
    asked = item.get("changeset", item.get("record"))
    if not isinstance(asked, dict):
        return ""
    if "id" in asked:
        return zone_of_record(asked["id"])
    try:
        if isinstance(asked.get("zone"), str):
            return names.zone_name(asked["zone"])
        suffixes = names.suffixes(names.absolute_name(str(asked.get("name", ""))))
    except Invalid:
        return ""
    held = Zone.objects.filter(name__in=suffixes).values_list("name", flat=True)
    return max(held, key=len, default="")


def zone_if_known(item: Any) -> str:
    """Return the zone of what has just failed, perhaps for want of a database."""
    try:
        return zone_of(item)
    except DatabaseError:
        return ""


def zone_of_record(given: Any) -> str:
    """Return the zone of the record that has an id, "" if there is none."""
    try:
        record_id = UUID(str(given))
    except ValueError:
        return ""
    held = Record.objects.filter(pk=record_id)
    return held.values_list("rrset__zone__name", flat=True).first() or ""
