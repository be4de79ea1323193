"""What the server holds, taken over: wanted, applied and never sent."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dns_records.images import Image, Key
from dns_records.models import Change, RRset, Zone
from dns_records.services import adoption, delivery, sweep, verification
from dns_records.services.adoption import Adopted
from dns_records.tests import world
from dns_records.tests.world import add, address, applied, draft, post, replayed, wanted
from dnsorch import clock
from requests_tracker.models import Request
from requests_tracker.tests.factories import RequestFactory

pytestmark = pytest.mark.django_db

A = "192.0.2.1"
B = "192.0.2.2"
WWW = Key("www.example.test.", "A")


@pytest.fixture
def request_(zone: Zone) -> Request:
    """The request in whose name it is done."""
    return RequestFactory.create(status="provisioning", action="import")


def deliver(zone: Zone) -> None:
    """Send what waits, and close it."""
    delivery.drain(zone.pk)
    verification.check(zone.pk)


def held(*records: str, ttl: int = 300) -> Image | None:
    """Return what the server holds of an RRset."""
    return Image.of(ttl, records)


def test_what_is_held_becomes_wanted_and_applied_and_nothing_is_sent(
    zone: Zone, request_: Request
) -> None:
    found = adoption.adopt(zone, {WWW: held(A, B, ttl=60)}, request_)

    assert (found.taken, found.same) == ([WWW], 0)
    assert wanted(zone) == applied(zone) == {tuple(WWW): (60, (A, B))}
    assert sweep.lanes_to_drain() == []
    (change,) = Change.objects.filter(request=request_)
    assert (change.status, change.before) == ("verified", None)
    assert change.after == {"ttl": 60, "records": [A, B]}
    assert change.applied_at is not None and change.next_check_at is None


def test_it_takes_the_place_of_what_was_wanted(zone: Zone, request_: Request) -> None:
    add("www", A)
    add("old", A)
    deliver(zone)
    old = Key("old.example.test.", "A")

    found = adoption.adopt(zone, {WWW: held(B), old: None}, request_)

    assert found.taken == [old, WWW]
    assert wanted(zone) == applied(zone) == {tuple(WWW): (300, (B,))}
    change = Change.objects.get(request=request_, name=WWW.name)
    assert change.before == {"ttl": 300, "records": [A]}
    assert RRset.objects.get(name=WWW.name).version == change.version == 2


def test_what_is_so_already_makes_no_change(zone: Zone, request_: Request) -> None:
    add("www", A)
    deliver(zone)

    found = adoption.adopt(
        zone, {WWW: held(A), Key("no.example.test.", "A"): None}, request_
    )

    assert (found.taken, found.same) == ([], 2)
    assert not Change.objects.filter(request=request_).exists()


def test_what_was_wanted_and_is_not_known_to_be_applied_is_noted(
    zone: Zone, request_: Request
) -> None:
    add("www", A)
    deliver(zone)
    RRset.objects.update(applied=None)

    assert adoption.adopt(zone, {WWW: held(A)}, request_).taken == [WWW]

    assert applied(zone) == wanted(zone)
    assert RRset.objects.get().version == 1


def test_a_name_with_a_change_on_its_way_is_left_alone(
    zone: Zone, request_: Request
) -> None:
    add("www", A)
    other = Key("www.example.test.", "TXT")

    found = adoption.adopt(zone, {WWW: held(B), other: held('"x"')}, request_)

    assert (found.in_motion, found.taken) == ([WWW, other], [])
    assert wanted(zone) == replayed(zone) == {tuple(WWW): (300, (A,))}


def test_what_was_applied_after_the_reading_is_in_motion(
    zone: Zone, request_: Request
) -> None:
    before = clock.now() - timedelta(seconds=1)
    add("www", A)
    deliver(zone)

    found = adoption.adopt(zone, {WWW: None}, request_, since=before)
    assert found.in_motion == [WWW]
    later = clock.now() + timedelta(seconds=1)
    assert adoption.adopt(zone, {WWW: None}, request_, since=later).taken == [WWW]


def test_what_is_not_verified_yet_is_in_motion(zone: Zone, request_: Request) -> None:
    add("www", A)
    deliver(zone)
    Change.objects.update(
        status="applied", next_check_at=clock.now() - timedelta(seconds=1)
    )
    assert adoption.adopt(zone, {WWW: held(B)}, request_).in_motion == [WWW]


def test_what_breaks_a_rule_is_refused_and_the_rest_taken(
    zone: Zone, request_: Request
) -> None:
    add("alias", A)
    deliver(zone)
    alias = Key("alias.example.test.", "CNAME")

    found = adoption.adopt(
        zone, {alias: held("www.example.test."), WWW: held(A)}, request_
    )

    assert found.taken == [WWW]
    assert found.refused[alias].code == "cname_conflict"
    assert wanted(zone) == applied(zone)


def test_a_cname_may_take_the_place_of_an_address(
    zone: Zone, request_: Request
) -> None:
    add("www", A)
    deliver(zone)
    cname = Key("www.example.test.", "CNAME")
    adoption.adopt(zone, {WWW: None, cname: held("x.example.test.")}, request_)
    assert list(wanted(zone)) == [tuple(cname)]


def test_a_change_after_it_builds_on_it(zone: Zone, request_: Request) -> None:
    world.put_into_dns(zone, *WWW, A)
    adoption.adopt(zone, {WWW: held(A)}, request_)
    post(draft("add", "www", "A", B))
    assert wanted(zone) == replayed(zone)
    deliver(zone)
    assert world.served(zone) == {tuple(WWW): (300, (A, B))}


def _adopt_many(zone: Zone, request: Request, count: int) -> tuple[Adopted, int]:
    images = {
        Key(f"n{number}.example.test.", "A"): held(address(number))
        for number in range(count)
    }
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = adoption.adopt(zone, images, request)
    return found, len(queries)


def test_five_hundred_rrsets_take_few_statements(
    zone: Zone, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    _adopt_many(zone, request_, 1)
    found, statements = _adopt_many(zone, request_, 500)
    assert len(found.taken) == 499
    # SQLite takes a hundred rows in one INSERT.
    assert statements < 50

    monkeypatch.setattr(adoption, "MAX_RRSETS", 200)
    assert _adopt_many(zone, request_, 500)[0].same == 500
