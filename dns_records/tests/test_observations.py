"""What is told about the work: each request in its own trace, times for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pytest_django.fixtures import Settings

from dns_records.models import Zone
from dns_records.providers.memory import Faults
from dns_records.services import delivery, queue, verification, wake
from dns_records.tests.pretended import ONE, TWO, Servers, served_by
from dns_records.tests.world import add, fresh, hurry, store_of
from dnsorch import clock, tracing
from dnsorch.tests import spans
from dnsorch.tests.spans import Recorder, Seen
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db
FIRST, SECOND = "1" * 32, "2" * 32


@pytest.fixture
def recorder(settings: Settings, tmp_path: Path) -> Iterator[Recorder]:
    """Export to a file."""
    with spans.recorded(settings, tmp_path) as recorder:
        yield recorder


def traced(name: str, trace: str) -> Request:
    """Submit a change of a client with a trace of its own."""
    request = add(name, "192.0.2.1")
    Request.objects.filter(pk=request.pk).update(
        traceparent=f"00-{trace}-{'b' * 16}-01"
    )
    return request


def value(name: str, **labels: str) -> float:
    """Return a sample, 0 if there is none."""
    return REGISTRY.get_sample_value(f"dnsorch_{name}", labels) or 0.0


def by_trace(found: list[Seen], name: str) -> dict[str, Seen]:
    """Return the spans with a name, each in a trace of its own."""
    named = [span for span in found if span.name == name]
    assert len({span.trace for span in named}) == len(named)
    return {span.trace: span for span in named}


def applied_at(request: Request) -> datetime:
    """Return when the one change of a request was applied."""
    moment = request.changes.get().applied_at
    assert moment is not None
    return moment


def test_one_update_is_in_the_trace_of_each_of_its_requests(
    zone: Zone, recorder: Recorder
) -> None:
    requests = {
        FIRST: traced("www", FIRST),
        SECOND: traced("mail", SECOND),
        "": add("ftp", "192.0.2.1"),
    }
    delivery.drain(zone.pk)
    found = recorder.spans()
    batch = spans.one(found, "dns.update")
    about = {
        "dns.zone": zone.name,
        "dns.rcode": "NOERROR",
        "dnsorch.backend": zone.backend.name,
        "dnsorch.batch": "1.1",
        "dnsorch.outcome": "answered",
        "dnsorch.requests": 3,
    }
    assert batch.attributes == about
    parts = by_trace(found, "request.update")
    for trace in (FIRST, SECOND):
        own = {"dnsorch.request_id": str(requests[trace].pk)}
        assert parts[trace].attributes == about | own
        assert (parts[trace].parent, parts[trace].failed) == ("b" * 16, False)
    # One that came before traces were switched on begins its own.
    (alone,) = (parts[trace] for trace in parts.keys() - {FIRST, SECOND})
    assert alone.parent == ""
    assert {span.links for span in parts.values()} == {((batch.trace, batch.id),)}


@pytest.mark.parametrize(
    ("faults", "outcome"),
    [
        (Faults(unreachable=True), "retryable"),
        (Faults(lose_answer=True), "unknown"),
    ],
)
def test_an_update_that_failed_says_how(
    zone: Zone, recorder: Recorder, faults: Faults, outcome: str
) -> None:
    add("warm", "192.0.2.1")
    delivery.drain(zone.pk)
    traced("www", FIRST)
    store_of(zone).faults = faults
    delivery.drain(zone.pk)
    found = recorder.spans()
    failed = [s for s in found if s.name == "request.update" and s.trace == FIRST]
    assert [(s.failed, s.attributes["error.type"]) for s in failed] == [(True, outcome)]
    backend = zone.backend.name
    assert value("update_seconds_count", backend=backend, outcome=outcome) == 1
    assert value("update_seconds_count", backend=backend, outcome="answered") == 1
    assert value("request_applied_seconds_count", backend=backend) == 1


def test_what_a_message_is_counted_as(zone: Zone) -> None:
    now = clock.now()
    with clock.fixed(now):
        for name in ("www", "mail", "ftp"):
            add(name, "192.0.2.1")
    with clock.fixed(now + timedelta(seconds=40)):
        delivery.drain(zone.pk)
    backend = zone.backend.name
    assert value("update_requests_sum", backend=backend) == 3
    assert value("update_requests_count", backend=backend) == 1
    assert value("request_applied_seconds_count", backend=backend) == 3
    assert value("request_applied_seconds_sum", backend=backend) == 120
    assert value("request_applied_seconds_bucket", backend=backend, le="30.0") == 0
    assert value("request_applied_seconds_bucket", backend=backend, le="60.0") == 3


def test_each_name_servers_answer_is_in_the_trace_of_the_request(
    servers: Servers, recorder: Recorder
) -> None:
    zone = served_by(ONE, TWO)
    request = traced("www", FIRST)
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    servers.serials = {ONE: 7, TWO: 6}
    applied = applied_at(request)
    with clock.fixed(applied + timedelta(seconds=1)):
        verification.check(zone.pk)
    servers.errors[TWO] = "timed out"
    with clock.fixed(applied + timedelta(seconds=20)):
        verification.check(zone.pk)
    servers.errors.clear()
    servers.serve(TWO, "192.0.2.1")
    with clock.fixed(applied + timedelta(seconds=50)):
        verification.check(zone.pk)
    assert fresh(request).status == "completed"

    found = recorder.spans()
    rounds = [span for span in found if span.name == "dns.verify"]
    told = [span for span in found if span.name == "request.verify"]
    assert [
        (
            span.attributes["server.address"],
            span.attributes.get("dns.serial"),
            span.attributes["dnsorch.shown"],
            span.failed,
        )
        for span in told
    ] == [
        (ONE, 7, True, False),
        (TWO, 6, False, False),
        # A server that has shown it is not asked again.
        (TWO, None, False, True),
        (TWO, 6, True, False),
    ]
    assert {(span.trace, span.parent) for span in told} == {(FIRST, "b" * 16)}
    assert [span.links for span in told] == [
        ((each.trace, each.id),)
        for each in (rounds[0], rounds[0], rounds[1], rounds[2])
    ]
    assert value("request_verified_seconds_count", backend=zone.backend.name) == 1
    assert value("request_verified_seconds_sum", backend=zone.backend.name) == 50


def test_the_lag_of_a_name_server_is_told_once_for_each_change(
    servers: Servers,
) -> None:
    # No other test has this one: its label is its own.
    address = "192.0.2.77:53"
    zone = served_by(address)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    applied = applied_at(request)
    for seconds in (2, 9):
        if seconds == 9:
            servers.serve(address, "192.0.2.1")
        with clock.fixed(applied + timedelta(seconds=seconds)):
            verification.check(zone.pk)
    assert value("nameserver_lag_seconds_count", nameserver=address) == 1
    assert value("nameserver_lag_seconds_sum", nameserver=address) == 9


def test_a_lane_that_makes_room_is_woken_in_no_trace(
    zone: Zone, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried: list[str] = []

    def publish(task: str, zone_id: int) -> bool:
        carried.append(tracing.traceparent())
        return True

    monkeypatch.setattr(wake, "publish", publish)
    monkeypatch.setattr(delivery, "MAX_TURN_S", -1.0)
    monkeypatch.setattr(queue, "MAX_REQUESTS", 1)
    for name in ("www", "ftp"):
        add(name, "192.0.2.1")
    carried.clear()
    hurry(zone)
    with tracing.span("task", parent=""):
        delivery.drain(zone.pk)
    # Else one trace would go on as long as there is work.
    assert carried == [""]


def test_final_requests_are_counted_once_they_are_committed(
    servers: Servers, django_capture_on_commit_callbacks: Any
) -> None:
    def counted() -> dict[str, float]:
        return {
            status: value("requests_final_total", status=status, source="rest")
            for status in ("completed", "rejected", "failed")
        }

    before = counted()
    zone = served_by(ONE)
    servers.serve(ONE, "192.0.2.1")
    with django_capture_on_commit_callbacks(execute=True):
        add("www", "192.0.2.1")
        add("www", "192.0.2.1", zone="nowhere.test.")
        delivery.drain(zone.pk)
        verification.check(zone.pk)
        assert counted() == before
    grown = {status: counted()[status] - before[status] for status in before}
    assert grown == {"completed": 1, "rejected": 1, "failed": 0}
