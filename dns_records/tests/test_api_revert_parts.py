"""Reverting what has parts: several zones, PTR records, imports."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.services import import_run, zones
from dns_records.tests import world
from dns_records.tests.callers import (
    accepted,
    assert_rejected,
    change,
    deliver,
)
from dns_records.tests.world import put_into_dns

pytestmark = pytest.mark.django_db(transaction=True)

A1, A2 = "192.0.2.1", "192.0.2.2"
WWW_A = ("www.example.test.", "A")


def done(api: APIClient, *where: Zone, **change_: Any) -> str:
    """Add an address, with its PTR record if wanted; return the request's path."""
    body = accepted(api, change("add", "www", A1, **change_))
    for zone in where:
        deliver(zone)
    path: str = body["links"]["self"]
    assert api.get(path).json()["status"] == "completed"
    return path


def test_the_parts_go_back_together(api: APIClient, zone: Zone, reverse: Zone) -> None:
    path = done(api, zone, reverse, ptr=True)
    answer = api.post(f"{path}revert/")
    body = answer.json()
    assert (answer.status_code, len(body["parts"])) == (202, 2), body
    assert (body["action"], body["revert_of"]) == ("revert", path.split("/")[-2])
    deliver(reverse)
    deliver(zone)
    assert world.served(zone) == world.served(reverse) == {}
    again = body["links"]["self"]
    assert api.get(again).json()["status"] == "completed"

    assert api.post(f"{again}revert/").status_code == 202
    assert world.wanted(zone) == {WWW_A: (300, (A1,))}
    assert len(world.wanted(reverse)) == 1


def test_all_or_none_are_accepted(api: APIClient, zone: Zone, reverse: Zone) -> None:
    path = done(api, zone, reverse, ptr=True)
    accepted(api, change("replace", "www", A2))
    answer = api.post(f"{path}revert/")
    assert_rejected(answer, 409, "changed_since")
    assert len(world.wanted(reverse)) == 1


def test_a_zone_that_was_forgotten_is_named(
    api: APIClient, zone: Zone, reverse: Zone
) -> None:
    path = done(api, zone, reverse, ptr=True)
    zones.forget(reverse, force=True)
    answer = api.post(f"{path}revert/")
    assert_rejected(answer, 409, "illegal_transition")
    assert "2.0.192.in-addr.arpa. is not registered" in answer.json()["detail"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_zone_with_a_policy_takes_its_ptr_record_along(
    api: APIClient, zone: Zone, reverse: Zone, dry_run: bool
) -> None:
    """The part of the address alone: the PTR record goes by the zone's policy."""
    zones.change(zone, {"ptr_policy": "on"})
    path = done(api, zone, reverse)
    first, _ = api.get(path).json()["parts"]
    where = f"/api/v2/requests/{first['id']}/revert/"
    answer = api.post(f"{where}?dry_run=true" if dry_run else where)
    body = answer.json()
    assert len(body["plans" if dry_run else "parts"]) == 2, body


def test_what_an_import_took_over_stays(api: APIClient, zone: Zone) -> None:
    put_into_dns(zone, "www.example.test.", "A", A1)
    body = api.post("/api/v2/zones/example.test./import/", {}).json()
    import_run.run(zone.pk)
    path = body["links"]["self"]
    assert api.get(path).json()["status"] == "completed"
    answer = api.post(f"{path}revert/")
    assert_rejected(answer, 409, "illegal_transition")
    assert "changed nothing" in answer.json()["detail"]
    assert world.wanted(zone) == {WWW_A: (300, (A1,))}


def test_of_an_imported_file_what_was_sent_goes_back(
    api: APIClient, zone: Zone
) -> None:
    put_into_dns(zone, "www.example.test.", "A", A1)
    text = f"$TTL 300\nwww A {A1}\nnew A {A2}\nmore A {A2}\n"
    answer = api.post(
        "/api/v2/zones/example.test./import/", text, content_type="text/dns"
    )
    import_run.run(zone.pk)
    deliver(zone)
    import_run.run(zone.pk)
    path = answer.json()["links"]["self"]
    assert api.get(path).json()["status"] == "completed"
    assert api.post(f"{path}revert/").status_code == 202
    deliver(zone)
    assert world.served(zone) == world.wanted(zone) == {WWW_A: (300, (A1,))}
