"""PTR records that go with what waited for its time, and with what is tried again."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from dns_records.models import ScheduledChange, Zone
from dns_records.providers.memory import Faults
from dns_records.services import delivery, schedules, zones
from dns_records.services.sweep import Sweeper
from dns_records.tests import world
from dns_records.tests.callers import (
    accepted,
    caller,
    change,
    changeset,
    deliver,
)
from dns_records.tests.conftest import Broker
from dns_records.tests.lives import ahead, at_once, let_it_be_due
from requests_tracker.models import OutboxEvent, Request
from requests_tracker.tests.factories import steps

pytestmark = pytest.mark.django_db(transaction=True)

A1, A2 = "192.0.2.1", "192.0.2.2"
WWW_A = ("www.example.test.", "A")
P1 = ("1.2.0.192.in-addr.arpa.", "PTR")
TO_WWW = (300, ("www.example.test.",))


def open_due() -> int:
    """Let the time of all that waits have come, and plan it."""
    let_it_be_due()
    return schedules.open_due()


def test_they_are_parts_of_it_once_it_is_due(
    api: APIClient, zone: Zone, reverse: Zone, broker: Broker
) -> None:
    body = accepted(api, change("add", "www", A1, ptr=True), not_before=ahead(hours=1))
    assert (body["status"], body["zone"], body["parts"]) == (
        "scheduled",
        "example.test.",
        [],
    )
    let_it_be_due()
    broker.go_down()
    Sweeper().once()
    Sweeper().once()

    shown = api.get(f"/api/v2/requests/{body['id']}/").json()
    assert (shown["status"], shown["zone"]) == ("completed", None)
    assert [(each["zone"], each["status"]) for each in shown["parts"]] == [
        ("example.test.", "completed"),
        ("2.0.192.in-addr.arpa.", "completed"),
    ]
    request = Request.objects.get(pk=body["id"])
    assert steps(request)[:6] == [
        "received",
        "validated",
        "scheduled",
        "validated",
        "stored",
        "enqueued",
    ]
    assert (request.deadline_at, request.on_failure) == (None, "keep")
    assert world.served(zone) == {WWW_A: (300, (A1,))}
    assert world.served(reverse) == world.wanted(reverse) == {P1: TO_WWW}
    assert OutboxEvent.objects.get(request=request).type == "completed"


def test_by_the_policy_that_the_zone_has_when_it_is_due(
    api: APIClient, zone: Zone, reverse: Zone
) -> None:
    accepted(api, change("add", "www", A1), not_before=ahead(hours=1))
    zones.change(zone, {"ptr_policy": "on"})
    assert open_due() == 1
    assert world.wanted(reverse) == {P1: TO_WWW}


def test_only_into_zones_that_the_token_was_for(zone: Zone, reverse: Zone) -> None:
    api = caller(zones=["example.test."])
    body = accepted(api, change("add", "www", A1, ptr=True), not_before=ahead(hours=1))
    assert open_due() == 1
    shown = api.get(f"/api/v2/requests/{body['id']}/").json()
    assert (shown["status"], shown["parts"]) == ("queued", [])
    told = shown["events"][3]
    assert (told["step"], told["data"]["warnings"][0]["code"]) == (
        "validated",
        "no_reverse_zone",
    )
    assert world.wanted(reverse) == {}


def test_none_go_with_what_a_release_before_took(
    api: APIClient, zone: Zone, reverse: Zone
) -> None:
    accepted(api, change("add", "www", A1, ptr=True), not_before=ahead(hours=1))
    ScheduledChange.objects.update(access=None)
    assert open_due() == 1
    assert world.wanted(zone) == {WWW_A: (300, (A1,))}
    assert world.wanted(reverse) == {}


def test_what_conflicts_when_it_is_due_leaves_no_part(
    api: APIClient, zone: Zone, reverse: Zone
) -> None:
    body = accepted(
        api, change("create", "www", A1, ptr=True), not_before=ahead(hours=1)
    )
    accepted(api, change("add", "www", A2))
    assert open_due() == 1
    shown = api.get(f"/api/v2/requests/{body['id']}/").json()
    assert (shown["status"], shown["error"]["code"]) == ("failed", "rrset_exists")
    assert (shown["parts"], world.wanted(reverse)) == ([], {})

    accepted(api, change("delete", "www"))
    again = api.post(f"/api/v2/requests/{body['id']}/retry/")
    assert (again.status_code, again.json()["retry_of"]) == (202, body["id"])
    assert world.wanted(zone) == {WWW_A: (300, (A1,))}
    assert world.wanted(reverse) == {P1: TO_WWW}


def test_a_dry_run_shows_them(api: APIClient, reverse: Zone) -> None:
    answer = api.post(
        "/api/v2/changesets/?dry_run=true",
        changeset(change("add", "www", A1, ptr=True), not_before=ahead(hours=1)),
    )
    assert [each["zone"] for each in answer.json()["plans"]] == [
        "example.test.",
        "2.0.192.in-addr.arpa.",
    ]


def test_two_sweeps_at_once_open_each_once(zone: Zone, reverse: Zone) -> None:
    api = caller()
    bodies = [
        accepted(
            api,
            change("add", f"w{number}", f"192.0.2.{number}", ptr=True),
            not_before=ahead(hours=1),
        )
        for number in range(8)
    ]
    let_it_be_due()
    at_once(schedules.open_due)
    for body in bodies:
        parts = Request.objects.filter(part_of=body["id"])
        assert sorted(each.zone for each in parts) == [
            "2.0.192.in-addr.arpa.",
            "example.test.",
        ]
    for each in (zone, reverse):
        delivery.drain(each.pk)
        assert world.served(each) == world.wanted(each)
        assert len(world.wanted(each)) == 8


def test_they_come_with_a_part_that_is_tried_again(
    api: APIClient, zone: Zone, reverse: Zone
) -> None:
    body = accepted(api, change("add", "www", A1, ptr=True))
    for each in (zone, reverse):
        refused = frozenset({WWW_A[0], P1[0]})
        world.store_of(each).faults = Faults(refuse_names=refused)
        deliver(each)
        world.store_of(each).faults = Faults()
    failed = api.get(f"/api/v2/requests/{body['id']}/").json()
    assert [each["status"] for each in failed["parts"]] == ["failed"] * 2
    assert world.wanted(zone) == world.wanted(reverse) == {}

    where = f"/api/v2/requests/{failed['parts'][0]['id']}/retry/"
    plan = api.post(f"{where}?dry_run=true").json()
    assert [each["zone"] for each in plan["plans"]] == [zone.name, reverse.name]
    again = api.post(where)
    assert (again.status_code, len(again.json()["parts"])) == (202, 2)
    assert again.json()["retry_of"] == failed["parts"][0]["id"]
    for each in (zone, reverse):
        deliver(each)
    assert world.served(zone) == {WWW_A: (300, (A1,))}
    assert world.served(reverse) == {P1: TO_WWW}
