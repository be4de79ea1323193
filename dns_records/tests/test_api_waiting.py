"""``Prefer: wait=N``: the answer comes when the request is final."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.providers.memory import Faults, Store
from dns_records.tests.callers import (
    BATCH,
    CHANGESETS,
    RECORDS,
    WWW,
    caller,
    change,
    changeset,
    deliver,
    record,
)
from requests_tracker.api import tracking
from requests_tracker.models import Request

ADD = changeset(change("add", "www", "192.0.2.1"))
WAIT = {"Prefer": "wait=5"}


class Clock:
    """A clock that goes on only when somebody sleeps; the worker works meanwhile."""

    def __init__(self, zone: Zone, work_after: float | None) -> None:
        """Let the worker deliver after some seconds, or never."""
        self.zone = zone
        self.work_after = work_after
        self.now = 100.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time go by, and the worker work when it is its time."""
        self.pauses.append(seconds)
        self.now += seconds
        if self.work_after is not None and self.now >= 100.0 + self.work_after:
            deliver(self.zone)
            self.work_after = None


@pytest.fixture
def clock(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock; the worker delivers after a second."""
    clock = Clock(zone, 1.0)
    monkeypatch.setattr(tracking, "time", clock)
    return clock


@contextmanager
def all_slots_taken() -> Iterator[None]:
    """Let other requests hold every thread that may wait."""
    taken = 0
    while tracking._waiting.acquire(blocking=False):
        taken += 1
    try:
        yield
    finally:
        for _ in range(taken):
            tracking._waiting.release()


def test_200_once_it_is_final(api: APIClient, clock: Clock) -> None:
    answer = api.post(CHANGESETS, ADD, headers=WAIT)
    body, row = answer.json(), Request.objects.get()
    assert (answer.status_code, body["status"]) == (200, "completed")
    assert answer.headers["Preference-Applied"] == "wait=5"
    assert answer.headers["X-Tracker-Request"] == str(row.pk)
    assert answer.headers["Location"] == f"/api/v2/requests/{row.pk}/"
    assert body["events"][-1]["step"] == "completed"
    assert body["changes"][0]["status"] == "verified"
    assert 1.0 <= clock.now - 100.0 < 1.5
    assert max(clock.pauses) <= 0.25


def test_every_write_waits(api: APIClient, clock: Clock) -> None:
    made = api.post(RECORDS, record(), headers=WAIT)
    assert (made.status_code, made.json()["status"]) == (200, "completed")
    assert made.json()["record"]["status"] == "live"
    where = made.json()["record"]["links"]["self"]
    for send, url, body in (
        (api.patch, where, {"ttl": 60}),
        (api.delete, where, None),
        (api.put, WWW, {"records": ["192.0.2.2"]}),
        (api.delete, WWW, None),
    ):
        clock.now, clock.work_after = 100.0, 0.5
        answer = send(url, body, headers=WAIT)
        assert (answer.status_code, answer.json()["status"]) == (200, "completed")
        assert answer.headers["Preference-Applied"] == "wait=5"


def test_200_whatever_the_final_state(
    api: APIClient, clock: Clock, store: Store
) -> None:
    api.post(CHANGESETS, changeset(change("add", "ok", "192.0.2.1")))
    store.faults = Faults(refuse_names=frozenset({"www.example.test."}))
    answer = api.post(RECORDS, record(), headers=WAIT)
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "failed")
    assert body["record"] is None
    assert body["error"] == Request.objects.get(name="www.example.test.").error
    assert answer.headers["Content-Type"] == "application/json"


def test_202_after_the_time_asked_for(api: APIClient, clock: Clock) -> None:
    clock.work_after = None
    answer = api.post(CHANGESETS, ADD, headers={"Prefer": "wait=2"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == "wait=2"
    assert clock.now == pytest.approx(102.0)


def test_nobody_waits_longer_than_30_seconds(api: APIClient, clock: Clock) -> None:
    clock.work_after = None
    answer = api.post(CHANGESETS, ADD, headers={"Prefer": "wait=3600"})
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert clock.now == pytest.approx(130.0)


def test_wait_0_looks_once(api: APIClient, clock: Clock) -> None:
    answer = api.post(CHANGESETS, ADD, headers={"Prefer": "wait=0"})
    assert (answer.status_code, clock.pauses) == (202, [])
    assert answer.headers["Preference-Applied"] == "wait=0"


@pytest.mark.parametrize("prefer", ["wait=x", "wait=-1", "wait", "respond-async", ""])
def test_what_is_no_wait_is_ignored(api: APIClient, clock: Clock, prefer: str) -> None:
    answer = api.post(CHANGESETS, ADD, headers={"Prefer": prefer})
    assert (answer.status_code, clock.pauses) == (202, [])
    assert "Preference-Applied" not in answer.headers


@pytest.mark.parametrize(
    "prefer", ["wait=5", 'wait="5"', "WAIT = 5", "return=minimal, wait=5", "wait=5;a=b"]
)
def test_forms_of_the_header(api: APIClient, clock: Clock, prefer: str) -> None:
    answer = api.post(CHANGESETS, ADD, headers={"Prefer": prefer})
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=5"


def test_over_the_share_of_threads_nobody_waits(api: APIClient, clock: Clock) -> None:
    with all_slots_taken():
        answer = api.post(CHANGESETS, ADD, headers=WAIT)
    assert (answer.status_code, clock.pauses) == (202, [])
    assert "Preference-Applied" not in answer.headers
    assert api.put(WWW, {"records": ["192.0.2.2"]}, headers=WAIT).status_code == 200


def test_a_slot_is_given_back_after_an_error(
    api: APIClient, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(seconds: float) -> None:
        raise RuntimeError

    free = tracking._waiting._value
    monkeypatch.setattr(clock, "sleep", fail)
    assert api.post(CHANGESETS, ADD, headers=WAIT).status_code == 500
    assert tracking._waiting._value == free == 2


def test_a_replay_waits_too(api: APIClient, clock: Clock) -> None:
    keyed = {"Idempotency-Key": "one"}
    first = api.post(CHANGESETS, ADD, headers=keyed)
    assert first.status_code == 202
    again = api.post(CHANGESETS, ADD, headers={**keyed, **WAIT})
    assert (again.status_code, again.json()["status"]) == (200, "completed")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Preference-Applied"] == "wait=5"
    assert clock.now > 100.0
    clock.now = 100.0
    third = api.post(CHANGESETS, ADD, headers={**keyed, **WAIT})
    assert (third.status_code, clock.now) == (200, 100.0)
    # Without the preference it is the first answer as it was.
    plain = api.post(CHANGESETS, ADD, headers=keyed)
    assert (plain.status_code, plain.json()) == (202, first.json())


def test_a_rejection_does_not_wait(api: APIClient, clock: Clock) -> None:
    refused = api.post(CHANGESETS, changeset(change("delete")), headers=WAIT)
    assert (refused.status_code, clock.pauses) == (409, [])
    assert "Preference-Applied" not in refused.headers


def test_a_batch_does_not_wait(api: APIClient, clock: Clock) -> None:
    answer = api.post(BATCH, {"items": [{"changeset": ADD}]}, headers=WAIT)
    assert (answer.status_code, clock.pauses) == (207, [])
    assert "Preference-Applied" not in answer.headers


@pytest.mark.django_db(transaction=True)
def test_the_answer_comes_when_another_thread_is_done() -> None:
    """The one test on the real clock: the waiter reads what others commit."""
    from django.db import connection

    from dns_records.tests import world

    zone = world.make_zone()
    answers: list[Any] = []

    def post(api: APIClient) -> None:
        try:
            answers.append(api.post(CHANGESETS, ADD, headers={"Prefer": "wait=20"}))
        finally:
            connection.close()

    waiter = threading.Thread(target=post, args=[caller()])
    waiter.start()
    while waiter.is_alive():
        deliver(zone)
        waiter.join(timeout=0.02)
    assert answers[0].json()["status"] == "completed"
