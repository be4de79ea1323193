"""A Kafka and an API for the tests of this app, both over real sockets."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
from pytest_django.fixtures import Settings

from dnsorch.embedded.kafka import MockKafka
from dnsorch.tests import real
from kafka_bridge.tests.support import FakeApi, RealKafka, Topics


@pytest.fixture(scope="session")
def shared_kafka() -> Iterator[MockKafka | RealKafka]:
    """One cluster for all tests of a process; each test has topics of its own.

    It is Apache Kafka where the environment names the real services.
    """
    if real.WANTED:
        yield RealKafka(real.setting("KAFKA_BOOTSTRAP_SERVERS"))
        return
    with MockKafka() as kafka:
        yield kafka


@pytest.fixture
def topics(shared_kafka: MockKafka | RealKafka, settings: Settings) -> Topics:
    """Three fresh topics, and the settings that name them."""
    mark = uuid.uuid4().hex[:8]
    names = Topics(
        shared_kafka.address, f"requests-{mark}", f"outcomes-{mark}", f"dlq-{mark}"
    )
    for name, partitions in ((names.requests, 3), (names.outcomes, 3), (names.dlq, 2)):
        shared_kafka.create_topic(name, partitions)
    settings.KAFKA_BOOTSTRAP_SERVERS = shared_kafka.address
    settings.KAFKA_CLIENT_OPTIONS = {
        "session.timeout.ms": 3_000,
        "heartbeat.interval.ms": 200,
        "fetch.wait.max.ms": 50,
    }
    settings.KAFKA_TOPIC_REQUESTS = names.requests
    settings.KAFKA_TOPIC_OUTCOMES = names.outcomes
    settings.KAFKA_TOPIC_DLQ = names.dlq
    return names


@pytest.fixture
def make_kafka() -> Iterator[Callable[[], MockKafka]]:
    """Clusters of a test's own, for those that break them."""
    made: list[MockKafka] = []

    def make() -> MockKafka:
        made.append(MockKafka())
        return made[-1]

    yield make
    for kafka in made:
        kafka.close()


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """An API that accepts everything until the test says otherwise."""
    with FakeApi() as fake:
        yield fake
