"""A zone of many records on BIND and PostgreSQL: imported, audited, exported, listed.

``DNSORCH_TEST_IMPORT_RECORDS=100000`` and ``-s`` measure a large one.
"""

from __future__ import annotations

import gc
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dns_records import selectors
from dns_records.models import Change, Drift, Record, Zone
from dns_records.services import audits, exports, orders
from dns_records.services.imports import Order
from dns_records.tests import large_zones
from dns_records.tests.callers import caller
from dns_records.tests.large_zones import Meter, imported
from dns_records.tests.provider_daemons import Bind
from dns_records.tests.world import ZONE, address, fresh
from dnsorch import worker
from dnsorch.tests import real

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not real.WANTED, reason="needs the real services"),
]

RECORDS = large_zones.size()
ALTERED = 100
RRSETS = "/api/v2/zones/example.test/rrsets/"


@pytest.fixture
def meter(bind: Bind) -> Iterator[Meter]:
    """A large zone at BIND, and at the end what dnspython alone needs to read it.

    At the end, since memory that was used once is not seen to grow again.
    """
    large_zones.fill(bind, RECORDS)
    worker.spare_what_stays()  # as in a worker
    meter = Meter(RECORDS)
    yield meter
    gc.unfreeze()
    with meter.of(large_zones.FLOOR):
        held = large_zones.transfer(bind)
    assert len(held.nodes) >= RECORDS
    meter.show()


def export(zone: Zone, meter: Meter, path: Path) -> None:
    """Write the zone to a file; see when the first of it is there."""
    with meter.of("export"), path.open("w") as file:
        started = time.perf_counter()
        first = 0.0
        for chunk in exports.chunks(zone):
            first = first or time.perf_counter() - started
            file.write(chunk)
    meter.rows["export, its first octets"] = large_zones.Measured(first)


def audit(zone: Zone, meter: Meter, what: str) -> None:
    with meter.of(what):
        orders.audit(zone.pk, "measured")
        audits.run_due(zone.pk)


def pages(meter: Meter) -> None:
    """Read a page of the RRsets by each filter."""
    api = caller()
    middle = f"n{RECORDS // 2}"
    queries: dict[str, dict[str, str]] = {
        "first page of 100": {},
        "by name": {"name": middle},
        "by name and type": {"name": middle, "type": "A"},
        "by value": {"type": "A", "rdata": address(RECORDS // 2 % 65_536)},
        "by type": {"type": "A"},
        "by status": {"status": "live"},
        "that are pending: none": {"status": "pending"},
        "by a part of the text": {"search": middle},
    }
    for what, query in queries.items():
        with meter.of(f"list, {what}"):
            answer = api.get(RRSETS, {"limit": "100", **query})
        assert answer.status_code == 200, answer.json()
    with meter.of("the zone with its counts"):
        answer = api.get("/api/v2/zones/example.test/")
    assert answer.json()["counts"]["records"] == RECORDS + 1


def test_a_large_zone_is_imported_audited_exported_and_listed(
    bind: Bind, bind_zone: Zone, meter: Meter, tmp_path: Path
) -> None:
    with meter.of("import by transfer"):
        request = imported(bind_zone, Order(ZONE, "transfer"))
    assert fresh(request).status == "completed", request.error
    progress: Any = selectors.imports.of_requests([request.pk])[request.pk]
    # And the address of the name server, which was there before.
    assert progress["counts"]["taken"] == RECORDS + 1
    assert Record.objects.filter(rrset__zone=bind_zone).count() == RECORDS + 1
    assert Change.objects.filter(request=request, status="verified").exists()

    export(bind_zone, meter, tmp_path / "zone")
    assert (tmp_path / "zone").read_text().count("\n") >= RECORDS + 1
    audit(bind_zone, meter, "audit, nothing differs")
    assert not Drift.objects.exists()
    large_zones.alter(bind, ALTERED)
    audit(bind_zone, meter, f"audit, {ALTERED} differ")
    assert Drift.objects.filter(kind="different").count() == ALTERED
    pages(meter)


def test_a_large_zone_file_is_taken_over(
    bind: Bind, bind_zone: Zone, meter: Meter
) -> None:
    lines = [f"n{n} 300 A {address(n % 65_536)}\n" for n in range(RECORDS)]
    text = "".join(["@ 300 SOA a b 1 2 3 4 5\n", *lines]).encode()
    with meter.of("import of a zone file"):
        request = imported(bind_zone, Order(ZONE, file=io.BytesIO(text), digest="0"))
    assert fresh(request).status == "completed", fresh(request).error
    progress: Any = selectors.imports.of_requests([request.pk])[request.pk]
    assert progress["counts"]["taken"] == RECORDS
