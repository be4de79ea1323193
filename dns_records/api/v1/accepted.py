"""The answer to a change of one record, over v1 and as an item of a v2 batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q

from dns_records import selectors
from dns_records.models import Change, Record
from requests_tracker.api.tracking import location, render_error
from requests_tracker.models import Request, RequestEvent, Step
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
    events = RequestEvent.objects.filter(request__in=requests, step=Step.VALIDATED)
    rows = events.order_by("-sequence").values_list("request", "data")
    return {request_id: data.get("warnings", []) for request_id, data in rows}


def _records(requests: Sequence[Request]) -> dict[UUID, dict[str, Any]]:
    """Return the record that each request made or changed, if it is there."""
    own = Q(request__in=requests)
    # One that has parts has no changes of its own.
    if parents := [each for each in requests if each.parts_expected is not None]:
        own |= Q(request__part_of__in=parents)
    changes = Change.objects.filter(own, action="add").order_by("id")
    rows = list(changes.values_list("request", "request__part_of", "arguments"))
    made = [given for *_, arguments in rows if (given := arguments.get("record_id"))]
    seen: Any = selectors.records.annotated(Record.objects.filter(pk__in=made))
    by_id = {str(each.pk): each for each in seen}
    asked = {each.pk for each in requests}
    found: dict[UUID, dict[str, Any]] = {}
    for request_id, whole_id, arguments in rows:
        record = by_id.get(str(arguments.get("record_id")))
        if record is not None:
            of = whole_id if whole_id and request_id not in asked else request_id
            found.setdefault(of, selectors.records.body(record))
    return found


def render_all(requests: Sequence[Request]) -> list[Answer]:
    """Return the answers to accepted changes of a record."""
    return [
        Answer(202, shown, location(each), each.pk)
        for each, shown in zip(requests, bodies(requests), strict=True)
    ]


def render(request: Request) -> Answer:
    """Return the answer to an accepted change of a record."""
    (answer,) = render_all([request])
    return answer


DOORWAY = Doorway(render, render_error, render_all)
