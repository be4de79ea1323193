"""A silent or slow server holds up only its own lanes, and not every worker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dns_records.models import Backend, Fencing, Lane, Zone
from dns_records.providers.errors import (
    Fenced,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    Unreachable,
)
from dns_records.providers.memory import Faults
from dns_records.services import breaker, delivery, lanes, queue, sweep, zones
from dns_records.tests.conftest import Broker
from dns_records.tests.world import add, fresh, make_zone, served, states, store_of
from dnsorch import clock

pytestmark = pytest.mark.django_db

COUNT = 6


@pytest.fixture
def now() -> Iterator[datetime]:
    """Hold the process's clock: only the breaker's waiting is by it."""
    with clock.fixed(datetime.now(tz=UTC)) as now:
        yield now


@pytest.fixture
def siblings() -> list[Zone]:
    """Zones of one backend, each with a change that waits."""
    first = make_zone("z0.test.", fencing=Fencing.NONE)
    rest = [
        zones.register(
            name=f"z{number}.test.",
            backend=first.backend,
            verify_policy="none",
            fencing=Fencing.NONE,
        )
        for number in range(1, COUNT)
    ]
    every = [first, *rest]
    for zone in every:
        add("www", "192.0.2.1", zone=zone.name)
    return every


def fail(backend: Backend, error: ProviderError, times: int) -> Backend:
    """Have the backend fail so often, one after the other."""
    for _ in range(times):
        breaker.note(Backend.objects.get(pk=backend.pk), error)
    return Backend.objects.get(pk=backend.pk)


def tries(zones: list[Zone]) -> int:
    """Return how many of the lanes have asked the backend."""
    return Lane.objects.filter(zone__in=zones, failures__gt=0).count()


def test_a_silent_backend_is_asked_twice_for_all_its_lanes(
    siblings: list[Zone],
) -> None:
    store_of(siblings[0]).faults = Faults(unreachable=True)
    for zone in siblings:
        assert delivery.drain(zone.pk) is False
    assert tries(siblings) == breaker.OPENS_AFTER
    backend = Backend.objects.get()
    for zone in siblings[breaker.OPENS_AFTER :]:
        lane = Lane.objects.get(zone=zone)
        assert (lane.state, lane.not_before) == ("unavailable", backend.not_before)
        assert (
            lane.last_error == f"{backend.name} does not answer: {backend.last_error}"
        )


def test_requests_that_wait_for_a_backend_say_so(siblings: list[Zone]) -> None:
    fail(siblings[0].backend, Unreachable("connection refused"), breaker.OPENS_AFTER)
    request = add("mail", "192.0.2.1", zone=siblings[-1].name)
    delivery.drain(siblings[-1].pk)
    request = fresh(request)
    assert request.next_attempt_at == Backend.objects.get().not_before
    last = request.events.order_by("sequence").last()
    assert last is not None and last.step == "backend_unavailable"
    assert "does not answer: connection refused" in last.message
    assert (request.status, request.attempts) == ("queued", 0)


def test_the_lanes_of_other_backends_go_on(siblings: list[Zone]) -> None:
    fail(siblings[0].backend, Unreachable(), 5)
    other = make_zone()
    request = add("www", "192.0.2.1")
    assert delivery.drain(other.pk) is True
    assert states([request]) == ["verifying"]


def test_one_lane_tries_for_all_and_its_success_lets_them_go_on(
    siblings: list[Zone],
) -> None:
    backend = fail(siblings[0].backend, Unreachable(), breaker.OPENS_AFTER)
    for zone in siblings:
        delivery.drain(zone.pk)
    assert backend.not_before is not None
    with clock.fixed(backend.not_before):
        Lane.objects.update(not_before=None)
        first, second = Backend.objects.get(), Backend.objects.get()
        assert breaker.admit(first) is None
        held = breaker.admit(second)
        assert held is not None and held.until == clock.now() + breaker.TRIAL
        breaker.note(first, None)
        assert Backend.objects.get().failures == 0
        found = [zone_id for zone_id, *_ in sweep.lanes_to_drain()]
        assert found == [zone.pk for zone in siblings]
        for zone in siblings:
            assert delivery.drain(zone.pk) is True
            assert (f"www.{zone.name}", "A") in served(zone)
    assert set(states()) == {"verifying"}


def test_a_lane_s_own_success_is_the_backend_s(siblings: list[Zone]) -> None:
    fail(siblings[0].backend, Unreachable(), 1)
    delivery.drain(siblings[0].pk)
    assert Backend.objects.get().failures == 0


def test_each_trial_in_vain_makes_the_wait_longer(zone: Zone, now: datetime) -> None:
    waits = []
    for count in range(1, 10):
        backend = fail(zone.backend, Unreachable(), 1)
        assert backend.failures == count
        if count >= breaker.OPENS_AFTER:
            assert backend.not_before is not None
            waits.append((backend.not_before - now).total_seconds())
    longest = breaker.BACKOFF.longest_s
    steps = [min(2.0**number, longest) for number in range(len(waits))]
    assert all(
        step / 2 <= wait <= step for step, wait in zip(steps, waits, strict=True)
    )


def test_lanes_that_asked_at_the_same_time_fail_once(zone: Zone) -> None:
    seen = [Backend.objects.get() for _ in range(8)]
    for each in seen:
        breaker.note(each, OutcomeUnknown())
    assert Backend.objects.get().failures == 1
    assert {each.failures for each in seen} == {1}


@pytest.mark.parametrize(
    ("error", "failures"),
    [
        (Unreachable(), 4),
        (OutcomeUnknown(), 4),
        (OutcomeUnknown(answered=True, rcode="SERVFAIL"), 0),
        (PermanentRefusal(rcode="REFUSED"), 0),
        (Misconfigured(), 0),
        (Fenced(), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_silence_counts(zone: Zone, error: ProviderError, failures: int) -> None:
    Backend.objects.update(failures=3)
    assert fail(zone.backend, error, 1).failures == failures


def test_an_operator_need_not_wait(zone: Zone) -> None:
    backend = fail(zone.backend, Unreachable(), 9)
    assert breaker.admit(backend) is not None
    lanes.hurry(zone.pk)
    assert breaker.admit(Backend.objects.get()) is None


# --- room for others -----------------------------------------------------------------


def test_so_many_lanes_of_a_backend_and_no_more(
    siblings: list[Zone], settings: pytest.FixtureRequest
) -> None:
    settings.DNSORCH_LANES_PER_BACKEND = 2  # type: ignore[attr-defined]
    held = [lanes.acquire(zone.pk) for zone in siblings[:2]]
    assert delivery.drain(siblings[2].pk) is False
    lane = Lane.objects.get(zone=siblings[2])
    assert (lane.lease_expires_at, lane.state) == (None, "ok")
    assert lane.not_before is not None
    wait = lane.not_before - clock.now()
    assert timedelta(0) < wait <= breaker.FULL
    assert held[0] is not None and lanes.release(held[0]) in (True, False)
    lanes.hand_back(held[0])
    Lane.objects.update(not_before=None)
    assert delivery.drain(siblings[2].pk) is True


def test_a_zone_with_much_to_do_does_not_starve_one_with_little(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MAX_TURN_S", 0.0)
    monkeypatch.setattr(queue, "MAX_REQUESTS", 1)
    big, small = make_zone("big.test."), make_zone("small.test.")
    many = [add(f"n{number}", "192.0.2.1", zone=big.name) for number in range(20)]
    # Wake-ups go out when a transaction commits, which a test's never does.
    one = add("www", "192.0.2.1", zone=small.name)
    broker.sent = [("deliver", big.pk), ("deliver", small.pk)]
    turns = []
    while broker.sent:
        zone_id = broker.sent.pop(0)[1]
        turns.append(zone_id)
        delivery.drain(zone_id)
        if fresh(one).status == "verifying":
            break
    assert turns == [big.pk, small.pk]
    assert states(many) == ["verifying"] + ["queued"] * 19
