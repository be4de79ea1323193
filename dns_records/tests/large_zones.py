"""Zones of many records on BIND, and what is measured of the work with them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.update
import dns.zone

from deploy.services import tsig
from deploy.services.ports import HOST
from dns_records.models import Zone
from dns_records.services import backends, import_run, imports, zones
from dns_records.services.imports import Order
from dns_records.tests.provider_daemons import Bind
from dns_records.tests.world import ANYONE, ZONE, address
from dnsorch import clock
from requests_tracker.models import Request
from requests_tracker.tests.factories import DOOR, origin

SECRET = "DNSORCH_TEST_IMPORT_TSIG"
FLOOR = "bare AXFR with dnspython"
# Begins the peak of memory anew (proc_pid_clear_refs(5)).
FORGET_THE_PEAK = "5"


def size() -> int:
    """Return how many records a large zone has: few, unless somebody measures."""
    return int(os.environ.get("DNSORCH_TEST_IMPORT_RECORDS", "1500"))


def secret(bind: Bind) -> str:
    """Return the secret of our key."""
    return tsig.secret(bind.daemon.root, tsig.OURS)


def register(bind: Bind) -> Zone:
    """Register the zone of a BIND."""
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
    key = dns.tsig.Key(tsig.OURS, secret(bind), tsig.ALGORITHM)
    for start in range(0, count, 1000):
        update = dns.update.UpdateMessage(ZONE, keyring=key)
        for number in range(start, min(start + 1000, count)):
            update.replace(f"n{number}", 300, "A", address(number % 65_536))
        answer = dns.query.tcp(update, HOST, 30, bind.daemon.port)
        assert answer.rcode() == dns.rcode.NOERROR, answer


def alter(bind: Bind, count: int) -> None:
    """Give so many of the names another address, past dnsorch."""
    key = dns.tsig.Key(tsig.OURS, secret(bind), tsig.ALGORITHM)
    update = dns.update.UpdateMessage(ZONE, keyring=key)
    for number in range(count):
        update.replace(f"n{number}", 300, "A", "192.0.2.99")
    answer = dns.query.tcp(update, HOST, 30, bind.daemon.port)
    assert answer.rcode() == dns.rcode.NOERROR, answer


def transfer(bind: Bind) -> dns.zone.Zone:
    """Read the zone with dnspython alone: less than this no import can cost."""
    query = dns.message.make_query(ZONE, "AXFR")
    query.use_tsig(dns.tsig.Key(tsig.OURS, secret(bind), tsig.ALGORITHM))
    held = dns.zone.Zone(ZONE, relativize=False)
    dns.query.inbound_xfr(HOST, held, query, bind.daemon.port, timeout=30, lifetime=600)
    return held


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


@dataclass
class Measured:
    """Seconds, seconds of CPU in this process, and MiB at the peak above the start."""

    seconds: float = 0
    cpu: float = 0
    mib: float = 0


@dataclass
class Meter:
    """What each piece of work cost."""

    records: int
    rows: dict[str, Measured] = field(default_factory=dict)

    @contextmanager
    def of(self, what: str) -> Iterator[Measured]:
        """Measure the block."""
        Path("/proc/self/clear_refs").write_text(FORGET_THE_PEAK)
        before = _mib("VmRSS")
        started, cpu = time.perf_counter(), time.process_time()
        row = self.rows[what] = Measured()
        yield row
        row.seconds = time.perf_counter() - started
        row.cpu = time.process_time() - cpu
        row.mib = max(0.0, _mib("VmHWM") - before)

    def show(self) -> None:
        """Print a table, with each row as a multiple of the floor."""
        floor = self.rows[FLOOR].seconds
        load = os.getloadavg()[0]
        print(f"\n{self.records} records, load {load:.1f}\n")
        print("| what | x floor | s | s of CPU here | MiB |\n|---|---|---|---|---|")
        for what, row in self.rows.items():
            print(
                f"| {what} | {row.seconds / floor:.2f} | {row.seconds:.2f} "
                f"| {row.cpu:.2f} | {row.mib:.0f} |"
            )


def _mib(field: str) -> float:
    """Return a size in the status of this process (proc_pid_status(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) / 1024
    raise LookupError(field)
