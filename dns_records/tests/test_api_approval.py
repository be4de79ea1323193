"""A change set that carries the digest of the plan which it approves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from dns_records.models import Change, Zone
from dns_records.tests import world
from dns_records.tests.callers import (
    BATCH,
    CHANGESETS,
    accepted,
    assert_rejected,
    assert_untracked,
    caller,
    change,
    changeset,
    image,
    pointers,
    post,
)
from requests_tracker.models import Request

A1, A2, A3 = "192.0.2.1", "192.0.2.2", "192.0.2.3"
ADD = change("add", "www", A1)
KEY = {"Idempotency-Key": "one"}


def planned(api: APIClient, *changes: dict[str, Any]) -> dict[str, Any]:
    """Return the plan of a change set."""
    answer = api.post(f"{CHANGESETS}?dry_run=true", changeset(*changes))
    assert answer.status_code == 200, answer.json()
    found: dict[str, Any] = answer.json()
    return found


def test_the_plan_that_was_approved_is_accepted(api: APIClient, zone: Zone) -> None:
    digest = planned(api, ADD)["digest"]
    body = accepted(api, ADD, digest=digest)
    assert body["status"] == "queued"
    assert world.wanted(zone) == {("www.example.test.", "A"): (300, (A1,))}


def test_null_approves_any_plan(api: APIClient) -> None:
    assert accepted(api, ADD, digest=None)["status"] == "queued"


def test_a_zone_that_moved_is_refused_with_the_plan_of_now(
    api: APIClient, zone: Zone
) -> None:
    before = planned(api, ADD)
    accepted(api, change("add", "www", A2, ttl=60))
    answer = post(api, ADD, digest=before["digest"])
    row = assert_rejected(answer, 412, "plan_changed")
    assert row.error is not None and row.error["code"] == "plan_changed"
    assert pointers(answer) == [("/digest", "plan_changed")]
    now = answer.json()["plan"]
    assert now == planned(api, ADD)
    assert now["digest"] != before["digest"]
    assert now["changes"][0]["before"] == image(A2, ttl=60)
    assert world.wanted(zone) == {("www.example.test.", "A"): (60, (A2,))}
    assert accepted(api, ADD, digest=now["digest"])["status"] == "queued"


def test_a_change_elsewhere_in_the_zone_does_not_matter(api: APIClient) -> None:
    digest = planned(api, ADD)["digest"]
    accepted(api, change("add", "mail", A2))
    assert accepted(api, ADD, digest=digest)["status"] == "queued"


def test_a_dry_run_says_that_the_plan_has_changed(api: APIClient) -> None:
    url = f"{CHANGESETS}?dry_run=true"
    stale = api.post(url, changeset(ADD, digest="0" * 64))
    assert_untracked(stale, 412, "plan_changed")
    digest = stale.json()["plan"]["digest"]
    assert api.post(url, changeset(ADD, digest=digest)).status_code == 200


@pytest.mark.parametrize("digest", ["", "0" * 63, "A" * 64, "0" * 64 + "\n", "g" * 64])
def test_what_is_no_digest(api: APIClient, digest: str) -> None:
    answer = post(api, ADD, digest=digest)
    assert_rejected(answer, 400, "invalid")
    assert [pointer for pointer, _ in pointers(answer)] == ["/digest"]


def test_the_digest_belongs_to_the_fingerprint_as_the_body_does(api: APIClient) -> None:
    body = changeset(ADD, digest=planned(api, ADD)["digest"])
    first = api.post(CHANGESETS, body, headers=KEY)
    again = api.post(CHANGESETS, body, headers=KEY)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    other = api.post(CHANGESETS, changeset(ADD), headers=KEY)
    assert_rejected(other, 422, "idempotency_key_reused")


def test_items_of_a_batch(api: APIClient) -> None:
    digest = planned(api, ADD)["digest"]
    item = {"changeset": changeset(ADD, digest=digest)}
    first, second = api.post(BATCH, {"items": [item, item]}).json()["results"]
    assert (first["status"], second["status"]) == (202, 412)
    assert second["body"]["code"] == "plan_changed"
    assert second["body"]["plan"]["changes"][0]["before"] == image(A1)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_approve_the_same_plan_one_is_first() -> None:
    world.make_zone()
    digest = planned(caller(), change("add", "www", A3))["digest"]
    clients = [caller(f"team-{number}") for number in range(6)]

    def approve(api: APIClient) -> int:
        try:
            status: int = post(api, change("add", "www", A3), digest=digest).status_code
            return status
        finally:
            connection.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        statuses = sorted(pool.map(approve, clients))
    assert statuses == [202, 412, 412, 412, 412, 412]
    assert Change.objects.count() == 1
    rejected = Request.objects.filter(status="rejected")
    assert set(rejected.values_list("error_code", flat=True)) == {"plan_changed"}
