"""The one stack that the scenarios share, one after the other, and their table."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from dnsorch.tests import real
from dnsorch.tests.faults.stack import FaultStack
from dnsorch.tests.faults.trial import Table, Trial
from dnsorch.tests.services.harness import ZONE

HERE = Path(__file__).parent
SEED = int(os.environ.get("DNSORCH_TEST_SEED") or random.randrange(10**6))
# Where the real services are not wanted, these tests do not exist; the soak is by hand.
collect_ignore_glob = [] if real.WANTED else ["test_*.py"]
collect_ignore = [] if "DNSORCH_TEST_SOAK_MINUTES" in os.environ else ["test_soak.py"]
_table = Table()

Run = Callable[..., AbstractContextManager[Trial]]
FURTHER = 50


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.faults)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, and say where it is kept."""
    if _table.rows:
        terminalreporter.write_line(_table.text(SEED))
        terminalreporter.write_line(f"kept in {_table.keep(SEED)}")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    """Start the stack once."""
    stack = FaultStack(tmp_path_factory.mktemp("stack"))
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


@pytest.fixture
def stack(shared: FaultStack) -> Iterator[FaultStack]:
    """Give the stack that scenarios share, whole again."""
    shared.heal()
    shared.await_workers()
    yield shared
    shared.heal()


@pytest.fixture(scope="session")
def further_zones(shared: FaultStack) -> list[str]:
    """Give zones that only the scenarios with many of them need."""
    zones = [f"further-{number}.test." for number in range(FURTHER)]
    shared.heal()
    shared.add_zones(*zones)
    return zones


@pytest.fixture
def seed() -> int:
    """Give the seed of this session."""
    return SEED


@pytest.fixture
def zone(request: pytest.FixtureRequest, stack: FaultStack) -> str:
    """Give the zone on BIND, or that on PowerDNS if the parameter says so."""
    wanted = getattr(request, "param", "bind")
    return ZONE if wanted == "bind" else stack.powerdns_zone


@pytest.fixture
def run(stack: FaultStack, seed: int) -> Run:
    """Return what runs a scenario by name in zones, and checks every invariant."""

    def start(name: str, *zones: str, **how: Any) -> AbstractContextManager[Trial]:
        return _table.trial(lambda: Trial(stack, name, list(zones), seed, **how))

    return start
