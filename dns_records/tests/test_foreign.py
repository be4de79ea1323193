"""Zones with a marker that other hands write to: shared ones, and suspected ones."""

from __future__ import annotations

import pytest

from dns_records.models import Drift, Fencing, Lane, Mode, Zone
from dns_records.providers.memory import MemoryProvider, Store
from dns_records.services import audits, orders, reconcile, zones
from dns_records.services.orders import Order
from dns_records.tests.test_reconcile import A, B, deliver
from dns_records.tests.world import (
    add,
    applied,
    draft,
    fresh,
    make_zone,
    marker,
    messages,
    post,
    put_into_dns,
    replayed,
    served,
    wanted,
)
from dnsorch.exceptions import Invalid
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

C = "192.0.2.3"
WWW, FTP = "www.example.test.", "ftp.example.test."
FENCING = pytest.mark.parametrize("zone", [Fencing.MARKER, Fencing.NONE], indirect=True)


@pytest.fixture
def zone(db: None, request: pytest.FixtureRequest) -> Zone:
    """A shared zone."""
    fencing = getattr(request, "param", Fencing.MARKER)
    return make_zone(mode=Mode.SHARED, fencing=fencing)


def suspected() -> Zone:
    """Return an exclusive zone in which other hands were seen."""
    zone = make_zone()
    Lane.objects.update(suspect=True)
    return zone


# --- shared ---------------------------------------------------------------------------


@FENCING
def test_a_foreign_edit_is_a_conflict_and_the_rest_is_sent(zone: Zone) -> None:
    add("www", A)
    deliver(zone)
    put_into_dns(zone, WWW, "A", C)
    sent = len(messages(zone))

    failed = post(draft("put", "www", "A", B), draft("add", "ftp", "A", B))
    done = add("other", A)
    deliver(zone)

    assert fresh(done).status == "completed"
    row = fresh(failed)
    assert (row.status, row.error_code) == ("failed", "conflict")
    assert row.error is not None
    assert row.error["conflicts"] == [
        {
            "name": WWW,
            "type": "A",
            "expected": {"ttl": 300, "records": [A]},
            "served": {"ttl": 300, "records": [C]},
        }
    ]
    assert row.error["detail"] == (
        f"changed by other hands: {WWW} A: expected 300 {A}, the server holds 300 {C}"
    )
    assert messages(zone)[sent:] == [[("other.example.test.", "A", (A,))]]
    assert served(zone)[WWW, "A"] == (300, (C,))
    assert wanted(zone) == replayed(zone) == applied(zone)


@FENCING
def test_what_others_put_where_ours_shall_be_is_a_conflict(zone: Zone) -> None:
    put_into_dns(zone, WWW, "A", C)
    request = add("www", A)
    deliver(zone)
    error = fresh(request).error
    assert error is not None and error["conflicts"][0]["expected"] is None
    assert served(zone) == {(WWW, "A"): (300, (C,))}
    assert wanted(zone) == {}


@FENCING
def test_without_foreign_hands_all_goes_as_ever(zone: Zone) -> None:
    add("www", A)
    deliver(zone)
    for request in (post(draft("put", "www", "A", B)), add("ftp", A)):
        deliver(zone)
        assert fresh(request).status == "completed"
    assert served(zone) == wanted(zone)


def test_a_zone_that_is_not_shared_is_overwritten(zone: Zone) -> None:
    """The guard of the tests above, taken away."""
    zones.change(zone, {"mode": Mode.EXCLUSIVE})
    add("www", A)
    deliver(zone)
    put_into_dns(zone, WWW, "A", C)
    request = post(draft("put", "www", "A", B))
    deliver(zone)
    assert fresh(request).status == "completed"
    assert served(zone)[WWW, "A"] == (300, (B,))


def test_what_needs_the_failed_change_fails_with_it(zone: Zone) -> None:
    put_into_dns(zone, WWW, "A", C)
    first = add("www", A)
    second = post(draft("remove", "www", "A", A), draft("add", "ftp", "A", A))
    deliver(zone)
    assert (fresh(first).error_code, fresh(second).status) == ("conflict", "failed")
    assert served(zone) == {(WWW, "A"): (300, (C,))}


def test_a_conflict_has_the_zone_audited_and_the_drift_can_be_resolved(
    zone: Zone,
) -> None:
    add("www", A)
    deliver(zone)
    put_into_dns(zone, WWW, "A", C)
    put_into_dns(zone, FTP, "A", C)
    post(draft("put", "www", "A", B))
    deliver(zone)

    assert [each for each, _ in audits.due()] == [zone.pk]
    audits.run_due(zone.pk)

    # What others added to a shared zone is theirs.
    (row,) = Drift.objects.all()
    assert (row.name, row.kind) == (WWW, "different")
    (told,) = Request.objects.filter(action="audit")
    assert (told.status, told.source) == ("completed", "schedule")
    assert told.comment == "other hands changed what was to be changed"

    # A person decides that ours is right: that overwrites.
    reconcile.restore(zone, reconcile.audit(zone).restorable, Order("ours", "ann"))
    deliver(zone)
    assert served(zone)[WWW, "A"] == (300, (A,))


def test_a_restored_server_is_audited_and_nothing_put_back_by_itself(
    zone: Zone, store: Store
) -> None:
    add("www", A)
    add("ftp", A)
    deliver(zone)
    put_into_dns(zone, WWW, "A")
    orders.reconcile(zone, Order("the marker is gone"))

    reconcile.run_due(zone.pk)
    audits.run_due(zone.pk)

    assert not Request.objects.filter(action="reconcile").exists()
    assert [row.name for row in Drift.objects.all()] == [WWW]


def test_what_does_not_fit_into_a_message_is_looked_at_before(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f'"{"x" * 250}{number:03}"' for number in range(100)]
    post(draft("add", "www", "TXT", *texts))
    deliver(zone)
    put_into_dns(zone, WWW, "TXT", '"theirs"')
    monkeypatch.setattr(MemoryProvider, "max_message_octets", 40_000)
    request = post(draft("put", "www", "TXT", *texts[:90]))
    deliver(zone)
    assert fresh(request).error_code == "conflict"
    assert served(zone)[WWW, "TXT"] == (300, ('"theirs"',))


def test_a_server_that_checks_nothing_cannot_share_a_zone(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryProvider, "can_expect", False)
    with pytest.raises(Invalid) as caught:
        zones.change(zone, {"mode": Mode.SHARED})
    assert caught.value.reasons[0].pointer == "/mode"


# --- exclusive ------------------------------------------------------------------------


def test_where_others_were_seen_what_is_overwritten_is_told() -> None:
    zone = suspected()
    add("www", A)
    deliver(zone)
    put_into_dns(zone, WWW, "A", C)
    request = post(draft("put", "www", "A", B), draft("add", "ftp", "A", B))
    deliver(zone)

    assert fresh(request).status == "completed"
    assert served(zone) == wanted(zone) == applied(zone)
    (entry,) = request.events.filter(level="warning")
    assert entry.message == f"{WWW} A was changed by other hands; overwritten"
    row = Lane.objects.get()
    assert marker(zone) == f"v1 {row.epoch} {row.batch_number}"


def test_a_marker_that_was_moved_is_still_a_marker_that_was_moved() -> None:
    """The condition that failed is told apart by reading the marker."""
    zone = suspected()
    add("www", A)
    deliver(zone)
    put_into_dns(zone, "_dnsorch.example.test.", "TXT", "v1 0 0")
    request = post(draft("put", "www", "A", B))
    deliver(zone)
    assert fresh(request).status == "queued"
    deliver(zone)
    assert fresh(request).status == "completed"
    assert Lane.objects.get().reconcile_at is not None


def test_a_message_carries_no_condition_where_nobody_was_seen(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones.change(zone, {"mode": Mode.EXCLUSIVE})
    asked: list[int] = []
    check = MemoryProvider._check_expected

    def count(self: MemoryProvider, expected: tuple[object, ...]) -> None:
        asked.append(len(expected))
        check(self, expected)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryProvider, "_check_expected", count)
    add("www", A)
    deliver(zone)
    Lane.objects.update(suspect=True)
    post(draft("put", "www", "A", B))
    deliver(zone)
    assert asked == [0, 0, 1]  # the takeover, then without, then with
