"""Whole zones: taken over from the name server, and compared with it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dnsorch.bench.bench import JSON, Bench
from dnsorch.bench.figures.delivering import live_in
from dnsorch.bench.figures.resources import memory
from dnsorch.bench.results import Measured
from dnsorch.bench.stack import DELIVERY, PATIENCE_S

PAUSE_S = 0.1
FINAL = {"completed", "failed", "rejected", "cancelled"}
_STATUS = "SELECT status FROM requests_tracker_request WHERE id = %s"
_HELD = (
    "SELECT count(*) FROM dns_records_rrset WHERE present AND zone_id = "
    "(SELECT id FROM dns_records_zone WHERE name = %s)"
)


def zone(bench: Bench) -> Iterator[Measured]:
    """Import and audit of a large zone, their peaks of memory, and changes in it."""
    stack, count = bench.stack, bench.sizes.hosts
    # Each run takes over one that the product does not have yet.
    name = next(
        each for each in stack.large_zones if stack.query(_HELD, each) == [(0,)]
    )
    key, ports = stack.nameservers.key, stack.nameservers.ports
    bare = bench.load("transfer", zone=name, key=key, ports=ports)
    assert bare["names"] > count, bare
    for action, body in (("import", '{"source": "transfer"}'), ("audit", "")):
        seconds, mib = _watched(bench, f"/api/v2/zones/{name}/{action}/", body)
        yield Measured(
            f"{action} of {count:,} records",
            "s",
            seconds,
            {"AXFR": bare["seconds"]},
            less_is_better=True,
        )
        yield Measured(
            f"{action} of {count:,} records, peak",
            "MiB PSS",
            mib,
            {"AXFR": bare["mib"]},
            less_is_better=True,
        )
    ((held,),) = stack.query(_HELD, name)
    assert held >= count, f"{held} RRsets of {name}"
    yield from live_in(bench, name, f", in {count:,} RRsets")


def _watched(bench: Bench, path: str, body: str) -> tuple[float, float]:
    """Post, and wait; return the seconds and the peak of the memory."""
    begin, most = time.monotonic(), 0.0
    with bench.stack.client() as client:
        answer = client.post(path, content=body, headers=JSON if body else None)
    assert answer.status_code == 202, answer.text
    request_id = answer.headers["X-Tracker-Request"]
    while True:
        ((status,),) = bench.stack.query(_STATUS, request_id)
        if status in FINAL:
            break
        most = max(most, _delivery(bench))
        assert time.monotonic() < begin + PATIENCE_S, f"{path} is {status}"
        time.sleep(PAUSE_S)
    assert status == "completed", f"{path} is {status}"
    return time.monotonic() - begin, most


def _delivery(bench: Bench) -> float:
    return sum(memory(bench.stack, *DELIVERY).values())
