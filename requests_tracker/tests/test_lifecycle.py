"""Birth and progress of requests: compare-and-set, timeline and outbox together."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from dnsorch import clock
from dnsorch.exceptions import Conflict, DnsorchError, IllegalTransition
from requests_tracker.models import OutboxEvent, Request, Step
from requests_tracker.services import lifecycle
from requests_tracker.services.timeline import Entry
from requests_tracker.status import FINAL, TRANSITIONS, Status
from requests_tracker.tests.factories import NOON, RequestFactory, origin, steps

pytestmark = pytest.mark.django_db

ENTRY = Entry(Step.SENT, "it moved")


class Sequence:
    """Gives outcome numbers from 1, as a zone does; keeps what it was asked."""

    def __init__(self) -> None:
        """Start a zone."""
        self.asked: list[int] = []

    def __call__(self, count: int) -> int:
        """Take ``count`` numbers; return the last."""
        self.asked.append(count)
        return sum(self.asked)


def outbox() -> list[tuple[object, str, str, int | None]]:
    """Return the outbox in the order of writing."""
    rows = OutboxEvent.objects.order_by("pk")
    return list(rows.values_list("request", "type", "zone", "event_seq"))


def in_state(state: Status) -> Request:
    """Return a stored request in ``state``."""
    completed_at = NOON if state in FINAL else None
    return RequestFactory.create(status=state, completed_at=completed_at)


def test_an_accepted_request_is_queued_with_a_deadline() -> None:
    given = origin("key-1", on_behalf_of="ci", traceparent="00-1-2-01")
    request = given.request()
    request.zone = "example.test."
    lifecycle.open_queued(request, [given.received()])
    stored = Request.objects.get()
    assert stored.pk == request.pk
    assert stored.status == "queued"
    assert stored.deadline_at == NOON + timedelta(days=1)
    assert stored.completed_at is None
    assert (stored.requester, stored.source, stored.api_version, stored.action) == (
        "team-web",
        "rest",
        "v2",
        "changeset",
    )
    assert (stored.idempotency_key, stored.on_behalf_of) == ("key-1", "ci")
    assert (stored.correlation_id, stored.traceparent) == ("correlation-1", "00-1-2-01")
    (event,) = stored.events.all()
    assert (event.sequence, event.at, event.step) == (1, NOON, "received")
    assert event.message == "changeset received from team-web over rest"
    assert event.data == {"correlation_id": "correlation-1"}
    assert outbox() == []


def test_a_rejected_request_keeps_its_reason_and_has_no_place_in_a_zone() -> None:
    request = origin().request()
    with clock.fixed(NOON):
        lifecycle.open_rejected(request, Conflict("no"), [origin().received()])
    stored = Request.objects.get()
    assert stored.status == "rejected"
    assert (stored.completed_at, stored.deadline_at) == (NOON, None)
    assert stored.error == {"code": "conflict", "detail": "no"}
    assert stored.error_code == "conflict"
    assert steps(stored) == ["received", "rejected"]
    assert outbox() == [(stored.pk, "rejected", "", None)]


def test_a_request_that_is_done_by_being_accepted_takes_its_place() -> None:
    request = origin(action="register").request()
    request.zone = "example.test."
    lifecycle.open_completed(request, [origin().received()], Sequence())
    stored = Request.objects.get()
    assert stored.status == "completed"
    assert steps(stored) == ["received", "completed"]
    assert outbox() == [(stored.pk, "completed", "example.test.", 1)]


@pytest.mark.parametrize("to", sorted(set(Status) - {Status.RECEIVED}))
@pytest.mark.parametrize("before", sorted(Status))
def test_move_is_a_compare_and_set(before: Status, to: Status) -> None:
    request = in_state(before)
    moved = lifecycle.move([request.pk], to, [ENTRY], take_sequence=Sequence())
    allowed = to in TRANSITIONS[before]
    assert [each.pk for each in moved] == [request.pk] * allowed
    request.refresh_from_db()
    assert request.status == (to if allowed else before)
    assert steps(request) == ["sent"] * allowed
    assert OutboxEvent.objects.count() == (1 if allowed and to in FINAL else 0)


def test_move_takes_those_that_may_and_leaves_the_others() -> None:
    requests = [
        in_state(Status.QUEUED),
        in_state(Status.CANCELLED),
        in_state(Status.QUEUED),
    ]
    ids = [request.pk for request in requests]
    moved = lifecycle.move(ids, Status.PROVISIONING, [ENTRY], count_attempt=True)
    assert [each.pk for each in moved] == [ids[0], ids[2]]
    rows = Request.objects.order_by("pk").values_list("status", "attempts")
    assert list(rows) == [("provisioning", 1), ("cancelled", 0), ("provisioning", 1)]


def test_each_request_may_have_entries_of_its_own() -> None:
    first, second = in_state(Status.QUEUED), in_state(Status.QUEUED)
    own = {first.pk: [ENTRY], second.pk: [ENTRY, ENTRY]}
    lifecycle.move(own, Status.PROVISIONING, lambda request: own[request.pk])
    lifecycle.move(own, Status.QUEUED, [ENTRY], next_attempt_at=NOON)
    rows = Request.objects.order_by("pk").values_list("last_sequence", flat=True)
    assert list(rows) == [2, 3]
    assert (steps(first), steps(second)) == (["sent"] * 2, ["sent"] * 3)


def test_the_next_attempt_is_forgotten_by_the_next_move() -> None:
    request = in_state(Status.PROVISIONING)
    lifecycle.move([request.pk], Status.QUEUED, [ENTRY], next_attempt_at=NOON)
    assert Request.objects.get().next_attempt_at == NOON
    lifecycle.move([request.pk], Status.PROVISIONING, [ENTRY])
    assert Request.objects.get().next_attempt_at is None


def test_final_states_take_consecutive_places() -> None:
    sequence = Sequence()
    first, second, third = (in_state(Status.VERIFYING) for _ in range(3))
    errors: dict[object, DnsorchError] = {first.pk: Conflict("no")}
    with clock.fixed(NOON):
        lifecycle.move(
            [first.pk],
            Status.FAILED,
            [ENTRY],
            take_sequence=sequence,
            errors=errors,  # type: ignore[arg-type]
        )
        lifecycle.move(
            [third.pk, second.pk], Status.COMPLETED, [ENTRY], take_sequence=sequence
        )
    assert sequence.asked == [1, 2]
    assert outbox() == [
        (first.pk, "failed", "example.test.", 1),
        (second.pk, "completed", "example.test.", 2),
        (third.pk, "completed", "example.test.", 3),
    ]
    first.refresh_from_db()
    assert (first.completed_at, first.error_code) == (NOON, "conflict")
    assert first.error == {"code": "conflict", "detail": "no"}


@pytest.mark.django_db(transaction=True)
def test_a_final_state_without_a_place_is_a_mistake_and_changes_nothing() -> None:
    request = in_state(Status.VERIFYING)
    with pytest.raises(ValueError, match="need their sequence"):
        lifecycle.move([request.pk], Status.COMPLETED, [ENTRY])
    assert Request.objects.get().status == "verifying"
    assert steps(request) == []


def test_requests_wait_where_they_stand() -> None:
    queued, sent = in_state(Status.QUEUED), in_state(Status.PROVISIONING)
    done = in_state(Status.COMPLETED)
    lifecycle.postpone([queued.pk, sent.pk, done.pk], NOON, ENTRY)
    rows = Request.objects.order_by("pk").values_list("status", "next_attempt_at")
    assert list(rows) == [
        ("queued", NOON),
        ("provisioning", NOON),
        ("completed", None),
    ]
    assert [steps(each) for each in (queued, sent, done)] == [["sent"], ["sent"], []]


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.RECEIVED}))
def test_only_a_received_request_is_opened(status: Status) -> None:
    request = origin().request()
    request.status = status
    if Status.QUEUED not in TRANSITIONS[status]:
        with pytest.raises(IllegalTransition):
            lifecycle.open_queued(request, [])
        assert Request.objects.count() == 0


@pytest.mark.parametrize(
    ("status", "completed_at"), [("completed", None), ("queued", NOON)]
)
def test_the_database_keeps_state_and_completion_together(
    status: str, completed_at: object
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        RequestFactory.create(status=status, completed_at=completed_at)


def test_an_outcome_is_written_once_per_request() -> None:
    request = in_state(Status.VERIFYING)
    lifecycle.move([request.pk], Status.COMPLETED, [ENTRY], take_sequence=Sequence())
    again = lifecycle.move(
        [request.pk], Status.FAILED, [ENTRY], take_sequence=Sequence()
    )
    assert again == []
    assert len(outbox()) == 1
