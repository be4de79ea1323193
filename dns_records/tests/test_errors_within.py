"""Errors of our own: tried again, until a deadline ends what they stop."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dns_records.models import AuditTask, Zone
from dns_records.providers.memory import Faults
from dns_records.services import (
    audits,
    compensation,
    delivery,
    drift_requests,
    findings,
    import_jobs,
    import_run,
    imports,
    sweep,
)
from dns_records.services.imports import Order
from dns_records.services.parts import ManyZones, whole
from dns_records.tests import world
from dns_records.tests.callers import deliver
from dns_records.tests.world import ANYONE, ZONE, draft, fresh
from dnsorch import clock
from dnsorch.exceptions import DnsorchError
from requests_tracker.models import Request
from requests_tracker.tests.factories import DOOR, origin

pytestmark = pytest.mark.django_db

A = "192.0.2.1"


def fail(*_: object) -> None:
    """Fail as nobody expects it."""
    raise RuntimeError("on purpose")


def let_the_deadline_pass() -> None:
    """Let all that is open be late."""
    past = clock.now() - timedelta(seconds=1)
    Request.objects.filter(completed_at=None).update(deadline_at=past)
    AuditTask.objects.update(due_at=clock.database_now() - timedelta(seconds=1))


def test_an_import(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_run, "acceptable", fail)
    world.put_into_dns(zone, "www.example.test.", "A", A)
    asked = origin(action="import", received_at=clock.now())
    imports.submit(Order(ZONE), access=ANYONE, origin=asked, doorway=DOOR)
    request = Request.objects.get()
    with pytest.raises(RuntimeError):
        import_run.run(zone.pk)
    assert fresh(request).status == "provisioning"
    assert import_jobs.due()

    let_the_deadline_pass()
    with pytest.raises(RuntimeError):
        import_run.run(zone.pk)
    assert fresh(request).status == "failed"
    assert fresh(request).error_code == "import_failed"
    assert not import_jobs.due()


def test_an_audit(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "note", fail)
    drift_requests.audit(zone, ANYONE)
    request = Request.objects.get()
    with pytest.raises(RuntimeError):
        audits.run_due(zone.pk)
    assert fresh(request).status == "provisioning"

    let_the_deadline_pass()
    with pytest.raises(RuntimeError):
        audits.run_due(zone.pk)
    assert fresh(request).status == "failed"
    assert fresh(request).error_code == "audit_failed"
    assert not AuditTask.objects.exists()


def test_a_restore_is_not_late_while_its_change_sets_are_on_their_way(
    zone: Zone,
) -> None:
    world.add("www", A)
    delivery.drain(zone.pk)
    world.put_into_dns(zone, "www.example.test.", "A")
    drift_requests.audit(zone, ANYONE)
    audits.run_due(zone.pk)
    drift_requests.resolve(zone, ANYONE, by="restore")
    asked = Request.objects.filter(action=audits.RESOLVE)
    asked.update(deadline_at=clock.now() - timedelta(seconds=1))
    audits.run_due(zone.pk)
    request = asked.get()
    assert request.status == "provisioning"
    assert request.deadline_at and request.deadline_at > clock.now()


@pytest.mark.django_db(transaction=True)
def test_a_put_back_that_is_not_our_day(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = world.make_zone("other.test.")
    world.store_of(other).faults = Faults(refuse_names=frozenset({"a.other.test."}))
    drafts = [draft("add", name, "A", A) for name in ("a.example.test", "a.other.test")]
    world.submit(whole(ManyZones(drafts, on_failure="revert")))
    parent = Request.objects.get(parts_expected=2)
    for each in (zone, other):
        deliver(each)

    def unavailable(part: Request) -> None:
        raise DnsorchError("the database is busy")

    with monkeypatch.context() as patched:
        patched.setattr(compensation, "prepare", unavailable)
        assert sweep.settle_parents() == 1
    # It is not refused for good, and others are seen to meanwhile.
    assert not Request.objects.filter(status="rejected").exists()
    assert not fresh(parent).is_final

    sweep.settle_parents()
    deliver(zone)
    assert fresh(parent).status == "failed"
    assert world.served(zone) == {}
