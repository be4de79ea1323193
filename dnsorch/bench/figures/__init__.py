"""The figures, by the name that ``--only`` takes, in the order of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from dnsorch.bench.bench import Bench
from dnsorch.bench.figures import (
    accepting,
    delivering,
    fleet,
    lists,
    messages,
    resources,
    whole_zones,
)
from dnsorch.bench.results import Measured

FIGURES: Mapping[str, Callable[[Bench], Iterator[Measured]]] = {
    "single": accepting.single,
    "batch": accepting.batch,
    "live": delivering.live,
    "drain": delivering.drain,
    "burst": delivering.burst,
    "fleet": fleet.fleet,
    "kafka": messages.kafka,
    "outcomes": messages.outcomes,
    "resources": resources.resources,
    "zone": whole_zones.zone,
    "lists": lists.lists,
}
#: Those that repeat what they measure themselves.
ONCE = frozenset({"lists"})
