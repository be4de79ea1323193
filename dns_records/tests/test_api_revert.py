"""/api/v2/requests/{id}/revert/: what a request found is put back, by a new one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from dns_records.models import Change, Zone
from dns_records.providers.memory import Faults, Store
from dns_records.services import operations
from dns_records.tests import world
from dns_records.tests.callers import (
    CHANGESETS,
    RECORDS,
    WWW,
    accepted,
    assert_rejected,
    assert_untracked,
    at,
    caller,
    change,
    changeset,
    deliver,
    image,
    made,
)
from requests_tracker.models import Request
from requests_tracker.status import Status
from requests_tracker.tests.factories import NOON, RequestFactory

V2 = "/api/v2/requests/"
KEY = {"Idempotency-Key": "one"}
A1, A2, A3 = "192.0.2.1", "192.0.2.2", "192.0.2.3"
WWW_A = ("www.example.test.", "A")
CREATE = changeset(change("create", "www", A1))


def done(api: APIClient, zone: Zone, *changes: dict[str, Any]) -> str:
    """Post a change set and have it applied; return the URL of its request."""
    body = accepted(api, *changes)
    deliver(zone)
    where: str = body["links"]["self"]
    assert api.get(where).json()["status"] == "completed"
    return where


def reverted(api: APIClient, zone: Zone, where: str) -> str:
    """Revert a request and have that applied; return the URL of the new request."""
    answer = api.post(f"{where}revert/")
    assert answer.status_code == 202, answer.json()
    deliver(zone)
    return str(answer.headers["Location"])


def test_every_kind_of_change_goes_back(api: APIClient, zone: Zone) -> None:
    done(
        api,
        zone,
        change("create", "replaced", A1, ttl=60),
        change("create", "deleted", A1, A2),
        change("create", "grown", A1),
        change("create", "shrunk", A1, A2),
        change("create", "same", A1),
    )
    before = world.wanted(zone)
    where = done(
        api,
        zone,
        change("create", "created", A1),
        change("replace", "replaced", A2, A3, ttl=600),
        change("delete", "deleted"),
        change("add", "grown", A2),
        change("add", "grown", A3),
        change("remove", "shrunk", A2),
        change("add", "same", A1),
    )
    answer = api.post(f"{where}revert/")
    shown = answer.json()
    assert (answer.status_code, shown["status"]) == (202, "queued")
    assert shown["revert_of"] == where.split("/")[-2] != shown["id"]
    assert (shown["action"], shown["retry_of"]) == ("revert", None)
    assert answer.headers["Location"] == f"{V2}{shown['id']}/"
    assert sorted(
        (each["name"].split(".")[0], each["action"]) for each in shown["changes"]
    ) == [
        ("created", "delete"),
        ("deleted", "create"),
        ("grown", "replace"),
        ("replaced", "replace"),
        ("shrunk", "replace"),
    ]
    deliver(zone)
    assert world.wanted(zone) == world.served(zone) == before
    assert api.get(answer.headers["Location"]).json()["status"] == "completed"


def test_a_revert_is_reverted(api: APIClient, zone: Zone) -> None:
    done(api, zone, change("create", "www", A1))
    second = done(api, zone, change("replace", "www", A2))
    third = reverted(api, zone, second)
    assert world.served(zone) == {WWW_A: (300, (A1,))}
    fourth = reverted(api, zone, third)
    assert world.served(zone) == {WWW_A: (300, (A2,))}
    reverted(api, zone, fourth)
    assert world.served(zone) == {WWW_A: (300, (A1,))}


def test_a_record_comes_back_with_its_id(api: APIClient, zone: Zone) -> None:
    shown = made(api, comment="the site")
    deliver(zone)
    gone = api.delete(at(shown)).json()
    deliver(zone)
    assert api.get(at(shown)).status_code == 404
    reverted(api, zone, f"{V2}{gone['request_id']}/")
    back = api.get(at(shown)).json()
    assert (back["value"], back["comment"]) == (A1, "the site")


def test_a_changed_record_keeps_its_id(api: APIClient, zone: Zone) -> None:
    shown = made(api, ttl=60)
    deliver(zone)
    patched = api.patch(at(shown), {"value": A2, "ttl": 90}).json()
    deliver(zone)
    reverted(api, zone, f"{V2}{patched['request_id']}/")
    (back,) = api.get(RECORDS).json()["results"]
    assert (back["id"], back["value"], back["ttl"]) == (shown["id"], A1, 60)


@pytest.mark.parametrize("others", [[A3], [A3, A2]])
def test_what_was_changed_since_is_left_alone(
    api: APIClient, zone: Zone, others: list[str]
) -> None:
    """Also if it was changed, and changed back by purpose."""
    where = done(api, zone, change("create", "www", A2), change("create", "mail", A1))
    by = [done(api, zone, change("replace", "www", value)) for value in others]
    answer = api.post(f"{where}revert/")
    row = assert_rejected(answer, 409, "changed_since")
    last = by[-1].split("/")[-2]
    assert answer.json()["changed"] == [
        {"name": "www.example.test.", "type": "A", "request_id": last}
    ]
    assert answer.json()["detail"] == (
        f"www.example.test. A was changed since by request {last}"
    )
    assert str(row.revert_of_id) == where.split("/")[-2]
    assert world.wanted(zone)["mail.example.test.", "A"] == (300, (A1,))


def test_what_a_pending_change_changes_is_changed(api: APIClient, zone: Zone) -> None:
    where = done(api, zone, change("create", "www", A1))
    pending = accepted(api, change("replace", "www", A2))
    refused = api.post(f"{where}revert/")
    assert_rejected(refused, 409, "changed_since")
    assert refused.json()["changed"][0]["request_id"] == pending["id"]
    api.post(pending["links"]["cancel"])
    reverted(api, zone, where)
    assert world.served(zone) == {}


def test_what_changed_nothing_since_is_no_change(api: APIClient, zone: Zone) -> None:
    where = done(api, zone, change("create", "www", A1))
    done(api, zone, change("add", "www", A1))
    reverted(api, zone, where)
    assert world.served(zone) == {}


def test_a_state_that_no_request_tells_of_is_left_alone(
    api: APIClient, zone: Zone
) -> None:
    where = done(api, zone, change("create", "www", A1))
    later = done(api, zone, change("replace", "www", A2))
    Request.objects.filter(pk=later.split("/")[-2]).delete()
    answer = api.post(f"{where}revert/")
    assert_rejected(answer, 409, "changed_since")
    assert answer.json()["changed"][0]["request_id"] is None
    assert world.wanted(zone) == {WWW_A: (300, (A2,))}


def test_what_was_applied_and_not_verified(api: APIClient, zone: Zone) -> None:
    where = done(api, zone, change("create", "www", A1))
    Request.objects.update(status=Status.FAILED, error_code="not_verified")
    Change.objects.update(status="applied")
    reverted(api, zone, where)
    assert world.served(zone) == {}


def test_what_was_refused_is_not_reverted(
    api: APIClient, zone: Zone, store: Store
) -> None:
    store.faults = Faults(refuse_names=frozenset({"www.example.test."}))
    body = accepted(api, change("create", "www", A1))
    deliver(zone)
    assert api.get(body["links"]["self"]).json()["status"] == "failed"
    answer = api.post(body["links"]["revert"])
    assert_rejected(answer, 409, "illegal_transition")


@pytest.mark.parametrize("status", ["queued", "provisioning", "verifying", "cancelled"])
def test_what_was_not_applied_is_not_reverted(api: APIClient, status: str) -> None:
    at_end = NOON if status == "cancelled" else None
    row = RequestFactory.create(status=status, completed_at=at_end)
    assert_rejected(api.post(f"{V2}{row.pk}/revert/"), 409, "illegal_transition")


def test_what_changed_nothing_is_not_reverted(api: APIClient, zone: Zone) -> None:
    done(api, zone, change("create", "www", A1))
    where = done(api, zone, change("add", "www", A1))
    assert_rejected(api.post(f"{where}revert/"), 409, "illegal_transition")
    registered = RequestFactory.create(
        action="register", status="completed", completed_at=NOON
    )
    answer = api.post(f"{V2}{registered.pk}/revert/")
    assert_rejected(answer, 409, "illegal_transition")


def test_a_plan_first(api: APIClient, zone: Zone) -> None:
    done(api, zone, change("create", "www", A1))
    where = done(api, zone, change("replace", "www", A2))
    answer = api.post(f"{where}revert/?dry_run=true")
    (planned,) = answer.json()["changes"]
    assert (answer.status_code, planned["action"]) == (200, "replace")
    assert (planned["before"], planned["after"]) == (image(A2), image(A1))
    assert Request.objects.count() == 2
    assert world.wanted(zone) == {WWW_A: (300, (A2,))}
    done(api, zone, change("replace", "www", A3))
    refused = api.post(f"{where}revert/?dry_run=true")
    assert (refused.status_code, refused.json()["code"]) == (409, "changed_since")
    assert Request.objects.count() == 3


def test_a_key_reverts_once(api: APIClient, zone: Zone) -> None:
    where = done(api, zone, change("create", "www", A1))
    first = api.post(f"{where}revert/", headers=KEY)
    deliver(zone)
    again = api.post(f"{where}revert/", headers=KEY)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Request.objects.exclude(revert_of=None).count() == 1
    other = api.post(f"{where}retry/", headers=KEY)
    assert other.status_code == 422


def test_it_waits(api: APIClient, zone: Zone) -> None:
    where = done(api, zone, change("create", "www", A1))
    answer = api.post(f"{where}revert/", headers={"Prefer": "wait=0"})
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "wait=0"


def test_who_may(api: APIClient, zone: Zone) -> None:
    where = done(api, zone, change("create", "www", A1))
    world.make_zone("other.test.")
    stranger = caller("team-mail", zones=["other.test."])
    assert_rejected(stranger.post(f"{where}revert/"), 404, "not_found")
    reader = caller("auditor", zones=["example.test."], read_only=True)
    assert reader.post(f"{where}revert/").status_code == 403
    assert world.wanted(zone) == {WWW_A: (300, (A1,))}


def test_a_retry_is_planned_too(api: APIClient, zone: Zone, store: Store) -> None:
    store.faults = Faults(refuse_names=frozenset({"www.example.test."}))
    body = accepted(api, change("create", "www", A1))
    where = body["links"]["self"]
    waiting = api.post(f"{where}retry/?dry_run=true")
    assert (waiting.status_code, waiting.json()["code"]) == (400, "invalid")
    deliver(zone)
    plan = api.post(f"{where}retry/?dry_run=true").json()
    assert plan == api.post(f"{CHANGESETS}?dry_run=true", CREATE).json()
    assert (Request.objects.count(), world.wanted(zone)) == (1, {})
    made_anew = api.put(WWW, {"records": [A2]})
    assert made_anew.status_code == 202
    refused = api.post(f"{where}retry/?dry_run=true")
    assert (refused.status_code, refused.json()["code"]) == (409, "rrset_exists")


def test_a_retry_that_may_not_be_is_not_planned(api: APIClient) -> None:
    row = RequestFactory.create(status="completed", completed_at=NOON)
    answer = api.post(f"{V2}{row.pk}/retry/?dry_run=true")
    assert answer.status_code == 400
    row.delete()
    assert_untracked(answer, 400, "invalid")


def test_what_depends_on_a_change_that_is_cancelled_fails_with_it(
    api: APIClient, zone: Zone
) -> None:
    """The revert of what was verified stays right when a later one is taken out."""
    where = done(api, zone, change("create", "www", A1))
    revert = api.post(f"{where}revert/").json()
    after = accepted(api, change("create", "www", A3))
    operations.cancel(world.ANYONE, Request.objects.get(pk=revert["id"]))
    assert api.get(after["links"]["self"]).json()["status"] == "failed"
    assert world.wanted(zone) == {WWW_A: (300, (A1,))}


@pytest.mark.django_db(transaction=True)
def test_of_many_who_revert_at_once_one_does() -> None:
    zone = world.make_zone()
    where = done(caller(), zone, change("create", "www", A1))
    clients = [caller(f"team-{number}") for number in range(5)]

    def revert(api: APIClient) -> int:
        try:
            status: int = api.post(f"{where}revert/").status_code
            return status
        finally:
            connection.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        assert sorted(pool.map(revert, clients)) == [202, 409, 409, 409, 409]
    deliver(zone)
    assert world.served(zone) == {}
