"""The items of /api/v2/changesets/batch/: each a tracked request of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError
from rest_framework import serializers
from rest_framework.request import Request as HttpRequest

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
from dns_records.api.v1 import accepted
from dns_records.api.v1.serializers import RecordCreate
from dns_records.api.v2.serializers import ChangesetBody, drafts
from dns_records.api.writes import ChangingView
from dns_records.models import Record, Zone
from dns_records.services import changes, schedules
from dns_records.services.changes import ChangeSet
from dns_records.services.parts import ManyZones, whole
from dns_records.services.records import (
    CreateRecord,
    DeleteRecord,
    Target,
    UpdateRecord,
)
from dns_records.services.submissions import Asked, Submission
from dnsorch import clock
from dnsorch.api import errors, trace
from dnsorch.api.serializers import StrictSerializer
from dnsorch.api.strict_json import pointer
from dnsorch.exceptions import DnsorchError, IdempotencyKeyReused, Invalid, Reason
from requests_tracker.api.tracking import (
    KEY_IS,
    idempotency_key,
    read_key,
    validated,
)
from requests_tracker.api.v2.views import DOORWAY
from requests_tracker.models import OnFailure, Source
from requests_tracker.services.acceptance import Doorway

logger = structlog.get_logger(__name__)

MAX_ITEMS = 500


class EarlierItemFailed(DnsorchError):
    """An earlier item of the same zone could not be executed; nor was this one."""

    code = "earlier_item_failed"
    status = 424
    retryable = True


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


class ItemBody(serializers.Serializer[object]):
    """One item: a change set or a record's change, and whose it is."""

    idempotency_key = serializers.CharField(required=False)
    correlation_id = serializers.CharField(required=False)
    traceparent = serializers.CharField(required=False)
    on_behalf_of = serializers.CharField(required=False)
    changeset = ChangesetBody(required=False)
    record = RecordItem(required=False)


class BatchBody(serializers.Serializer[object]):
    """Independent items, executed in the order of the list."""

    items = ItemBody(many=True, max_length=MAX_ITEMS)  # type: ignore[call-arg]


class ResultSchema(serializers.Serializer[object]):
    """What became of one item."""

    status = serializers.IntegerField()
    body = serializers.DictField()
    replayed = serializers.BooleanField()


class BatchSchema(serializers.Serializer[object]):
    """What became of each item, in order."""

    results = ResultSchema(many=True)


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


def items(request: HttpRequest) -> list[Any]:
    """Return the items of a batch's body, unread.

    Raises:
        Invalid: it is no object with a list of 1 to 500 items, and nothing else.
    """
    asked: Any = request.data
    if not isinstance(asked, dict) or not isinstance(asked.get("items"), list):
        raise _wrong("/items", "expected an object with a list of items")
    for name in sorted(set(asked) - {"items"}):
        raise _wrong(pointer(name), "there is no such field")
    found: list[Any] = asked["items"]
    if not 1 <= len(found) <= MAX_ITEMS:
        raise _wrong("/items", f"expected 1 to {MAX_ITEMS} items, not {len(found)}")
    return found


def _wrong(at: str, detail: str) -> Invalid:
    return Invalid(f"{at}: {detail}", reasons=(Reason(at, "invalid", detail),))


class Run:
    """One batch on its way through the list."""

    def __init__(self, view: ChangingView) -> None:
        """Take the caller from the view."""
        self.view = view
        self.key = idempotency_key(view.request)
        # Zones of which an item could not be executed: later ones must wait.
        self.blocked: set[str] = set()

    def all(self, asked: list[Any]) -> list[dict[str, Any]]:
        """Execute the items in order and return their results."""
        return [self._one(index, item) for index, item in enumerate(asked)]

    def _one(self, index: int, item: Any) -> dict[str, Any]:
        zone = ""
        try:
            zone = zone_of(item)
            # Where the zone of what failed is not known, it may be any.
            if self.blocked & {zone, ""}:
                raise EarlierItemFailed()
            return self._execute(index, item)
        except (DnsorchError, DatabaseError) as error:
            translated = errors.translate(error)
            if translated.status >= 500:
                logger.warning("batch item failed", index=index, exc_info=error)
            if translated.retryable or translated.status >= 500:
                self.blocked.add(zone)
            problem = errors.problem(translated, self.view.request)
            return {"status": problem.status, "body": problem.body, "replayed": False}

    def _execute(self, index: int, item: Any) -> dict[str, Any]:
        envelope = item if isinstance(item, dict) else {}
        is_record = "record" in envelope
        asked = envelope.get("record" if is_record else "changeset")
        action = _action(asked) if is_record else "changeset"
        origin = self.view.origin(action, **self._fields(index, envelope, is_record))

        def read() -> Asked:
            validated(Envelope, item)
            if ("record" in envelope) is ("changeset" in envelope):
                raise Invalid("expected either a changeset or a record")
            return whole(read_record(asked) if is_record else read_changeset(asked))

        if self.view.dry_run:
            plan = changes.dry_run(read, access=self.view.access, origin=origin)
            return {"status": 200, "body": plan, "replayed": False}
        doorway: Doorway = accepted.DOORWAY if is_record else DOORWAY
        try:
            answer = changes.submit(
                read,
                access=self.view.access,
                origin=origin,
                operation=asked if is_record else {"changeset": asked},
                doorway=doorway,
            )
        except IdempotencyKeyReused as error:
            answer = self.view.reject(error, replace(origin, idempotency_key=""))
        return {
            "status": answer.status,
            "body": answer.body,
            "replayed": answer.replayed,
        }

    def _fields(
        self, index: int, envelope: Mapping[str, Any], is_record: bool
    ) -> dict[str, Any]:
        """Return what an item says about its request.

        Only what can be read is taken; what cannot is refused with the item.
        """
        fields = {"api_version": "v1" if is_record else "v2"}
        key = envelope.get("idempotency_key")
        if isinstance(key, str):
            fields["idempotency_key"] = read_key(key) or ""
        else:
            fields["idempotency_key"] = f"{self.key}/{index}" if self.key else ""
        correlation = envelope.get("correlation_id")
        if isinstance(correlation, str) and trace.is_correlation_id(correlation):
            fields["correlation_id"] = correlation
        if isinstance(parent := envelope.get("traceparent"), str):
            # Without one of its own it belongs to what answers the whole batch.
            if known := trace.traceparent(parent):
                fields["traceparent"] = known
        behalf = envelope.get("on_behalf_of")
        # Only the consumer, a door of ours, may say for whom it stands.
        trusted = self.view.access.source == Source.KAFKA
        if trusted and isinstance(behalf, str):
            fields["on_behalf_of"] = behalf[:255]
        return fields


def _action(asked: Any) -> str:
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
        raise _wrong("/new", "expected at least one of value, ttl, comment, expires_at")
    return UpdateRecord(_target(data), data["new"], pointer="/new", ptr=data.get("ptr"))


def _delete(data: Mapping[str, Any]) -> Submission:
    _only(data, "id", "name", "type", "value", "zone", "ptr")
    return DeleteRecord(_target(data), ptr=data.get("ptr"))


def _only(data: Mapping[str, Any], *fields: str) -> None:
    for name in sorted(set(data) - set(fields) - {"action"}):
        raise _wrong(f"/{name}", f"a record's {data['action']} takes no {name}")


def _target(data: Mapping[str, Any]) -> Target:
    named = all(data.get(field) for field in ("name", "type", "value"))
    if ("id" in data) is named:
        raise _wrong("", "expected either id, or name, type and value")
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


def zone_of_record(given: Any) -> str:
    """Return the zone of the record that has an id, "" if there is none."""
    try:
        record_id = UUID(str(given))
    except ValueError:
        return ""
    held = Record.objects.filter(pk=record_id)
    return held.values_list("rrset__zone__name", flat=True).first() or ""
