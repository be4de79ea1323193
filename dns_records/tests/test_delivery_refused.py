"""Draining a lane: changes that a server refuses, or ignores without a word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dns_records.models import Batch, Fencing, Lane, Zone
from dns_records.providers.memory import Faults, Store
from dns_records.services import delivery, withdrawal
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
    messages,
    post,
    put_into_dns,
    served,
    states,
    store_of,
    told,
    wanted,
)
from dnsorch.exceptions import IllegalTransition

pytestmark = pytest.mark.django_db

BAD = "bad.example.test."


def batches() -> list[tuple[int, str, int]]:
    """Return number, state and number of requests of each message, in order."""
    rows = Batch.objects.order_by("number")
    return list(rows.values_list("number", "status", "requests"))


def lane(zone: Zone) -> Lane:
    """Return the lane of a zone."""
    return Lane.objects.get(zone=zone)


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
