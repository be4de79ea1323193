"""What it takes: memory of each process, and CPU for each request."""

from __future__ import annotations

from collections.abc import Iterator

from dnsorch.bench.bench import V2, Bench, begin
from dnsorch.bench.figures.messages import await_published
from dnsorch.bench.results import Measured
from dnsorch.bench.stack import FLOOR, SINGLE, BenchStack

MIB = 1024 * 1024


def memory(stack: BenchStack, *names: str) -> dict[str, float]:
    """Return the proportional set size of these of our processes, or all, in MiB."""
    return {
        name: sum(each.memory_full_info().pss for each in stack.processes(name)) / MIB
        for name in names or stack.running
        if name != FLOOR
    }


def cpu(stack: BenchStack) -> dict[str, float]:
    """Return the CPU seconds of each of our processes, with children that ended."""
    found = {}
    for name in stack.running:
        if name != FLOOR:
            found[name] = sum(
                sum(each.cpu_times()[:4]) for each in stack.processes(name)
            )
    return found


def resources(bench: Bench) -> Iterator[Measured]:
    """Single POSTs of eight clients, delivered, verified and published."""
    count = bench.sizes.requests
    bodies = [
        bench.body(V2, name, zone, address)
        for name, zone, address in bench.records(bench.mark(), count, [SINGLE])
    ]
    before = cpu(bench.stack)
    first, _ = begin()
    bench.post(V2, bodies, 8)
    bench.stack.completed(first, count)
    await_published(bench)
    after = cpu(bench.stack)
    spent = {name: (after[name] - before[name]) * 1000 / count for name in after}
    yield from _each("CPU", "s/1,000 requests", spent)
    yield from _each("memory at rest", "MiB PSS", bench.at_rest)
    yield from _each("memory after load", "MiB PSS", memory(bench.stack))


def _each(what: str, unit: str, found: dict[str, float]) -> Iterator[Measured]:
    yield Measured(f"{what}, all", unit, sum(found.values()), less_is_better=True)
    for name, value in found.items():
        yield Measured(f"{what}, {name}", unit, value, less_is_better=True)
