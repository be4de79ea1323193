"""/api/v2/requests/{id}/cancel/ and retry/: what a person asks of a request."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from rest_framework.test import APIClient

from dns_records.models import Change, Zone
from dns_records.providers.memory import Faults, Store
from dns_records.services import wake
from dns_records.tests import world
from dns_records.tests.callers import (
    CHANGESETS,
    RECORDS,
    ZONES,
    assert_rejected,
    caller,
    change,
    changeset,
    deliver,
    record,
)
from dnsorch import clock
from dnsorch.tokens import selectors
from requests_tracker.models import Request
from requests_tracker.status import Status
from requests_tracker.tests.factories import NOON, RequestFactory, steps

V2 = "/api/v2/requests/"
KEY = {"Idempotency-Key": "one"}
A1, A2 = "192.0.2.1", "192.0.2.2"


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Keep the wake-ups that are published."""
    sent: list[tuple[str, int]] = []

    def publish(task: str, zone_id: int) -> None:
        sent.append((task, zone_id))

    monkeypatch.setattr(wake, "publish_aside", publish)
    return sent


@pytest.fixture
def zone(db: None) -> Zone:
    """A zone that nobody is asked about afterwards."""
    return world.make_zone()


@pytest.fixture
def store(zone: Zone) -> Store:
    """The DNS service that the zone is on."""
    return world.store_of(zone)


@pytest.fixture
def api(zone: Zone) -> APIClient:
    """A client that may do all, with the zone there."""
    return caller()


def post(api: APIClient, *changes: dict[str, Any]) -> str:
    """Post a change set; return the URL of its request."""
    answer = api.post(CHANGESETS, changeset(*changes))
    assert answer.status_code == 202, answer.json()
    where: str = answer.headers["Location"]
    return where


def refused(api: APIClient, zone: Zone, store: Store, *changes: dict[str, Any]) -> str:
    """Post a change set that the DNS service refuses; return its URL."""
    store.faults = Faults(refuse_names=frozenset({"www.example.test."}))
    where = post(api, *changes)
    deliver(zone)
    assert api.get(where).json()["status"] == "failed"
    store.faults = Faults()
    return where


def test_cancel(api: APIClient, zone: Zone) -> None:
    where = post(api, change("create", "www", A1))
    answer = api.post(f"{where}cancel/")
    shown = answer.json()
    assert (answer.status_code, shown["status"]) == (200, "cancelled")
    assert answer.headers["Location"] == where
    assert answer.headers["X-Tracker-Request"] == shown["id"]
    assert shown == api.get(where).json()
    assert shown["completed_at"] is not None
    assert shown["events"][-1]["step"] == "cancelled"
    assert shown["events"][-1]["message"] == "cancelled by team-web"
    assert [each["status"] for each in shown["changes"]] == ["cancelled"]
    assert world.wanted(zone) == {}
    assert Request.objects.count() == 1
    deliver(zone)
    assert world.served(zone) == {}


def test_cancel_is_done_once_for_a_key(api: APIClient, zone: Zone) -> None:
    where = post(api, change("create", "www", A1))
    first = api.post(f"{where}cancel/", headers=KEY)
    again = api.post(f"{where}cancel/", headers=KEY)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert_rejected(
        api.post(f"{where}retry/", headers=KEY), 422, "idempotency_key_reused"
    )


@pytest.mark.parametrize(
    "status", ["provisioning", "verifying", "completed", "failed", "rejected"]
)
def test_what_is_on_its_way_or_final_is_not_cancelled(
    api: APIClient, zone: Zone, status: str
) -> None:
    final = status in ("completed", "failed", "rejected")
    row = RequestFactory.create(status=status, completed_at=NOON if final else None)
    answer = api.post(f"{V2}{row.pk}/cancel/")
    made = assert_rejected(answer, 409, "illegal_transition")
    assert (made.action, made.zone) == ("cancel", "example.test.")
    assert made.pk != row.pk
    row.refresh_from_db()
    assert (row.status, steps(row)) == (status, [])


def test_cancel_twice(api: APIClient) -> None:
    where = post(api, change("create", "www", A1))
    assert api.post(f"{where}cancel/").status_code == 200
    assert_rejected(api.post(f"{where}cancel/"), 409, "illegal_transition")


def test_what_needs_a_cancelled_request_fails_and_names_it(
    api: APIClient, zone: Zone
) -> None:
    first = post(api, change("create", "www", A1))
    second = post(api, change("replace", "www", A2))
    assert api.post(f"{first}cancel/").status_code == 200
    error = api.get(second).json()["error"]
    assert error["code"] == "dependency_failed"
    assert first.split("/")[-2] in error["detail"]


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_who_may(api: APIClient, zone: Zone, action: str) -> None:
    where = post(api, change("create", "www", A1))
    url = f"{where}{action}/"
    stranger = caller("team-mail", zones=["mail.test."])
    assert_rejected(stranger.post(url), 404, "not_found")
    reader = caller("auditor", read_only=True)
    assert_rejected(reader.post(url), 403, "read_only_token")
    assert_rejected(api.post(f"{V2}{uuid4()}/{action}/"), 404, "not_found")
    assert api.get(where).json()["status"] == "queued"
    neighbour = caller("team-dns", zones=["example.test."])
    assert neighbour.post(url).status_code in (200, 202)
    assert steps(Request.objects.get(pk=where.split("/")[-2]))[4:] == [
        "cancelled" if action == "cancel" else "enqueued"
    ]


def test_ones_own_request_in_a_zone_that_is_no_longer_ones_own(
    api: APIClient, zone: Zone
) -> None:
    where = post(api, change("create", "www", A1))
    limited = caller("team-web", zones=["mail.test."])
    assert limited.get(where).status_code == 200
    for action in ("cancel", "retry"):
        assert_rejected(limited.post(f"{where}{action}/"), 403, "forbidden")


def test_retry_of_a_queued_request_is_now(
    api: APIClient,
    zone: Zone,
    sent: list[tuple[str, int]],
    django_capture_on_commit_callbacks: Any,
) -> None:
    where = post(api, change("create", "www", A1))
    later = clock.now().replace(year=2100)
    Request.objects.update(next_attempt_at=later)
    with django_capture_on_commit_callbacks(execute=True):
        answer = api.post(f"{where}retry/")
    assert sent == [("dns_records.deliver", zone.pk)]
    shown = answer.json()
    assert (answer.status_code, shown["status"]) == (202, "queued")
    assert shown["next_attempt_at"] is None
    assert answer.headers["Location"] == where
    assert shown["events"][-1]["step"] == "enqueued"
    assert Request.objects.count() == 1
    deliver(zone)
    assert api.get(where).json()["status"] == "completed"


def test_retry_of_a_refused_request(api: APIClient, zone: Zone, store: Store) -> None:
    failed = refused(api, zone, store, change("create", "www", A1, ttl=60))
    before = api.get(failed).json()
    assert world.wanted(zone) == {}
    answer = api.post(f"{failed}retry/")
    shown = answer.json()
    assert (answer.status_code, shown["status"]) == (202, "queued")
    assert shown["retry_of"] == before["id"] != shown["id"]
    assert answer.headers["Location"] == f"{V2}{shown['id']}/"
    assert shown["action"] == "changeset"
    assert [(each["action"], each["after"]) for each in shown["changes"]] == [
        ("create", {"ttl": 60, "records": [A1]})
    ]
    deliver(zone)
    assert api.get(answer.headers["Location"]).json()["status"] == "completed"
    assert world.served(zone) == {("www.example.test.", "A"): (60, (A1,))}
    # The failed one stays as it was.
    assert api.get(failed).json() == before


def test_retry_of_a_record_keeps_its_id(
    api: APIClient, zone: Zone, store: Store
) -> None:
    store.faults = Faults(refuse_names=frozenset({"www.example.test."}))
    made = api.post(RECORDS, record(comment="x")).json()
    deliver(zone)
    assert api.get(made["links"]["record"]).status_code == 404
    store.faults = Faults()
    answer = api.post(f"{V2}{made['request_id']}/retry/")
    assert answer.status_code == 202
    shown = api.get(made["links"]["record"]).json()
    assert (shown["id"], shown["comment"]) == (made["record"]["id"], "x")


def test_retry_of_what_was_applied_and_not_verified(api: APIClient, zone: Zone) -> None:
    """Its records are in the wanted state: it is sent and verified again."""
    where = post(api, change("create", "www", A1), change("add", "b", A1))
    deliver(zone)
    # A name server came too late: what verification leaves at the deadline.
    Request.objects.update(status=Status.FAILED, error_code="not_verified")
    Change.objects.update(status="applied")
    answer = api.post(f"{where}retry/")
    shown = answer.json()
    assert (answer.status_code, shown["retry_of"]) == (202, where.split("/")[-2])
    assert [(each["before"], each["after"]) for each in shown["changes"]] == [
        ({"ttl": 300, "records": [A1]}, {"ttl": 300, "records": [A1]})
    ] * 2
    deliver(zone)
    assert api.get(answer.headers["Location"]).json()["status"] == "completed"
    assert set(world.served(zone)) == {
        ("www.example.test.", "A"),
        ("b.example.test.", "A"),
    }


def test_retry_of_what_no_longer_fits_is_rejected(
    api: APIClient, zone: Zone, store: Store
) -> None:
    failed = refused(api, zone, store, change("create", "www", A1))
    post(api, change("create", "www", A2))
    answer = api.post(f"{failed}retry/")
    row = assert_rejected(answer, 409, "rrset_exists")
    assert str(row.retry_of_id) == failed.split("/")[-2]


def test_retry_is_done_once_for_a_key(api: APIClient, zone: Zone, store: Store) -> None:
    failed = refused(api, zone, store, change("create", "www", A1))
    first = api.post(f"{failed}retry/", headers=KEY)
    again = api.post(f"{failed}retry/", headers=KEY)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Request.objects.exclude(retry_of=None).count() == 1


def test_retry_waits(
    api: APIClient, zone: Zone, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = refused(api, zone, store, change("create", "www", A1))
    answer = api.post(f"{failed}retry/", headers={"Prefer": "wait=0"})
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "wait=0"


@pytest.mark.parametrize("status", ["provisioning", "completed", "cancelled"])
def test_what_has_not_failed_is_not_retried(api: APIClient, status: str) -> None:
    final = status != "provisioning"
    row = RequestFactory.create(status=status, completed_at=NOON if final else None)
    answer = api.post(f"{V2}{row.pk}/retry/")
    made = assert_rejected(answer, 409, "illegal_transition")
    assert (made.action, made.retry_of_id) == ("retry", None)


def test_a_rejection_is_not_retried(api: APIClient) -> None:
    rejected = api.post(CHANGESETS, changeset(change("delete"))).json()
    answer = api.post(f"{V2}{rejected['request_id']}/retry/")
    assert_rejected(answer, 409, "illegal_transition")


def test_a_request_of_a_forgotten_zone(api: APIClient, zone: Zone) -> None:
    row = RequestFactory.create(status="failed", completed_at=NOON)
    assert api.delete(f"{ZONES}example.test/").status_code == 204
    for action in ("cancel", "retry"):
        answer = api.post(f"{V2}{row.pk}/{action}/")
        assert_rejected(answer, 409, "illegal_transition")


def test_a_body_is_not_read(api: APIClient) -> None:
    where = post(api, change("create", "www", A1))
    answer = api.generic("POST", f"{where}cancel/", "{", content_type="text/plain")
    assert answer.status_code == 200


def test_a_database_that_is_cut_off_while_it_looks_for_the_token_is_busy(
    api: APIClient, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def cut_off(text: str) -> None:
        asked.append(text)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(selectors, "by_text", cut_off)
    answer = api.post(RECORDS, record())
    assert (answer.status_code, answer.json()["code"]) == (503, "database_busy")
    assert len(asked) == 1
