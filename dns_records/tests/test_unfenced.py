"""Zones without a marker: what stands in for it, and how each part is needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from dns_records.models import Batch, Fencing, Zone
from dns_records.providers.base import RRsetChange, Terms
from dns_records.providers.errors import OutcomeUnknown
from dns_records.providers.memory import Faults, MemoryProvider
from dns_records.services import delivery, reconcile, unfenced, verification
from dns_records.services.sweep import Sweeper
from dns_records.tests.conftest import Broker
from dns_records.tests.world import (
    add,
    applied,
    draft,
    fresh,
    hurry,
    let_copies_die,
    let_lease_expire,
    make_zone,
    messages,
    post,
    put_into_dns,
    served,
    store_of,
    wanted,
)
from dnsorch import clock
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
WWW = "www.example.test."


@pytest.fixture
def zone(db: None, monkeypatch: pytest.MonkeyPatch) -> Zone:
    """A zone without a marker, on a service whose messages may be late."""
    monkeypatch.setattr(MemoryProvider, "may_be_late", True)
    return make_zone(fencing=Fencing.NONE)


def deliver(zone: Zone) -> None:
    """Send what waits, and close it."""
    hurry(zone)
    delivery.drain(zone.pk)
    verification.check(zone.pk)


def test_no_marker_is_written(zone: Zone) -> None:
    request = add("www", A)
    deliver(zone)
    assert fresh(request).status == "completed"
    assert [(each.fence, each.changes[0].name) for each in store_of(zone).log] == [
        (None, WWW)
    ]


def test_what_other_hands_changed_is_overwritten_and_told(zone: Zone) -> None:
    add("www", A)
    deliver(zone)
    put_into_dns(zone, WWW, "A", C)
    request = post(draft("put", "www", "A", B), draft("add", "ftp", "A", B))
    deliver(zone)
    assert fresh(request).status == "completed"
    assert served(zone) == wanted(zone) == applied(zone)
    (entry,) = request.events.filter(level="warning")
    assert (entry.step, entry.message) == (
        "sent",
        f"{WWW} A was changed by other hands; overwritten",
    )
    assert entry.data == {"foreign": [[WWW, "A"]]}


def test_who_lost_the_lease_does_not_overwrite_a_second_time(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its conditions failed because somebody else was there; it sends no more."""
    add("www", A)
    deliver(zone)
    request = post(draft("put", "www", "A", B))
    probe = MemoryProvider._probe

    def and_lose(self: MemoryProvider, name: str, images: object) -> bool:
        let_lease_expire(zone)
        return probe(self, name, images)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryProvider, "_probe", and_lose)
    put_into_dns(zone, WWW, "A", C)
    hurry(zone)
    delivery.drain(zone.pk)
    assert fresh(request).status == "provisioning"
    assert served(zone)[WWW, "A"] == (300, (C,))


def test_what_is_put_back_depends_on_nothing(zone: Zone) -> None:
    """An ignored part leaves what nobody knows."""
    add("www", A)
    deliver(zone)
    store_of(zone).faults = Faults(ignore_names=frozenset({"bad.example.test."}))
    request = post(draft("put", "www", "A", B), draft("add", "bad", "A", B))
    deliver(zone)
    assert fresh(request).error_code == "partly_refused"
    assert served(zone) == {(WWW, "A"): (300, (A,))} == applied(zone)


def test_expectations_never_make_a_message_too_large(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = [f'"{"x" * 250}{number:03}"' for number in range(100)]
    add("www", A)
    post(draft("add", "big", "TXT", *big))
    deliver(zone)
    monkeypatch.setattr(MemoryProvider, "max_message_octets", 40_000)
    asked: list[list[str]] = []
    apply = MemoryProvider._apply

    def note(
        self: MemoryProvider, name: str, changes: Sequence[RRsetChange], terms: Terms
    ) -> tuple[str, int]:
        asked.append([each.name for each in terms.expected])
        return apply(self, name, changes, terms)

    monkeypatch.setattr(MemoryProvider, "_apply", note)
    request = post(
        draft("put", "www", "A", B), draft("put", "big", "TXT", *big[1:], '"y"')
    )
    deliver(zone)
    assert fresh(request).status == "completed"
    assert asked == [[WWW]]


# --- waiting for copies on the way ----------------------------------------------------


def test_nothing_goes_on_while_a_copy_may_still_arrive(zone: Zone) -> None:
    add("www", A)
    deliver(zone)
    store_of(zone).faults = Faults(lose_message=True)
    lost = post(draft("put", "www", "A", B))
    deliver(zone)
    assert fresh(lost).status == "provisioning"
    store_of(zone).faults = Faults()
    until = Batch.objects.get(status="sent").late_until
    assert until is not None

    later = post(draft("put", "www", "A", C))
    deliver(zone)
    assert (fresh(lost).status, fresh(later).status) == ("provisioning", "queued")
    assert fresh(lost).next_attempt_at == until
    last = fresh(lost).events.order_by("sequence").last()
    assert last is not None
    assert last.message.startswith(
        "UPDATE 0.2 had no answer and may still arrive; next"
    )

    let_copies_die(zone)
    deliver(zone)
    assert [fresh(each).status for each in (lost, later)] == ["completed"] * 2
    assert served(zone) == wanted(zone) == {(WWW, "A"): (300, (C,))}


def test_it_waits_for_a_lease_the_clocks_and_the_server(zone: Zone) -> None:
    store_of(zone).faults = Faults(lose_message=True)
    add("www", A)
    before = clock.now()
    deliver(zone)
    until = Batch.objects.get().late_until
    assert until is not None
    assert 30 + 2 + 2 <= (until - before).total_seconds() < 30 + 2 + 2 + 10


def test_without_the_wait_an_old_copy_would_win(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken away: the value came back, so the conditions hold (ABA)."""
    monkeypatch.setattr(unfenced, "late_until", lambda batch: None)
    add("www", A)
    deliver(zone)
    store_of(zone).faults = Faults(lose_message=True)
    post(draft("put", "www", "A", B))
    deliver(zone)
    store_of(zone).faults = Faults()
    post(draft("put", "www", "A", A))
    deliver(zone)
    deliver(zone)
    assert served(zone) == wanted(zone) == {(WWW, "A"): (300, (A,))}
    arrive_late(zone, B, expected=A)
    assert served(zone) == {(WWW, "A"): (300, (B,))}


def arrive_late(zone: Zone, value: str, expected: str) -> None:
    """Let the copy of a message arrive that everybody had given up."""
    provider = MemoryProvider(zone.backend.options, None)
    provider.apply(
        zone.name,
        [RRsetChange(WWW, "A", 300, (value,))],
        expected=[RRsetChange(WWW, "A", 300, (expected,))],
    )


def test_an_answer_means_that_no_copy_is_on_its_way(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> tuple[str, int]:
        raise OutcomeUnknown("SERVFAIL", rcode="SERVFAIL", answered=True)

    with monkeypatch.context() as failing:
        failing.setattr(MemoryProvider, "_apply", fail)
        request = add("www", A)
        deliver(zone)
    assert Batch.objects.get().late_until is None
    deliver(zone)
    assert fresh(request).status == "completed"


# --- looking once more ----------------------------------------------------------------


def test_what_was_overwritten_late_is_found_and_put_back(
    zone: Zone, broker: Broker
) -> None:
    add("www", A)
    add("ftp", A)
    deliver(zone)
    arrive_late(zone, B, expected=A)
    assert reconcile.due() == []
    Batch.objects.update(recheck_at=clock.now() - timedelta(seconds=1))
    assert [each for each, _ in reconcile.due()] == [zone.pk]

    broker.go_down()
    Sweeper().once()
    deliver(zone)

    (made,) = Request.objects.filter(action="reconcile")
    assert fresh(made).status == "completed"
    assert made.comment == (
        f"put back {WWW} A: a message that came too late overwrote it"
    )
    assert served(zone) == wanted(zone)
    assert messages(zone)[-1] == [(WWW, "A", (A,))]
    # What was put back is looked at again in its turn.
    assert Batch.objects.filter(recheck_at__isnull=False).count() == 1


def test_what_is_as_it_was_is_looked_at_once(zone: Zone) -> None:
    add("www", A)
    deliver(zone)
    Batch.objects.update(recheck_at=clock.now() - timedelta(seconds=1))
    reconcile.run_due(zone.pk)
    assert Request.objects.filter(action="reconcile").count() == 0
    assert Batch.objects.filter(recheck_at__isnull=False).count() == 0


def test_a_server_that_does_not_answer_is_looked_at_later(zone: Zone) -> None:
    add("www", A)
    deliver(zone)
    Batch.objects.update(recheck_at=clock.now() - timedelta(seconds=1))
    store_of(zone).faults = Faults(unreachable=True)
    reconcile.run_due(zone.pk)
    assert [each for each, _ in reconcile.due()] == [zone.pk]


def test_a_zone_with_a_marker_needs_none_of_it(db: None) -> None:
    zone = make_zone("marked.test.")
    add("www", A, zone="marked.test.")
    deliver(zone)
    batch = Batch.objects.get()
    assert (batch.late_until, batch.recheck_at) == (None, None)
