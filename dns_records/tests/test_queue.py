"""What travels together, in which order, and what waits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from dns_records import coalesce
from dns_records.images import Image, Key
from dns_records.models import Change, Zone
from dns_records.providers.base import RRsetChange
from dns_records.services import queue
from dns_records.services.queue import Parcel
from dns_records.tests.world import add, address, draft, make_zone, post
from dnsorch import clock
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db


def chosen(zone: Zone) -> list[object]:
    """Return the requests of the next message, in order."""
    return [*queue.scan(zone.pk).request_ids]


def parcels(zone: Zone) -> list[Parcel]:
    """Return all that waits."""
    return queue.parcels(queue.pending(zone.pk))


def wait(request: Request, seconds: float = 60) -> None:
    """Let a request wait for so long."""
    Request.objects.filter(pk=request.pk).update(
        next_attempt_at=clock.now() + timedelta(seconds=seconds)
    )


def test_ids_rise_in_the_order_of_acceptance(zone: Zone) -> None:
    requests = [
        add("a", "192.0.2.1"),
        post(
            draft("add", "b", "A", "192.0.2.1"),
            draft("add", "a", "A", "192.0.2.2"),
        ),
        add("b", "192.0.2.3"),
    ]
    ids = [
        list(Change.objects.filter(request=each).values_list("id", flat=True))
        for each in requests
    ]
    assert ids == sorted(ids)
    assert [len(each) for each in ids] == [1, 2, 1]
    assert chosen(zone) == [each.pk for each in requests]


def test_a_parcel_holds_the_changes_of_one_request(zone: Zone) -> None:
    request = post(
        draft("add", "b", "A", "192.0.2.1"), draft("add", "a", "A", "192.0.2.2")
    )
    (parcel,) = parcels(zone)
    assert parcel.request_id == request.pk
    assert [(w.key.name, w.image) for w in parcel.wanted] == [
        ("b.example.test.", Image(300, ("192.0.2.1",))),
        ("a.example.test.", Image(300, ("192.0.2.2",))),
    ]


def test_a_name_that_waits_holds_back_what_came_after_it(zone: Zone) -> None:
    first = add("a", "192.0.2.1")
    add("a", "192.0.2.2")
    other = add("b", "192.0.2.1")
    wait(first)
    assert chosen(zone) == [other.pk]


def test_waiting_spreads_over_the_names_of_a_change_set(zone: Zone) -> None:
    first = add("a", "192.0.2.1")
    post(draft("add", "a", "A", "192.0.2.2"), draft("add", "b", "A", "192.0.2.2"))
    post(draft("add", "b", "A", "192.0.2.3"), draft("add", "c", "A", "192.0.2.3"))
    add("c", "192.0.2.4")
    free = add("d", "192.0.2.5")
    wait(first)
    assert chosen(zone) == [free.pk]


def test_what_waits_holds_back_nothing_that_came_before_it(zone: Zone) -> None:
    first, second = add("a", "192.0.2.1"), add("a", "192.0.2.2")
    wait(second)
    assert chosen(zone) == [first.pk]


def test_what_has_waited_is_due(zone: Zone) -> None:
    first = add("a", "192.0.2.1")
    wait(first, -1)
    assert chosen(zone) == [first.pk]


def test_other_zones_have_lanes_of_their_own(zone: Zone) -> None:
    other = make_zone("other.test.")
    mine, theirs = add("a", "192.0.2.1"), add("a", "192.0.2.1", zone="other.test.")
    assert (chosen(zone), chosen(other)) == ([mine.pk], [theirs.pk])


def test_a_message_is_filled_to_its_limit_and_never_over_it(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [add(f"n{index}", "192.0.2.1") for index in range(5)]
    each = coalesce.octets(Key("n0.example.test.", "A"), Image(300, ("192.0.2.1",)))
    monkeypatch.setattr(coalesce, "MAX_OCTETS", 3 * each)
    assert chosen(zone) == [request.pk for request in requests[:3]]
    monkeypatch.setattr(coalesce, "MAX_OCTETS", 3 * each - 1)
    assert chosen(zone) == [request.pk for request in requests[:2]]
    # One that came in is sent, whatever the limit is by now.
    monkeypatch.setattr(coalesce, "MAX_OCTETS", each - 1)
    assert chosen(zone) == [requests[0].pk]


def test_an_rrset_counts_once_however_often_it_changes(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [post(draft("put", "www", "A", address(index))) for index in range(5)]
    each = coalesce.octets(Key("www.example.test.", "A"), Image(300, (address(0),)))
    monkeypatch.setattr(coalesce, "MAX_OCTETS", each)
    assert chosen(zone) == [request.pk for request in requests]


def test_the_work_of_a_scan_is_bounded(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [
        post(
            draft("add", f"a{index}", "A", "192.0.2.1"),
            draft("add", f"b{index}", "A", "192.0.2.1"),
        )
        for index in range(4)
    ]
    monkeypatch.setattr(queue, "MAX_REQUESTS", 2)
    assert chosen(zone) == [request.pk for request in requests[:2]]
    monkeypatch.setattr(queue, "MAX_REQUESTS", 500)
    # The scan ends within the third change set, which waits for the next one.
    monkeypatch.setattr(queue, "SCAN_FIRST", 3)
    monkeypatch.setattr(queue, "SCAN_CHANGES", 5)
    assert chosen(zone) == [request.pk for request in requests[:2]]
    monkeypatch.setattr(queue, "SCAN_CHANGES", 9)
    assert chosen(zone) == [request.pk for request in requests]


def test_a_message_has_the_latest_image_and_says_what_gave_way(zone: Zone) -> None:
    add("a", "192.0.2.1")
    post(draft("add", "b", "A", "192.0.2.1"))
    post(draft("delete", "a", "A"))
    images, superseded = queue.message(parcels(zone))
    assert images == [
        RRsetChange("a.example.test.", "A", 0, ()),
        RRsetChange("b.example.test.", "A", 300, ("192.0.2.1",)),
    ]
    first, _, third = Change.objects.order_by("id").values_list("id", flat=True)
    assert superseded == {first: third}


def test_a_scan_asks_the_database_once(
    zone: Zone, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for index in range(10):
        add(f"n{index}", "192.0.2.1")
    with django_assert_num_queries(1):
        assert len(chosen(zone)) == 10
