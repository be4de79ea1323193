"""Workers that sleep through their lease, workers that die: each step, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dns_records.models import Batch, Fencing, Lane, Zone
from dns_records.providers.base import RRsetChange, Terms
from dns_records.providers.memory import Faults, MemoryProvider, Store
from dns_records.services import claims, delivery, lanes, results, verification
from dns_records.services.lane_run import LaneRun
from dns_records.tests.world import (
    add,
    applied,
    draft,
    fresh,
    hurry,
    let_lease_expire,
    make_zone,
    messages,
    post,
    put_into_dns,
    served,
    states,
    told,
    wanted,
)

pytestmark = pytest.mark.django_db

WWW = ("www.example.test.", "A")


class Crash(BaseException):
    """The process dies here."""


def lane(zone: Zone) -> Lane:
    """Return the lane of a zone."""
    return Lane.objects.get(zone=zone)


def batches() -> list[tuple[int, int, str]]:
    """Return epoch, number and state of each message, in order."""
    rows = Batch.objects.order_by("number")
    return list(rows.values_list("epoch", "number", "status"))


def sent(zone: Zone) -> list[list[tuple[str, str, tuple[str, ...]]]]:
    """Return the messages that were applied, those for the marker alone aside."""
    return [message for message in messages(zone) if message]


# --- workers that sleep ---------------------------------------------------------------


def steal(zone: Zone) -> None:
    """Let somebody else have the lease."""
    let_lease_expire(zone)
    assert lanes.acquire(zone.pk) is not None


def nap(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None]) -> None:
    """Let the next worker sleep between its look at the lease and the send, once."""
    apply = MemoryProvider._apply

    def late(
        self: MemoryProvider, zone: str, changes: Sequence[RRsetChange], terms: Terms
    ) -> tuple[str, int]:
        monkeypatch.setattr(MemoryProvider, "_apply", apply)
        meanwhile()
        return apply(self, zone, changes, terms)

    monkeypatch.setattr(MemoryProvider, "_apply", late)


def test_who_has_lost_the_lease_before_the_send_sends_nothing(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.drain(zone.pk)
    request = add("www", "192.0.2.1")
    claim = claims.claim

    def and_sleep(*args: Any) -> Any:
        claimed = claim(*args)
        steal(zone)
        return claimed

    monkeypatch.setattr(claims, "claim", and_sleep)
    assert delivery.drain(zone.pk) is False
    assert (sent(zone), fresh(request).status) == ([], "provisioning")


@pytest.mark.parametrize(
    "faults",
    [
        Faults(),
        Faults(refuse_names=frozenset({WWW[0]})),
        Faults(refuse_all=True),
        Faults(ignore_names=frozenset({WWW[0]})),
        Faults(unreachable=True),
        Faults(lose_answer=True),
        Faults(misconfigured=True),
    ],
    ids=[
        "applied",
        "refused",
        "refused at all",
        "ignored",
        "unreachable",
        "unknown",
        "misconfigured",
    ],
)
@pytest.mark.parametrize("taken", [True, False], ids=["taken over", "expired"])
def test_who_has_lost_the_lease_writes_nothing(
    zone: Zone,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    faults: Faults,
    taken: bool,
) -> None:
    delivery.drain(zone.pk)
    request = add("www", "192.0.2.1")

    def meanwhile() -> None:
        store.faults = faults
        steal(zone) if taken else let_lease_expire(zone)

    nap(monkeypatch, meanwhile)
    assert delivery.drain(zone.pk) is False
    assert fresh(request).status == "provisioning"
    assert told(request) == ["sent"]
    assert batches() == [(1, 1, "sent")]
    row = lane(zone)
    assert (row.failures, row.state, row.epoch) == (0, "ok", 2 if taken else 1)
    assert row.lease_expires_at is not None
    # Whoever comes next brings it to its end.
    store.faults = Faults()
    let_lease_expire(zone)
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    assert served(zone) == {WWW: (300, ("192.0.2.1",))}


@pytest.mark.parametrize(
    ("fencing", "expects", "left"),
    [
        (Fencing.MARKER, True, "192.0.2.2"),
        (Fencing.NONE, True, "192.0.2.2"),
        (Fencing.NONE, False, "192.0.2.1"),
    ],
)
def test_the_name_server_itself_stops_a_worker_that_slept(
    db: None,
    fencing: str,
    expects: bool,
    left: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With neither marker nor expectations the old value comes back, unnoticed."""
    monkeypatch.setattr(MemoryProvider, "can_expect", expects)
    zone = make_zone(fencing=fencing)
    delivery.drain(zone.pk)
    first = post(draft("put", "www", "A", "192.0.2.1"))
    later = []

    def meanwhile() -> None:
        let_lease_expire(zone)
        later.append(post(draft("put", "www", "A", "192.0.2.2")))
        assert delivery.drain(zone.pk) is True
        assert served(zone) == {WWW: (300, ("192.0.2.2",))}

    nap(monkeypatch, meanwhile)
    delivery.drain(zone.pk)
    assert states([first, *later]) == ["verifying"] * 2
    assert served(zone) == {WWW: (300, (left,))}
    assert wanted(zone) == applied(zone) == {WWW: (300, ("192.0.2.2",))}


# --- workers that die -----------------------------------------------------------------


def die(*args: Any, **kwargs: Any) -> Any:
    """Die instead of what should happen."""
    raise Crash


def die_after(do: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does what should happen, and dies."""

    def done(*args: Any, **kwargs: Any) -> Any:
        do(*args, **kwargs)
        raise Crash

    return done


FAILPOINTS: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "before the claim": (claims, "claim", die),
    "in the claim": (LaneRun, "write_batch", die_after(LaneRun.write_batch)),
    "after the claim": (claims, "claim", die_after(claims.claim)),
    "before the send": (LaneRun, "send", die),
    "after the send": (LaneRun, "send", die_after(LaneRun.send)),
    "before the results": (results, "applied", die),
    "in the results": (results, "_remember_applied", die),
    "after the results": (results, "applied", die_after(results.applied)),
    "before the release": (lanes, "release", die),
}
NOT_SENT = {"in the claim", "before the claim"}


@pytest.mark.parametrize("fencing", list(Fencing))
@pytest.mark.parametrize("where", FAILPOINTS)
def test_whoever_dies_somebody_else_finishes_it_once(
    db: None, fencing: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = make_zone(fencing=fencing)
    delivery.drain(zone.pk)
    requests = [add("www", "192.0.2.1"), add("ftp", "192.0.2.1")]
    target, name, fault = FAILPOINTS[where]
    with monkeypatch.context() as broken, pytest.raises(Crash):
        broken.setattr(target, name, fault)
        delivery.drain(zone.pk)
    assert delivery.drain(zone.pk) is False  # the lease is not over
    let_lease_expire(zone)
    delivery.drain(zone.pk)
    assert states(requests) == ["verifying"] * 2
    message = [(*WWW, ("192.0.2.1",)), ("ftp.example.test.", "A", ("192.0.2.1",))]
    assert sent(zone) == [message]
    assert served(zone) == applied(zone) == wanted(zone)
    for request in requests:
        assert told(request).count("applied") == 1
    numbers = [number for _, number, _ in batches()]
    assert numbers == sorted(set(numbers))
    assert Batch.objects.filter(status="sent").count() == 0
    verification.check(zone.pk)
    assert states() == ["completed"] * 2


@pytest.mark.parametrize("arrived", [True, False])
def test_dying_between_taking_the_marker_and_deciding_changes_no_decision(
    zone: Zone, store: Store, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    delivery.drain(zone.pk)
    store.faults = Faults(lose_answer=arrived, lose_message=not arrived)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    store.faults = Faults()
    for _ in range(3):
        hurry(zone)
        let_lease_expire(zone)
        with monkeypatch.context() as broken, pytest.raises(Crash):
            broken.setattr(LaneRun, "_remember", die)
            delivery.drain(zone.pk)
    let_lease_expire(zone)
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    assert [state for _, _, state in batches()] == (
        ["applied"] if arrived else ["not_applied", "applied"]
    )
    assert sent(zone) == [[(*WWW, ("192.0.2.1",))]]


def test_a_marker_that_went_missing_proves_nothing_to_the_next_lease_either(
    zone: Zone, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message and the marker are lost, and then a worker between two steps."""
    monkeypatch.setattr(MemoryProvider, "can_probe", False)
    delivery.drain(zone.pk)
    store.faults = Faults(lose_message=True)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    store.faults = Faults()
    put_into_dns(zone, "_dnsorch.example.test.", "TXT")
    hurry(zone)
    with monkeypatch.context() as broken, pytest.raises(Crash):
        broken.setattr(LaneRun, "_remember", die_after(LaneRun._remember))
        delivery.drain(zone.pk)
    let_lease_expire(zone)
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    assert served(zone) == {WWW: (300, ("192.0.2.1",))}
    assert [(n, state) for _, n, state in batches()] == [
        (1, "not_applied"),
        (2, "applied"),
    ]
