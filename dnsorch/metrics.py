"""What all metrics share: buckets, the page, and processes that count together.

Each app's ``metrics`` module lists its own, a constant each. With
``PROMETHEUS_MULTIPROC_DIR`` set, the processes of one worker or one API keep what they
count in files there, and any of them tells all of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from billiard.process import current_process
from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry, multiprocess, values
from prometheus_client.exposition import choose_encoder

# From what a person does not notice to what an operator is called for, in seconds.
STEP_BUCKETS: Final = (
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    *(30.0, 60.0, 300.0, 1800.0, 3600.0, 86_400.0),
)


def prepare() -> None:
    """Have this process and its children count together, before there is a metric."""
    if settings.PROMETHEUS_MULTIPROC_DIR:
        Path(settings.PROMETHEUS_MULTIPROC_DIR).mkdir(parents=True, exist_ok=True)
        make: Callable[..., type] = values.MultiProcessValue
        values.ValueClass = make(process_name)


def process_name() -> str:
    """Return what tells the processes apart that run at the same time.

    Celery replaces a process of its pool after so many tasks. The next one in its
    place goes on with its files; by process ids there would be more and more of them.
    """
    place = getattr(current_process(), "index", None)
    return str(os.getpid()) if place is None else f"place-{place}"


def registry() -> CollectorRegistry:
    """Return what this process has counted, or all processes that count together."""
    if not settings.PROMETHEUS_MULTIPROC_DIR:
        return REGISTRY
    together = CollectorRegistry()
    multiprocess.MultiProcessCollector(  # type: ignore[no-untyped-call]
        together, path=settings.PROMETHEUS_MULTIPROC_DIR
    )
    return together


def page(source: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return the metrics in the format that the scraper accepts, and its type."""
    encode, content_type = choose_encoder(accept)
    return encode(source), content_type
