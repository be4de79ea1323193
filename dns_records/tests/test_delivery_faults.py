"""Servers that are away, messages that are lost: nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dns_records import retry
from dns_records.models import Batch, Fencing, Lane, Zone
from dns_records.providers.base import RRsetChange, Terms
from dns_records.providers.errors import OutcomeUnknown
from dns_records.providers.memory import Faults, MemoryProvider, Store
from dns_records.services import backends, delivery, verification, zones
from dns_records.tests.world import (
    add,
    address,
    applied,
    fresh,
    hurry,
    make_zone,
    marker,
    markers,
    messages,
    put_into_dns,
    served,
    states,
    store_of,
    told,
    wanted,
)
from dnsorch.embedded.nameserver import running
from dnsorch.embedded.nameserver.faults import Faults as ServerFaults

pytestmark = pytest.mark.django_db

WWW = ("www.example.test.", "A")


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


# --- the server is not there ---------------------------------------------------------


@pytest.mark.parametrize("warm", [False, True], ids=["first use", "in use"])
@pytest.mark.parametrize(
    ("faults", "state", "code"),
    [
        (Faults(unreachable=True), "unavailable", "backend_unreachable"),
        (Faults(misconfigured=True), "misconfigured", "backend_misconfigured"),
    ],
    ids=["unreachable", "misconfigured"],
)
def test_what_cannot_be_sent_waits_and_says_why(
    zone: Zone,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    faults: Faults,
    state: str,
    code: str,
    warm: bool,
) -> None:
    # Longer than a busy machine may stand still.
    monkeypatch.setattr(retry, "SENDING", retry.Backoff(60, 60))
    if warm:
        delivery.drain(zone.pk)
    store.faults = faults
    requests = [add("a", "192.0.2.1"), add("b", "192.0.2.1")]
    delivery.drain(zone.pk)
    for request in requests:
        request = fresh(request)
        assert request.status == "queued"
        assert request.next_attempt_at is not None
        assert request.attempts == (1 if warm else 0)
        last = request.events.order_by("sequence").last()
        assert last is not None
        assert (last.step, last.level) == ("backend_unavailable", "warning")
        assert last.data == {"code": code}
        assert f"{request.next_attempt_at:%H:%M:%S} UTC" in last.message
    assert (lane(zone).state, lane(zone).failures) == (state, 1)
    assert lane(zone).lease_expires_at is None
    # The lane waits: nobody asks the server before it is time.
    assert delivery.drain(zone.pk) is False
    assert lane(zone).failures == 1
    store.faults = Faults()
    hurry(zone)
    delivery.drain(zone.pk)
    assert states() == ["verifying"] * 2
    assert len(sent(zone)) == 1
    assert lane(zone).state == "ok"


def test_a_backend_that_cannot_be_set_up_holds_up_its_lane_and_says_why(
    zone: Zone,
) -> None:
    request = add("a", "192.0.2.1")
    zone.backend.driver = "carrier-pigeon"
    zone.backend.save()
    delivery.drain(zone.pk)
    assert fresh(request).status == "queued"
    assert told(request) == ["backend_unavailable"]
    assert (lane(zone).state, lane(zone).failures) == ("misconfigured", 1)


# --- nobody knows what became of it --------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "arrived"),
    [(Faults(lose_message=True), False), (Faults(lose_answer=True), True)],
    ids=["message lost", "answer lost"],
)
def test_the_marker_decides_what_became_of_a_message(
    zone: Zone, store: Store, faults: Faults, arrived: bool
) -> None:
    delivery.drain(zone.pk)
    store.faults = faults
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    assert fresh(request).status == "provisioning"
    assert told(request) == ["sent", "backend_unavailable"]
    assert batches() == [(1, 1, "sent")]
    store.faults = Faults()
    hurry(zone)
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    assert sent(zone) == [[(*WWW, ("192.0.2.1",))]]
    if arrived:
        assert batches() == [(1, 1, "applied")]
        assert told(request) == ["sent", "backend_unavailable", "applied"]
        assert marker(zone) == "v1 2 1"
    else:
        assert batches() == [(1, 1, "not_applied"), (2, 2, "applied")]
        assert told(request) == [
            "sent",
            "backend_unavailable",
            "retry_scheduled",
            "sent",
            "applied",
        ]
        assert marker(zone) == "v1 2 2"


@pytest.mark.parametrize(
    ("faults", "expects", "arrived", "times"),
    [
        (Faults(lose_message=True), True, 0, 1),
        (Faults(lose_answer=True), True, 1, 1),
        # A service that checks nothing applies it twice, to the same effect.
        (Faults(lose_answer=True), False, 1, 2),
    ],
    ids=["message lost", "answer lost", "answer lost, nothing checked"],
)
def test_without_a_marker_the_same_message_is_sent_again(
    db: None,
    faults: Faults,
    expects: bool,
    arrived: int,
    times: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MemoryProvider, "can_expect", expects)
    zone = make_zone(fencing=Fencing.NONE)
    store_of(zone).faults = faults
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    assert fresh(request).status == "provisioning"
    assert (messages(zone), markers(zone)) == (
        [[(*WWW, ("192.0.2.1",))]] * arrived,
        [],
    )
    store_of(zone).faults = Faults()
    hurry(zone)
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    assert sent(zone) == [[(*WWW, ("192.0.2.1",))]] * times
    assert Batch.objects.get().attempts == 2
    assert batches() == [(0, 1, "applied")]


def test_a_request_on_its_way_is_never_final_before_it_is_decided(
    zone: Zone, store: Store
) -> None:
    delivery.drain(zone.pk)
    store.faults = Faults(lose_message=True)
    request = add("www", "192.0.2.1")
    for _ in range(4):
        hurry(zone)
        delivery.drain(zone.pk)
    assert fresh(request).status == "provisioning"
    assert batches() == [(1, 1, "sent")]


def test_a_server_that_fails_for_a_while_is_waited_for(db: None) -> None:
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
        delivery.drain(zone.pk)
        server.faults = ServerFaults(servfail_updates=True)
        requests = [add("a", "192.0.2.1"), add("b", "192.0.2.1")]
        for _ in range(5):
            hurry(zone)
            delivery.drain(zone.pk)
        assert states() == ["provisioning"] * 2
        server.faults = ServerFaults()
        hurry(zone)
        delivery.drain(zone.pk)
        verification.check(zone.pk)
        assert states(requests) == ["completed"] * 2
        assert len(server.updates) == 3  # the marker twice, and the change sets


@pytest.mark.parametrize("fencing", list(Fencing))
def test_a_change_that_the_server_stumbles_on_fails_alone(
    db: None, fencing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SERVFAIL decides nothing; a message that always gets it holds up no other."""
    zone = make_zone(fencing=fencing)
    apply = MemoryProvider._apply

    def stumble(
        self: MemoryProvider,
        name: str,
        changes: Sequence[RRsetChange],
        terms: Terms,
    ) -> tuple[str, int]:
        if any(change.name == "bad.example.test." for change in changes):
            raise OutcomeUnknown("SERVFAIL", rcode="SERVFAIL", answered=True)
        return apply(self, name, changes, terms)

    monkeypatch.setattr(MemoryProvider, "_apply", stumble)
    requests = [add("bad" if i == 3 else f"n{i}", address(i)) for i in range(6)]
    for _ in range(20):
        hurry(zone)
        delivery.drain(zone.pk)
    assert states(requests) == ["verifying"] * 3 + ["failed"] + ["verifying"] * 2
    assert fresh(requests[3]).error_code == "refused_by_server"
    assert served(zone) == applied(zone) == wanted(zone)


# --- fenced --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "held",
    [(), ("v1 9 40",), ("v1 1 0 and more",), ("hands off",)],
    ids=["deleted", "ahead", "not ours", "foreign"],
)
def test_a_marker_that_others_changed_is_taken_again(
    zone: Zone, held: tuple[str, ...]
) -> None:
    add("a", "192.0.2.1")
    delivery.drain(zone.pk)
    request = add("www", "192.0.2.1")
    put_into_dns(zone, "_dnsorch.example.test.", "TXT", *held)
    delivery.drain(zone.pk)
    assert fresh(request).status == "queued"
    assert told(request) == ["sent", "backend_unavailable"]
    assert batches()[1:] == [(1, 2, "not_applied")]
    hurry(zone)
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    assert sent(zone)[1:] == [[(*WWW, ("192.0.2.1",))]]
    assert lane(zone).state == "ok"


def test_a_marker_moved_by_others_does_not_prove_that_a_message_was_applied(
    zone: Zone, store: Store
) -> None:
    """The message was lost, and then somebody else's marker is beyond its number."""
    delivery.drain(zone.pk)
    store.faults = Faults(lose_message=True)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    store.faults = Faults()
    put_into_dns(zone, "_dnsorch.example.test.", "TXT", "v1 9 40")
    hurry(zone)
    delivery.drain(zone.pk)
    assert fresh(request).status == "verifying"
    assert served(zone) == {WWW: (300, ("192.0.2.1",))}
