"""Zones imported from BIND by transfer, and exported so that BIND loads them.

``DNSORCH_TEST_IMPORT_RECORDS=100000`` and ``-s`` measure a large one.
"""

from __future__ import annotations

import io
import os
import resource
import time
from collections.abc import Iterator

import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest

from deploy.services import tsig
from deploy.services.ports import HOST
from dns_records import selectors
from dns_records.models import Change, Record, Zone
from dns_records.services import (
    backends,
    delivery,
    exports,
    import_run,
    imports,
    reconcile,
    verification,
    zones,
)
from dns_records.services.imports import Order
from dns_records.tests.provider_daemons import Bind, Daemons
from dns_records.tests.world import ANYONE, ZONE, address, fresh
from dnsorch import clock
from dnsorch.tests import real
from requests_tracker.models import Request
from requests_tracker.tests.factories import DOOR, origin

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not real.WANTED, reason="needs the real services"),
]

RECORDS = int(os.environ.get("DNSORCH_TEST_IMPORT_RECORDS", "1500"))
SECRET = "DNSORCH_TEST_IMPORT_TSIG"


@pytest.fixture
def bind(daemons: Daemons) -> Iterator[Bind]:
    """BIND with a zone as new."""
    server = daemons.server("bind")
    assert isinstance(server, Bind)
    yield server
    server.wipe()


@pytest.fixture
def bind_zone(bind: Bind, monkeypatch: pytest.MonkeyPatch) -> Zone:
    """The zone of that BIND, verified there."""
    monkeypatch.setenv(SECRET, tsig.secret(bind.daemon.root, tsig.OURS))
    backend = backends.save(
        name="bind",
        driver="rfc2136",
        options={"server": HOST, "port": bind.daemon.port, "key_name": tsig.OURS},
        secret_reference=f"env:{SECRET}",
    )
    server = f"{HOST}:{bind.daemon.port}"
    return zones.register(
        name=ZONE, backend=backend, nameservers=[server], verify_policy="all"
    )


def fill(bind: Bind, count: int) -> None:
    """Put so many addresses into the zone, past dnsorch."""
    secret = tsig.secret(bind.daemon.root, tsig.OURS)
    key = dns.tsig.Key(tsig.OURS, secret, tsig.ALGORITHM)
    for start in range(0, count, 1000):
        update = dns.update.UpdateMessage(ZONE, keyring=key)
        for number in range(start, min(start + 1000, count)):
            update.add(f"n{number}", 300, "A", address(number % 65_536))
        answer = dns.query.tcp(update, HOST, 30, bind.daemon.port)
        assert answer.rcode() == dns.rcode.NOERROR, answer


def imported(zone: Zone, order: Order) -> Request:
    """Import the zone, and deliver what that sends; return the request."""
    answer = imports.submit(
        order,
        access=ANYONE,
        origin=origin(action="import", received_at=clock.now()),
        doorway=DOOR,
    )
    assert answer.request_id is not None
    while import_run.run(zone.pk):
        pass
    return Request.objects.get(pk=answer.request_id)


def peak_mib() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.django_db(transaction=True)
def test_many_records_are_taken_over_by_transfer(bind: Bind, bind_zone: Zone) -> None:
    fill(bind, RECORDS)
    before, started = peak_mib(), time.monotonic()

    request = imported(bind_zone, Order(ZONE, "transfer"))

    seconds, grown = time.monotonic() - started, peak_mib() - before
    assert fresh(request).status == "completed", request.error
    progress = selectors.imports.of_requests([request.pk])[request.pk]
    # And the address of the name server, which was there before.
    assert progress["counts"]["taken"] == RECORDS + 1
    assert Record.objects.filter(rrset__zone=bind_zone).count() == RECORDS + 1
    assert Change.objects.filter(request=request, status="verified").exists()
    print(f"\n{RECORDS} records in {seconds:.1f} s, {grown:.0f} MiB more at the peak")
    if RECORDS <= 10_000:
        assert reconcile.audit(bind_zone).differences == ()
    started = time.monotonic()
    count = sum(1 for _ in exports.lines(bind_zone))
    print(f"{count} lines exported in {time.monotonic() - started:.1f} s")
    assert count >= RECORDS + 1


@pytest.mark.django_db(transaction=True)
def test_a_zone_file_is_taken_over_or_sent(bind: Bind, bind_zone: Zone) -> None:
    fill(bind, 3)
    text = (
        f"$TTL 300\n@ SOA a b 1 2 3 4 5\nn0 A {address(0)}\nn1 A 192.0.2.77\n"
        'new 60 TXT "a;b" "c"\nalias CNAME new\n'
    )
    order = Order(ZONE, file=io.BytesIO(text.encode()), digest="0")

    request = imported(bind_zone, order)
    for _ in range(100):
        delivery.drain(bind_zone.pk)
        verification.check(bind_zone.pk)
        if fresh(request).is_final:
            break
        time.sleep(0.05)

    assert fresh(request).status == "completed", fresh(request).error
    progress = selectors.imports.of_requests([request.pk])[request.pk]
    assert (progress["counts"]["taken"], progress["counts"]["sent"]) == (1, 3)
    assert bind.rrset("new.example.test.", "TXT") == (60, ('"a;b" "c"',))
    assert bind.rrset("n1.example.test.", "A") == (300, ("192.0.2.77",))
    # What the file does not name is left alone.
    assert bind.rrset("n2.example.test.", "A") == (300, (address(2),))


def test_soa_and_ns_of_an_export_are_the_servers(bind: Bind, bind_zone: Zone) -> None:
    text = "".join(exports.lines(bind_zone))
    assert " IN SOA " in text and "made up" not in text
    assert "example.test. 300 IN NS ns1.example.test.\n" in text
