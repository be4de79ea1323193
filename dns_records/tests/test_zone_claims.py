"""One process at a time compares a zone, however long that takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from dns_records import tasks
from dns_records.models import AuditTask, Lane, Zone
from dns_records.providers.base import RRsetChange
from dns_records.providers.memory import MemoryProvider
from dns_records.services import audits, delivery, orders, reconcile, zone_claims
from dns_records.services.lanes import LeaseLost
from dns_records.services.orders import Order
from dns_records.services.zone_claims import Claim
from dns_records.tests.world import add, make_zone
from dnsorch.celery import app

pytestmark = pytest.mark.django_db

LASTS = timedelta(minutes=1)
# SQLite's clock tells milliseconds.
TICK_S = 0.002


@pytest.fixture
def zone() -> Zone:
    """A zone with two names that are served."""
    made = make_zone()
    add("a", "192.0.2.1")
    add("b", "192.0.2.1")
    delivery.drain(made.pk)
    return made


def take(zone: Zone) -> Claim | None:
    return Claim.take(zone.pk, "audit_claim", LASTS)


def hours_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every claim be old enough to be renewed, by our own clock."""
    later = count(10**9, 3600)
    monkeypatch.setattr(zone_claims, "monotonic", lambda: next(later))


def test_a_claim_is_one_processs_until_it_is_over(zone: Zone) -> None:
    claim = take(zone)
    assert claim is not None and take(zone) is None
    claim.give_back()
    assert take(zone) is not None
    Lane.objects.update(audit_claim="2026-01-01T00:00:00Z")
    assert take(zone) is not None


def test_a_claim_is_renewed_now_and_then(
    zone: Zone, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    claim = take(zone)
    assert claim is not None
    with django_assert_num_queries(0):
        claim.renew()
    hours_later(monkeypatch)
    before = Lane.objects.get().audit_claim
    time.sleep(TICK_S)
    claim.renew()
    after = Lane.objects.get().audit_claim
    assert before and after and after > before
    claim.give_back()
    assert Lane.objects.get().audit_claim is None


def test_who_slept_too_long_has_no_claim(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = take(zone)
    Lane.objects.update(audit_claim="2026-01-01T00:00:00Z")
    time.sleep(TICK_S)
    other = take(zone)
    assert claim is not None and other is not None
    hours_later(monkeypatch)
    with pytest.raises(LeaseLost):
        claim.renew()
    claim.give_back()
    assert take(zone) is None  # the other's is still there


def claimed_by_another(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    """While the zone is read its claim goes to somebody else."""
    hours_later(monkeypatch)
    read = MemoryProvider._read_zone

    def slowly(provider: MemoryProvider, zone: str) -> Iterator[RRsetChange]:
        for part in read(provider, zone):
            Lane.objects.update(**{field: "2100-01-01T00:00:00Z"})
            yield part

    monkeypatch.setattr(MemoryProvider, "_read_zone", slowly)


def test_an_audit_without_its_claim_writes_nothing(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.audit(zone.pk, "a test")
    with monkeypatch.context() as patch:
        claimed_by_another(patch, "audit_claim")
        audits.run_due(zone.pk)
    lane = Lane.objects.get()
    assert lane.last_audit is None and lane.audit_claim is not None
    Lane.objects.update(audit_claim="2026-01-01T00:00:00Z", audit_at=None)
    orders.audit(zone.pk, "it was not done")
    audits.run_due(zone.pk)
    last = Lane.objects.get().last_audit
    assert last and last["rrsets"] == 2
    assert not AuditTask.objects.exists()


def test_a_comparison_without_its_claim_puts_nothing_back(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.reconcile(zone, Order("a test"))
    claimed_by_another(monkeypatch, "reconcile_at")
    reconcile.run_due(zone.pk)
    lane = Lane.objects.get()
    assert lane.last_audit is None and lane.reconcile_order is not None


def test_what_reads_whole_zones_has_more_time_than_other_tasks() -> None:
    for task in (tasks.audit, tasks.compare, tasks.import_zone):
        assert task.time_limit == 3600
    assert tasks.deliver.time_limit == app.conf.task_time_limit == 90
