"""Draining a lane: what goes out, in which messages, and what becomes of it."""

from __future__ import annotations

import pytest

from dns_records.models import Batch, Change, Lane, Zone
from dns_records.providers import registry
from dns_records.providers.base import RRsetChange
from dns_records.services import (
    backends,
    claims,
    delivery,
    verification,
    withdrawal,
    zones,
)
from dns_records.services.lane_run import LaneRun
from dns_records.tests.world import (
    add,
    address,
    applied,
    change_states,
    draft,
    fresh,
    markers,
    messages,
    post,
    served,
    states,
    told,
    wanted,
)
from dnsorch.embedded.nameserver import Record, running
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db


def batches() -> list[tuple[int, str, int]]:
    """Return number, state and number of requests of each message, in order."""
    rows = Batch.objects.order_by("number")
    return list(rows.values_list("number", "status", "requests"))


def lane(zone: Zone) -> Lane:
    """Return the lane of a zone."""
    return Lane.objects.get(zone=zone)


def test_many_change_sets_travel_in_one_message(zone: Zone) -> None:
    requests = [add(f"n{index}", address(index)) for index in range(20)]
    assert delivery.drain(zone.pk) is True
    assert messages(zone) == [
        [],  # the marker is taken
        [(f"n{index}.example.test.", "A", (address(index),)) for index in range(20)],
    ]
    assert markers(zone) == [(None, "v1 1 0"), ("v1 1 0", "v1 1 1")]
    assert states() == ["verifying"] * 20
    assert batches() == [(1, "applied", 20)]
    assert lane(zone).lease_expires_at is None
    for request in requests:
        assert told(request) == ["sent", "applied"]
        assert fresh(request).attempts == 1


def test_an_applied_change_is_told_with_its_message(zone: Zone) -> None:
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    verification.check(zone.pk)
    events = request.events.filter(sequence__gt=4)
    assert list(events.values_list("step", "message", "data")) == [
        (
            "sent",
            f"UPDATE 1.1 sent to {zone.backend.name}",
            {"epoch": 1, "number": 1},
        ),
        (
            "applied",
            "applied by UPDATE 1.1: NOERROR",
            {"epoch": 1, "number": 1, "rcode": "NOERROR"},
        ),
        ("verified", "example.test. asks no name server", {}),
        ("completed", "completed", {}),
    ]
    (change,) = request.changes.all()
    assert (change.status, change.next_check_at) == ("verified", None)
    assert change.batch == Batch.objects.get()
    assert Batch.objects.get().octets == octets_of(zone, change)
    assert applied(zone) == served(zone) == wanted(zone)


def octets_of(zone: Zone, change: Change) -> int:
    """Return what the provider says of a message with one change."""
    provider = registry.for_backend("memory", zone.backend.options, "")
    images = [RRsetChange(change.name, change.type, 300, ("192.0.2.1",))]
    return provider.message_octets(zone.name, images)


def test_nothing_to_do_sends_nothing_but_the_marker(zone: Zone) -> None:
    assert delivery.drain(zone.pk) is False
    assert delivery.drain(zone.pk) is False
    assert markers(zone) == [(None, "v1 1 0")]
    assert batches() == []


def test_an_rrset_is_in_a_message_once_in_its_latest_image(zone: Zone) -> None:
    first = post(draft("put", "www", "A", "192.0.2.1"))
    second = post(draft("put", "www", "A", "192.0.2.2"))
    third = post(draft("put", "www", "A", "192.0.2.3"))
    delivery.drain(zone.pk)
    assert messages(zone)[1:] == [[("www.example.test.", "A", ("192.0.2.3",))]]
    assert [change_states(each) for each in (first, second, third)] == [
        ["superseded"],
        ["superseded"],
        ["applied"],
    ]
    last = third.changes.get()
    assert [each.changes.get().superseded_by for each in (first, second, third)] == [
        last,
        last,
        None,
    ]
    assert told(first) == ["sent", "applied", "superseded"]
    assert told(third) == ["sent", "applied"]
    verification.check(zone.pk)
    assert states() == ["completed"] * 3


def test_an_alias_and_an_address_swap_in_one_message(zone: Zone) -> None:
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    post(draft("delete", "www"), draft("create", "www", "CNAME", "a.test."))
    delivery.drain(zone.pk)
    assert messages(zone)[2:] == [
        [("www.example.test.", "A", ()), ("www.example.test.", "CNAME", ("a.test.",))]
    ]
    assert served(zone) == {("www.example.test.", "CNAME"): (300, ("a.test.",))}


def test_messages_follow_the_order_of_acceptance(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dns_records.services.queue.MAX_REQUESTS", 3)
    for index in range(7):
        post(draft("put", "www", "A", address(index)))
    delivery.drain(zone.pk)
    assert messages(zone)[1:] == [
        [("www.example.test.", "A", (address(index),))] for index in (2, 5, 6)
    ]
    assert [step for _, step in markers(zone)] == [
        "v1 1 0",
        "v1 1 1",
        "v1 1 2",
        "v1 1 3",
    ]


def test_over_the_wire_many_change_sets_are_exactly_one_update(db: None) -> None:
    with running(["example.test."]) as server:
        zone = zones.register(
            name="example.test.",
            backend=backends.save(
                name="wire",
                driver="rfc2136",
                options={"server": server.host, "port": server.port},
            ),
            nameservers=[f"{server.host}:{server.port}"],
        )
        for index in range(50):
            add(f"n{index}", address(index))
        delivery.drain(zone.pk)
        verification.check(zone.pk)
    assert states() == ["completed"] * 50
    taken, update = server.updates
    marker = "_dnsorch.example.test."
    assert [(r.name, r.rdata) for r in taken.adds] == [(marker, '"v1 1 0"')]
    assert sorted(r for r in update.adds if r.name != marker) == sorted(
        Record(f"n{index}.example.test.", 300, "A", address(index))
        for index in range(50)
    )
    assert [r.rdata for r in update.adds if r.name == marker] == ['"v1 1 1"']
    assert [(r.name, r.rdata) for r in update.deletes] == [(marker, '"v1 1 0"')]


def test_a_request_taken_out_meanwhile_is_not_sent(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the scan and the claim somebody cancels."""
    first, second = add("a", "192.0.2.1"), add("b", "192.0.2.1")
    claim = claims.claim

    def cancel_first(run: LaneRun, parcels: object) -> object:
        if fresh(first).status == "queued":
            withdrawal.cancel(zone, first.pk, "team-web")
        return claim(run, parcels)  # type: ignore[arg-type]

    monkeypatch.setattr(claims, "claim", cancel_first)
    delivery.drain(zone.pk)
    assert states([first, second]) == ["cancelled", "verifying"]
    assert messages(zone)[1:] == [[("b.example.test.", "A", ("192.0.2.1",))]]


def test_images_are_read_again_when_they_are_claimed(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the scan and the claim an earlier change of the RRset is taken out."""
    first, second = add("a", "192.0.2.1"), add("a", "192.0.2.2")
    claim = claims.claim

    def cancel_first(run: LaneRun, parcels: object) -> object:
        if fresh(first).status == "queued":
            withdrawal.cancel(zone, first.pk, "team-web")
        return claim(run, parcels)  # type: ignore[arg-type]

    monkeypatch.setattr(claims, "claim", cancel_first)
    delivery.drain(zone.pk)
    assert messages(zone)[1:] == [[("a.example.test.", "A", ("192.0.2.2",))]]
    assert Request.objects.get(pk=second.pk).status == "verifying"
