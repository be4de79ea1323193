"""A change is live when the name servers of the policy answer with it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dns_records import nameservers, tasks
from dns_records.models import Change
from dns_records.nameservers import Report
from dns_records.services import delivery, verification
from dns_records.services.observations import Heard
from dns_records.tests.pretended import (
    ONE,
    THREE,
    TWO,
    WWW,
    Servers,
    check_at,
    seen,
    served_by,
)
from dns_records.tests.world import add, change_states, draft, fresh, post, states, told
from dnsorch import clock
from requests_tracker.models import OutboxEvent

pytestmark = pytest.mark.django_db


# --- policies ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "k", "asked", "serving", "live"),
    [
        ("none", None, [], [], True),
        ("primary", None, [ONE], [ONE], True),
        ("primary", None, [ONE], [TWO, THREE], False),
        ("all", None, [ONE, TWO, THREE], [ONE, TWO, THREE], True),
        ("all", None, [ONE, TWO, THREE], [ONE, THREE], False),
        ("k-of-n", 2, [ONE, TWO, THREE], [ONE, THREE], True),
        ("k-of-n", 2, [ONE, TWO, THREE], [THREE], False),
        ("k-of-n", 1, [ONE, TWO, THREE], [TWO], True),
        ("k-of-n", 3, [ONE, TWO, THREE], [ONE, TWO, THREE], True),
    ],
)
def test_who_is_asked_and_how_many_must_agree(
    db: None,
    servers: Servers,
    policy: str,
    k: int | None,
    asked: list[str],
    serving: list[str],
    live: bool,
) -> None:
    zone = served_by(ONE, TWO, THREE, verify_policy=policy, verify_k=k)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    for address in serving:
        servers.serve(address, "192.0.2.1")
    assert verification.check(zone.pk) is not live
    assert servers.whom() == asked
    request = fresh(request)
    assert request.status == ("completed" if live else "verifying")
    assert seen(request) == [[(address, 1) for address in asked if address in serving]]
    assert change_states(request) == ["verified" if live else "applied"]
    assert OutboxEvent.objects.count() == live
    if live:
        assert told(request)[-2:] == ["verified", "completed"]


@pytest.mark.parametrize(
    "served",
    [
        (["192.0.2.2"], 300),
        (["192.0.2.1"], 60),
        (["192.0.2.1", "192.0.2.2"], 300),
        ([], 300),
    ],
    ids=["another record", "another TTL", "one too many", "nothing"],
)
def test_only_the_image_itself_counts(
    db: None, servers: Servers, served: tuple[list[str], int]
) -> None:
    zone = served_by(ONE)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    records, ttl = served
    servers.serve(ONE, *records, ttl=ttl)
    assert verification.check(zone.pk) is True
    assert seen(request) == [[]]
    assert fresh(request).status == "verifying"


def test_an_rrset_that_is_gone_is_verified_too(db: None, servers: Servers) -> None:
    zone = served_by(ONE)
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    verification.check(zone.pk)
    request = post(draft("delete", "www", "A"))
    delivery.drain(zone.pk)
    assert verification.check(zone.pk) is True
    servers.serve(ONE)
    Change.objects.update(next_check_at=clock.now() - timedelta(seconds=1))
    verification.check(zone.pk)
    assert fresh(request).status == "completed"


def test_what_a_delegation_hides_is_not_waited_for(db: None, servers: Servers) -> None:
    zone = served_by(ONE)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    servers.hidden = frozenset({WWW})
    servers.holds[ONE] = {}
    verification.check(zone.pk)
    assert fresh(request).status == "completed"


# --- superseded ----------------------------------------------------------------------


def test_a_later_change_that_is_live_completes_the_earlier_too(
    db: None, servers: Servers, noon: datetime
) -> None:
    zone = served_by(ONE, TWO)
    first = post(draft("put", "www", "A", "192.0.2.1"))
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    verification.check(zone.pk)
    second = post(draft("put", "www", "A", "192.0.2.2"))
    delivery.drain(zone.pk)
    assert change_states(first) == ["superseded"]
    assert first.changes.get().superseded_by == second.changes.get()
    assert told(first)[-1] == "superseded"
    event = first.events.order_by("sequence").last()
    assert event is not None and event.data == {"superseded_by": str(second.pk)}
    for address in (ONE, TWO):
        servers.serve(address, "192.0.2.2")
    servers.serials = {ONE: 2, TWO: 3}
    check_at(zone, noon + timedelta(seconds=1))
    assert states([first, second]) == ["completed"] * 2
    assert seen(first) == [[(ONE, 1), (TWO, 3)]]
    assert seen(second) == [[(ONE, 2), (TWO, 3)]]
    assert change_states(first) == ["superseded"]
    assert change_states(second) == ["verified"]


def test_an_earlier_image_says_nothing_about_a_later_change(
    db: None, servers: Servers, noon: datetime
) -> None:
    zone = served_by(ONE)
    first = post(draft("put", "www", "A", "192.0.2.1"))
    second = post(draft("put", "www", "A", "192.0.2.2"))
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    verification.check(zone.pk)
    assert states([first, second]) == ["completed", "verifying"]


def test_a_change_that_is_superseded_while_its_check_runs_keeps_its_place(
    db: None, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = served_by(ONE)
    first = post(draft("put", "www", "A", "192.0.2.1"))
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    ask, later = verification._ask, []

    def meanwhile(*args: Any) -> list[Heard]:
        monkeypatch.setattr(verification, "_ask", ask)
        reports = ask(*args)
        later.append(post(draft("put", "www", "A", "192.0.2.2")))
        delivery.drain(zone.pk)
        return reports

    monkeypatch.setattr(verification, "_ask", meanwhile)
    verification.check(zone.pk)
    assert change_states(first) == ["superseded"]
    assert states([first, *later]) == ["completed", "verifying"]


def test_a_change_that_was_verified_is_not_superseded_afterwards(
    db: None, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = served_by(ONE)
    first = post(draft("put", "www", "A", "192.0.2.1"))
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    verification.check(zone.pk)
    post(draft("put", "www", "A", "192.0.2.2"))
    delivery.drain(zone.pk)
    assert change_states(first) == ["verified"]
    assert told(first) == ["sent", "applied", "verified", "completed"]


# --- who asks, and when --------------------------------------------------------------


def test_two_that_check_do_not_ask_twice(
    db: None, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = served_by(ONE)
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    ask = verification._ask

    def other_meanwhile(*args: Any) -> list[Heard]:
        monkeypatch.setattr(verification, "_ask", ask)
        verification.check(zone.pk)
        return ask(*args)

    monkeypatch.setattr(verification, "_ask", other_meanwhile)
    verification.check(zone.pk)
    assert servers.whom() == [ONE]


def test_who_dies_while_it_asks_loses_nothing(
    db: None, servers: Servers, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = served_by(ONE)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")

    def die(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(verification, "_ask", die)
        verification.check(zone.pk)
    check_at(zone, noon + verification.CLAIM)
    assert fresh(request).status == "completed"


def test_the_zone_that_is_gone_is_not_checked(db: None, servers: Servers) -> None:
    assert verification.check(4711) is False


@pytest.mark.parametrize(
    ("lag_checks", "in_time"), [(0, True), (1, True), (3, True), (99, False)]
)
def test_a_worker_asks_again_right_away_for_a_moment(
    db: None,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
    lag_checks: int,
    in_time: bool,
) -> None:
    """Not due is not done: the change is asked for again within the second."""
    zone = served_by(ONE)
    request = add("www", "192.0.2.1")
    start = datetime.now(tz=UTC)
    passed = [0.0]
    ask = servers.ask

    def lagging(*args: Any, **kwargs: Any) -> Report:
        if len(servers.asked) >= lag_checks:
            servers.serve(ONE, "192.0.2.1")
        return ask(*args, **kwargs)

    monkeypatch.setattr(nameservers, "ask", lagging)

    def pause(seconds: float) -> None:
        passed[0] += seconds

    monkeypatch.setattr(time, "sleep", pause)
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=passed[0]))
    # However long this machine takes for them; the limit has a test of its own.
    monkeypatch.setattr(tasks, "FIRST_CHECKS_TOGETHER_S", 60.0)
    tasks.deliver(zone.pk)
    assert fresh(request).status == ("completed" if in_time else "verifying")
    assert passed[0] <= 1.0
    if lag_checks == 99:
        assert len(servers.asked) == 6


def test_a_change_that_lags_for_long_keeps_no_worker_waiting(
    db: None, servers: Servers, noon: datetime
) -> None:
    zone = served_by(ONE)
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    # Due again in fifteen seconds: nobody has to stay for that.
    assert check_at(zone, noon + timedelta(seconds=60)) is False


def test_a_silent_name_server_takes_one_look_of_a_workers_time(
    db: None, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = served_by(ONE)
    request = add("www", "192.0.2.1")
    passed = [0.0]
    ask = servers.ask

    def timing_out(*args: Any, **kwargs: Any) -> Report:
        passed[0] += 2.0
        return ask(*args, **kwargs)

    monkeypatch.setattr(nameservers, "ask", timing_out)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    tasks.deliver(zone.pk)
    assert len(servers.asked) == 1
    assert fresh(request).status == "verifying"
