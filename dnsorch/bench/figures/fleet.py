"""A fleet: many zones on many servers at once, slow and silent ones among them.

The servers are ports before the primary (:mod:`..forwarders`), each with a backend and
its share of the zones. Fifty workers deliver. Each zone gets one change, first with all
servers quick, which is the floor, then with some that are not.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from dnsorch.bench.bench import BATCH, Bench, begin
from dnsorch.bench.forwarders import SILENT, Forwarders
from dnsorch.bench.results import Measured
from dnsorch.bench.stack import PATIENCE_S
from dnsorch.tests.e2e.harness import until

SERVERS = 50
#: Of fifty: so many answer half a second later than the others, and one not at all.
SLOW, DELAY_S = 5, 0.5
LANES = 50
CROWD = "crowd"
# How long the silent one is, beyond what the others need.
SILENCE_S = 5.0
_SPREAD = """
from dns_records.models import Backend, Zone
from dns_records.services import backends, zones
ours = Backend.objects.get(name="embedded")
made = [
    backends.save(
        name=f"fleet{{port}}", driver=ours.driver,
        options=ours.options | {{"port": port}}, secret_reference=ours.secret_reference,
    )
    for port in {ports!r}
]
for number, name in enumerate({names!r}):
    backend = made[number % len(made)]
    servers = [f"127.0.0.1:{{backend.options['port']}}"]
    zone = Zone.objects.get(name=name)
    zones.change(zone, {{"backend": backend, "nameservers": servers}})
print(json.dumps(None))
"""
_GATHER = """
from dns_records.models import Backend, Zone
from dns_records.services import zones
ours = Backend.objects.get(name="embedded")
for zone in Zone.objects.filter(name__in={names!r}):
    zones.change(zone, {{"backend": ours, "nameservers": {servers!r}}})
Backend.objects.filter(name__startswith="fleet").delete()
print(json.dumps(None))
"""
_ENDS = (
    "SELECT zone, extract(epoch FROM completed_at)::float8 "
    "FROM requests_tracker_request WHERE id >= %s AND status = 'completed'"
)


def fleet(bench: Bench) -> Iterator[Measured]:
    """One change in each zone: of the servers that are well, the slow, the silent."""
    names = bench.stack.zones
    with Forwarders(SERVERS, bench.stack.nameservers.ports[0]) as servers:
        kinds = {
            name: "silent" if number == 0 else "slow" if number <= SLOW else "well"
            for number in range(SERVERS)
            for name in names[number::SERVERS]
        }
        counts = Counter(kinds.values())
        bench.stack.shell(_SPREAD.format(ports=servers.ports, names=names))
        try:
            with _crowd(bench):
                _ends(bench, kinds, [*counts])  # takes the markers
                quick = _ends(bench, kinds, [*counts])
                servers.delays = [SILENT] + [DELAY_S] * SLOW
                servers.delays += [0.0] * (SERVERS - 1 - SLOW)
                ends = _ends(bench, kinds, ["well", "slow"])
                time.sleep(SILENCE_S)
                servers.delays[0] = 0.0
                back = time.time()
                late = _wait(bench, ends.first, kinds, ["silent"])
        finally:
            servers.delays = [0.0] * SERVERS
            addresses = bench.stack.nameservers.addresses
            bench.stack.shell(_GATHER.format(names=names, servers=addresses))
    yield Measured(
        f"fleet of {len(names):,} zones, all servers well",
        "changes/s",
        len(names) / max(quick.took.values()),
    )
    yield Measured(
        f"fleet of {len(names):,}, those that are well",
        "changes/s",
        counts["well"] / ends.took["well"],
        {"all well": counts["well"] / quick.took["well"]},
    )
    yield Measured(
        "fleet, those of slow servers", "s", ends.took["slow"], less_is_better=True
    )
    yield Measured(
        "fleet, those of a silent one, once it is back",
        "s",
        late["silent"] - back,
        less_is_better=True,
    )


class _Ends(NamedTuple):
    """How many seconds after the first POST each kind of server had all its changes.

    ``first`` is the smallest id of their requests.
    """

    first: str
    took: dict[str, float]


def _ends(bench: Bench, kinds: dict[str, str], awaited: list[str]) -> _Ends:
    first, _ = begin()
    bodies = bench.batches(bench.mark(), len(kinds), bench.stack.zones)
    began = bench.post(BATCH, bodies, 2)["began"]
    last = _wait(bench, first, kinds, awaited)
    return _Ends(first, {kind: at - began for kind, at in last.items()})


def _wait(
    bench: Bench, first: str, kinds: dict[str, str], awaited: list[str]
) -> dict[str, float]:
    """Wait for the changes of these kinds of server; return when the last one was."""
    counts = Counter(kinds.values())

    def look() -> dict[str, float] | None:
        ends: dict[str, list[float]] = {kind: [] for kind in awaited}
        for zone, at in bench.stack.query(_ENDS, first):
            if kinds[zone] in ends:
                ends[kinds[zone]].append(at)
        if any(len(own) < counts[kind] for kind, own in ends.items()):
            time.sleep(0.2)
            return None
        return {kind: max(own) for kind, own in ends.items()}

    return until(look, f"the changes of {awaited}", PATIENCE_S)


@contextmanager
def _crowd(bench: Bench) -> Iterator[None]:
    """Have so many lanes at once, not one."""
    stack = bench.stack
    command = stack.commands["worker"]
    stack.kill("worker")
    stack.commands[CROWD] = command.replace("--concurrency 1", f"--concurrency {LANES}")
    assert stack.commands[CROWD] != command
    stack.start(CROWD)
    try:
        yield
    finally:
        stack.kill(CROWD)
        stack.start("worker")
