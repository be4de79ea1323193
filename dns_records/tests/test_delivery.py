"""Draining a lane: what goes out, in which messages, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dns_records.models import Batch, Change, Fencing, Lane, Zone
from dns_records.providers import registry
from dns_records.providers.base import RRsetChange
from dns_records.providers.memory import Faults, Store
from dns_records.services import (
    backends,
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
    hurry,
    make_zone,
    markers,
    messages,
    post,
    put_into_dns,
    served,
    states,
    store_of,
    told,
    wanted,
)
from dnsorch.embedded.nameserver import Record, running
from dnsorch.exceptions import IllegalTransition
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

BAD = "bad.example.test."


def batches() -> list[tuple[int, str, int]]:
    """Return number, state and number of requests of each message, in order."""
    rows = Batch.objects.order_by("number")
    return list(rows.values_list("number", "status", "requests"))


def lane(zone: Zone) -> Lane:
    """Return the lane of a zone."""
    return Lane.objects.get(zone=zone)


# --- applied ------------------------------------------------------------------------


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


# --- refused ------------------------------------------------------------------------


def test_a_change_that_is_refused_alone_fails(zone: Zone, store: Store) -> None:
    store.faults = Faults(refuse_names=frozenset({BAD}))
    request = add("bad", "192.0.2.1")
    delivery.drain(zone.pk)
    request = fresh(request)
    assert request.status == "failed"
    assert request.error == {
        "code": "refused_by_server",
        "detail": "the server refused the change: "
        "The DNS service refused the change. (REFUSED)",
    }
    assert told(request) == ["sent", "retry_scheduled", "failed"]
    assert change_states(request) == ["failed"]
    assert wanted(zone) == served(zone) == {}
    assert batches() == [(1, "not_applied", 1)]
    assert lane(zone).state == "ok"


def test_one_bad_change_among_a_hundred_fails_alone(zone: Zone, store: Store) -> None:
    store.faults = Faults(refuse_names=frozenset({BAD}))
    requests = [
        add("bad" if index == 37 else f"n{index}", address(index))
        for index in range(100)
    ]
    delivery.drain(zone.pk)
    after = states(requests)
    assert after[37] == "failed"
    assert after[:37] + after[38:] == ["verifying"] * 99
    # 100 -> 50 50 -> 25 25 -> 12 13 -> 6 7 -> 3 3 -> 1 2: each half once.
    assert [(state, count) for _, state, count in batches()] == [
        ("not_applied", 100),
        ("not_applied", 50),
        ("applied", 25),
        ("not_applied", 25),
        ("applied", 12),
        ("not_applied", 13),
        ("not_applied", 6),
        ("not_applied", 3),
        ("not_applied", 1),
        ("applied", 2),
        ("applied", 3),
        ("applied", 7),
        ("applied", 50),
    ]
    sent = [name for message in messages(zone) for name, _, _ in message]
    assert sent == [f"n{i}.example.test." for i in range(100) if i != 37]
    assert applied(zone) == served(zone) == wanted(zone)


def test_what_needs_a_refused_change_fails_with_it(zone: Zone, store: Store) -> None:
    store.faults = Faults(refuse_names=frozenset({BAD}))
    first = add("bad", "192.0.2.1")
    needs = post(
        draft("replace", "bad", "A", "192.0.2.2"), draft("add", "b", "A", "192.0.2.2")
    )
    free = add("c", "192.0.2.1")
    delivery.drain(zone.pk)
    assert states() == ["failed", "failed", "verifying"]
    needs = fresh(needs)
    assert needs.error_code == "dependency_failed"
    assert needs.error and str(first.pk) in needs.error["detail"]
    assert told(free)[-1] == "applied"
    assert (
        wanted(zone)
        == served(zone)
        == {("c.example.test.", "A"): (300, ("192.0.2.1",))}
    )


@pytest.mark.parametrize("warm", [False, True], ids=["first use", "in use"])
def test_a_server_that_refuses_us_as_such_fails_nothing(
    zone: Zone, store: Store, warm: bool
) -> None:
    if warm:
        delivery.drain(zone.pk)
    store.faults = Faults(refuse_all=True)
    requests = [add(f"n{index}", "192.0.2.1") for index in range(3)]
    for failures in (1, 2, 3):
        hurry(zone)
        delivery.drain(zone.pk)
        assert lane(zone).failures == failures
        assert lane(zone).state == "misconfigured"
        assert lane(zone).not_before is not None
    assert states() == ["queued"] * 3
    for request in requests:
        assert told(request)[-1] == "backend_unavailable"
        assert fresh(request).next_attempt_at is not None
    hurry(zone)
    store.faults = Faults()
    delivery.drain(zone.pk)
    assert states() == ["verifying"] * 3
    assert (lane(zone).state, lane(zone).failures, lane(zone).last_error) == (
        "ok",
        0,
        "",
    )


# --- said yes and did no ------------------------------------------------------------


def test_a_change_that_is_ignored_fails_and_says_so(zone: Zone, store: Store) -> None:
    put_into_dns(zone, BAD, "A", "192.0.2.99")
    store.faults = Faults(ignore_names=frozenset({BAD}))
    request = add("bad", "192.0.2.1")
    delivery.drain(zone.pk)
    request = fresh(request)
    assert (request.status, request.error_code) == ("failed", "ignored_by_server")
    assert wanted(zone) == {}


def test_a_change_set_of_which_a_part_is_ignored_goes_back_as_a_whole(
    zone: Zone, store: Store
) -> None:
    add("a", "192.0.2.1")
    delivery.drain(zone.pk)
    before = served(zone)
    store.faults = Faults(ignore_names=frozenset({BAD}))
    request = post(
        draft("put", "a", "A", "192.0.2.2"),
        draft("add", "bad", "A", "192.0.2.2"),
        draft("add", "c", "A", "192.0.2.2"),
    )
    delivery.drain(zone.pk)
    request = fresh(request)
    assert (request.status, request.error_code) == ("failed", "partly_refused")
    assert request.error and request.error["errors"] == [
        {
            "pointer": "",
            "code": "ignored",
            "detail": "bad.example.test. A was not applied",
        }
    ]
    assert served(zone) == before == wanted(zone) == applied(zone)
    assert messages(zone)[-1] == [
        ("bad.example.test.", "A", ()),
        ("c.example.test.", "A", ()),
        ("a.example.test.", "A", ("192.0.2.1",)),
    ]
    assert told(request) == ["sent", "retry_scheduled", "failed"]
    assert batches()[1:] == [(2, "not_applied", 1), (3, "applied", 0)]


def test_an_ignored_change_spoils_no_other(zone: Zone, store: Store) -> None:
    store.faults = Faults(ignore_names=frozenset({BAD}))
    requests = [add("bad" if i == 2 else f"n{i}", address(i)) for i in range(5)]
    delivery.drain(zone.pk)
    after = states(requests)
    assert after == ["verifying", "verifying", "failed", "verifying", "verifying"]
    assert applied(zone) == served(zone) == wanted(zone)


def test_nothing_is_queued_again_before_the_ignored_part_is_put_back(
    zone: Zone, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever cancels it in between leaves in DNS what was applied of it."""
    delivery.drain(zone.pk)
    store.faults = Faults(ignore_names=frozenset({BAD}))
    request = post(
        draft("add", "a", "A", "192.0.2.1"), draft("add", "bad", "A", "192.0.2.1")
    )
    send = LaneRun.send

    def unreachable_afterwards(self: LaneRun, batch: Batch, images: object) -> object:
        if batch.requests == 0:
            store.faults = replace(store.faults, unreachable=True)
        return send(self, batch, images)  # type: ignore[arg-type]

    monkeypatch.setattr(LaneRun, "send", unreachable_afterwards)
    delivery.drain(zone.pk)
    assert served(zone) == {("a.example.test.", "A"): (300, ("192.0.2.1",))}
    with pytest.raises(IllegalTransition):
        withdrawal.cancel(zone, request.pk, "team-web")
    monkeypatch.setattr(LaneRun, "send", send)
    hurry(zone)
    store.faults = Faults(ignore_names=frozenset({BAD}))
    delivery.drain(zone.pk)
    assert fresh(request).error_code == "partly_refused"
    assert served(zone) == wanted(zone) == {}


@pytest.mark.parametrize(
    "fault",
    [Faults(lose_message=True), Faults(lose_answer=True)],
    ids=["message", "answer"],
)
@pytest.mark.parametrize("fencing", list(Fencing))
def test_putting_back_survives_a_lost_message(
    db: None, fencing: str, fault: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = make_zone(fencing=fencing)
    store = store_of(zone)
    delivery.drain(zone.pk)
    ignoring = Faults(ignore_names=frozenset({BAD}))
    store.faults = ignoring
    request = post(
        draft("add", "a", "A", "192.0.2.1"), draft("add", "bad", "A", "192.0.2.1")
    )
    send = LaneRun.send

    def lossy(self: LaneRun, batch: Batch, images: object) -> object:
        if batch.requests == 0:
            store.faults = replace(fault, ignore_names=ignoring.ignore_names)
        return send(self, batch, images)  # type: ignore[arg-type]

    monkeypatch.setattr(LaneRun, "send", lossy)
    delivery.drain(zone.pk)
    assert fresh(request).status == "provisioning"
    monkeypatch.setattr(LaneRun, "send", send)
    store.faults = ignoring
    hurry(zone)
    delivery.drain(zone.pk)
    assert fresh(request).error_code == "partly_refused"
    assert served(zone) == wanted(zone) == applied(zone) == {}


def test_a_request_taken_out_meanwhile_is_not_sent(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the scan and the claim somebody cancels."""
    first, second = add("a", "192.0.2.1"), add("b", "192.0.2.1")
    claim = delivery._claim

    def cancel_first(run: LaneRun, parcels: object) -> object:
        if fresh(first).status == "queued":
            withdrawal.cancel(zone, first.pk, "team-web")
        return claim(run, parcels)  # type: ignore[arg-type]

    monkeypatch.setattr(delivery, "_claim", cancel_first)
    delivery.drain(zone.pk)
    assert states([first, second]) == ["cancelled", "verifying"]
    assert messages(zone)[1:] == [[("b.example.test.", "A", ("192.0.2.1",))]]


def test_images_are_read_again_when_they_are_claimed(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the scan and the claim an earlier change of the RRset is taken out."""
    first, second = add("a", "192.0.2.1"), add("a", "192.0.2.2")
    claim = delivery._claim

    def cancel_first(run: LaneRun, parcels: object) -> object:
        if fresh(first).status == "queued":
            withdrawal.cancel(zone, first.pk, "team-web")
        return claim(run, parcels)  # type: ignore[arg-type]

    monkeypatch.setattr(delivery, "_claim", cancel_first)
    delivery.drain(zone.pk)
    assert messages(zone)[1:] == [[("a.example.test.", "A", ("192.0.2.2",))]]
    assert Request.objects.get(pk=second.pk).status == "verifying"
