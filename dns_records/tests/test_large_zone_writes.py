"""A change costs in a large zone what it costs in an empty one.

``DNSORCH_TEST_IMPORT_RECORDS=100000`` and ``-s`` measure it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dns_records.drafts import Draft
from dns_records.models import OwnerName, Record, RRset, Zone
from dns_records.rdata import parse
from dns_records.services import changes
from dns_records.services.changes import ChangeSet
from dns_records.tests import large_zones
from dns_records.tests.world import ANYONE, ZONE, address, draft, make_zone, post
from dnsorch import clock
from requests_tracker.tests.factories import origin

pytestmark = pytest.mark.django_db

EMPTY = "empty.test."
RECORDS = large_zones.size()
ROUNDS = 5
# The database ends a transaction that says nothing for seconds.
AT_ONCE = 2000
# Of what is measured on a machine with other work.
AT_MOST = 4


def populate(zone: Zone, count: int) -> None:
    """Make so many addresses wanted."""
    for start in range(0, count, AT_ONCE):
        _populate(zone, range(start, min(start + AT_ONCE, count)))


def _populate(zone: Zone, numbers: range) -> None:
    now = clock.now()
    owners = OwnerName.objects.bulk_create(
        OwnerName(zone=zone, name=f"n{number}.{zone.name}", other_rrsets=1)
        for number in numbers
    )
    rrsets = RRset.objects.bulk_create(
        RRset(
            owner=owner,
            zone=zone,
            name=owner.name,
            type="A",
            ttl=300,
            version=1,
            present=True,
            updated_at=now,
        )
        for owner in owners
    )
    texts = [address(number % 65_536) for number in numbers]
    Record.objects.bulk_create(
        Record(
            rrset=row,
            rdata=text,
            digest=parse("A", text, zone=zone.name).digest,
            created_at=now,
            updated_at=now,
        )
        for row, text in zip(rrsets, texts, strict=True)
    )


@pytest.fixture
def large() -> Zone:
    """A zone of many RRsets, beside an empty one."""
    make_zone(EMPTY)
    zone = make_zone()
    populate(zone, RECORDS)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE dns_records_rrset, dns_records_ownername")
    return zone


def new() -> str:
    """Return a label that nobody has used."""
    return f"x{uuid.uuid4().hex}"


Make = Callable[[str], list[Draft]]

WRITES: dict[str, Make] = {
    "a new address": lambda zone: [draft("add", new(), "A", "192.0.2.1")],
    "a CNAME": lambda zone: [draft("add", new(), "CNAME", f"{new()}.{zone}")],
    "an MX of the zone": lambda zone: [draft("add", new(), "MX", f"5 {new()}.{zone}")],
    "a new delegation": lambda zone: [draft("add", new(), "NS", f"{new()}.{zone}")],
    "a new DNAME": lambda zone: [draft("add", new(), "DNAME", "example.org.")],
    "five delegations": lambda zone: [
        draft("add", new(), "NS", "ns.example.org.") for _ in range(5)
    ],
}
# SQLite has no index for them.
LOOK_BELOW = {"a new delegation", "a new DNAME", "five delegations"}


def cost(call: Callable[[], object]) -> tuple[int, float]:
    """Return statements and milliseconds of a call, the best of a few."""
    with CaptureQueriesContext(connection) as statements:
        call()
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
    return len(statements), 1000 * best


def compared(what: str, call: Callable[[str], object]) -> float:
    """Return how many times the cost in the empty zone a call costs in the large one.

    Both take the same statements.
    """
    for zone in (EMPTY, ZONE):
        call(zone)  # what is cached is cached
    few, fast = cost(lambda: call(EMPTY))
    many, slow = cost(lambda: call(ZONE))
    print(f"\n{what}: {fast:.1f} ms empty, {slow:.1f} ms with {RECORDS} RRsets")
    assert many == few
    return slow / fast


def accept(zone: str, make: Make) -> None:
    request = post(*make(zone), zone=zone)
    assert request.status == "queued", request.error


def plan(zone: str) -> None:
    drafts = WRITES["a new address"](zone)
    changes.dry_run(lambda: ChangeSet(zone, drafts), access=ANYONE, origin=origin(""))


@pytest.mark.leaves_stuck
def test_a_write_costs_the_same_in_a_large_zone(large: Zone) -> None:
    for what, make in WRITES.items():
        ratio = compared(what, lambda zone: accept(zone, make))
        if connection.vendor == "postgresql" or what not in LOOK_BELOW:
            assert ratio < AT_MOST, what
    assert compared("a plan", plan) < AT_MOST


@pytest.mark.leaves_stuck
def test_what_is_below_a_name_is_found_by_an_index(zone: Zone) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("there is none elsewhere")
    with CaptureQueriesContext(connection) as statements:
        accept(ZONE, WRITES["a new delegation"])
    (asked,) = [each["sql"] for each in statements if "REVERSE" in each["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {asked}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    # None of the others tells where the range begins.
    assert "rrset_below" in plan and "~>=~" in plan, plan


@pytest.mark.leaves_stuck
@pytest.mark.parametrize(
    "hidden", ["a.under", "*.under", r"_x.a\.b.under", "under", r"x\.under", "xunder"]
)
def test_only_what_is_below_a_name_is_found(zone: Zone, hidden: str) -> None:
    accept(ZONE, lambda zone: [draft("add", hidden, "TXT", "here")])
    request = post(draft("add", "under", "DNAME", "example.org."))
    below = hidden.endswith(".under") and not hidden.endswith(r"\.under")
    assert request.error_code == ("dname_above_data" if below else "")
