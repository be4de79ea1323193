"""Name servers that lag, or never show a change: waited for, and named."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from dns_records.models import Change, Zone
from dns_records.nameservers import Answer, Question
from dns_records.services import backends, delivery, verification, zones
from dns_records.tests.pretended import ONE, TWO, Servers, check_at, seen, served_by
from dns_records.tests.world import add, change_states, draft, fresh, post, states, told
from dnsorch import clock
from dnsorch.embedded.nameserver import Faults, Running, running
from requests_tracker.models import OutboxEvent, Request

pytestmark = pytest.mark.django_db


# --- lag -----------------------------------------------------------------------------


def test_a_server_that_lags_is_told_and_asked_alone(
    db: None, servers: Servers, noon: datetime
) -> None:
    zone = served_by(ONE, TWO)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    servers.serials[ONE] = 7
    assert verification.check(zone.pk) is True
    assert servers.whom() == [ONE, TWO]
    assert told(request) == ["sent", "applied", "propagating"]
    last = request.events.order_by("sequence").last()
    assert last is not None and last.data == {"missing": [TWO]}
    assert verification.check(zone.pk) is True
    assert servers.whom() == []  # not due yet, and still missing
    assert check_at(zone, noon + timedelta(seconds=0.1)) is True
    assert servers.whom() == [TWO]
    assert told(request) == ["sent", "applied", "propagating"]
    servers.serve(TWO, "192.0.2.1")
    servers.serials[TWO] = 8
    later = noon + timedelta(seconds=1)
    assert check_at(zone, later) is False
    assert servers.whom() == [TWO]
    assert seen(request) == [[(ONE, 7), (TWO, 8)]]
    (change,) = request.changes.all()
    assert [datetime.fromisoformat(each["seen_at"]) for each in change.nameservers] == [
        noon,
        later,
    ]
    assert fresh(request).completed_at == later
    assert told(request)[3:] == ["verified", "completed"]


def test_checks_come_later_each_time(
    db: None, servers: Servers, noon: datetime
) -> None:
    zone = served_by(ONE)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    waits = []
    moment = noon
    for _ in range(12):
        check_at(zone, moment)
        due = Change.objects.get(request=request).next_check_at
        assert due is not None
        waits.append((due - moment).total_seconds())
        moment = due
    assert waits == sorted(waits)
    assert waits[:3] == [0.02, 0.02, 0.02]
    assert max(waits) <= 15.0


@pytest.mark.parametrize(
    ("error", "serial", "why"),
    [
        ("timed out", None, f"{TWO} gives no answer: timed out"),
        (None, 6, f"{TWO} is behind: it has serial 6, the newest is 7"),
        (
            None,
            2**32 - 1,
            f"{TWO} is behind: it has serial 4294967295, the newest is 7",
        ),
        (None, 7, f"{TWO} answers with something else (serial 7)"),
        (None, 8, f"{TWO} answers with something else (serial 8)"),
    ],
)
def test_a_server_that_never_shows_it_is_named(
    db: None,
    servers: Servers,
    noon: datetime,
    error: str | None,
    serial: int | None,
    why: str,
) -> None:
    zone = served_by(ONE, TWO, verify_deadline_s=60)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    servers.serials = {ONE: 7, TWO: serial}
    if error:
        servers.errors[TWO] = error
    check_at(zone, noon + timedelta(seconds=59))
    assert fresh(request).status == "verifying"
    servers.serve(ONE, "192.0.2.1")
    check_at(zone, noon + timedelta(seconds=60))
    request = fresh(request)
    assert (request.status, request.error_code) == ("failed", "not_verified")
    assert request.error == {
        "code": "not_verified",
        "detail": "www.example.test. A was applied and is not served by every name "
        f"server: {why}",
        "errors": [{"pointer": "", "code": "not_verified", "detail": why}],
    }
    # It stays applied and wanted, and nobody is asked any more.
    (change,) = request.changes.all()
    assert (change.status, change.next_check_at) == ("applied", None)
    assert change.after == {"ttl": 300, "records": ["192.0.2.1"]}
    servers.whom()
    check_at(zone, noon + timedelta(hours=1))
    assert servers.whom() == []


def test_a_deadline_passes_for_one_and_not_for_another(
    db: None, servers: Servers, noon: datetime
) -> None:
    zone = served_by(ONE, verify_deadline_s=60)
    late = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    with clock.fixed(noon + timedelta(seconds=30)):
        young = add("ftp", "192.0.2.1")
        delivery.drain(zone.pk)
    check_at(zone, noon + timedelta(seconds=60))
    assert states([late, young]) == ["failed", "verifying"]
    servers.holds[ONE] = {
        Question("ftp.example.test.", "A"): Answer(300, ("192.0.2.1",))
    }
    check_at(zone, noon + timedelta(seconds=90))
    assert states([late, young]) == ["failed", "completed"]
    events = OutboxEvent.objects.order_by("event_seq")
    assert list(events.values_list("request", "event_seq")) == [
        (late.pk, 1),
        (young.pk, 2),
    ]


def test_a_change_set_is_live_when_all_of_it_is(db: None, servers: Servers) -> None:
    zone = served_by(ONE)
    request = post(
        draft("add", "www", "A", "192.0.2.1"), draft("add", "ftp", "A", "192.0.2.1")
    )
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    assert verification.check(zone.pk) is True
    assert fresh(request).status == "verifying"
    assert change_states(request) == ["verified", "applied"]
    servers.holds[ONE][Question("ftp.example.test.", "A")] = Answer(300, ("192.0.2.1",))
    Change.objects.filter(name="ftp.example.test.").update(next_check_at=clock.now())
    assert verification.check(zone.pk) is False
    assert fresh(request).status == "completed"


# --- over the wire -------------------------------------------------------------------


def wire_zone(primary: Running, *others: Running, **fields: Any) -> Zone:
    """Register a zone on real (development) name servers."""
    options = {"server": primary.host, "port": primary.port}
    return zones.register(
        name="example.test.",
        backend=backends.save(name=uuid4().hex, driver="rfc2136", options=options),
        nameservers=[f"{each.host}:{each.port}" for each in (primary, *others)],
        **fields,
    )


def until(done: Callable[[], bool], request: Request) -> None:
    """Wait for ``done``, at most ten seconds; show the timeline if it never is."""
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end, told(request)
        threading.Event().wait(0.02)


def test_a_secondary_that_lags_is_waited_for(db: None) -> None:
    with running() as primary:
        address = (primary.host, primary.port)
        with running(primary=address, faults=Faults(lag=0.3)) as secondary:
            zone = wire_zone(primary, secondary)
            request = add("www", "192.0.2.1")
            delivery.drain(zone.pk)
            assert verification.check(zone.pk) is True

            def live() -> bool:
                verification.check(zone.pk)
                return fresh(request).status == "completed"

            until(live, request)
    assert told(request) == ["sent", "applied", "propagating", "verified", "completed"]
    first, second = request.changes.get().nameservers
    assert first["seen_at"] < second["seen_at"]


def test_a_secondary_that_never_gets_it_is_named(db: None) -> None:
    with running() as primary:
        address = (primary.host, primary.port)
        with running(primary=address, faults=Faults(lag=float("inf"))) as secondary:
            zone = wire_zone(primary, secondary, verify_deadline_s=60)
            request = add("www", "192.0.2.1")
            delivery.drain(zone.pk)
            verification.check(zone.pk)
            check_at(zone, clock.now() + timedelta(seconds=61))
            where = f"{secondary.host}:{secondary.port}"
    error = fresh(request).error
    assert error is not None and error["code"] == "not_verified"
    (reason,) = error["errors"]
    assert reason["detail"].startswith(f"{where} is behind: it has serial ")


def test_a_server_that_is_down_is_named(db: None) -> None:
    with running() as primary:
        with running() as other:
            where = f"{other.host}:{other.port}"
            zone = wire_zone(primary, other)
        request = add("www", "192.0.2.1")
        delivery.drain(zone.pk)
        check_at(zone, clock.now() + timedelta(seconds=301))
    error = fresh(request).error
    assert error is not None
    assert error["errors"][0]["detail"].startswith(f"{where} gives no answer: ")


def test_the_zone_shows_the_serial_of_its_primary(servers: Servers) -> None:
    zone = served_by(ONE, TWO)
    assert zone.serial is None
    servers.serials = {ONE: 7, TWO: 5}
    servers.serve(ONE, "192.0.2.1")
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)

    verification.check(zone.pk)

    assert Zone.objects.get(pk=zone.pk).serial == 7
