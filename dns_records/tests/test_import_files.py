"""A zone file imported: what is there is adopted, the rest is sent in parts."""

from __future__ import annotations

import io
from datetime import timedelta
from hashlib import sha256

import pytest

from dns_records import selectors
from dns_records.models import ImportFile, ImportPart, Zone
from dns_records.providers.memory import Faults
from dns_records.services import (
    delivery,
    import_files,
    import_jobs,
    import_run,
    imports,
    operations,
    sweep,
    verification,
)
from dns_records.services.imports import Order
from dns_records.tests import world
from dns_records.tests.world import (
    ANYONE,
    ZONE,
    add,
    applied,
    change_states,
    fresh,
    put_into_dns,
    replayed,
    served,
    wanted,
)
from dnsorch import clock
from dnsorch.exceptions import IllegalTransition
from requests_tracker.models import Request
from requests_tracker.tests.factories import DOOR, origin

pytestmark = pytest.mark.django_db

A_YEAR = timedelta(days=365)
A = "192.0.2.1"
B = "192.0.2.2"


def asked(text: str | bytes) -> Request:
    """Ask for the import of a zone file; return its request."""
    octets = text.encode() if isinstance(text, str) else text
    order = Order(ZONE, file=io.BytesIO(octets), digest=sha256(octets).hexdigest())
    answer = imports.submit(
        order,
        access=ANYONE,
        origin=origin(action="import", received_at=clock.now()),
        doorway=DOOR,
    )
    assert answer.request_id is not None
    return Request.objects.get(pk=answer.request_id)


def run(zone: Zone) -> None:
    """Work on what is to be imported until nothing is left."""
    while import_run.run(zone.pk):
        pass


def deliver(zone: Zone) -> None:
    """Send what waits, and close it."""
    delivery.drain(zone.pk)
    verification.check(zone.pk)


def parts(request: Request) -> list[Request]:
    """Return the parts of an import."""
    return list(Request.objects.filter(part_of=request).order_by("pk"))


def counts(request: Request) -> dict[str, int]:
    """Return what became of the RRsets, where there were some."""
    found = selectors.imports.of_requests([request.pk])[request.pk]["counts"]
    return {name: count for name, count in found.items() if count}


@pytest.mark.django_db(transaction=True)
def test_what_differs_is_sent_and_the_import_ends_with_it(zone: Zone) -> None:
    put_into_dns(zone, "same.example.test.", "A", A)
    put_into_dns(zone, "other.example.test.", "A", A)
    put_into_dns(zone, "extra.example.test.", "A", A)

    request = asked(
        f"$TTL 300\n@ SOA a b 1 2 3 4 5\nsame A {A}\nother A {B}\nnew 60 A {A}\n"
    )
    run(zone)

    assert counts(request) == {"taken": 1, "sent": 2, "own": 1}
    (part,) = parts(request)
    assert (part.status, part.action, part.zone) == ("queued", "changeset", ZONE)
    assert fresh(request).status in ("queued", "provisioning")
    assert wanted(zone) == replayed(zone)
    assert ("extra.example.test.", "A") not in wanted(zone)

    deliver(zone)

    assert change_states(part) == ["verified", "verified"]
    assert fresh(request).status == "completed"
    assert served(zone)["other.example.test.", "A"] == (300, (B,))
    assert served(zone)["new.example.test.", "A"] == (60, (A,))
    assert wanted(zone) == applied(zone)
    assert not ImportPart.objects.exists() and not ImportFile.objects.exists()
    shown = selectors.imports.of_requests([request.pk])[request.pk]
    assert (shown["phase"], shown["percent"]) == ("done", 100)


@pytest.mark.django_db(transaction=True)
def test_a_file_that_says_what_is_there_sends_nothing(zone: Zone) -> None:
    put_into_dns(zone, "www.example.test.", "A", A, B)
    put_into_dns(zone, "x.example.test.", "TXT", '"x"')
    request = asked(f"$TTL 300\nwww A {B}\nx.example.test. 9 TXT x\nwww A {A}\n")
    run(zone)
    assert counts(request) == {"taken": 1, "sent": 1}
    deliver(zone)

    again = asked(f"$TTL 300\nwww A {B}\nwww A {A}\n")
    import_run.run(zone.pk)
    assert parts(again) == []
    assert fresh(again).status == "completed"
    assert counts(again) == {"same": 1}


def test_what_is_on_its_way_is_followed_by_what_the_file_says(zone: Zone) -> None:
    put_into_dns(zone, "www.example.test.", "A", A)
    add("www", B)
    asked(f"$TTL 300\nwww A {A}\n")
    run(zone)
    assert wanted(zone) == replayed(zone) == {("www.example.test.", "A"): (300, (A,))}


@pytest.mark.django_db(transaction=True)
def test_many_go_in_parts_and_no_name_is_cut(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_files, "MAX_RRSETS", 10)
    monkeypatch.setattr(import_jobs, "PAGE", 25)
    lines = [f"n{number} A {A}\nn{number} TXT x\n" for number in range(30)]
    request = asked("$TTL 300\n" + "".join(lines))
    run(zone)
    found = parts(request)
    assert len(found) >= 6
    for part in found:
        names = list(part.changes.values_list("name", flat=True))
        assert len(names) == 2 * len(set(names)) <= 10
    while any(not part.is_final for part in parts(request)):
        deliver(zone)
    assert fresh(request).status == "completed"
    assert len(served(zone)) == 60


@pytest.mark.django_db(transaction=True)
def test_an_import_fails_with_its_part(zone: Zone) -> None:
    request = asked(f"$TTL 300\nwww A {A}\n")
    world.store_of(zone).faults = Faults(refuse_names=frozenset({"www.example.test."}))
    run(zone)
    deliver(zone)
    failed = fresh(request)
    assert (failed.status, failed.error_code) == ("failed", "parts_failed")


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("www A 192.0.2.256\n", "syntax_error", "line 2"),
        ("www.example.org. A 192.0.2.1\n", "out_of_zone", "line 2"),
        ("$INCLUDE other\n", "directive_refused", "line 2"),
        ("\nwww A 192.0.2.1\nwww 60 A 192.0.2.2\n", "ttl_conflict", "line 4"),
        ("x TXT x\nwww CNAME x\nwww A 192.0.2.1\n", "cname_conflict", "line 4"),
        ("ok A 192.0.2.1\ntaken CNAME ok\n", "cname_conflict", "line 3"),
    ],
)
def test_a_file_that_is_wrong_is_refused_and_nothing_is_taken(
    zone: Zone, text: str, code: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "READ_AT_ONCE", 0)
    add("taken", A)
    before = wanted(zone)
    request = asked(f"$TTL 300\n{text}")
    run(zone)
    failed = fresh(request)
    assert failed.status == "failed" and failed.error is not None
    assert failed.error_code == "invalid_zone_file"
    assert [each["code"] for each in failed.error["errors"]] == [code]
    assert says in failed.error["detail"]
    assert wanted(zone) == before


def test_a_small_file_is_looked_into_at_the_door(zone: Zone) -> None:
    rejected = asked("$TTL 300\nwww A 192.0.2.256\n")
    assert (rejected.status, rejected.error_code) == ("rejected", "invalid_zone_file")
    assert not ImportFile.objects.exists()


def test_a_file_comes_in_pieces(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "PIECE", 7)
    asked(f"$TTL 300\nbücher A {A}\nwww A {A}\n")
    run(zone)
    assert len(wanted(zone)) == 2


# --- while it makes its parts ---------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_import_that_is_at_work_is_not_in_the_queue(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_jobs, "PAGE", 2)
    monkeypatch.setattr(import_run, "SLICE_S", 0.0)
    request = asked(f"$TTL 300\na A {A}\nb A {A}\nc A {A}\n")
    assert import_run.run(zone.pk) is True
    (part,) = parts(request)
    operations.cancel(ANYONE, part)
    assert (fresh(part).status, fresh(request).status) == ("cancelled", "provisioning")
    with pytest.raises(IllegalTransition):
        operations.cancel(ANYONE, fresh(request))
    run(zone)
    deliver(zone)
    assert [each.status for each in parts(request)] == ["cancelled", "completed"]
    assert fresh(request).error_code == "parts_failed"


@pytest.mark.django_db(transaction=True)
def test_an_import_ends_with_its_parts_and_not_before(zone: Zone) -> None:
    request = asked(f"$TTL 300\na A {A}\n")
    run(zone)
    assert (fresh(request).status, fresh(request).deadline_at) == ("queued", None)
    Request.objects.filter(pk=request.pk).update(received_at=clock.now() - A_YEAR)
    assert sweep.expire_overdue() == 0
    deliver(zone)
    assert fresh(request).status == "completed"
