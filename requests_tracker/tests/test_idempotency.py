"""One idempotency key of one owner acts once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from dnsorch import clock
from dnsorch.exceptions import (
    Conflict,
    DatabaseBusy,
    DnsorchError,
    IdempotencyKeyReused,
)
from requests_tracker.models import IdempotencyKey, Request
from requests_tracker.services import acceptance, idempotency, lifecycle
from requests_tracker.services.idempotency import Answer
from requests_tracker.tests.factories import DOOR, NOON, origin, steps

OPERATION = {"zone": "example.test.", "changes": []}


def accept(request: Request) -> None:
    """Queue the request."""
    lifecycle.open_queued(request, [origin().received()])


def post(
    key: str = "key-1",
    operation: object = OPERATION,
    error: DnsorchError | None = None,
    requester: str = "team-web",
) -> Answer:
    """Ask for ``operation``, which is refused with ``error`` if there is one."""

    def perform(request: Request) -> None:
        accept(request)
        if error is not None:
            raise error

    return acceptance.run(
        origin(key, requester=requester),
        operation=operation,
        perform=perform,
        doorway=DOOR,
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": None}, {}, False),
        ("bücher", "bücher", True),
        ("\ud800", "\ud801", False),
    ],
)
def test_a_fingerprint_stands_for_an_operation(
    one: object, other: object, same: bool
) -> None:
    assert (idempotency.fingerprint(one) == idempotency.fingerprint(other)) is same


@pytest.mark.django_db
def test_the_first_answer_is_given_again() -> None:
    first = post()
    again = post()
    assert first.replayed is False
    assert again == Answer(
        first.status, first.body, first.location, first.request_id, replayed=True
    )
    request = Request.objects.get()
    assert steps(request) == ["received", "replayed"]
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.django_db
def test_a_rejection_is_given_again() -> None:
    first = post(error=Conflict("no"))
    again = post()
    assert (first.status, again.status) == (409, 409)
    assert again.body == first.body
    assert again.replayed is True
    assert steps(Request.objects.get()) == ["received", "rejected", "replayed"]


@pytest.mark.django_db
def test_another_operation_under_the_same_key_is_refused() -> None:
    post()
    with pytest.raises(IdempotencyKeyReused) as caught:
        post(operation={"zone": "other.test."})
    assert caught.value.status == 422
    request = Request.objects.get()
    assert steps(request) == ["received"]


@pytest.mark.django_db
def test_a_key_is_its_owners() -> None:
    one, other = post(requester="team-web"), post(requester="team-mail")
    assert (one.replayed, other.replayed) == (False, False)
    assert one.request_id != other.request_id


@pytest.mark.django_db
def test_without_a_key_everything_is_new() -> None:
    assert [post(key="").replayed for _ in range(2)] == [False, False]
    assert (Request.objects.count(), IdempotencyKey.objects.count()) == (2, 0)


@pytest.mark.django_db
def test_nothing_is_kept_of_a_failure_of_ours() -> None:
    with pytest.raises(DatabaseBusy):
        post(error=DatabaseBusy())
    assert (Request.objects.count(), IdempotencyKey.objects.count()) == (0, 0)
    assert post().replayed is False


@pytest.mark.django_db
@pytest.mark.parametrize(("age_days", "replayed"), [(29.9, True), (30.1, False)])
def test_a_key_is_forgotten_after_thirty_days(age_days: float, replayed: bool) -> None:
    with clock.fixed(NOON):
        first = post()
    with clock.fixed(NOON + timedelta(days=age_days)):
        again = post()
    assert again.replayed is replayed
    assert (again.request_id == first.request_id) is replayed
    assert IdempotencyKey.objects.get().request_id == again.request_id
    assert Request.objects.count() == (1 if replayed else 2)


@pytest.mark.django_db
def test_an_old_key_may_be_taken_for_another_operation() -> None:
    with clock.fixed(NOON):
        post()
    with clock.fixed(NOON + timedelta(days=31)):
        assert post(operation="another").replayed is False


@pytest.mark.django_db(transaction=True)
def test_two_that_race_for_a_key_act_once() -> None:
    """The second waits for the row of the first."""
    both_here = threading.Barrier(2)
    performed = []

    def run(number: int) -> Answer:
        def perform(request: Request) -> None:
            performed.append(number)
            accept(request)

        given = origin("key-1")
        digest = idempotency.fingerprint(OPERATION)
        try:
            both_here.wait(10)
            return acceptance._run_once(given, digest, perform, DOOR)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(run, range(2)))
    assert sorted(answer.replayed for answer in answers) == [False, True]
    assert len({answer.request_id for answer in answers}) == 1
    assert len(performed) == 1
    assert Request.objects.count() == 1
