"""Records with ``expires_at``: shown, moved, cleared, and gone by themselves."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from dns_records.models import Change, Record, Zone
from dns_records.services import expiry
from dns_records.services.sweep import Sweeper
from dns_records.tests import world
from dns_records.tests.callers import (
    BATCH,
    WWW,
    accepted,
    assert_rejected,
    at,
    caller,
    change,
    deliver,
    made,
    pointers,
    post,
    record,
    warnings,
)
from dns_records.tests.conftest import Broker
from dns_records.tests.lives import ahead, ends, let_them_end, removals
from requests_tracker.models import Request
from requests_tracker.tests.factories import steps

A1, A2, A3 = "192.0.2.1", "192.0.2.2", "192.0.2.3"
WWW_A = ("www.example.test.", "A")


def shown(api: APIClient) -> dict[str, Any]:
    """Return what v2 shows of the RRset."""
    body: dict[str, Any] = api.get(WWW).json()
    return body


# --- given, shown, moved, cleared -----------------------------------------------------


def test_v1_gives_moves_and_clears_it(api: APIClient) -> None:
    when, later = ahead(hours=1), ahead(hours=2)
    mine = made(api, expires_at=when)
    assert mine["expires_at"] == when.replace("+00:00", "Z")
    moved = api.patch(at(mine), {"expires_at": later}).json()["record"]
    assert moved["expires_at"] == later.replace("+00:00", "Z")
    # What is not given stays, with another value too; what a GET shows may come back.
    kept = api.put(at(mine), {"value": A2}).json()["record"]
    assert (kept["value"], kept["expires_at"]) == (A2, moved["expires_at"])
    again = api.put(at(mine), api.get(at(mine)).json()).json()["record"]
    assert again["expires_at"] == moved["expires_at"]
    cleared = api.patch(at(mine), {"expires_at": None}).json()["record"]
    assert (cleared["expires_at"], ends()) == (None, {})


def test_v2_gives_it_to_the_records_of_a_change(api: APIClient) -> None:
    when = ahead(hours=1)
    accepted(api, change("add", "www", A1))
    accepted(api, change("add", "www", A2, A3, expires_at=when))
    utc = when.replace("+00:00", "Z")
    assert shown(api)["expires"] == {A2: utc, A3: utc}


@pytest.mark.parametrize("action", ["create", "replace"])
def test_what_is_written_whole_has_the_lives_it_says(
    api: APIClient, action: str
) -> None:
    if action == "replace":
        accepted(api, change("add", "www", A1, expires_at=ahead(hours=5)))
    when = ahead(hours=1)
    accepted(api, change(action, "www", A1, A2, expires_at=when))
    assert set(shown(api)["expires"]) == {A1, A2}
    version = shown(api)["version"]
    accepted(api, change("replace", "www", A1, A2))
    assert shown(api)["expires"] == {}
    assert shown(api)["version"] == version + 1


def test_put_clears_it_and_keeps_it_if_what_get_shows_is_put(api: APIClient) -> None:
    when = ahead(hours=1)
    assert api.put(WWW, {"records": [A1, A2], "expires_at": when}).status_code == 202
    before = shown(api)
    assert set(before["expires"]) == {A1, A2}
    assert api.put(WWW, before).status_code == 202
    assert shown(api) | {"updated_at": 0} == before | {"updated_at": 0}
    single = {"records": [A1, A2], "expires": {A2: when}}
    assert api.put(WWW, single).status_code == 202
    assert set(shown(api)["expires"]) == {A2}
    assert api.put(WWW, {"records": [A1, A2]}).status_code == 202
    assert shown(api)["expires"] == {}


def test_add_of_what_is_there_moves_its_end_or_leaves_it(api: APIClient) -> None:
    accepted(api, change("add", "www", A1, expires_at=ahead(hours=1)))
    first, version = ends()[A1], shown(api)["version"]
    body = accepted(api, change("add", "www", A1))
    assert (ends()[A1], shown(api)["version"]) == (first, version)
    assert warnings(body) == [("/changes/0", "record_exists")]
    body = accepted(api, change("add", "www", A1, expires_at=ahead(hours=2)))
    assert (warnings(body), shown(api)["version"]) == ([], version + 1)
    assert ends()[A1] > first
    # Said once more, it is no change.
    accepted(api, change("add", "www", A1, expires_at=ends()[A1].isoformat()))
    assert shown(api)["version"] == version + 1


def test_a_batch_takes_it_in_records(api: APIClient) -> None:
    when = ahead(hours=1)
    new = {"action": "create", **record(), "expires_at": when}
    (result,) = api.post(BATCH, {"items": [{"record": new}]}).json()["results"]
    assert (result["status"], set(ends())) == (202, {A1})
    named = {"name": "www.example.test.", "type": "A", "value": A1}
    update = {"action": "update", **named, "new": {"expires_at": None}}
    (result,) = api.post(BATCH, {"items": [{"record": update}]}).json()["results"]
    assert (result["status"], ends()) == (202, {})


# --- refused and warned ---------------------------------------------------------------


def test_an_end_that_is_past_is_refused(api: APIClient) -> None:
    past = ahead(seconds=-1)
    answer = post(api, change("add", "www", A1, expires_at=past))
    assert_rejected(answer, 400, "expires_in_past")
    assert pointers(answer) == [("/changes/0/expires_at", "expires_in_past")]
    answer = api.post("/api/v1/dns-records/", record() | {"expires_at": past})
    assert_rejected(answer, 400, "expires_in_past")
    assert pointers(answer) == [("/expires_at", "expires_in_past")]
    body = {"records": [A1], "expires": {A1: past}}
    answer = api.put(WWW, body)
    assert pointers(answer) == [("/expires", "expires_in_past")]


@pytest.mark.parametrize("action", ["delete", "remove"])
def test_what_leaves_no_record_takes_no_end(api: APIClient, action: str) -> None:
    accepted(api, change("add", "www", A1))
    values = [A1] if action == "remove" else []
    answer = post(api, change(action, "www", *values, expires_at=ahead(hours=1)))
    assert_rejected(answer, 400, "invalid")
    assert pointers(answer) == [("/changes/0/expires_at", "invalid")]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"expires_at": "{when}", "expires": {A1: "{when}"}}, "/expires_at"),
        ({"expires": {A2: "{when}"}}, "/expires"),
        ({"expires": {A1: "{when}", A2: "{when}"}}, "/expires"),
        ({"expires": {"x": "{when}"}}, "/expires"),
    ],
)
def test_lives_of_single_records_name_records(
    api: APIClient, body: dict[str, Any], where: str
) -> None:
    when = ahead(hours=1)
    filled = {
        name: when if isinstance(value, str) else dict.fromkeys(value, when)
        for name, value in body.items()
    }
    answer = api.put(WWW, {"records": [A1], **filled})
    assert answer.status_code == 400
    assert [pointer for pointer, _ in pointers(answer)] == [where]


def test_a_life_shorter_than_its_ttl_is_warned_of(api: APIClient) -> None:
    body = accepted(api, change("add", "www", A1, ttl=60, expires_at=ahead(seconds=59)))
    assert warnings(body) == [("/changes/0/expires_at", "expires_before_ttl")]
    body = accepted(api, change("add", "ftp", A1, ttl=60, expires_at=ahead(seconds=70)))
    assert warnings(body) == []


# --- gone by themselves ---------------------------------------------------------------


def test_what_is_over_goes_through_the_lane_like_any_deletion(
    api: APIClient, zone: Zone, broker: Broker
) -> None:
    accepted(api, change("add", "www", A1))
    body = accepted(api, change("add", "www", A2, expires_at=ahead(hours=1)))
    deliver(zone)
    let_them_end()
    broker.go_down()
    Sweeper().once()
    assert world.served(zone) == world.wanted(zone) == {WWW_A: (300, (A1,))}
    (request,) = removals()
    assert (request.status, request.action, request.requester, request.value) == (
        "completed",
        "expire",
        "team-web",
        A2,
    )
    assert request.comment == (
        f"the life that request {body['id']} gave to 1 record(s) is over"
    )
    told = request.events.get(step="received")
    (gone,) = told.data["expired"]
    assert (gone["rdata"], gone["request"]) == (A2, body["id"])
    assert steps(request)[:5] == ["received", "validated", "stored", "enqueued", "sent"]
    last = Change.objects.filter(request=request).get()
    assert (last.action, last.before, last.after) == (
        "remove",
        {"ttl": 300, "records": [A1, A2]},
        {"ttl": 300, "records": [A1]},
    )
    assert expiry.remove_due() == 0


def test_the_last_record_takes_its_rrset_along(api: APIClient, zone: Zone) -> None:
    accepted(api, change("add", "www", A1, expires_at=ahead(hours=1)))
    let_them_end()
    assert expiry.remove_due() == 1
    deliver(zone)
    assert (world.served(zone), world.wanted(zone)) == ({}, {})
    assert api.get(WWW).status_code == 404


def test_nothing_goes_before_its_time(api: APIClient, zone: Zone) -> None:
    accepted(api, change("add", "www", A1, expires_at=ahead(seconds=30)))
    assert expiry.remove_due() == 0
    assert (removals(), set(ends())) == ([], {A1})


def test_who_gave_it_another_life_meanwhile_wins(api: APIClient, zone: Zone) -> None:
    accepted(api, change("add", "www", A1, A2, expires_at=ahead(hours=1)))
    let_them_end()
    due = {each.pk: "www.example.test." for each in Record.objects.all()}
    accepted(api, change("add", "www", A1, expires_at=ahead(hours=1)))
    assert expiry.remove(zone.pk, "team-web", due) == 1
    assert world.wanted(zone) == {WWW_A: (300, (A1,))}
    accepted(api, change("replace", "www", A1))
    assert expiry.remove(zone.pk, "team-web", due) == 0
    assert len(removals()) == 1


def test_one_request_for_each_zone_and_requester(api: APIClient, zone: Zone) -> None:
    world.make_zone("other.test.")
    when = ahead(hours=1)
    accepted(api, change("add", "www", A1, expires_at=when))
    accepted(api, change("add", "ftp", A1, A2, expires_at=when))
    accepted(caller("team-db"), change("add", "db", A1, expires_at=when))
    accepted(api, change("add", "www", A1, expires_at=when), zone="other.test.")
    let_them_end()
    assert expiry.remove_due() == 3
    assert sorted(
        (each.zone, each.requester, each.changes.count()) for each in removals()
    ) == [
        ("example.test.", "team-db", 1),
        ("example.test.", "team-web", 2),
        ("other.test.", "team-web", 1),
    ]
    assert [each.comment for each in removals() if each.changes.count() == 2] == [
        "the life that 2 requests gave to 3 record(s) is over"
    ]


def test_of_a_request_that_is_forgotten_nobody_is_the_requester(
    api: APIClient, zone: Zone
) -> None:
    accepted(api, change("add", "www", A1, expires_at=ahead(hours=1)))
    deliver(zone)
    Request.objects.all().delete()
    let_them_end()
    assert expiry.remove_due() == 1
    assert [each.requester for each in removals()] == ["dnsorch"]


def test_much_goes_in_requests_of_bounded_size(
    api: APIClient, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "MAX_RECORDS", 3)
    names = [change("add", f"w{i}", A1, expires_at=ahead(hours=1)) for i in range(8)]
    accepted(api, *names)
    let_them_end()
    assert [expiry.remove_due() for _ in range(4)] == [1, 1, 1, 0]
    assert [each.changes.count() for each in removals()] == [3, 3, 2]
    assert world.wanted(zone) == {}
