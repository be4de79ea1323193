"""Servers and databases restored from an older state, noticed and put right."""

from __future__ import annotations

import copy

import pytest

from dns_records.models import Lane, Zone
from dns_records.providers.memory import Faults, Store
from dns_records.services import orders, reconcile, zones
from dns_records.services.lane_run import LaneRun
from dns_records.services.orders import Order
from dns_records.services.sweep import Sweeper
from dns_records.tests.conftest import Broker
from dns_records.tests.test_reconcile import MARKER, A, B, deliver, lane, reconciled
from dns_records.tests.world import (
    add,
    draft,
    fresh,
    make_zone,
    marker,
    post,
    put_into_dns,
    served,
    wanted,
)
from requests_tracker.models import Request
from requests_tracker.tests.factories import steps

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        ("v1 1 1", "the marker went back from number 3 to 1"),
        (None, "the marker is gone"),
        ("hands off", "the marker was overwritten"),
    ],
)
def test_a_server_restored_from_an_old_state_is_noticed_and_reconciled(
    zone: Zone, store: Store, held: str | None, reason: str, broker: Broker
) -> None:
    add("old", A)
    deliver(zone)
    backup = copy.deepcopy(store.rrsets)
    add("www", A)
    deliver(zone)
    post(draft("delete", "old", "A"))
    deliver(zone)
    state = served(zone)

    store.rrsets.clear()
    store.rrsets.update(backup)
    put_into_dns(zone, MARKER, "TXT", *[held] if held else [])
    request = add("next", A)
    deliver(zone)  # refused: the marker is not the one it was
    deliver(zone)  # taken again
    assert fresh(request).status == "completed"
    assert lane(zone).reconcile_order == {
        "reason": reason,
        "requester": "dnsorch",
        "source": "schedule",
    }

    broker.go_down()
    Sweeper().once()
    (made,) = Request.objects.filter(action="reconcile")
    deliver(zone)

    assert fresh(made).status == "completed"
    assert (made.source, made.requester) == ("schedule", "dnsorch")
    assert reason in str(made.comment)
    assert steps(made)[:5] == [
        "received",
        "validated",
        "validated",
        "stored",
        "enqueued",
    ]
    assert served(zone) == state | {("next.example.test.", "A"): (300, (A,))}
    assert served(zone) == wanted(zone)
    row = lane(zone)
    assert (row.reconcile_at, row.reconcile_order) == (None, None)
    assert row.last_audit is not None
    assert (row.last_audit["missing"], row.last_audit["different"]) == (1, 1)
    assert row.last_audit["requests"] == [str(made.pk)]
    # The numbers went on: no message's number was used twice.
    assert marker(zone) == f"v1 {row.epoch} {row.batch_number}"


def test_without_the_notice_the_loss_would_stay(
    zone: Zone, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard of the test above, taken away."""
    monkeypatch.setattr(LaneRun, "_not_as_left", lambda self, text, found: None)
    add("www", A)
    deliver(zone)
    store.rrsets.clear()
    add("next", A)
    deliver(zone)
    deliver(zone)
    assert reconciled(zone) == []
    assert ("www.example.test.", "A") not in served(zone)


def test_a_database_older_than_its_server_jumps_over_the_marker(zone: Zone) -> None:
    """Only the lane's memory is set back; what it wrote since is unknown to it."""
    add("www", A)
    deliver(zone)
    before = lane(zone)
    put_into_dns(zone, "www.example.test.", "A", B)
    put_into_dns(zone, "later.example.test.", "A", B)
    put_into_dns(zone, MARKER, "TXT", "v1 7 40")

    request = add("next", A)
    deliver(zone)
    deliver(zone)
    assert fresh(request).status == "completed"
    row = lane(zone)
    assert (before.epoch, row.epoch) == (1, 8)
    assert marker(zone) == "v1 8 41"

    (made,) = reconciled(zone)
    deliver(zone)
    assert "the database is older than the server" in str(made.comment)
    assert served(zone) == {
        **wanted(zone),
        ("later.example.test.", "A"): (300, (B,)),
    }
    audit = lane(zone).last_audit
    assert audit is not None
    assert (audit["missing"], audit["different"], audit["extra"]) == (0, 1, 1)


def test_who_dies_after_taking_a_lost_marker_has_left_the_order(
    zone: Zone, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("www", A)
    deliver(zone)
    store.rrsets.clear()
    add("next", A)
    deliver(zone)

    def die(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LaneRun, "_remember", die)
    with pytest.raises(KeyboardInterrupt):
        deliver(zone)
    assert lane(zone).reconcile_at is not None


@pytest.mark.parametrize("registered", ["new", "moved to another backend"])
def test_a_zone_without_a_past_is_not_reconciled(zone: Zone, registered: str) -> None:
    if registered != "new":
        add("www", A)
        deliver(zone)
        other = make_zone("other.test.")
        zones.change(zone, {"backend": other.backend})
    add("next", A)
    deliver(zone)
    assert lane(zone).reconcile_at is None


def test_a_server_that_cannot_be_asked_is_asked_again(zone: Zone, store: Store) -> None:
    add("www", A)
    deliver(zone)
    put_into_dns(zone, "www.example.test.", "A")
    orders.reconcile(zone, Order("an operator asked", "ann", "admin"))
    store.faults = Faults(unreachable=True)

    assert reconciled(zone) == []
    row = lane(zone)
    assert row.last_audit is not None and "error" in row.last_audit
    assert row.reconcile_at is not None
    assert reconcile.due() == []  # for a minute

    store.faults = Faults()
    Lane.objects.update(reconcile_at=row.reconcile_at - reconcile.CLAIM)
    assert [each for each, _ in reconcile.due()] == [zone.pk]
    (made,) = reconciled(zone)
    assert (made.requester, made.source) == ("ann", "admin")
    assert lane(zone).reconcile_at is None
