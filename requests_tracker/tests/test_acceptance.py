"""A request is accepted or rejected once, in one transaction."""

from __future__ import annotations

from typing import Any

import pytest

from dnsorch.exceptions import (
    Conflict,
    DatabaseBusy,
    DnsorchError,
    Forbidden,
    Invalid,
    PreconditionFailed,
    Reason,
    ZoneNotFound,
)
from requests_tracker.models import (
    IdempotencyKey,
    OutboxEvent,
    Request,
    RequestEvent,
    Step,
)
from requests_tracker.models.request import new_id
from requests_tracker.services import acceptance, lifecycle
from requests_tracker.services.acceptance import Doorway
from requests_tracker.services.idempotency import Answer
from requests_tracker.services.timeline import Entry
from requests_tracker.tests.factories import DOOR, origin, steps

pytestmark = pytest.mark.django_db


def accept(request: Request) -> None:
    """Queue the request."""
    request.zone = "example.test."
    lifecycle.open_queued(
        request, [origin().received(), Entry(Step.ENQUEUED, "waits in its lane")]
    )


def rows() -> tuple[int, int, int, int]:
    """Return how many requests, events, outcomes and keys there are."""
    return (
        Request.objects.count(),
        RequestEvent.objects.count(),
        OutboxEvent.objects.count(),
        IdempotencyKey.objects.count(),
    )


def test_an_accepted_request_is_in_the_tracker_before_its_answer() -> None:
    answer = acceptance.run(
        origin("key-1"), operation="x", perform=accept, doorway=DOOR
    )
    request = Request.objects.get()
    assert answer == Answer(
        202,
        {"id": str(request.pk), "status": "queued"},
        f"/requests/{request.pk}/",
        request.pk,
    )
    assert request.status == "queued"
    assert steps(request) == ["received", "enqueued"]
    key = IdempotencyKey.objects.get()
    assert (key.owner, key.key, key.request_id) == ("team-web", "key-1", request.pk)
    assert (key.response_status, key.response_body, key.response_location) == (
        202,
        answer.body,
        answer.location,
    )
    assert rows() == (1, 2, 0, 1)


@pytest.mark.parametrize(
    "error",
    [
        Invalid("bad", reasons=(Reason("/zone", "invalid", "bad"),)),
        Forbidden(),
        ZoneNotFound(),
        Conflict("no"),
        PreconditionFailed("other", extra={"current": None}),
    ],
    ids=lambda error: error.code,
)
def test_a_rejected_request_is_in_the_tracker_and_did_nothing_else(
    error: DnsorchError,
) -> None:
    def perform(request: Request) -> None:
        request.zone = "example.test."
        lifecycle.open_queued(request, [Entry(Step.STORED, "of no consequence")])
        RequestEvent.objects.update(message="changed")
        raise error

    answer = acceptance.run(
        origin("key-1"), operation="x", perform=perform, doorway=DOOR
    )
    # What `perform` did to the value is gone with what it stored.
    request = Request.objects.get()
    assert answer.status == error.status
    assert answer.body == {**error.as_error(), "request_id": str(request.pk)}
    assert (request.status, request.zone) == ("rejected", "example.test.")
    assert (request.error, request.error_code) == (error.as_error(), error.code)
    assert request.deadline_at is None
    events = request.events.values_list("sequence", "step", "message", "data")
    assert list(events) == [
        (
            1,
            "received",
            "changeset received from team-web over rest",
            {"correlation_id": "correlation-1"},
        ),
        (2, "rejected", error.detail, {"code": error.code}),
    ]
    assert rows() == (1, 2, 1, 1)


def test_who_takes_the_key_of_what_is_being_refused_was_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was refused is rolled back with its key; the refusal is stored after it."""
    once, calls, others = acceptance._once, [], []

    def take() -> Answer:
        return acceptance.run(
            origin("key-1"), operation="x", perform=accept, doorway=DOOR
        )

    def interrupted(*args: Any) -> Answer:
        calls.append(args)
        if len(calls) == 2:
            others.append(take())
        return once(*args)

    def refuse(request: Request) -> None:
        raise Conflict("no")

    monkeypatch.setattr(acceptance, "_once", interrupted)
    answer = acceptance.run(
        origin("key-1"), operation="x", perform=refuse, doorway=DOOR
    )
    (other,) = others
    assert (answer.status, answer.request_id) == (202, other.request_id)
    assert answer.replayed
    assert Request.objects.get().status == "queued"
    assert rows() == (1, 3, 0, 1)  # the replay is told of


@pytest.mark.parametrize("error", [DatabaseBusy(), DnsorchError(), RuntimeError()])
def test_nothing_is_stored_of_a_failure_of_ours(error: Exception) -> None:
    def perform(request: Request) -> None:
        accept(request)
        raise error

    with pytest.raises(type(error)):
        acceptance.run(origin("key-1"), operation="x", perform=perform, doorway=DOOR)
    assert rows() == (0, 0, 0, 0)


def test_a_door_that_cannot_answer_accepts_nothing() -> None:
    def render(request: Request) -> Answer:
        raise RuntimeError("no answer")

    with pytest.raises(RuntimeError, match="no answer"):
        acceptance.run(
            origin("key-1"),
            operation="x",
            perform=accept,
            doorway=Doorway(render, DOOR.render_error),
        )
    assert rows() == (0, 0, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_what_went_away_before_the_commit_is_looked_at_again() -> None:
    """Foreign keys are checked at COMMIT; 500 would say nothing of a zone deleted."""
    looked: list[str] = []

    def perform(request: Request) -> None:
        looked.append("once")
        if len(looked) > 1:
            raise ZoneNotFound("the zone example.test. is not registered")
        accept(request)
        event = RequestEvent.objects.get(sequence=1)
        event.pk, event.request_id, event.sequence = None, new_id(), 9
        event.save(force_insert=True)

    answer = acceptance.run(
        origin("key-1"), operation="x", perform=perform, doorway=DOOR
    )
    request = Request.objects.get()
    assert (answer.status, request.status) == (404, "rejected")
    assert request.error_code == "zone_not_found"
    assert (len(looked), rows()) == (2, (1, 2, 1, 1))
