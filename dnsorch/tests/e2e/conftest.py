"""The stack that the end-to-end tests of one process share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dnsorch.tests.e2e.harness import Stack, free_ports

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def stack(shared: Stack) -> Iterator[Stack]:
    """Give the stack that tests share: each uses names and keys of its own."""
    shared.since = datetime.now(UTC).isoformat()
    yield shared
    assert shared.overdue() == 0


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start the stack once, with traces that come at once, and metrics."""
    directory = tmp_path_factory.mktemp("stack")
    traced = {
        "DNSORCH_TRACE_FILE": str(directory / "traces.jsonl"),
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    loops = ("worker", "sweep", "consumer", "publisher")
    own = {
        name: {"DNSORCH_METRICS_PORT": str(port)}
        for name, port in zip(loops, free_ports(len(loops)), strict=True)
    }
    own["worker"]["PROMETHEUS_MULTIPROC_DIR"] = str(directory / "metrics")
    stack = Stack(directory, extra=traced, own=own)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
