"""A zone that is to be forgotten while something of it is open: refused, or clean."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dns_records.models import Zone
from dns_records.providers.memory import Faults
from dns_records.services import audits, operations, sweep, zones
from dns_records.services.parts import ManyZones, whole
from dns_records.services.zones import LaneNotEmpty
from dns_records.tests import world
from dns_records.tests.callers import deliver
from dns_records.tests.conftest import Broker
from dns_records.tests.test_deaths import (
    a_file,
    a_restore,
    a_revert,
    a_scheduled,
    an_adoption,
    an_audit,
    an_import,
)
from dns_records.tests.world import ANYONE, draft, fresh
from requests_tracker.models import Request
from requests_tracker.status import FINAL

pytestmark = pytest.mark.django_db(transaction=True)

A = "192.0.2.1"


@pytest.mark.parametrize(
    "kind",
    [an_import, a_file, an_audit, a_restore, an_adoption, a_scheduled, a_revert],
)
def test_what_is_open_keeps_its_zone_until_it_is_cancelled(
    zone: Zone, kind: Callable[[Zone], None], broker: Broker
) -> None:
    broker.go_down()
    kind(zone)
    request = Request.objects.exclude(status__in=FINAL).get()
    with pytest.raises(LaneNotEmpty):
        zones.forget(zone, force=True)

    operations.cancel(ANYONE, request)
    audits.run_due(zone.pk)  # which lets go of a task that is cancelled
    zones.forget(zone, force=True)

    assert fresh(request).status == "cancelled"
    assert sweep.Sweeper().once() == 0


def test_a_part_that_is_open_keeps_its_zone_and_one_that_ended_does_not(
    zone: Zone,
) -> None:
    other = world.make_zone("other.test.")
    world.store_of(other).faults = Faults(refuse_names=frozenset({"a.other.test."}))
    drafts = [draft("add", name, "A", A) for name in ("a.example.test", "a.other.test")]
    world.submit(whole(ManyZones(drafts, on_failure="revert")))
    parent = Request.objects.get(parts_expected=2)
    deliver(zone)
    with pytest.raises(LaneNotEmpty):
        zones.forget(other, force=True)
    zones.forget(zone, force=True)

    deliver(other)
    sweep.settle_parents()

    # What is forgotten cannot be put back: that is said, and all has ended.
    assert fresh(parent).status == "failed"
    assert "was forgotten meanwhile" in (fresh(parent).error or {})["detail"]
    assert not Request.objects.exclude(status__in=FINAL).exists()
