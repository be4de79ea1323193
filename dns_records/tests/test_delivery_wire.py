"""Servers that misbehave, over the wire: the development name server with faults."""

from __future__ import annotations

import time
from collections.abc import Callable

import dns.name
import pytest

from dns_records import tasks
from dns_records.models import Zone
from dns_records.services import backends, delivery, verification, zones
from dns_records.tests.world import add, fresh, told
from dnsorch.embedded.nameserver import Faults, Running, running
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db


def on(server: Running, *others: Running, deadline_s: int = 10, fencing: str) -> Zone:
    """Register example.test. on a primary and its secondaries."""
    backend = backends.save(
        name="wire",
        driver="rfc2136",
        options={"server": server.host, "port": server.port},
    )
    return zones.register(
        name="example.test.",
        backend=backend,
        nameservers=[f"{each.host}:{each.port}" for each in (server, *others)],
        verify_deadline_s=deadline_s,
        fencing=fencing,
    )


def until(done: Callable[[], bool], work: Callable[[], object]) -> None:
    """Do the work until it is done, for at most ten seconds."""
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end, [told(each) for each in Request.objects.all()]
        work()
        time.sleep(0.05)


@pytest.mark.parametrize("fencing", ["marker", "none"])
def test_a_server_that_drops_what_it_says_yes_to(fencing: str) -> None:
    with running(faults=Faults(drop_updates=True)) as server:
        zone = on(server, fencing=fencing)
        request = add("www", "192.0.2.1")

        until(lambda: fresh(request).is_final, lambda: delivery.drain(zone.pk))

        assert fresh(request).status == "failed"
        assert fresh(request).error_code == "ignored_by_server"
        assert server.updates == []


def test_a_server_that_stops_dropping_takes_the_next_change() -> None:
    with running(faults=Faults(drop_updates=True)) as server:
        zone = on(server, fencing="marker")
        lost = add("www", "192.0.2.1")
        until(lambda: fresh(lost).is_final, lambda: delivery.drain(zone.pk))
        server.faults = Faults()
        kept = add("www", "192.0.2.2")

        until(lambda: fresh(kept).is_final, lambda: tasks.deliver(zone.pk))

        assert fresh(kept).status == "completed"
        last = server.updates[-1]
        assert ("www.example.test.", "192.0.2.2") in [
            (each.name, each.rdata) for each in last.adds
        ]


def test_one_refused_change_of_a_hundred_fails_alone() -> None:
    bad = frozenset({dns.name.from_text("n42.example.test.")})
    with running(faults=Faults(refuse_names=bad)) as server:
        zone = on(server, fencing="marker")
        requests = [add(f"n{number}", "192.0.2.1") for number in range(100)]

        delivery.drain(zone.pk)
        until(
            lambda: all(fresh(each).is_final for each in requests),
            lambda: verification.check(zone.pk),
        )

        states = [fresh(each).status for each in requests]
        assert states == ["completed"] * 42 + ["failed"] + ["completed"] * 57
        assert fresh(requests[42]).error_code == "refused_by_server"


def test_a_secondary_two_seconds_behind_is_waited_for() -> None:
    with (
        running() as primary,
        running(
            primary=(primary.host, primary.port), faults=Faults(lag=2.0)
        ) as secondary,
    ):
        zone = on(primary, secondary, fencing="marker")
        request = add("www", "192.0.2.1")
        began = time.monotonic()

        tasks.deliver(zone.pk)
        assert fresh(request).status == "verifying"
        until(lambda: fresh(request).is_final, lambda: verification.check(zone.pk))

        assert fresh(request).status == "completed"
        assert time.monotonic() - began >= 2.0
