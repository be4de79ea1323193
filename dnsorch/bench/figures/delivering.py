"""Delivering: from POST to the answer of the name servers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from dnsorch.bench.bench import BATCH, V2, Bench, begin
from dnsorch.bench.results import Measured
from dnsorch.bench.stack import DELIVERY, SINGLE


def live(bench: Bench) -> Iterator[Measured]:
    """One request after the other: when DNS answers with it, and the tracker knows."""
    yield from live_in(bench, SINGLE)


def live_in(bench: Bench, zone: str, which: str = "") -> Iterator[Measured]:
    """Post one request after the other in a zone; ``which`` is told of the figures."""
    records = bench.records(bench.mark(), bench.sizes.probes, [zone])
    probes = [
        (name, address, bench.body(V2, name, zone, address))
        for name, _, address in records
    ]
    ours = bench.load(
        "probe",
        url=bench.stack.about["api"] + V2,
        token=bench.stack.about["token"],
        probes=probes,
        ports=bench.stack.nameservers.ports,
    )
    floor = update(bench, bench.sizes.probes, [zone], singly=True)
    for name, kind, against in (
        ("POST to the primary's answer", "first", "first"),
        ("POST to all servers' answers", "all", "all"),
        ("POST to completed", "completed", "all"),
    ):
        yield Measured(
            f"{name}{which}",
            "ms (p50)",
            median(ours[kind]) * 1000,
            {"UPDATE + query": median(floor[against]) * 1000},
            ours[kind],
            less_is_better=True,
        )


def drain(bench: Bench) -> Iterator[Measured]:
    """A backlog that is accepted already, in one zone: delivered and verified."""
    count, zones = bench.sizes.burst, bench.stack.zones[:1]
    bodies = bench.batches(bench.mark(), count, zones)
    first, _ = begin()
    with bench.stack.paused(*DELIVERY):
        bench.post(BATCH, bodies, 2)
    began = time.time()
    ended = bench.stack.completed(first, count)
    yield Measured(
        f"backlog of {count:,} drained",
        "records/s",
        count / (ended - began),
        {"full UPDATEs": _rate(update(bench, count, zones), count)},
    )


def burst(bench: Bench) -> Iterator[Measured]:
    """From the first POST of many to the last verified answer."""
    for zones in (bench.stack.zones[:1], bench.stack.zones):
        count, mark = bench.sizes.burst, bench.mark()
        bodies = bench.batches(mark, count, zones)
        first, _ = begin()
        began = bench.post(BATCH, bodies, 2)["began"]
        ended = bench.stack.completed(first, count)
        *_, (name, _, address) = bench.records(mark, count, zones)
        bench.served(name, address)
        yield Measured(
            f"burst of {count:,} in {len(zones):,} zone(s)",
            "records/s",
            count / (ended - began),
            {"full UPDATEs": _rate(update(bench, count, zones), count)},
        )


def update(
    bench: Bench, count: int, zones: list[str], *, singly: bool = False
) -> dict[str, Any]:
    """Have dnspython write as many records as we do."""
    records: dict[str, list[tuple[str, str]]] = {}
    for name, zone, address in bench.records(bench.mark(), count, zones):
        records.setdefault(zone, []).append((name, address))
    return bench.load(
        "update",
        key=bench.stack.nameservers.key,
        zones=records,
        ports=bench.stack.nameservers.ports,
        singly=singly,
    )


def _rate(done: dict[str, Any], count: int) -> float:
    return count / float(done["ended"] - done["began"])
