"""Gauges that are read from the database when Prometheus asks for them.

The database is the truth about what waits, whatever process it waits for; so these are
served by the API alone, beside what each process counts itself. Each app registers a
function that reads its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

import structlog
from django.db import DatabaseError, InterfaceError
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric

log = structlog.get_logger(__name__)

# A page comes without a token: a flood of them must not become one of queries.
REUSED_FOR_S = 5.0


@dataclass(frozen=True)
class Gauge:
    """The name of a gauge, a sentence that says what it is, and its labels' names."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()

    def family(self, samples: Iterable[tuple[Sequence[str], float]]) -> Metric:
        """Return the gauge with its values, each after those of its labels."""
        family = GaugeMetricFamily(self.name, self.meaning, labels=self.labels)
        for values, value in samples:
            family.add_metric(values, value)
        return family


READABLE = Gauge(
    "dnsorch_state_readable",
    "1 if what waits could be read from the database, else 0 and the rest is missing.",
)

Reader = Callable[[], Iterable[Metric]]

_readers: list[Reader] = []
_lock = Lock()
_last: tuple[float, list[Metric]] | None = None


def register(reader: Reader) -> None:
    """Have ``reader`` asked for its gauges; once, however often it is said."""
    if reader not in _readers:
        _readers.append(reader)


def read() -> list[Metric]:
    """Return the gauges of all readers, as they were within the last five seconds."""
    global _last
    with _lock:
        if _last is None or time.monotonic() - _last[0] >= REUSED_FOR_S:
            _last = (time.monotonic(), _read())
        return _last[1]


def forget() -> None:
    """Read anew at the next question."""
    global _last
    _last = None


def _read() -> list[Metric]:
    try:
        found = [metric for reader in _readers for metric in reader()]
    except (DatabaseError, InterfaceError) as error:
        log.warning("gauges cannot be read", error=str(error))
        return [READABLE.family([((), 0)])]
    return [*found, READABLE.family([((), 1)])]


class _Beside(CollectorRegistry):
    """A registry and, after it, what the database says."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of both."""
        yield from self._registry.collect()
        yield from read()


def beside(registry: CollectorRegistry) -> CollectorRegistry:
    """Return ``registry`` with the gauges from the database beside its own metrics."""
    return _Beside(registry)
