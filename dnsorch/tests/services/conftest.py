"""Fixtures of the tests on real services, which run one after the other."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka.cimpl import NewTopic

from dnsorch.tests import real
from dnsorch.tests.services.harness import RealStack, administer, kafka_admin

HERE = Path(__file__).parent
# Where the real services are not wanted, these tests do not exist.
collect_ignore_glob = [] if real.WANTED else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.services)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStack]:
    """Start the stack once."""
    stack = RealStack(tmp_path_factory.mktemp("stack"))
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


@pytest.fixture
def stack(shared: RealStack) -> Iterator[RealStack]:
    """Give the stack that tests share: each uses names and keys of its own."""
    shared.since = datetime.now(UTC).isoformat()
    yield shared
    assert shared.overdue() == 0


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Make a database of its own."""
    name = f"own_{uuid.uuid4().hex[:8]}"
    administer(f"CREATE DATABASE {name}")
    yield name
    administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def topics() -> Iterator[list[str]]:
    """Make the three topics of its own."""
    admin, mark = kafka_admin(), uuid.uuid4().hex[:8]
    names = [f"own.{mark}.{kind}" for kind in ("requests", "outcomes", "dlq")]
    for made in admin.create_topics([NewTopic(name, 2, 1) for name in names]).values():
        made.result(30)
    yield names
    for gone in admin.delete_topics(names).values():
        gone.result(30)
