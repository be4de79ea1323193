"""One idempotency key of one owner acts once, over REST in every form."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from rest_framework.test import APIClient

from dns_records.models import Change, Record, RRset, Zone
from dns_records.services import changes
from dns_records.tests import world
from dns_records.tests.callers import (
    BATCH,
    CHANGESETS,
    RECORDS,
    WWW,
    ZONES,
    assert_rejected,
    caller,
    change,
    changeset,
    deliver,
    record,
)
from dnsorch.exceptions import IdempotencyInProgress
from requests_tracker.models import IdempotencyKey, Request
from requests_tracker.tests.factories import steps

KEY = {"Idempotency-Key": "one"}
ADD = changeset(change("add", "www", "192.0.2.1"))


def said(answer: Any) -> Any:
    """Return what an answer says; PostgreSQL keeps no order of members."""
    return json.loads(answer.content) if answer.content else None


def assert_replayed(again: Any, first: Any) -> None:
    """Check that an answer is the first one given again."""
    assert (again.status_code, said(again)) == (first.status_code, said(first))
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    for name in ("Content-Type", "Location", "X-Tracker-Request"):
        assert again.headers.get(name) == first.headers.get(name)


def test_the_first_answer_is_given_again(api: APIClient, zone: Zone) -> None:
    first = api.post(RECORDS, record(), headers=KEY)
    deliver(zone)
    again = api.post(RECORDS, record(), headers=KEY)
    assert_replayed(again, first)
    row = Request.objects.get()
    assert row.idempotency_key == "one"
    assert steps(row)[-1] == "replayed"
    assert (Record.objects.count(), Change.objects.count()) == (1, 1)


def test_the_order_of_members_does_not_matter(api: APIClient) -> None:
    first = api.post(RECORDS, record(ttl=60), headers=KEY)
    turned = dict(reversed(record(ttl=60).items()))
    assert_replayed(api.post(RECORDS, turned, headers=KEY), first)


@pytest.mark.parametrize(
    "other",
    [
        record(ttl=60),
        record(value="192.0.2.2"),
        record("mail.example.test."),
        record(comment="x"),
    ],
)
def test_another_operation_under_the_same_key(
    api: APIClient, other: dict[str, Any]
) -> None:
    first = api.post(RECORDS, record(), headers=KEY)
    refused = api.post(RECORDS, other, headers=KEY)
    row = assert_rejected(refused, 422, "idempotency_key_reused")
    assert row.idempotency_key == ""
    assert str(row.pk) != first.headers["X-Tracker-Request"]
    assert Record.objects.count() == 1
    assert_replayed(api.post(RECORDS, record(), headers=KEY), first)


def test_the_key_is_the_owners_whatever_the_route(api: APIClient) -> None:
    api.post(RECORDS, record(), headers=KEY)
    for answer in (
        api.post(CHANGESETS, ADD, headers=KEY),
        api.put(WWW, {"records": ["192.0.2.1"]}, headers=KEY),
        api.delete(WWW, headers=KEY),
        api.delete(f"{ZONES}example.test/", headers=KEY),
    ):
        assert_rejected(answer, 422, "idempotency_key_reused")
    assert Change.objects.count() == 1


def test_another_token_of_the_owner_has_the_same_keys(api: APIClient) -> None:
    first = api.post(RECORDS, record(), headers=KEY)
    assert_replayed(caller().post(RECORDS, record(), headers=KEY), first)


def test_another_owner_has_keys_of_its_own(api: APIClient) -> None:
    assert api.post(RECORDS, record(), headers=KEY).status_code == 202
    other = caller("team-mail").post(RECORDS, record(value="192.0.2.2"), headers=KEY)
    assert other.status_code == 202
    assert IdempotencyKey.objects.filter(key="one").count() == 2


@pytest.mark.parametrize(
    ("url", "body", "status"),
    [
        (RECORDS, record(value="x"), 400),
        (RECORDS, {"name": 1}, 400),
        (RECORDS, record("www.example.org."), 404),
        (CHANGESETS, changeset(change("delete")), 409),
        (
            CHANGESETS,
            changeset(change("delete", expected={"records": ["192.0.2.1"]})),
            412,
        ),
    ],
)
def test_rejections_are_stored_too(
    api: APIClient, url: str, body: dict[str, Any], status: int
) -> None:
    first = api.post(url, body, headers=KEY)
    row = assert_rejected(first, status, first.json()["code"])
    world.make_zone("example.org.")  # what was wrong may be right by now
    assert_replayed(api.post(url, body, headers=KEY), first)
    assert steps(row) == ["received", "rejected", "replayed"]
    assert Request.objects.count() == 1


def test_a_deletion_is_replayed_when_what_it_deleted_is_gone(
    api: APIClient, zone: Zone
) -> None:
    shown = api.post(RECORDS, record()).json()["record"]
    first = api.delete(shown["links"]["self"], headers=KEY)
    assert first.status_code == 202
    deliver(zone)
    assert_replayed(api.delete(shown["links"]["self"], headers=KEY), first)


def test_a_deletion_of_an_rrset_is_replayed(api: APIClient) -> None:
    api.put(WWW, {"records": ["192.0.2.1"]})
    first = api.delete(WWW, headers=KEY)
    assert first.status_code == 202
    assert_replayed(api.delete(WWW, headers=KEY), first)


def test_zone_writes_are_replayed(api: APIClient, zone: Zone) -> None:
    body = {
        "name": "new.test",
        "backend": zone.backend.name,
        "verify": {"policy": "none"},
    }
    first = api.post(ZONES, body, headers=KEY)
    assert first.status_code == 201
    assert_replayed(api.post(ZONES, body, headers=KEY), first)
    gone = api.delete(f"{ZONES}new.test/", headers={"Idempotency-Key": "two"})
    assert (gone.status_code, gone.content) == (204, b"")
    again = api.delete(f"{ZONES}new.test/", headers={"Idempotency-Key": "two"})
    assert_replayed(again, gone)
    forced = api.delete(
        f"{ZONES}new.test/?force=true", headers={"Idempotency-Key": "two"}
    )
    assert_rejected(forced, 422, "idempotency_key_reused")


def test_another_condition_is_another_operation(api: APIClient) -> None:
    api.put(WWW, {"records": ["192.0.2.1"]})
    body = {"records": ["192.0.2.2"]}
    stale = {**KEY, "If-Match": '"7"'}
    first = api.put(WWW, body, headers=stale)
    assert_rejected(first, 412, "precondition_failed")
    assert_replayed(api.put(WWW, body, headers=stale), first)
    anew = api.put(WWW, body, headers={**KEY, "If-Match": '"1"'})
    assert_rejected(anew, 422, "idempotency_key_reused")


def test_a_structured_field_string_is_unquoted(api: APIClient) -> None:
    first = api.post(RECORDS, record(), headers={"Idempotency-Key": '"o\\"\\\\ne"'})
    plain = api.post(RECORDS, record(), headers={"Idempotency-Key": 'o"\\ne'})
    assert_replayed(plain, first)
    assert Request.objects.get().idempotency_key == 'o"\\ne'


@pytest.mark.parametrize("key", ["", " ", "a b", '""', "x" * 256, "é", "a\tb"])
def test_what_is_no_key_is_refused(api: APIClient, key: str) -> None:
    answer = api.post(RECORDS, record(), headers={"Idempotency-Key": key})
    row = assert_rejected(answer, 400, "invalid")
    assert row.idempotency_key == ""
    assert not Record.objects.exists()


def test_a_key_of_255_characters(api: APIClient) -> None:
    key = {"Idempotency-Key": "~" * 255}
    first = api.post(RECORDS, record(), headers=key)
    assert first.status_code == 202
    assert_replayed(api.post(RECORDS, record(), headers=key), first)


def test_what_could_not_be_read_uses_no_key_up(api: APIClient) -> None:
    answer = api.generic(
        "POST", RECORDS, "{", content_type="application/json", headers=KEY
    )
    assert_rejected(answer, 400, "malformed_body")
    assert not IdempotencyKey.objects.exists()
    assert api.post(RECORDS, record(), headers=KEY).status_code == 202


def test_a_dry_run_uses_no_key_up(api: APIClient) -> None:
    for _ in range(2):
        plan = api.post(f"{RECORDS}?dry_run=true", record(), headers=KEY)
        assert plan.status_code == 200
        assert "Idempotent-Replayed" not in plan.headers
    assert not IdempotencyKey.objects.exists()


def test_single_and_batch_are_the_same_operation(api: APIClient) -> None:
    made = api.post(CHANGESETS, ADD, headers=KEY)
    mail = record("mail.example.test.")
    added = api.post(RECORDS, mail, headers={"Idempotency-Key": "two"})
    where = added.json()["record"]["links"]["self"]
    pk = added.json()["record"]["id"]
    new = {"value": "192.0.2.9"}
    changed = api.patch(where, new, headers={"Idempotency-Key": "three"})
    gone = api.delete(where, headers={"Idempotency-Key": "four"})
    items = [
        {"idempotency_key": "one", "changeset": ADD},
        {"idempotency_key": "two", "record": {"action": "create", **mail}},
        {
            "idempotency_key": "three",
            "record": {"action": "update", "id": pk, "new": new},
        },
        {"idempotency_key": "four", "record": {"action": "delete", "id": pk}},
    ]
    results = api.post(BATCH, {"items": items}).json()["results"]
    firsts = [made, added, changed, gone]
    assert [each["body"] for each in results] == [first.json() for first in firsts]
    assert [(each["status"], each["replayed"]) for each in results] == [(202, True)] * 4
    assert Request.objects.count() == 4


def test_a_key_of_a_batch_is_that_of_a_single_post(api: APIClient) -> None:
    items = [{"changeset": ADD}]
    done = api.post(BATCH, {"items": items}, headers=KEY).json()["results"]
    single = api.post(CHANGESETS, ADD, headers={"Idempotency-Key": "one/0"})
    assert single.headers["Idempotent-Replayed"] == "true"
    assert single.json() == done[0]["body"]


def test_the_first_still_running(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def running(*args: Any, **kwargs: Any) -> Any:
        raise IdempotencyInProgress(retry_after=1)

    monkeypatch.setattr(changes, "submit", running)
    answer = api.post(RECORDS, record(), headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (
        409,
        "idempotency_in_progress",
    )
    assert answer.headers["Retry-After"] == "1"
    assert "request_id" not in answer.json()
    assert not Request.objects.exists()


def test_a_key_is_forgotten_in_the_end(api: APIClient) -> None:
    api.post(RECORDS, record(), headers=KEY)
    days = timedelta(days=settings.DNSORCH_IDEMPOTENCY_DAYS, seconds=1)
    row = IdempotencyKey.objects.get()
    row.created_at -= days
    row.save()
    other = api.post(RECORDS, record(value="192.0.2.2"), headers=KEY)
    assert other.status_code == 202
    assert "Idempotent-Replayed" not in other.headers
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_posts_with_one_key_act_once() -> None:
    world.make_zone()
    callers = [caller() for _ in range(4)]
    start = threading.Barrier(len(callers))
    answers: list[Any] = []

    def post(api: APIClient) -> None:
        start.wait(timeout=10)
        try:
            answers.append(api.post(CHANGESETS, ADD, headers=KEY))
        finally:
            connection.close()

    threads = [threading.Thread(target=post, args=[each]) for each in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert [each.status_code for each in answers] == [202] * 4
    assert [said(each) for each in answers] == [said(answers[0])] * 4
    replays = [each.headers.get("Idempotent-Replayed") for each in answers]
    assert sorted(replays, key=str) == [None, "true", "true", "true"]
    assert (Request.objects.count(), Change.objects.count()) == (1, 1)
    assert RRset.objects.get().version == 1
