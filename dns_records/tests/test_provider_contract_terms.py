"""What a message of every provider may depend on: the marker, what is there, time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dns.tsig
import pytest

from dns_records.providers import exchange
from dns_records.providers.base import Fence, RRsetChange, marker_name
from dns_records.providers.errors import (
    Fenced,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    TooLate,
)
from dns_records.tcp import Deadline
from dns_records.tests.contract_kit import KINDS, needs, running
from dns_records.tests.provider_services import ZONE, InMemory, Service, rr


@pytest.fixture(params=KINDS)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """Each service in turn."""
    with running(request.param, request) as service:
        yield service


def test_permission_granted_changes_nothing(service: Service) -> None:
    service.provider.check_permission(ZONE)

    assert service.updates() == 0
    assert service.rrset(marker_name(ZONE), "TXT") is None


@needs("fence")
def test_permission_granted_leaves_the_marker(service: Service) -> None:
    service.provider.apply(ZONE, [], fence=Fence(None, "v1 1 1"))
    service.provider.check_permission(ZONE)

    assert service.provider.read_marker(ZONE) == "v1 1 1"


@needs("policy")
def test_permission_refused(service: Service) -> None:
    service.refuse()

    with pytest.raises(PermanentRefusal) as refusal:
        service.provider.check_permission(ZONE)
    assert refusal.value.rcode == "REFUSED"


@needs("fence")
def test_the_first_marker_needs_a_free_name(service: Service) -> None:
    assert service.provider.read_marker(ZONE) is None

    service.provider.apply(
        ZONE, [rr("www", "A", "192.0.2.1")], fence=Fence(None, "v1 1 1")
    )

    assert service.provider.read_marker(ZONE) == "v1 1 1"
    assert service.rrset(marker_name(ZONE), "TXT") == (
        0,
        ("v1 1 1" if isinstance(service, InMemory) else '"v1 1 1"',),
    )
    with pytest.raises(Fenced) as fenced:
        service.provider.apply(
            ZONE, [rr("www", "A", "192.0.2.2")], fence=Fence(None, "v1 2 1")
        )
    assert fenced.value.rcode == "YXDOMAIN"
    assert service.rrset("www." + ZONE, "A") == (300, ("192.0.2.1",))
    assert service.provider.read_marker(ZONE) == "v1 1 1"


@needs("fence")
def test_the_marker_moves_with_the_changes(service: Service) -> None:
    for number, fence in enumerate(
        [Fence(None, "v1 1 1"), Fence("v1 1 1", "v1 1 2"), Fence("v1 1 2", "v1 2 2")]
    ):
        service.provider.apply(ZONE, [rr("www", "A", f"192.0.2.{number}")], fence=fence)
        assert service.provider.read_marker(ZONE) == fence.next
        assert service.rrset("www." + ZONE, "A") == (300, (f"192.0.2.{number}",))


@needs("fence")
def test_the_marker_moves_alone(service: Service) -> None:
    service.provider.apply(ZONE, [], fence=Fence(None, "v1 1 1"))
    service.provider.apply(ZONE, [], fence=Fence("v1 1 1", "v1 2 1"))

    assert service.provider.read_marker(ZONE) == "v1 2 1"
    assert service.updates() == 2


@needs("fence")
@pytest.mark.parametrize("previous", ["v1 1 0", "v1 1 11", "v1 1", "w1 1 1", "", None])
def test_a_stale_marker_fences(service: Service, previous: str | None) -> None:
    service.provider.apply(ZONE, [], fence=Fence(None, "v1 1 1"))

    with pytest.raises(Fenced):
        service.provider.apply(
            ZONE, [rr("www", "A", "192.0.2.1")], fence=Fence(previous, "v1 1 2")
        )

    assert service.rrset("www." + ZONE, "A") is None
    assert service.provider.read_marker(ZONE) == "v1 1 1"
    assert service.updates() == 1


@needs("fence")
def test_a_missing_marker_fences(service: Service) -> None:
    with pytest.raises(Fenced):
        service.provider.apply(ZONE, [], fence=Fence("v1 1 1", "v1 1 2"))

    assert service.provider.read_marker(ZONE) is None


@needs("fence")
def test_an_identical_resend_is_fenced(service: Service) -> None:
    service.provider.apply(ZONE, [], fence=Fence(None, "v1 1 1"))
    step = Fence("v1 1 1", "v1 1 2")
    service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1")], fence=step)

    with pytest.raises(Fenced) as fenced:
        service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1")], fence=step)

    assert fenced.value.rcode == "NXRRSET"
    assert service.provider.read_marker(ZONE) == step.next
    assert service.updates() == 2


@needs("fence")
def test_a_late_message_is_fenced_though_the_value_came_back(service: Service) -> None:
    # A, B, A again: the late message would find the value that it knew.
    images = [rr("www", "A", f"192.0.2.{n}") for n in (1, 2, 1)]
    previous = None
    for number, image in enumerate(images):
        service.provider.apply(ZONE, [image], fence=Fence(previous, f"v1 1 {number}"))
        previous = f"v1 1 {number}"

    with pytest.raises(Fenced):
        service.provider.apply(ZONE, [images[1]], fence=Fence("v1 1 0", "v1 1 1"))

    assert service.rrset("www." + ZONE, "A") == (300, ("192.0.2.1",))


@needs("fence")
def test_one_of_many_racing_steps_wins(service: Service) -> None:
    service.provider.apply(ZONE, [], fence=Fence(None, "start"))

    def race(number: int) -> str | None:
        change = rr("www", "A", f"192.0.2.{number}")
        try:
            service.provider.apply(ZONE, [change], fence=Fence("start", str(number)))
        except Fenced:
            return None
        finally:
            exchange.close_kept()
        return str(number)

    with ThreadPoolExecutor(8) as pool:
        winners = [winner for winner in pool.map(race, range(8)) if winner is not None]

    assert winners == [service.provider.read_marker(ZONE)]
    assert service.rrset("www." + ZONE, "A") == (300, (f"192.0.2.{winners[0]}",))


@needs("fence")
def test_a_wildcard_does_not_pass_for_the_marker(service: Service) -> None:
    service.provider.apply(ZONE, [rr("*", "TXT", '"v1 9 9"')])

    assert service.provider.read_marker(ZONE) is None
    service.provider.apply(ZONE, [], fence=Fence(None, "v1 1 1"))
    assert service.provider.read_marker(ZONE) == "v1 1 1"


@needs("lose")
def test_a_lost_answer_leaves_the_outcome_unknown(service: Service) -> None:
    if service.provider.can_fence:
        service.provider.apply(ZONE, [], fence=Fence(None, "v1 1 1"))
    service.provider.check_permission(ZONE)
    service.lose_answers()
    step, change = service.fence("v1 1 1", "v1 1 2"), rr("www", "A", "192.0.2.1")

    with pytest.raises(OutcomeUnknown) as unknown:
        service.provider.apply(ZONE, [change], fence=step)

    assert unknown.value.answered is False
    service.heal()
    if step is None:
        service.provider.apply(ZONE, [change])
    else:
        with pytest.raises(Fenced):
            service.provider.apply(ZONE, [change], fence=step)
        assert service.provider.read_marker(ZONE) == step.next
    assert service.provider.probe(ZONE, [change])


@needs("expect")
@pytest.mark.parametrize(
    ("expected", "applied"),
    [
        ((rr("www", "A", "192.0.2.1"), rr("new", "A")), True),
        ((rr("www", "A", "192.0.2.1", ttl=1),), True),
        ((rr("www", "A", "192.0.2.9"),), False),
        ((rr("www", "A"),), False),
        ((rr("new", "A", "192.0.2.1"),), False),
    ],
    ids=["as expected", "another TTL", "another value", "not absent", "absent"],
)
def test_what_is_expected_is_checked_with_the_change(
    service: Service, expected: tuple[RRsetChange, ...], applied: bool
) -> None:
    service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1")])
    change = [rr("www", "A", "192.0.2.2")]
    if applied:
        service.provider.apply(ZONE, change, expected=expected)
    else:
        with pytest.raises(Fenced):
            service.provider.apply(ZONE, change, expected=expected)
    assert service.provider.probe(ZONE, change) is applied
    assert service.updates() == 1 + applied


def test_nothing_is_sent_after_its_time(service: Service) -> None:
    with pytest.raises(TooLate):
        service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1")], until=Deadline(0))
    assert service.updates() == 0


@needs("expire")
def test_a_message_that_comes_after_its_time_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was signed five seconds ago; one that is good for longer is taken."""
    sign: Any = dns.tsig.sign
    ours = threading.current_thread()

    def sign_early(wire: Any, key: Any, rdata: Any, at: int, *rest: Any) -> Any:
        # A development name server signs its answers in a thread of this process.
        early = 5 if threading.current_thread() is ours else 0
        return sign(wire, key, rdata, at - early, *rest)

    monkeypatch.setattr(dns.tsig, "sign", sign_early)
    service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1")], until=Deadline(60.0))
    with pytest.raises(Misconfigured):
        service.provider.apply(ZONE, [rr("www", "A", "192.0.2.2")], until=Deadline(3.0))
    monkeypatch.undo()
    assert service.rrset("www." + ZONE, "A") == (300, ("192.0.2.1",))
    assert service.updates() == 1
