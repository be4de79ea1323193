"""Foreign edits found early by the serial of the primary; audits that are due."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from dns_records.models import Drift, Lane, Zone
from dns_records.providers.memory import Faults
from dns_records.services import (
    audits,
    delivery,
    findings,
    orders,
    serial_watch,
    verification,
    zones,
)
from dns_records.services.sweep import Sweeper
from dns_records.services.zone_claims import Claim
from dns_records.tests.conftest import Broker
from dns_records.tests.pretended import ONE, Servers, served_by
from dns_records.tests.world import add, put_into_dns, store_of
from dnsorch import clock
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

A = "192.0.2.1"
WWW = "www.example.test."


@pytest.fixture
def zone(db: None, servers: Servers) -> Zone:
    """A zone with one name server, at serial 7, whose www is live."""
    zone = served_by(ONE)
    servers.serials[ONE] = 7
    servers.serve(ONE, A)
    add("www", A)
    delivery.drain(zone.pk)
    verification.check(zone.pk)
    return zone


def look(zone: Zone) -> Lane:
    """Look at the serial now; return the lane as it is then."""
    Lane.objects.update(watch_at=None)
    serial_watch.look(zone.pk)
    return Lane.objects.get()


def test_verification_leaves_the_serial(zone: Zone) -> None:
    zone.refresh_from_db()
    assert zone.serial == 7 and zone.serial_at is not None


def test_a_serial_that_stands_still_is_no_reason(zone: Zone) -> None:
    row = look(zone)
    assert (row.audit_at, row.suspect) == (None, False)
    assert row.watch_at is not None


@pytest.mark.parametrize(
    ("serial", "reason"),
    [
        (8, "the serial moved from 7 to 8, and not by us"),
        (6, "the serial went back from 7 to 6, and not by us"),
        (2**31 + 6, f"the serial moved from 7 to {2**31 + 6}, and not by us"),
    ],
)
def test_a_serial_that_others_moved_has_the_zone_audited(
    zone: Zone, servers: Servers, serial: int, reason: str
) -> None:
    servers.serials[ONE] = serial
    row = look(zone)
    assert (row.audit_reason, row.suspect) == (reason, True)
    assert [each for each, _ in audits.due()] == [zone.pk]
    zone.refresh_from_db()
    assert zone.serial == serial


def test_the_drift_of_a_foreign_edit_is_a_request(zone: Zone, servers: Servers) -> None:
    put_into_dns(zone, WWW, "A", "192.0.2.9")
    servers.serials[ONE] = 8
    look(zone)
    audits.run_due(zone.pk)

    (told,) = Request.objects.filter(action="audit")
    assert (told.status, told.source, told.requester) == (
        "completed",
        "schedule",
        "dnsorch",
    )
    assert told.comment == "the serial moved from 7 to 8, and not by us"
    data = told.events.get(step="verified").data
    assert [each["name"] for each in data["differences"]] == [WWW]
    row = Lane.objects.get()
    assert (row.audit_at, row.audit_reason, row.suspect) == (None, "", True)
    assert look(zone).audit_at is None  # that serial is known now

    # Nothing new: no other request. Right again: nobody is suspected.
    orders.audit(zone.pk, "once more")
    audits.run_due(zone.pk)
    put_into_dns(zone, WWW, "A", A)
    orders.audit(zone.pk, "once more")
    audits.run_due(zone.pk)
    assert Request.objects.filter(action="audit").count() == 1
    assert Lane.objects.get().suspect is False
    assert Drift.objects.get().resolved_at is not None


def test_what_we_may_have_moved_ourselves_is_no_reason(
    zone: Zone, servers: Servers
) -> None:
    add("www", "192.0.2.2")
    delivery.drain(zone.pk)  # applied, and not looked at since
    servers.serials[ONE] = 8
    assert look(zone).audit_at is None
    zone.refresh_from_db()
    assert zone.serial == 8


def test_an_older_look_does_not_overwrite_a_newer(zone: Zone) -> None:
    before = clock.now() - timedelta(seconds=60)
    assert serial_watch.remember(zone, 5, before) is False
    zone.refresh_from_db()
    assert zone.serial == 7


def test_a_server_that_is_silent_is_no_reason(zone: Zone, servers: Servers) -> None:
    servers.serials[ONE] = None
    assert look(zone).audit_at is None


def test_the_watch_is_due_after_its_interval_and_can_be_off(
    zone: Zone, settings: Settings
) -> None:
    assert serial_watch.due() == [(zone.pk, None)]
    serial_watch.look(zone.pk)
    assert serial_watch.due() == []
    Lane.objects.update(watch_at=clock.now() - timedelta(seconds=1))
    assert [each for each, _ in serial_watch.due()] == [zone.pk]
    settings.DNSORCH_SERIAL_WATCH_S = 0
    assert serial_watch.due() == []


def test_the_sweep_looks_and_audits(
    zone: Zone, servers: Servers, broker: Broker
) -> None:
    sweeper = Sweeper()
    sweeper.once()
    assert broker.sent[-1] == ("dns_records.watch_serial", zone.pk)
    broker.go_down()
    Lane.objects.update(watch_at=clock.now() - timedelta(seconds=1))
    put_into_dns(zone, WWW, "A")
    servers.serials[ONE] = 8
    sweeper.once()
    sweeper.once()
    assert [row.kind for row in Drift.objects.all()] == ["missing"]


# --- by interval ----------------------------------------------------------------------


def test_a_zone_is_audited_by_its_interval(zone: Zone) -> None:
    zones.change(zone, {"audit_interval_s": 3600})
    assert audits.due() == []
    Lane.objects.update(audit_at=clock.now() - timedelta(seconds=1))
    put_into_dns(zone, WWW, "A")
    audits.run_due(zone.pk)
    (told,) = Request.objects.filter(action="audit")
    assert told.comment == "its interval is over"
    following = Lane.objects.get().audit_at
    assert following is not None
    assert timedelta(minutes=59) < following - clock.now() < timedelta(minutes=61)

    zones.change(zone, {"audit_interval_s": None})
    assert Lane.objects.get().audit_at is None


def test_a_server_that_does_not_tell_is_asked_again(zone: Zone) -> None:
    orders.audit(zone.pk, "somebody was there")
    store_of(zone).faults = Faults(unreachable=True)
    audits.run_due(zone.pk)
    row = Lane.objects.get()
    assert row.last_audit is not None and "error" in row.last_audit
    assert row.audit_at is not None and row.audit_at > clock.now()
    assert row.audit_reason == "somebody was there"
    assert not Request.objects.filter(action="audit").exists()


def test_a_reason_that_comes_meanwhile_is_seen_to_as_well(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = findings.note

    def and_come(zone: Zone, claim: Claim) -> object:
        found = note(zone, claim)
        orders.audit(zone.pk, "another")
        return found

    monkeypatch.setattr(findings, "note", and_come)
    orders.audit(zone.pk, "first")
    audits.run_due(zone.pk)
    assert Lane.objects.get().audit_reason == "another"
    assert [each for each, _ in audits.due()] == [zone.pk]
