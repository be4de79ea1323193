"""The answer to a change of one record, over v1 and as an item of a v2 batch."""

from __future__ import annotations

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
    return _body(Request.objects.get(pk=request_id))


def _body(request: Request) -> dict[str, Any]:
    record = _record(request)
    links = {"request": location(request)}
    if record is not None:
        links["record"] = record["links"]["self"]
    validated = RequestEvent.objects.filter(request=request, step=Step.VALIDATED)
    data = validated.values_list("data", flat=True).first() or {}
    return {
        "request_id": str(request.pk),
        "status": request.status,
        "record": record,
        "warnings": data.get("warnings", []),
        "error": request.error,
        "links": links,
    }


def _record(request: Request) -> dict[str, Any] | None:
    """Return the record that the request made or changed, if it is there."""
    own = Q(request=request) | Q(request__part_of=request)
    changes = Change.objects.filter(own, action="add")
    for arguments in changes.values_list("arguments", flat=True):
        rows: Any = selectors.records.annotated(Record.objects.all())
        record = rows.filter(pk=arguments.get("record_id")).first()
        if record is not None:
            return selectors.records.body(record)
    return None


def render(request: Request) -> Answer:
    """Return the answer to an accepted change of a record."""
    return Answer(202, _body(request), location(request), request.pk)


DOORWAY = Doorway(render=render, render_error=render_error)
