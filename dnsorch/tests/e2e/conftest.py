"""Fixtures of the end-to-end tests, and which worker of pytest-xdist runs them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dnsorch.tests.e2e.harness import Stack

HERE = Path(__file__).parent


# Before pytest-xdist looks for the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder; those that share a stack share a worker."""
    for item in items:
        if item.path.is_relative_to(HERE):
            shares = "shared" in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.xdist_group("e2e" if shares else "e2e-own"))


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """Give the stack that tests share: each uses names and keys of its own."""
    shared.since = datetime.now(UTC).isoformat()
    return shared


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start the stack once."""
    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
