"""The answer to a change of one record, over v1 and as an item of a v2 batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from dns_records import selectors
from dns_records.models import Change, Record
from requests_tracker import selectors as tracker
from requests_tracker.api.tracking import location, render_error
from requests_tracker.models import Request, Step
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer


def body(request_id: UUID) -> dict[str, Any]:
    """Return the answer as it is now; ``record`` is null once it is gone."""
    (shown,) = bodies([Request.objects.get(pk=request_id)])
    return shown


def bodies(requests: Sequence[Request]) -> list[dict[str, Any]]:
    """Return the answers to changes of a record, in few statements for all."""
    records, warnings = _records(requests), _warnings(requests)
    return [
        {
            "request_id": str(each.pk),
            "status": each.status,
            "record": (record := records.get(each.pk)),
            "warnings": warnings.get(each.pk, []),
            "error": each.error,
            "links": {
                "request": location(each),
                **({"record": record["links"]["self"]} if record else {}),
            },
        }
        for each in requests
    ]


def _warnings(requests: Sequence[Request]) -> dict[UUID, list[Any]]:
    # Of several that say so the first one counts: it comes last here.
    return {
        request_id: event.data.get("warnings", [])
        for request_id, events in tracker.requests.events_of(requests).items()
        for event in reversed(events)
        if event.step == Step.VALIDATED
    }


def _records(requests: Sequence[Request]) -> dict[UUID, dict[str, Any]]:
    """Return the record that each request made or changed, if it is there."""
    changes = selectors.requests.changes_of(requests)
    # One that has parts has no changes of its own.
    if parents := [each.pk for each in requests if each.parts_expected is not None]:
        rows = Change.objects.filter(request__part_of__in=parents)
        for change in rows.select_related("request").order_by("id"):
            assert change.request.part_of_id  # so it was asked for
            changes.setdefault(change.request.part_of_id, []).append(change)
    made = [
        (request_id, change.arguments["record_id"])
        for request_id, own in changes.items()
        for change in own
        if change.action == "add" and change.arguments.get("record_id")
    ]
    written = [each for one in requests for each in one.first_records or ()]
    by_id = {str(each.pk): each for each in written}
    if ids := {record_id for _, record_id in made} - set(by_id):
        seen: Any = selectors.records.annotated(Record.objects.filter(pk__in=ids))
        by_id |= {str(each.pk): each for each in seen}
    found: dict[UUID, dict[str, Any]] = {}
    for request_id, record_id in made:
        if (record := by_id.get(record_id)) is not None:
            found.setdefault(request_id, selectors.records.body(record))
    return found


def render_all(requests: Sequence[Request]) -> list[Answer]:
    """Return the answers to accepted changes of a record."""
    return [
        Answer(202, shown, location(each), each.pk)
        for each, shown in zip(requests, bodies(requests), strict=True)
    ]


DOORWAY = Doorway.for_many(render_all, render_error)
