"""PTR records have the lives of the addresses that they go with."""

from __future__ import annotations

from datetime import datetime

import pytest
from rest_framework.test import APIClient

from dns_records.models import Record, Zone
from dns_records.services import expiry, zones
from dns_records.tests import world
from dns_records.tests.callers import accepted, change, deliver, made, warnings
from dns_records.tests.lives import ahead, let_them_end, removals

pytestmark = pytest.mark.django_db(transaction=True)

A1, A2 = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def reverse(zone: Zone, reverse: Zone) -> Zone:
    """The reverse zone, whose records follow those of ``zone``."""
    zones.change(zone, {"ptr_policy": "on"})
    return reverse


def lives(zone: Zone) -> list[datetime | None]:
    """Return when the records of a zone go, by name."""
    rows = Record.objects.filter(rrset__zone=zone).order_by("rrset__name")
    return list(rows.values_list("expires_at", flat=True))


def test_both_go_by_themselves(api: APIClient, zone: Zone, reverse: Zone) -> None:
    body = accepted(api, change("add", "www", A1, expires_at=ahead(hours=1)))
    assert len(body["parts"]) == 2
    assert lives(zone) == lives(reverse) != [None]
    for each in (zone, reverse):
        deliver(each)
    let_them_end()
    assert expiry.remove_due() == 2
    for each in (zone, reverse):
        deliver(each)
        assert world.served(each) == world.wanted(each) == {}
    assert {each.requester for each in removals()} == {"team-web"}


def test_an_end_that_moves_moves_both(
    api: APIClient, zone: Zone, reverse: Zone
) -> None:
    accepted(api, change("add", "www", A1, A2, expires_at=ahead(hours=1)))
    first = lives(reverse)
    body = accepted(api, change("add", "www", A1, expires_at=ahead(hours=2)))
    assert sorted(map(str, lives(reverse))) == sorted(map(str, lives(zone)))
    moved = lives(reverse)
    assert (moved[0] == first[0], moved[1] == first[1]) == (False, True)
    assert len(body["parts"]) == 2

    accepted(api, change("replace", "www", A1, A2))
    assert lives(reverse) == lives(zone) == [None, None]


def test_what_says_nothing_of_it_leaves_it(
    api: APIClient, zone: Zone, reverse: Zone
) -> None:
    accepted(api, change("add", "www", A1, expires_at=ahead(hours=1)))
    before = lives(reverse)
    body = accepted(api, change("add", "www", A1, A2))
    assert lives(reverse) == [*before, None]
    assert warnings(body) != []
    again = accepted(api, change("add", "www", A1))
    assert again["zone"] == "example.test."
    assert lives(reverse) == [*before, None]


def test_v1_gives_it_too(api: APIClient, zone: Zone, reverse: Zone) -> None:
    made(api, expires_at=ahead(hours=1))
    assert lives(zone) == lives(reverse) != [None]
