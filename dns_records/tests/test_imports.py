"""A zone imported from its server: read, taken over, tracked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from dns_records import selectors
from dns_records.models import Change, ImportPart, Zone, ZoneImport
from dns_records.providers.base import RRsetChange, marker_name
from dns_records.providers.memory import Faults, MemoryProvider
from dns_records.services import (
    delivery,
    import_jobs,
    import_run,
    imports,
    operations,
    verification,
    wake,
    zones,
)
from dns_records.services.imports import Order
from dns_records.services.sweep import Sweeper
from dns_records.services.zones import LaneNotEmpty
from dns_records.tests import world
from dns_records.tests.conftest import Broker
from dns_records.tests.world import (
    ANYONE,
    ZONE,
    add,
    address,
    applied,
    fresh,
    put_into_dns,
    served,
    wanted,
)
from dnsorch import clock, failpoints
from dnsorch.exceptions import IllegalTransition
from requests_tracker.models import Request
from requests_tracker.services.idempotency import Answer
from requests_tracker.tests.factories import DOOR, origin, steps

pytestmark = pytest.mark.django_db

A = "192.0.2.1"
B = "192.0.2.2"


def ask(source: str = "", zone: str = ZONE, key: str = "") -> Answer:
    """Ask for an import as ``team-web`` does."""
    return imports.submit(
        Order(zone, source),
        access=ANYONE,
        origin=origin(key, action="import", received_at=clock.now()),
        doorway=DOOR,
    )


def asked(source: str = "", zone: str = ZONE) -> Request:
    """Ask for an import; return its request."""
    made = ask(source, zone).request_id
    assert made is not None
    return Request.objects.get(pk=made)


def run(zone: Zone) -> None:
    """Work on what is to be imported until nothing is left."""
    while import_run.run(zone.pk):
        pass


def fill(zone: Zone, count: int) -> None:
    """Put so many records into DNS by other hands."""
    for number in range(count):
        put_into_dns(zone, f"n{number}.example.test.", "A", address(number))


def progress(request: Request) -> dict[str, object]:
    """Return how far an import is."""
    found = selectors.imports.of_requests([request.pk])
    return found[request.pk]


# --- what is taken --------------------------------------------------------------------


def test_what_the_server_holds_becomes_wanted(zone: Zone, broker: Broker) -> None:
    put_into_dns(zone, "www.example.test.", "A", A, B)
    put_into_dns(zone, ZONE, "MX", "10 mail.example.test.")

    request = asked()
    run(zone)

    assert wanted(zone) == applied(zone) == served(zone)
    assert fresh(request).status == "completed"
    assert steps(request) == [
        "received",
        "validated",
        "stored",
        "enqueued",
        "sent",
        "validated",
        "stored",
        "applied",
        "completed",
    ]
    assert world.messages(zone) == []
    assert not ImportPart.objects.exists()
    assert Change.objects.filter(request=request, status="verified").count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_woken(zone: Zone, broker: Broker) -> None:
    asked()
    assert (wake.IMPORT, zone.pk) in broker.sent


def test_what_is_the_servers_own_is_left_out(zone: Zone) -> None:
    put_into_dns(zone, ZONE, "SOA", "ns. host. 1 2 3 4 5")
    put_into_dns(zone, ZONE, "NS", "ns1.example.test.")
    put_into_dns(zone, marker_name(ZONE), "TXT", '"v1 9 9"')
    put_into_dns(zone, "www.example.test.", "RRSIG", "what a signer says")

    request = asked()
    run(zone)

    assert wanted(zone) == {}
    assert progress(request)["counts"] == {"left_out": 0, "own": 4}


def test_what_dnsorch_does_not_take_is_left_out_with_the_reason(zone: Zone) -> None:
    put_into_dns(zone, "a.example.test.", "TYPE65280", "\\# 1 00")
    put_into_dns(zone, "b.example.test.", "A", A)
    put_into_dns(zone, "c.example.test.", "MX", "10 ten")

    request = asked()
    run(zone)

    assert list(wanted(zone)) == [("b.example.test.", "A")]
    left_out = progress(request)["left_out"]
    assert isinstance(left_out, list)
    assert [(each["name"][0], each["code"]) for each in left_out] == [
        ("a", "unsupported_type"),
        ("c", "name_not_absolute"),
    ]
    warning = request.events.get(level="warning")
    assert warning.data == {"left_out": left_out}


def test_an_rrset_that_comes_in_parts_is_one(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_into_dns(zone, "www.example.test.", "A", A)
    whole = MemoryProvider._read_zone

    def in_parts(self: MemoryProvider, name: str) -> Iterator[RRsetChange]:
        yield from whole(self, name)
        put_into_dns(zone, "www.example.test.", "A", B)
        yield from whole(self, name)

    monkeypatch.setattr(MemoryProvider, "_read_zone", in_parts)
    asked()
    run(zone)
    assert wanted(zone) == {("www.example.test.", "A"): (300, (A, B))}


def test_what_is_wanted_and_not_served_is_left_as_it_is(zone: Zone) -> None:
    add("www", A)
    delivery.drain(zone.pk)
    verification.check(zone.pk)
    put_into_dns(zone, "www.example.test.", "A")
    asked()
    run(zone)
    assert ("www.example.test.", "A") in wanted(zone)


def test_a_change_on_its_way_is_left_alone(zone: Zone) -> None:
    put_into_dns(zone, "www.example.test.", "A", A)
    add("www", B)
    request = asked()
    run(zone)
    assert wanted(zone) == {("www.example.test.", "A"): (300, (B,))}
    counts = progress(request)["counts"]
    assert isinstance(counts, dict) and counts["in_motion"] == 1


def test_importing_again_changes_nothing(zone: Zone) -> None:
    fill(zone, 3)
    asked()
    run(zone)
    request = asked()
    run(zone)
    assert fresh(request).status == "completed"
    assert not Change.objects.filter(request=request).exists()


# --- many, and workers that die -------------------------------------------------------


def test_pages_hold_whole_names_and_all_of_them_are_taken(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_jobs, "PAGE", 7)
    fill(zone, 40)
    for rtype, text in (("TXT", '"x"'), ("AAAA", "2001:db8::1")):
        for number in range(0, 40, 3):
            put_into_dns(zone, f"n{number}.example.test.", rtype, text)
    request = asked()
    run(zone)
    assert wanted(zone) == applied(zone) == served(zone)
    told = [
        event.data["percent"]
        for event in request.events.order_by("sequence")
        if "percent" in event.data
    ]
    assert told == sorted(set(told)) and len(told) <= 10 and told[-1] == 100


class Killed(BaseException):
    """The worker is gone."""


def test_another_worker_goes_on_where_one_died(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_jobs, "PAGE", 10)
    fill(zone, 35)
    request = asked()
    hits: list[str] = []

    def die(place: str) -> None:
        hits.append(place)
        if len(hits) == 2:
            raise Killed

    monkeypatch.setattr(failpoints, "hit", die)
    with monkeypatch.context() as undone:
        undone.setattr(import_jobs, "release", lambda job, **fields: None)
        with pytest.raises(Killed):
            import_run.run(zone.pk)
    assert fresh(request).status == "provisioning"
    assert len(wanted(zone)) == 20
    # Its lease stands: nobody else works on it.
    assert not import_run.run(zone.pk) and len(wanted(zone)) == 20

    past = clock.database_now() - timedelta(seconds=1)
    ZoneImport.objects.update(lease_expires_at=past)
    run(zone)

    assert fresh(request).status == "completed"
    assert wanted(zone) == served(zone)
    assert Change.objects.filter(request=request).count() == 35


def test_a_worker_that_slept_through_its_lease_writes_nothing(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(zone, 3)
    request = asked()

    def sleep(job: ZoneImport, after: str) -> import_jobs.Page:
        ZoneImport.objects.update(epoch=job.epoch + 1)
        return page(job, after)

    page = import_jobs.next_page
    monkeypatch.setattr(import_jobs, "next_page", sleep)
    assert import_run.run(zone.pk) is False
    assert wanted(zone) == {}
    assert fresh(request).status == "provisioning"


def test_a_long_import_gives_way_and_moves_its_deadline_on(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_jobs, "PAGE", 10)
    monkeypatch.setattr(import_run, "SLICE_S", 0.0)
    fill(zone, 20)
    request = asked()
    Request.objects.update(deadline_at=clock.now() - timedelta(seconds=1))

    assert import_run.run(zone.pk) is True

    after = fresh(request)
    assert after.status == "provisioning"
    assert after.deadline_at and after.deadline_at > clock.now()
    assert progress(after)["percent"] == 50
    run(zone)
    assert fresh(request).status == "completed"


@pytest.mark.usefixtures("noon")
def test_progress_says_how_long_it_takes(zone: Zone) -> None:
    request = asked()
    assert progress(request)["percent"] is None
    half_a_minute = clock.now() - timedelta(seconds=30)
    ZoneImport.objects.update(
        phase="taking", records=400, done=100, taking_since=half_a_minute
    )
    assert progress(request) == {
        "phase": "taking",
        "percent": 25,
        "records": 100,
        "total": 400,
        "eta_s": 90,
        "counts": {},
        "left_out": [],
    }


def test_the_sweep_finds_an_import_that_nobody_was_woken_for(
    zone: Zone, broker: Broker
) -> None:
    request = asked()
    broker.go_down()
    Sweeper().once()
    assert fresh(request).status == "completed"


# --- what does not go -----------------------------------------------------------------


def test_a_server_that_is_away_is_tried_again(zone: Zone) -> None:
    world.store_of(zone).faults = Faults(unreachable=True)
    request = asked()
    run(zone)
    waiting = fresh(request)
    assert waiting.status == "provisioning"
    assert waiting.next_attempt_at and waiting.next_attempt_at > clock.now()
    assert not import_jobs.due()

    world.store_of(zone).faults = Faults()
    put_into_dns(zone, "www.example.test.", "A", A)
    ZoneImport.objects.update(not_before=None)
    run(zone)
    assert fresh(request).status == "completed"
    assert len(wanted(zone)) == 1


def test_a_server_that_is_away_until_the_deadline(zone: Zone) -> None:
    world.store_of(zone).faults = Faults(unreachable=True)
    request = asked()
    Request.objects.update(deadline_at=clock.now() - timedelta(seconds=1))
    run(zone)
    assert (fresh(request).status, fresh(request).error_code) == (
        "failed",
        "import_failed",
    )
    assert not import_jobs.open_in(zone.pk).exists()


def test_a_server_that_gives_the_zone_to_nobody(zone: Zone) -> None:
    world.store_of(zone).faults = Faults(misconfigured=True)
    request = asked()
    run(zone)
    assert fresh(request).error_code == "backend_misconfigured"
    with pytest.raises(IllegalTransition, match="import the zone anew"):
        operations.retry(ANYONE, origin(), fresh(request), DOOR)


def test_one_import_of_a_zone_at_a_time(zone: Zone) -> None:
    asked()
    assert ask().body["code"] == "import_in_progress"
    run(zone)
    assert ask().status == 202
    run(zone)


def test_a_cancelled_import_takes_nothing(zone: Zone) -> None:
    fill(zone, 1)
    request = asked()
    operations.cancel(ANYONE, request)
    run(zone)
    assert fresh(request).status == "cancelled"
    assert wanted(zone) == {}
    assert not import_jobs.open_in(zone.pk).exists()


def test_a_zone_that_is_imported_is_not_forgotten(zone: Zone) -> None:
    asked()
    with pytest.raises(LaneNotEmpty, match="import"):
        zones.forget(zone, force=True)
    run(zone)
    zones.forget(zone, force=True)


def test_a_way_that_the_backend_does_not_have(zone: Zone) -> None:
    answer = ask("transfer")
    assert (answer.status, answer.body["code"]) == (400, "source_not_available")
    assert "'api'" in answer.body["detail"]


def test_a_key_acts_once(zone: Zone) -> None:
    first, again = ask(key="k"), ask(key="k")
    assert again.replayed and again.request_id == first.request_id
    run(zone)
