"""Leases, the marker's numbers, and wake-ups that are never lost."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from dns_records.models import Batch, Lane, LaneState, Zone
from dns_records.providers.errors import Unreachable
from dns_records.services import delivery, lanes, queue, wake
from dns_records.services.lane_run import LaneRun, Marker
from dns_records.services.lanes import Lease, LeaseLost
from dns_records.tests.conftest import Broker
from dns_records.tests.world import (
    add,
    hurry,
    let_lease_expire,
    make_zone,
    marker,
    markers,
    messages,
    put_into_dns,
    states,
    store_of,
)
from dnsorch import clock

MARKER = "_dnsorch.example.test."


def lane(zone: Zone) -> Lane:
    """Return the lane of a zone."""
    return Lane.objects.get(zone=zone)


def taken(zone: Zone) -> Lease:
    """Take the lease."""
    lease = lanes.acquire(zone.pk)
    assert lease is not None
    return lease


def run_of(zone: Zone) -> LaneRun:
    """Take the lease and go to work."""
    return LaneRun(taken(zone), zone)


# --- leases --------------------------------------------------------------------------


@pytest.mark.django_db
def test_one_lease_at_a_time(zone: Zone) -> None:
    lease = taken(zone)
    assert (lease.epoch, lease.taken_over) == (0, False)
    assert lanes.acquire(zone.pk) is None
    assert lanes.release(lease) is True
    assert lane(zone).lease_expires_at is None
    assert lane(zone).holder == ""
    lease = taken(zone)
    assert (lease.zone_id, lease.epoch, lease.taken_over) == (zone.pk, 0, False)


@pytest.mark.django_db
def test_a_lease_is_of_one_zone(zone: Zone) -> None:
    other = make_zone("other.test.")
    assert taken(zone).zone_id == zone.pk
    assert taken(other).zone_id == other.pk
    assert lanes.acquire(0) is None


@pytest.mark.django_db
def test_a_lease_that_ran_out_is_taken_over_with_an_epoch_of_its_own(
    zone: Zone,
) -> None:
    old = taken(zone)
    let_lease_expire(zone)
    new = taken(zone)
    assert (new.epoch, new.taken_over) == (1, True)
    with pytest.raises(LeaseLost):
        lanes.guard(old, batch_number=99)
    assert lanes.release(old) is True  # it is over, for the old holder
    lanes.hand_back(old)
    lanes.note_success(old)
    row = lane(zone)
    assert (row.epoch, row.batch_number) == (1, 0)
    assert row.lease_expires_at is not None
    assert lanes.acquire(zone.pk) is None


@pytest.mark.django_db
def test_a_lease_that_ran_out_writes_nothing_even_if_nobody_wants_it(
    zone: Zone,
) -> None:
    lease = taken(zone)
    let_lease_expire(zone)
    for write in (
        lambda: lanes.guard(lease),
        lambda: lanes.raise_epoch(lease, 5),
        lambda: lanes.clear_dirty(lease),
        lambda: lanes.note_failure(lease, LaneState.UNAVAILABLE, Unreachable()),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert (lane(zone).epoch, lane(zone).failures) == (0, 0)


@pytest.mark.django_db
def test_every_result_renews_the_lease(zone: Zone, settings: Any) -> None:
    settings.DNSORCH_LEASE_S = 100
    lease = taken(zone)
    settings.DNSORCH_LEASE_S = 1000
    lanes.guard(lease, batch_number=3)
    row = lane(zone)
    assert row.batch_number == 3
    assert row.lease_expires_at is not None
    left = row.lease_expires_at - clock.now()
    assert timedelta(seconds=900) < left <= timedelta(seconds=1000)


@pytest.mark.django_db
def test_a_lane_that_waits_is_not_taken(zone: Zone) -> None:
    lease = taken(zone)
    delay = lanes.note_failure(lease, LaneState.UNAVAILABLE, Unreachable("gone"))
    lanes.hand_back(lease)
    row = lane(zone)
    assert timedelta(seconds=0.25) <= delay < timedelta(seconds=0.5)
    assert (row.state, row.failures) == ("unavailable", 1)
    assert row.last_error == "backend_unreachable: gone"
    assert lanes.acquire(zone.pk) is None
    lanes.hurry(zone.pk)
    lease = taken(zone)
    lanes.note_failure(lease, LaneState.MISCONFIGURED, Unreachable("gone"))
    assert (lane(zone).state, lane(zone).failures) == ("misconfigured", 2)
    lanes.note_success(lease)
    row = lane(zone)
    assert (row.state, row.failures, row.not_before, row.last_error) == (
        "ok",
        0,
        None,
        "",
    )


@pytest.mark.django_db
def test_an_epoch_is_always_raised_above_what_the_server_holds(zone: Zone) -> None:
    lease = taken(zone)
    lanes.raise_epoch(lease, 0)
    assert (lease.epoch, lane(zone).epoch) == (1, 1)
    lanes.raise_epoch(lease, 41)
    assert (lease.epoch, lane(zone).epoch) == (42, 42)
    lanes.raise_epoch(lease, 7)
    assert (lease.epoch, lane(zone).epoch) == (43, 43)


# --- the marker ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("v1 3 14", Marker(3, 14)),
        ("v1 0 0", Marker(0, 0)),
        ("v2 3 14", None),
        ("v1 3", None),
        ("v1 -3 14", None),
        ("v1 3 14 15", None),
        ("", None),
    ],
)
def test_a_marker_is_read_strictly(text: str, parsed: Marker | None) -> None:
    assert Marker.parse(text) == parsed
    if parsed is not None:
        assert str(parsed) == text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("epoch", "last", "held", "taken_as", "next_number"),
    [
        (0, 0, None, "v1 1 0", 1),  # a new zone
        (4, 7, "v1 4 7", "v1 6 7", 8),  # the holder before died
        (4, 7, "v1 5 7", "v1 6 7", 8),  # it died after it had taken the marker
        (4, 7, "v1 9 40", "v1 10 40", 41),  # the database is older than the server
        (4, 7, "v1 2 3", "v1 6 3", 8),  # the server is older than the database
        (4, 7, None, "v1 6 7", 8),  # somebody deleted it
        (4, 7, "hands off", "v1 6 7", 8),  # somebody wrote something else
    ],
)
def test_numbers_live_on_across_leases(
    zone: Zone,
    epoch: int,
    last: int,
    held: str | None,
    taken_as: str,
    next_number: int,
) -> None:
    """After RELIABILITY: a number that started anew would decide wrongly."""
    Lane.objects.update(
        epoch=epoch, batch_number=last, marker_epoch=epoch, marker_number=last
    )
    if epoch:
        taken(zone)
        let_lease_expire(zone)
    put_into_dns(zone, MARKER, "TXT", *[held] if held else [])
    run = run_of(zone)
    found = run.take_over()
    assert found == (Marker.parse(held) if held else None)
    assert marker(zone) == taken_as == str(run.marker)
    assert run.next_number() == next_number
    assert (lane(zone).marker_epoch, lane(zone).marker_number) == (
        run.marker.epoch,
        run.marker.number,
    )


@pytest.mark.django_db
def test_a_race_for_the_marker_has_one_winner(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading and taking it somebody else takes it: read again."""
    run = run_of(zone)
    read = run.provider.read_marker
    others = iter(["v1 5 0", "v1 9 2"])

    def overtaken(name: str) -> str | None:
        found = read(name)
        if (other := next(others, None)) is not None:
            put_into_dns(zone, MARKER, "TXT", other)
        return found

    monkeypatch.setattr(run.provider, "read_marker", overtaken)
    assert run.take_over() == Marker(9, 2)
    assert marker(zone) == "v1 10 2"
    assert markers(zone) == [("v1 9 2", "v1 10 2")]


@pytest.mark.django_db
def test_who_never_wins_the_marker_gives_up(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(zone)
    monkeypatch.setattr(run.provider, "read_marker", lambda name: "v1 5 0")
    with pytest.raises(LeaseLost):
        run.take_over()
    assert markers(zone) == []


@pytest.mark.django_db
def test_a_lease_that_was_given_back_leaves_a_marker_to_go_on_from(zone: Zone) -> None:
    for index in range(3):
        add(f"n{index}", "192.0.2.1")
        delivery.drain(zone.pk)
    assert markers(zone) == [
        (None, "v1 1 0"),
        ("v1 1 0", "v1 1 1"),
        ("v1 1 1", "v1 1 2"),
        ("v1 1 2", "v1 1 3"),
    ]


@pytest.mark.django_db
def test_the_database_keeps_numbers_unique_and_one_message_undecided(
    zone: Zone,
) -> None:
    fields = {"lane": lane(zone), "epoch": 1, "requests": 1, "rrsets": 1}
    now = clock.now()
    Batch.objects.create(**fields, number=1, status="applied", sent_at=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        Batch.objects.create(**fields, number=1, status="applied", sent_at=now)
    Batch.objects.create(**fields, number=2, sent_at=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        Batch.objects.create(**fields, number=3, sent_at=now)
    other = lane(make_zone("other.test."))
    Batch.objects.create(**{**fields, "lane": other}, number=1, sent_at=now)


# --- wake-ups ------------------------------------------------------------------------


def post_after_scan(
    monkeypatch: pytest.MonkeyPatch, zone: Zone, name: str = "late"
) -> None:
    """Have somebody post right after the next scan that finds nothing."""
    scan = queue.scan

    def and_then_post(zone_id: int) -> queue.Scan:
        found = scan(zone_id)
        if not found.request_ids:
            monkeypatch.setattr(queue, "scan", scan)
            add(name, "192.0.2.1")
        return found

    monkeypatch.setattr(queue, "scan", and_then_post)


@pytest.mark.django_db(transaction=True)
def test_what_comes_after_the_last_scan_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch, broker: Broker
) -> None:
    zone = make_zone()
    post_after_scan(monkeypatch, zone)
    assert delivery.drain(zone.pk) is True
    assert states() == ["verifying"]
    assert (lane(zone).dirty, lane(zone).lease_expires_at) == (False, None)
    # Who holds the lease needs no wake-up.
    assert broker.sent == []


@pytest.mark.django_db(transaction=True)
def test_without_the_dirty_flag_it_would_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The guard of the test above, taken away."""
    zone = make_zone()

    def careless(lease: Lease) -> bool:
        lanes.hand_back(lease)
        return True

    monkeypatch.setattr(lanes, "release", careless)
    post_after_scan(monkeypatch, zone)
    delivery.drain(zone.pk)
    assert states() == ["queued"]


@pytest.mark.django_db(transaction=True)
def test_what_comes_between_clearing_and_scanning_is_sent_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zone = make_zone()
    acquire = lanes.acquire

    def and_then_post(zone_id: int) -> Lease | None:
        lease = acquire(zone_id)
        add("late", "192.0.2.1")
        return lease

    monkeypatch.setattr(lanes, "acquire", and_then_post)
    delivery.drain(zone.pk)
    assert states() == ["verifying"]
    assert messages(zone)[1:] == [[("late.example.test.", "A", ("192.0.2.1",))]]


@pytest.mark.django_db(transaction=True)
def test_many_posts_wake_a_lane_once(broker: Broker) -> None:
    zone = make_zone()
    for index in range(5):
        add(f"n{index}", "192.0.2.1")
    assert broker.sent == [(wake.DELIVER, zone.pk)]
    delivery.drain(zone.pk)
    add("another", "192.0.2.1")
    assert broker.sent == [(wake.DELIVER, zone.pk)] * 2


@pytest.mark.django_db(transaction=True)
def test_a_lane_with_much_to_do_makes_room_and_is_woken_again(
    monkeypatch: pytest.MonkeyPatch, broker: Broker
) -> None:
    """Also if it was woken while it was held: that wake-up found it held."""
    zone = make_zone()
    monkeypatch.setattr(queue, "MAX_REQUESTS", 1)
    add("a", "192.0.2.1")
    add("b", "192.0.2.1")
    broker.sent.clear()
    seconds = iter(range(0, 1000, 10))
    monkeypatch.setattr(
        delivery, "time", SimpleNamespace(monotonic=lambda: next(seconds))
    )
    send = LaneRun.send

    def and_post(self: LaneRun, *args: Any) -> Any:
        Lane.objects.update(dirty=True)
        return send(self, *args)

    monkeypatch.setattr(LaneRun, "send", and_post)
    delivery.drain(zone.pk)
    assert states() == ["verifying", "queued"]
    assert lane(zone).lease_expires_at is None
    assert broker.sent == [(wake.DELIVER, zone.pk)]


@pytest.mark.django_db
def test_a_lane_that_is_held_is_left_alone(zone: Zone) -> None:
    taken(zone)
    add("a", "192.0.2.1")
    assert delivery.drain(zone.pk) is False
    assert store_of(zone).log == []
    hurry(zone)
    assert states() == ["queued"]


@pytest.mark.django_db
def test_a_wake_up_for_a_zone_that_is_gone_is_nothing(db: None) -> None:
    assert delivery.drain(4711) is False
