"""The items of /api/v2/changesets/batch/: each a tracked request of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from django.db import DatabaseError
from rest_framework import serializers
from rest_framework.request import Request as HttpRequest

from dns_records.api.v1 import accepted
from dns_records.api.v2 import batch_items
from dns_records.api.v2.batch_items import RecordItem
from dns_records.api.v2.serializers import ChangesetBody
from dns_records.api.writes import ChangingView
from dns_records.services import changes, together
from dns_records.services.parts import ManyZones, whole
from dns_records.services.submissions import Asked, Submission
from dns_records.services.together import NotSimple, SimpleCall, is_simple
from dnsorch.api import errors, trace
from dnsorch.api.strict_json import pointer
from dnsorch.exceptions import DnsorchError, IdempotencyKeyReused
from requests_tracker.api.tracking import idempotency_key, read_key
from requests_tracker.api.v2.views import DOORWAY
from requests_tracker.models import Source
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.lifecycle import Origin
from requests_tracker.services.together import CommitFailed

logger = structlog.get_logger(__name__)

MAX_ITEMS = 500
# Of the items that are accepted in one transaction: so many, with so many operations.
MAX_TOGETHER = 100
MAX_WEIGHT = 1000


class EarlierItemFailed(DnsorchError):
    """An earlier item of the same zone could not be executed; nor was this one."""

    code = "earlier_item_failed"
    status = 424
    retryable = True


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


def items(request: HttpRequest) -> list[Any]:
    """Return the items of a batch's body, unread.

    Raises:
        Invalid: it is no object with a list of 1 to 500 items, and nothing else.
    """
    asked: Any = request.data
    if not isinstance(asked, dict) or not isinstance(asked.get("items"), list):
        raise batch_items.wrong("/items", "expected an object with a list of items")
    for name in sorted(set(asked) - {"items"}):
        raise batch_items.wrong(pointer(name), "there is no such field")
    found: list[Any] = asked["items"]
    if not 1 <= len(found) <= MAX_ITEMS:
        raise batch_items.wrong(
            "/items", f"expected 1 to {MAX_ITEMS} items, not {len(found)}"
        )
    return found


@dataclass(frozen=True)
class Item:
    """One item: its change, or why there is none, whose it is, and who answers it."""

    index: int
    body: Any
    origin: Origin
    operation: object
    doorway: Doorway
    change: Submission | ManyZones | DnsorchError

    def read(self) -> Asked:
        """Return what is asked for, with its PTR records.

        Raises:
            DnsorchError: there is nothing to be read.
        """
        if isinstance(self.change, DnsorchError):
            raise self.change
        return whole(self.change)

    def simple(self) -> SimpleCall | None:
        """Return the call that may go with others; None if it is not simple."""
        if isinstance(self.change, DnsorchError) or is_simple(self.change):
            return SimpleCall(self.origin, self.operation, self.doorway, self.change)
        return None


@dataclass
class Waiting:
    """Simple items that wait to be executed together."""

    items: list[Item] = field(default_factory=list)
    calls: list[SimpleCall] = field(default_factory=list)

    def takes(self, call: SimpleCall) -> bool:
        """Whether another may go with them: another key, and not too many.

        Their names stay locked until all are stored.
        """
        key = call.origin.idempotency_key
        if key and any(key == each.origin.idempotency_key for each in self.calls):
            return False  # it is told what the first one was told
        weight = sum(each.weight for each in (*self.calls, call))
        return len(self.calls) < MAX_TOGETHER and weight <= MAX_WEIGHT

    def add(self, item: Item, call: SimpleCall) -> None:
        """Have an item wait."""
        self.items.append(item)
        self.calls.append(call)


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
        results: list[dict[str, Any]] = []
        waiting = Waiting()
        for index, body in enumerate(asked):
            item = self._item(index, body)
            call = None if self.view.dry_run else item.simple()
            if call is None or not waiting.takes(call):
                results += self._together(waiting)
                waiting = Waiting()
            if call is None:
                results.append(self._one(item))
            else:
                waiting.add(item, call)
        return results + self._together(waiting)

    def _item(self, index: int, body: Any) -> Item:
        """Read an item; what is wrong with it is told when it is executed."""
        envelope = body if isinstance(body, dict) else {}
        is_record = "record" in envelope
        asked = envelope.get("record" if is_record else "changeset")
        fields = self._fields(index, envelope, is_record)
        action = batch_items.action_of(asked) if is_record else "changeset"
        change: Submission | ManyZones | DnsorchError
        try:
            change = batch_items.read(body)
        except DnsorchError as error:
            change = error
        return Item(
            index,
            body,
            origin=self.view.origin(action, **fields),
            operation=asked if is_record else {"changeset": asked},
            doorway=accepted.DOORWAY if is_record else DOORWAY,
            change=change,
        )

    def _together(self, waiting: Waiting) -> list[dict[str, Any]]:
        """Execute items in one transaction; where that does not work, one by one."""
        lost: DatabaseError | None = None
        if len(waiting.calls) > 1 and not self.blocked:
            try:
                together.submit(waiting.calls, self.view.access)
            except (NotSimple, DnsorchError, DatabaseError) as error:
                logger.info("batch taken apart", why=type(error).__name__)
            except CommitFailed as error:
                lost = error.cause
            else:
                return [
                    self._result(each.answer, each.origin) for each in waiting.calls
                ]
        return [self._alone(each, lost) for each in waiting.items]

    def _alone(self, item: Item, lost: DatabaseError | None) -> dict[str, Any]:
        """Execute an item by itself; ``lost`` is why nobody knows if it was before."""
        if lost is None or item.origin.idempotency_key:
            return self._one(item)
        return self._failed(lost, item, batch_items.zone_if_known(item.body))

    def _one(self, item: Item) -> dict[str, Any]:
        # Looked up only where it matters: for a record it takes a statement.
        zone = batch_items.zone_if_known(item.body) if self.blocked else None
        try:
            # Where the zone of what failed is not known, it may be any.
            if zone is not None and self.blocked & {zone, ""}:
                raise EarlierItemFailed()
            return self._execute(item)
        except (DnsorchError, DatabaseError) as error:
            if zone is None:
                zone = batch_items.zone_if_known(item.body)
            return self._failed(error, item, zone)

    def _failed(self, error: Exception, item: Item, zone: str) -> dict[str, Any]:
        """Return the problem of what was not executed; block its zone if need be."""
        translated = errors.translate(error)
        if translated.status >= 500:
            logger.warning("batch item failed", index=item.index, exc_info=error)
        if translated.retryable or translated.status >= 500:
            self.blocked.add(zone)
        problem = errors.problem(translated, self.view.request)
        return {"status": problem.status, "body": problem.body, "replayed": False}

    def _execute(self, item: Item) -> dict[str, Any]:
        access, origin = self.view.access, item.origin
        if self.view.dry_run:
            plan = changes.dry_run(item.read, access=access, origin=origin)
            return {"status": 200, "body": plan, "replayed": False}
        try:
            answer = changes.submit(
                item.read,
                access=access,
                origin=origin,
                operation=item.operation,
                doorway=item.doorway,
            )
        except IdempotencyKeyReused as error:
            return self._result(error, origin)
        return self._result(answer, origin)

    def _result(
        self, answer: Answer | IdempotencyKeyReused | None, origin: Origin
    ) -> dict[str, Any]:
        if isinstance(answer, IdempotencyKeyReused):
            answer = self.view.reject(answer, replace(origin, idempotency_key=""))
        assert answer is not None  # whatever is executed has one
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
